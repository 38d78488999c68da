"""What a session admits: documents as the store stamped them, held to registry and programmes."""

from collections.abc import Iterable, Mapping, Sequence

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
from central.market.rules import Rules
from central.scd.documents import DocumentQuery
from central.scd.ports import DocumentStore
from central.sessions.desk import Parties
from ledger.facts.interval import Interval

_PAGE = 1_000


def market_day(
    grid: Grid, gates: Gates, rules: Rules, lists: Iterable[CustomerList], parties: Parties
) -> MarketDay:
    """Return what documents of a session are checked against.

    Args:
        grid: the operator's registry: where PODs are, and their contracts.
        gates: of the session.
        rules: of the market.
        lists: of customers (I-02), one an aggregator.
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
        portfolios={each.sender: each for each in lists},
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


def arrived(store: DocumentStore, session: str, interval: Interval) -> list[Arrived]:
    """Return programmes, offers and requests that were handed in for a session.

    Raises:
        StoreAway: they cannot be read.
    """
    found: list[Arrived] = []
    since = 0
    kinds = (Baseline.ii, FlexOffer.ii, FlexRequest.ii)
    while True:
        page = store.documents(DocumentQuery(ii=kinds, span=interval, since=since, limit=_PAGE))
        for stored in page:
            document, _ = opened(stored.signed)
            if isinstance(document, Baseline) or getattr(document, "session", None) == session:
                found.append(Arrived(document, stored.arrived_ms))
        if len(page) < _PAGE:
            return found
        since = page[-1].arrival


def refused_offers(admission: Admission, given: Sequence[Arrived]) -> Mapping[Reference, str]:
    """Return the offers that are not admitted, and why, in words."""
    offers = {reference(each.document) for each in given if isinstance(each.document, FlexOffer)}
    return {
        named: f"not admitted, {error.reason}: {error.what}"
        for named, error in admission.refused.items()
        if named in offers
    }
