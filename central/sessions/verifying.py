"""A market session recomputed from its documents: the same outcome, or the first difference.

```
 offers, requests before the first list ──► book ──► clear ──► list of round 1 == the one published?
 answer of the DSO ──► ceilings ──► clear again ──► list of round 2 == …? ──► final outcomes == …?
```

The book of a day is what was handed in and may be admitted; that of real time is what the days
have left, by the outcomes that were published before. Whoever has the documents, the grid's
registry and the rules can do it; nobody has to be trusted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from central.calendar import day_of
from central.documents.baseline import Baseline
from central.documents.customers import CustomerList
from central.documents.encoding import encode
from central.documents.header import Document, Envelope, Horizon, Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome, Stage
from central.documents.request import FlexRequest
from central.documents.validation import TechnicalValidation
from central.dso.grid.model import Grid
from central.market.admission import Arrived, admit
from central.market.book import Book, reference
from central.market.clearing import Clearing
from central.market.gates import Gates, named
from central.market.outcome import market_outcome
from central.market.rounds import ceilings_after, holds, next_clearing
from central.market.rules import Rules
from central.sessions import day_ahead, real_time
from central.sessions.admitting import (
    market_day,
    nodes_of,
    refused_offers,
    tan_phi_of,
    zones_of,
)
from central.sessions.auction import part_of
from central.sessions.delivered import shares_told
from central.sessions.desk import Parties
from central.sessions.exporting import Export
from central.sessions.leftovers import Left, days_of, earlier_outcomes, left_for
from ledger.facts.interval import QUARTER_MS

Kind = TypeVar("Kind", bound=Document)

_LATE = "gate_closed"


@dataclass(frozen=True, slots=True)
class Registry:
    """The grid node and tan φ of each POD, and the primary substation of each node.

    `delivered` is how surely PODs have delivered so far: the operator's word, from its row.
    """

    nodes: Mapping[str, str]
    zones: Mapping[str, str]
    tan_phi: Mapping[str, float] = field(default_factory=dict)
    delivered: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What became of a recomputation.

    Args:
        rounds: lists that were recomputed.
        outcomes: final outcomes that were.
        difference: the first, in words; empty if there is none.
        wanting: what is not there and is needed, in words, and what to do; empty if all is.
        unpublished: sessions of the hours' days whose outcome is not there, and needed in nothing:
            the lists name no offer that they left.
    """

    rounds: int
    outcomes: int
    difference: str = ""
    wanting: str = ""
    unpublished: tuple[str, ...] = ()


def verified(export: Export, grid: Grid, rules: Rules) -> Recomputed:
    """Return whether an exported session leads to the outcomes that it published.

    Args:
        export: read back; what of it is not proved is for the caller to tell.
        grid: the operator's registry.
        rules: by which the market cleared.

    Raises:
        Rejected: the session's name is none.
    """
    documents = [each.document for each in export.documents]
    first = _first_list(documents, export.session)
    # What came after the first list had no part in it, however early its gate would have let it.
    before = export.documents[: documents.index(first) if first else None]
    given = [
        Arrived(each.document, each.arrived_ms)
        for each in before
        if isinstance(each.document, Baseline)
        or (isinstance(each.document, FlexOffer | FlexRequest)
            and each.document.session == export.session)
    ]  # fmt: skip
    gates = gates_told(export.session, [each.document for each in given])
    lists = [
        each.document
        for each in before
        if isinstance(each.document, CustomerList) and each.arrived_ms < gates.closes_ms
    ]
    admission = admit(market_day(grid, gates, rules, lists, Parties()), given)
    told = {each.offer for each in first.not_taken} if first else set()
    refused = {
        each: why
        for each, why in refused_offers(admission, given).items()
        if each in told or admission.refused[each].reason != _LATE
    }
    out = admission.refused.keys() - refused
    fit = [
        each
        for each in documents
        if not isinstance(each, FlexOffer | FlexRequest) or reference(each) not in out
    ]
    shares = shares_told((each["row"], each["told"]) for each in export.rows)
    registry = Registry(nodes_of(grid), zones_of(grid), tan_phi_of(grid), shares)
    return recompute(gates, fit, registry, rules, refused)


def gates_told(session: str, given: Iterable[Document]) -> Gates:
    """Return the gates of a session by its name; a day's may close when its offers say.

    Raises:
        Rejected: no session has such a name.
    """
    usual = named(session)
    if usual.horizon is Horizon.REAL_TIME:
        return real_time.gates_of(usual.own.start_ms - QUARTER_MS)
    told = Counter(each.gate_closure_ms for each in given if isinstance(each, FlexOffer))
    closes_ms = told.most_common(1)[0][0] if told else usual.closes_ms
    if closes_ms == usual.closes_ms:
        return usual
    return day_ahead.gates_of(day_of(usual.interval.start_ms), closes_ms)


def recompute(
    gates: Gates,
    documents: Sequence[Document],
    registry: Registry,
    rules: Rules,
    refused: Mapping[Reference, str],
) -> Recomputed:
    """Return whether documents of a session lead to the outcomes that were published.

    Args:
        gates: of the session.
        documents: all of it, in the order in which they arrived.
        registry: where PODs are on the grid.
        rules: by which the market cleared.
        refused: offers that may not be admitted, and why, as the verifier finds it.
    """
    session = gates.session
    lists = _lists(documents, session)
    if not lists:
        return Recomputed(0, 0, wanting="there is no preliminary list (I-08) of the session")
    before = documents[: documents.index(lists[0])]
    if unnamed := _unnamed(session, before, lists[0]):
        return Recomputed(0, 0, difference=f"offer {unnamed} came in time, and no list names it")
    offers = [each for each in _of(FlexOffer, before, session) if reference(each) not in refused]
    left = Left(tuple(offers), {}, (), ())
    if gates.horizon is Horizon.REAL_TIME:
        left = _left(gates, before, lists[0].receiver)
        if wanting := _wanting(left, lists[0], refused):
            return Recomputed(0, 0, wanting=wanting)
    book = Book.of(
        session, gates.horizon, gates.interval, offers=left.offers, called=left.called,
        requests=_of(FlexRequest, before, session), nodes=registry.nodes, zones=registry.zones,
        tan_phi=registry.tan_phi, delivered=registry.delivered,
    )  # fmt: skip
    found = _recleared(book, rules, lists, documents, refused)
    return replace(found, unpublished=left.unpublished)


def _recleared(
    book: Book, rules: Rules, lists: Sequence[MarketOutcome], documents: Sequence[Document],
    refused: Mapping[Reference, str],
) -> Recomputed:  # fmt: skip
    """Clear round by round, under what the DSO answered, and compare each list."""
    answers = {
        (each.outcome.mrid, each.outcome.revision): each
        for each in _of(TechnicalValidation, documents, book.session)
    }
    clearing: Clearing | None = None
    ceilings: dict[tuple[str, int], int] = {}
    for number, told in enumerate(lists, 1):
        clearing = next_clearing(book, rules, number, clearing, ceilings)
        made = market_outcome(clearing, _envelope(told), Stage.PRELIMINARY, refused)
        if difference := _difference(made, told):
            return Recomputed(number - 1, 0, difference=f"list of round {number}: {difference}")
        answer = answers.get((told.mrid, told.revision))
        if answer is None and told.awards:
            return Recomputed(
                number, 0, wanting=f"the validation (I-07) of round {number} is not there"
            )
        if answer is not None:
            ceilings = ceilings_after(answer, told, ceilings)
        if number == len(lists) and answer is not None and not holds(answer):
            return Recomputed(number, 0, difference="the grid does not bear the last list")
    assert clearing is not None  # noqa: S101 -- there is a list
    return _finals(book.session, documents, clearing, refused, len(lists))


def _finals(
    session: str, documents: Sequence[Document], clearing: Clearing,
    refused: Mapping[Reference, str], rounds: int,
) -> Recomputed:  # fmt: skip
    finals = [each for each in _of(MarketOutcome, documents, session) if each.stage is Stage.FINAL]
    if not finals:
        return Recomputed(rounds, 0, wanting="no final outcome (I-08) is published")
    senders = {offer.mrid: offer.sender for offer in clearing.book.offers}
    for count, told in enumerate(finals):
        made = market_outcome(clearing, _envelope(told), Stage.FINAL, refused)
        if told.receiver in senders.values():
            made = part_of(made, senders)
        if difference := _difference(made, told):
            return Recomputed(rounds, count, difference=f"outcome to {told.receiver}: {difference}")
    return Recomputed(rounds, len(finals))


def _first_list(documents: Iterable[Document], session: str) -> MarketOutcome | None:
    return next(iter(_lists(documents, session)), None)


def _lists(documents: Iterable[Document], session: str) -> list[MarketOutcome]:
    outcomes = _of(MarketOutcome, documents, session)
    return [each for each in outcomes if each.stage is Stage.PRELIMINARY]


def _left(gates: Gates, before: Sequence[Document], receiver: str) -> Left:
    """Return what the days had left when the first list of a real-time session was made."""
    outcomes = earlier_outcomes(before, gates.session, days_of(gates.interval), receiver)
    offers = (each for each in before if isinstance(each, FlexOffer))
    return left_for(gates.interval, outcomes, offers)


def _wanting(left: Left, first: MarketOutcome, refused: Mapping[Reference, str]) -> str:
    """Return what keeps the book of a real-time session from being made up again, and what to do.

    All that is in the book stands in its list. So a list that names nothing but what some days
    have left was made as if the others had published nothing, and nothing is wanting.
    """
    if left.wanting:
        return f"{left.wanting}: ask the operator for another export"
    named = {each.offer for each in first.awards} | {each.offer for each in first.not_taken}
    strange = sorted(named - refused.keys() - {reference(each) for each in left.offers})
    if not strange or not left.unpublished:
        return ""
    return (
        f"the outcome (I-08) of {left.unpublished[0]} is not there, and the list names what it "
        f"left, offer {strange[0].mrid} first: ask the operator for an export with it"
    )


def _unnamed(session: str, before: Iterable[Document], first: MarketOutcome) -> str:
    """Return an offer that was there and is neither taken, nor not taken, nor refused."""
    named = {each.offer.mrid for each in first.awards}
    named |= {each.offer.mrid for each in first.not_taken}
    there = {each.mrid for each in _of(FlexOffer, before, session)}
    return min(there - named, default="")


def _of(kind: type[Kind], documents: Iterable[Document], session: str) -> list[Kind]:
    return [
        each
        for each in documents
        if isinstance(each, kind) and getattr(each, "session", None) == session
    ]


def _envelope(told: Document) -> Envelope:
    return Envelope(
        mrid=told.mrid, revision=told.revision, created_ms=told.created_ms,
        sender=told.sender, receiver=told.receiver,
    )  # fmt: skip


def _difference(made: MarketOutcome, told: MarketOutcome) -> str:
    """Return the first field in which two outcomes differ, with both values; empty if in none."""
    if encode(made) == encode(told):
        return ""
    for each in fields(made):
        mine, theirs = getattr(made, each.name), getattr(told, each.name)
        if mine != theirs:
            return f"{each.name}: {_first(mine, theirs)}"
    return "the bytes differ"


def _first(mine: object, theirs: object) -> str:
    if isinstance(mine, tuple) and isinstance(theirs, tuple):
        for place, (one, other) in enumerate(zip(mine, theirs, strict=False)):
            if one != other:
                return f"entry {place} is recomputed as {one}, published as {other}"
        return f"{len(mine)} entries are recomputed, {len(theirs)} published"
    return f"recomputed as {mine}, published as {theirs}"
