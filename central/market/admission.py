"""What a session admits: each document by itself, then those that stand together.

```
 each by itself   session, gate, quarter-hours, price cap, POD, portfolio, consent, contract, room
 revisions        the newest that passed counts: what is refused changes nothing
 links            only to an admitted offer of the same sender
```

A sender is told at once what stands against its document as it arrives (`check_arriving`): what a
session would say if its gate closed then. What only somebody else's document can bring, a
programme or another offer that is not there yet, is left to the gate.

An exclusive group is its sender's: the same name from another sender is another group, so that
nobody can shut out another's offers by using its names. The instant at which the store stamped a
document counts, not the order in which documents are looked at: the same documents are admitted,
whatever order they come in. Power is positive when taken from the grid. A contract lets a POD
take and give so much; a programme (I-03) of `b` leaves

- UP, less taken or more given: at most `b + what it may give`;
- DOWN, more taken or less given: at most `what it may take - b`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NoReturn, TypeVar

from central.documents.baseline import Baseline
from central.documents.customers import CustomerList, ListedCustomer
from central.documents.header import Buyer, Direction, Document, Horizon, Reference
from central.documents.offer import FlexOffer, OfferedQuarter
from central.documents.request import FlexRequest
from central.market.gates import Gates
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS

Kind = TypeVar("Kind", bound=Document)

_BROUGHT_BY_OTHERS: Mapping[type[Document], frozenset[str]] = {
    FlexOffer: frozenset({"no_baseline"}),
    Baseline: frozenset({"not_in_portfolio"}),
}
"""Reasons that another party's document may still take away; all else is looked at before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a point of delivery may take from the grid, and give to it [W]."""

    take_w: int
    give_w: int


@dataclass(frozen=True, kw_only=True)
class MarketDay:
    """What a session checks documents against.

    Args:
        gates: of the session.
        price_cap_ueur_per_mwh: no price lies above it.
        contracts: of each POD, by its code, from the operator's registry.
        zones: the primary substation of each node, from the same.
        portfolios: the list of customers (I-02) that counts, by its sender.
        buyers: who may ask, by party.
        baselines: the programmes that count (I-03), by POD.
    """

    gates: Gates
    price_cap_ueur_per_mwh: int
    contracts: Mapping[str, Contract]
    zones: Mapping[str, str]
    portfolios: Mapping[str, CustomerList]
    buyers: Mapping[str, Buyer]
    baselines: Mapping[str, Baseline] = field(default_factory=dict)

    @cached_property
    def customers(self) -> Mapping[tuple[str, str], ListedCustomer]:
        """Return the customers, by who lists them and the code of their POD."""
        return {
            (sender, customer.pod.code): customer
            for sender, listed in self.portfolios.items()
            for customer in listed.customers
        }

    @cached_property
    def balance_parties(self) -> Mapping[str, frozenset[str]]:
        """Return who may file the programme of each POD."""
        found: dict[str, frozenset[str]] = {}
        for (_, pod), customer in self.customers.items():
            found[pod] = found.get(pod, frozenset()) | {customer.balance_party}
        return found

    @cached_property
    def substations(self) -> frozenset[str]:
        """Return the primary substations that feed a node."""
        return frozenset(self.zones.values())


@dataclass(frozen=True, slots=True)
class Arrived:
    """A document, and when the store stamped it [ms since 1970, UTC]."""

    document: Document
    at_ms: int


@dataclass(frozen=True, slots=True)
class Admission:
    """What a session admits.

    Args:
        day: with the programmes frozen in it.
        offers, requests: by mRID.
        refused: what is not admitted, and why, by document.
    """

    day: MarketDay
    offers: tuple[FlexOffer, ...]
    requests: tuple[FlexRequest, ...]
    refused: Mapping[Reference, Rejected]


def admit(day: MarketDay, arrived: Iterable[Arrived]) -> Admission:
    """Return what a session admits of all that was handed in for it, in whatever order.

    Programmes first, for offers are held to them as they stand when the gate closes.
    """
    refused: dict[Reference, Rejected] = {}
    ordered = _as_stamped(arrived)
    frozen = _frozen(day, ordered, refused)
    offers = _fit(frozen, ordered, FlexOffer, refused)
    _drop_loose_links(offers, ordered, refused)
    requests = _fit(frozen, ordered, FlexRequest, refused)
    return Admission(
        frozen, tuple(offers[mrid] for mrid in sorted(offers)),
        tuple(requests[mrid] for mrid in sorted(requests)), refused,
    )  # fmt: skip


def check_arriving(
    day: MarketDay, document: Document, at_ms: int, before: Iterable[Arrived] = ()
) -> None:
    """Check one document as it arrives, beside what is there by then.

    Args:
        day: with the lists of customers as they stand.
        document: that arrives.
        at_ms: its stamp [ms since 1970, UTC].
        before: programmes, and the offer that it is linked to, as far as they are there.

    Raises:
        Rejected: a session whose gate closed now would refuse it, for the same reason.
    """
    ordered = _as_stamped(before)
    try:
        check(_frozen(day, ordered, {}), document, at_ms)
        if isinstance(document, FlexOffer):
            _need_own_link(document, _senders(ordered))
    except Rejected as error:
        if error.reason not in _BROUGHT_BY_OTHERS.get(type(document), ()):
            raise


def check(day: MarketDay, document: Document, at_ms: int) -> None:
    """Check one document by itself, on what counts when the gate closes.

    Raises:
        Rejected: it is not admitted: the reason by name, `where` its place in the JSON.
    """
    match document:
        case FlexOffer():
            check_offer(day, document, at_ms)
        case FlexRequest():
            check_request(day, document, at_ms)
        case Baseline():
            check_baseline(day, document, at_ms)
        case _:
            _refuse("$.ii", f"a session does not admit {document.ii}", "wrong_ii")


def check_offer(day: MarketDay, offer: FlexOffer, at_ms: int) -> None:
    """Check an offer (I-05) by itself.

    Raises:
        Rejected: `other_session`, `no_new_offers`, `other_gate`, `gate_not_open`, `gate_closed`,
            `expired`, `outside_market_day`, `unknown_pod`, `not_in_portfolio`, `no_consent`,
            `above_price_cap`, `above_contract_power`, `no_baseline` or `above_baseline_room`.
    """
    _need_session(day, offer.session)
    if day.gates.horizon is Horizon.REAL_TIME:
        _refuse("$.session", "real time trades the day-ahead offers that are left", "no_new_offers")
    if offer.gate_closure_ms != day.gates.closes_ms:
        # The operator reads offers from then on: another gate would open them at another time.
        _refuse("$.gate_closure_at", "the session's gate closes at another time", "other_gate")
    _need_gate(day, at_ms)
    _need_life(day, offer.expires_ms)
    _need_traded(day, (each.start_ms for each in offer.quarters))
    customer, contract = _customer_of(day, offer)
    for place, quarter in enumerate(offer.quarters):
        _need_price(day, quarter, place)
        if quarter.start_ms not in customer.consent:
            _refuse(_at(place, "start_at"), "its owner does not consent to it then", "no_consent")
    _need_room(day, offer, contract)


def check_request(day: MarketDay, request: FlexRequest, at_ms: int) -> None:
    """Check a request (I-06) by itself.

    Raises:
        Rejected: `other_session`, `other_horizon`, `gate_not_open`, `gate_closed`, `expired`,
            `outside_market_day`, `not_the_buyer`, `unknown_substation`, `unknown_node` or
            `above_price_cap`.
    """
    _need_session(day, request.session)
    if request.horizon is not day.gates.horizon:
        _refuse("$.horizon", f"the session is {day.gates.horizon}", "other_horizon")
    _need_gate(day, at_ms)
    _need_life(day, request.expires_ms)
    _need_traded(day, (each.start_ms for each in request.quarters))
    if day.buyers.get(request.sender) is not request.buyer:
        _refuse("$.buyer", f"{request.sender} does not buy as {request.buyer}", "not_the_buyer")
    if request.primary_substation not in day.substations:
        _refuse(
            "$.primary_substation", f"no node is fed by {request.primary_substation}",
            "unknown_substation",
        )  # fmt: skip
    for place, node in enumerate(request.nodes):
        if node not in day.zones:
            _refuse(f"$.nodes[{place}]", f"{node} is not in the registry", "unknown_node")
    if request.maximum_price_ueur_per_mwh > day.price_cap_ueur_per_mwh:
        _refuse("$.maximum_price_ueur_per_mwh", _cap(day), "above_price_cap")


def check_baseline(day: MarketDay, baseline: Baseline, at_ms: int) -> None:
    """Check a programme (I-03) by itself; it may come before the gate opens.

    Raises:
        Rejected: `frozen`, `unknown_pod`, `outside_market_day`, `not_in_portfolio` or
            `not_the_balance_party`.
    """
    if day.gates.horizon is Horizon.REAL_TIME or at_ms >= day.gates.closes_ms:
        _refuse("$", "it is frozen since the day-ahead gate has closed", "frozen")
    pod = baseline.pod.code
    if pod not in day.contracts:
        _refuse("$.pod", f"{pod} is not in the operator's registry", "unknown_pod")
    traded, told_of = day.gates.interval, baseline.validity
    if told_of.start_ms > traded.start_ms or told_of.end_ms < traded.end_ms:
        _refuse("$.validity", "it does not speak of all that is traded", "outside_market_day")
    parties = day.balance_parties.get(pod)
    if not parties:
        _refuse("$.pod", f"{pod} is in nobody's portfolio", "not_in_portfolio")
    if baseline.sender not in parties:
        told = ", ".join(sorted(parties))
        _refuse("$.sender", f"{told} files the programme of {pod}", "not_the_balance_party")


def room_w(direction: Direction, contract: Contract, baseline_w: int) -> int:
    """Return what a programme leaves room for in a direction [W], never negative."""
    up = direction is Direction.UP
    return max(0, baseline_w + contract.give_w if up else contract.take_w - baseline_w)


# ── together ────────────────────────────────────────────────────────────────────────────────


def _as_stamped(arrived: Iterable[Arrived]) -> list[Arrived]:
    return sorted(arrived, key=lambda one: (one.at_ms, one.document.mrid, one.document.revision))


def _frozen(
    day: MarketDay, arrived: Iterable[Arrived], refused: dict[Reference, Rejected]
) -> MarketDay:
    """Return the day with the programmes that count; of two for one POD the later stamped."""
    filed = _fit(day, arrived, Baseline, refused).values()
    return replace(day, baselines={**day.baselines, **{one.pod.code: one for one in filed}})


def _fit(
    day: MarketDay, arrived: Iterable[Arrived], kind: type[Kind], refused: dict[Reference, Rejected]
) -> dict[str, Kind]:
    """Return the newest revisions of a kind that pass by themselves, as they were stamped."""
    fit: dict[str, Kind] = {}
    for one in arrived:
        document = one.document
        if not isinstance(document, kind):
            continue
        try:
            check(day, document, one.at_ms)
        except Rejected as error:
            refused[_named(document)] = error
            continue
        known = fit.pop(document.mrid, None) or document
        older, newer = sorted((known, document), key=lambda each: each.revision)
        fit[document.mrid] = newer
        if older.revision < newer.revision:
            refused[_named(older)] = _refusal(
                "$.revision", f"revision {newer.revision} has taken its place", "superseded"
            )
    return fit


def _drop_loose_links(
    offers: dict[str, FlexOffer], arrived: Iterable[Arrived], refused: dict[Reference, Rejected]
) -> None:
    """Take away offers whose link leads nowhere, until all that are left hold."""
    senders = _senders(arrived)
    while loose := [one for one in offers.values() if not _is_linked(one, offers)]:
        for offer in loose:
            try:
                _need_own_link(offer, senders)
                _refuse("$.linked_to", f"offer {offer.linked_to} is not admitted",
                        "linked_offer_missing")  # fmt: skip
            except Rejected as error:
                refused[_named(offer)] = error
        for offer in loose:
            del offers[offer.mrid]


def _is_linked(offer: FlexOffer, offers: Mapping[str, FlexOffer]) -> bool:
    if offer.linked_to is None:
        return True
    linked = offers.get(offer.linked_to)
    return linked is not None and linked.sender == offer.sender


def _senders(arrived: Iterable[Arrived]) -> dict[str, str]:
    offers = (one.document for one in arrived if isinstance(one.document, FlexOffer))
    return {offer.mrid: offer.sender for offer in offers}


def _need_own_link(offer: FlexOffer, senders: Mapping[str, str]) -> None:
    if senders.get(offer.linked_to or "", offer.sender) != offer.sender:
        _refuse("$.linked_to", f"offer {offer.linked_to} is another sender's", "foreign_link")


# ── by itself ───────────────────────────────────────────────────────────────────────────────


def _need_session(day: MarketDay, session: str) -> None:
    if session != day.gates.session:
        _refuse("$.session", f"this session is {day.gates.session}", "other_session")


def _need_gate(day: MarketDay, at_ms: int) -> None:
    if at_ms < day.gates.opens_ms:
        _refuse("$", "the gate has not opened yet", "gate_not_open", "send it again then")
    if at_ms >= day.gates.closes_ms:
        _refuse("$", "the gate has closed", "gate_closed", "send it to the next session")


def _need_life(day: MarketDay, expires_ms: int) -> None:
    if expires_ms <= day.gates.closes_ms:
        _refuse("$.expires_at", "it ends before the gate has closed", "expired")


def _need_traded(day: MarketDay, starts_ms: Iterable[int]) -> None:
    for place, start_ms in enumerate(starts_ms):
        if start_ms not in day.gates.interval:
            _refuse(_at(place, "start_at"), "the session does not trade it", "outside_market_day")


def _need_price(day: MarketDay, quarter: OfferedQuarter, place: int) -> None:
    for number, step in enumerate(quarter.steps):
        if step.price_ueur_per_mwh > day.price_cap_ueur_per_mwh:
            where = _at(place, f"steps[{number}].price_ueur_per_mwh")
            _refuse(where, _cap(day), "above_price_cap")


def _customer_of(day: MarketDay, offer: FlexOffer) -> tuple[ListedCustomer, Contract]:
    """Return an offer's customer, and the tighter of its contract as listed and as registered."""
    pod = offer.pod.code
    registered = day.contracts.get(pod)
    if registered is None:
        _refuse("$.pod", f"{pod} is not in the operator's registry", "unknown_pod")
    listed = day.portfolios.get(offer.sender)
    customer = day.customers.get((offer.sender, pod))
    if listed is None or customer is None:
        _refuse("$.pod", f"{pod} is not in {offer.sender}'s portfolio", "not_in_portfolio")
    for place, quarter in enumerate(offer.quarters):
        if quarter.start_ms not in listed.validity:
            _refuse(_at(place, "start_at"), "its portfolio ends before", "not_in_portfolio")
    return customer, Contract(
        take_w=min(registered.take_w, customer.contract_w),
        give_w=min(registered.give_w, customer.feed_in_w),
    )


def _need_room(day: MarketDay, offer: FlexOffer, contract: Contract) -> None:
    swing_w = contract.take_w + contract.give_w
    for place, quarter in enumerate(offer.quarters):
        if quarter.maximum_w > swing_w:
            where = _top(place, quarter)
            _refuse(where, f"its contract lets it move {swing_w} W", "above_contract_power")
    baseline = day.baselines.get(offer.pod.code)
    for place, quarter in enumerate(offer.quarters):
        if baseline is None or quarter.start_ms not in baseline.validity:
            _refuse("$.pod", f"no programme is filed for {offer.pod}", "no_baseline")
        at = (quarter.start_ms - baseline.validity.start_ms) // QUARTER_MS
        left_w = room_w(offer.direction, contract, baseline.quarters[at].power_w)
        if quarter.maximum_w > left_w:
            where = _top(place, quarter)
            _refuse(where, f"its programme leaves room for {left_w} W", "above_baseline_room")


def _cap(day: MarketDay) -> str:
    return f"the price cap is {day.price_cap_ueur_per_mwh} µEUR/MWh"


def _at(place: int, inner: str) -> str:
    return f"$.quarters[{place}].{inner}"


def _top(place: int, quarter: OfferedQuarter) -> str:
    return _at(place, f"steps[{len(quarter.steps) - 1}].up_to_w")


def _named(document: Document) -> Reference:
    return Reference(mrid=document.mrid, revision=document.revision)


def _refusal(where: str, what: str, reason: str, remedy: str = "") -> Rejected:
    return Rejected(what, where=where, reason=reason, remedy=remedy)


def _refuse(where: str, what: str, reason: str, remedy: str = "") -> NoReturn:
    raise _refusal(where, what, reason, remedy)
