"""What a session admits: documents as the store stamped them, held to registry and programmes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from central.documents.baseline import Baseline
from central.documents.customers import CustomerList
from central.documents.encoding import opened
from central.documents.header import Buyer, Reference
from central.documents.offer import FlexOffer
from central.documents.request import FlexRequest
from central.dso.grid.model import Grid
from central.market.admission import Admission, Arrived, Contract, MarketDay
from central.market.book import reference
from central.market.gates import Gates
from central.market.portfolios import standing
from central.market.rules import Rules
from central.scd.documents import DocumentQuery, StoredDocument
from central.scd.ports import DocumentStore
from central.scd.sessions import SessionRow
from central.sessions.desk import Parties
from central.sessions.shelf import LATEST_MS
from ledger.facts.interval import Interval

_PAGE = 1_000
NOT_ADMITTED = "not admitted, "
"""How the reason begins that an outcome tells of an offer that was not admitted."""
_TAKES_THE_BOOK = frozenset({"DA-6b", "RT-3c"})
"""The row of each market with which a session first takes what was handed in."""


def market_day(
    grid: Grid, gates: Gates, rules: Rules, lists: Iterable[CustomerList], parties: Parties
) -> MarketDay:
    """Return what documents of a session are checked against.

    Args:
        grid: the operator's registry: where PODs are, and their contracts.
        gates: of the session.
        rules: of the market.
        lists: of customers (I-02), every revision, in the order of their stamps.
        parties: who may ask.
    """
    return MarketDay(
        gates=gates,
        price_cap_ueur_per_mwh=rules.price_cap_ueur_per_mwh,
        contracts={
            each.pod: Contract(take_w=int(each.contract_w), give_w=int(each.contract_w))
            for each in grid.connections
        },
        zones=zones_of(grid),
        portfolios=standing(lists).portfolios,
        buyers={parties.dso: Buyer.DSO, parties.tso: Buyer.TSO},
    )


def zones_of(grid: Grid) -> dict[str, str]:
    """Return the area of each node: what the grid's primary substations feed together."""
    area = ", ".join(each.name for each in grid.substations)
    return {node.name: area for node in grid.nodes}


def nodes_of(grid: Grid) -> dict[str, str]:
    """Return the node of each POD, by its code."""
    return {
        each.pod: grid.nodes[node].name
        for each, node in zip(grid.connections, grid.pod_node, strict=True)
    }


def tan_phi_of(grid: Grid) -> dict[str, float]:
    """Return the var that come and go with each watt of each POD, by its code."""
    return {
        each.pod: float(told) for each, told in zip(grid.connections, grid.tan_phi, strict=True)
    }


def arrived(
    store: DocumentStore, session: str, interval: Interval, by_ms: int = LATEST_MS
) -> list[Arrived]:
    """Return programmes, offers and requests that were handed in for a session by an instant.

    Raises:
        StoreAway: they cannot be read.
    """
    found: list[Arrived] = []
    for stored in each_stored(store, (Baseline.ii, FlexOffer.ii, FlexRequest.ii), interval):
        document, _ = opened(stored.signed)
        is_of_it = isinstance(document, Baseline) or getattr(document, "session", None) == session
        if is_of_it and stored.arrived_ms <= by_ms:
            found.append(Arrived(document, stored.arrived_ms))
    return found


def lists_of(
    store: DocumentStore, interval: Interval, before_ms: int = LATEST_MS
) -> list[CustomerList]:
    """Return the lists of customers (I-02) that touch an interval, in order of arrival.

    Every revision: which of them count, `central.market.portfolios.standing` tells.

    Raises:
        StoreAway: they cannot be read.
    """
    found = (
        opened(stored.signed)[0]
        for stored in each_stored(store, (CustomerList.ii,), interval)
        if stored.arrived_ms < before_ms
    )
    return [each for each in found if isinstance(each, CustomerList)]


def taken_ms(rows: Iterable[SessionRow]) -> int | None:
    """Return when a session took its book [ms since 1970, UTC]; None if it has not yet.

    What is stamped later is not for it any more, though its gate may close later still.
    """
    ended = [row.ended_ms for row in rows if row.row in _TAKES_THE_BOOK and row.has_ended]
    return min(ended, default=None)


def each_stored(
    store: DocumentStore, kinds: tuple[str, ...], span: Interval, *, bodies: bool = True
) -> Iterator[StoredDocument]:
    """Yield the documents of some kinds that touch an interval, in order of arrival.

    Raises:
        StoreAway: they cannot be read.
    """
    since = 0
    while True:
        query = DocumentQuery(ii=kinds, span=span, since=since, limit=_PAGE, bodies=bodies)
        page = store.documents(query)
        yield from page
        if len(page) < _PAGE:
            return
        since = page[-1].arrival


def refused_offers(admission: Admission, given: Sequence[Arrived]) -> Mapping[Reference, str]:
    """Return the offers that are not admitted, and why, in words."""
    offers = {reference(each.document) for each in given if isinstance(each.document, FlexOffer)}
    return {
        named: f"{NOT_ADMITTED}{error.reason}: {error.what}"
        for named, error in admission.refused.items()
        if named in offers
    }
