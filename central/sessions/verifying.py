"""A market session recomputed from its documents: the same outcome, or the first difference.

```
 offers, requests before the first list ──► book ──► clear ──► list of round 1 == the one published?
 answer of the DSO ──► ceilings ──► clear again ──► list of round 2 == …? ──► final outcomes == …?
```

Whoever has the documents, the grid's registry and the rules can do it; nobody has to be trusted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar

from central.documents.encoding import encode
from central.documents.header import Document, Envelope, Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome, Stage
from central.documents.request import FlexRequest
from central.documents.validation import TechnicalValidation
from central.market.book import Book, reference
from central.market.clearing import Clearing
from central.market.outcome import market_outcome
from central.market.rounds import ceilings_after, holds, next_clearing
from central.market.rules import Rules
from central.sessions.auction import part_of

Kind = TypeVar("Kind", bound=Document)


@dataclass(frozen=True, slots=True)
class Registry:
    """The grid node and tan φ of each POD, and the primary substation of each node."""

    nodes: Mapping[str, str]
    zones: Mapping[str, str]
    tan_phi: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What became of a recomputation.

    Args:
        rounds: lists that were recomputed.
        outcomes: final outcomes that were.
        difference: the first, in words; empty if there is none.
        wanting: what is not there and is needed, in words; empty if all is.
    """

    rounds: int
    outcomes: int
    difference: str = ""
    wanting: str = ""


def recompute(
    session: str,
    documents: Sequence[Document],
    registry: Registry,
    rules: Rules,
    refused: Mapping[Reference, str],
) -> Recomputed:
    """Return whether documents of a session lead to the outcomes that were published.

    Args:
        session: its name.
        documents: all of it, in the order in which they arrived.
        registry: where PODs are on the grid.
        rules: by which the market cleared.
        refused: offers that may not be admitted, and why, as the verifier finds it.
    """
    lists = [
        each for each in _of(MarketOutcome, documents, session) if each.stage is Stage.PRELIMINARY
    ]
    if not lists:
        return Recomputed(0, 0, wanting="there is no preliminary list (I-08) of the session")
    if unnamed := _unnamed(session, documents, lists[0]):
        return Recomputed(0, 0, difference=f"offer {unnamed} came in time, and no list names it")
    book = _book(session, documents, lists[0], registry, refused)
    answers = {
        (each.outcome.mrid, each.outcome.revision): each
        for each in _of(TechnicalValidation, documents, session)
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
    return _finals(session, documents, clearing, refused, len(lists))


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


def _book(
    session: str, documents: Sequence[Document], first: MarketOutcome,
    registry: Registry, refused: Mapping[Reference, str],
) -> Book:  # fmt: skip
    """Return the book as it stood at the first list, without what was not admitted."""
    before = documents[: documents.index(first)]
    offers = [each for each in _of(FlexOffer, before, session) if reference(each) not in refused]
    return Book.of(
        session, first.horizon, first.validity, offers=offers,
        requests=_of(FlexRequest, before, session), nodes=registry.nodes, zones=registry.zones,
        tan_phi=registry.tan_phi,
    )  # fmt: skip


def _unnamed(session: str, documents: Sequence[Document], first: MarketOutcome) -> str:
    """Return an offer that was there and is neither taken, nor not taken, nor refused."""
    named = {each.offer.mrid for each in first.awards}
    named |= {each.offer.mrid for each in first.not_taken}
    before = documents[: documents.index(first)]
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
