"""The book of a session: the offers and requests that were admitted, in an order of their own.

Whatever the order in which documents arrived, the book is the same.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from central.documents.header import Buyer, Document, Horizon, Reference
from central.documents.offer import FlexOffer
from central.documents.request import FlexRequest
from ledger.errors import Rejected
from ledger.facts.interval import Interval

Kind = TypeVar("Kind", bound=Document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What is cleared. Make it with `Book.of`.

    Args:
        session: its name.
        horizon: which market.
        interval: the quarter-hours that are traded.
        offers: newest revisions, by submission time, then mRID.
        requests: newest revisions, the DSO's first, then by submission time and mRID.
        nodes: the grid node of each POD, by its code, from the operator's registry.
        zones: the primary substation of each node.
        delivered: the share of what was ordered that each POD has delivered so far, 0 … 1.
        tan_phi: var that come and go with each watt of a POD, from the operator's registry; 0 of
            those that are not told.
        called: quarter-hours in which earlier sessions took an offer, by its mRID: they count for
            its calls, rest and longest activation, and are on sale no more.
    """

    session: str
    horizon: Horizon
    interval: Interval
    offers: tuple[FlexOffer, ...]
    requests: tuple[FlexRequest, ...]
    nodes: Mapping[str, str]
    zones: Mapping[str, str]
    delivered: Mapping[str, float] = field(default_factory=dict)
    tan_phi: Mapping[str, float] = field(default_factory=dict)
    called: Mapping[str, Collection[int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        session: str,
        horizon: Horizon,
        interval: Interval,
        *,
        offers: Iterable[FlexOffer],
        requests: Iterable[FlexRequest],
        nodes: Mapping[str, str],
        zones: Mapping[str, str],
        delivered: Mapping[str, float] | None = None,
        tan_phi: Mapping[str, float] | None = None,
        called: Mapping[str, Collection[int]] | None = None,
    ) -> "Book":
        """Return the book of documents that came in any order, in any revisions.

        Raises:
            Rejected: `unknown_pod`: an offer's POD is not in the registry.
        """
        kept = sorted(_newest(offers), key=lambda one: (one.created_ms, one.mrid))
        for offer in kept:
            if offer.pod.code not in nodes:
                raise Rejected(
                    f"{offer.pod} is not in the operator's registry",
                    where=f"offer {offer.mrid}",
                    remedy="admit offers before they are booked",
                    reason="unknown_pod",
                )
        asked = sorted(_newest(requests), key=_by_buyer)
        return cls(
            session=session, horizon=horizon, interval=interval, offers=tuple(kept),
            requests=tuple(asked), nodes=nodes, zones=zones, delivered=delivered or {},
            tan_phi=tan_phi or {}, called=called or {},
        )  # fmt: skip

    def of_buyer(self, buyer: Buyer) -> tuple[FlexRequest, ...]:
        """Return the requests of a buyer."""
        return tuple(each for each in self.requests if each.buyer is buyer)

    def zone_of(self, offer: FlexOffer) -> str:
        """Return the primary substation that feeds an offer's POD."""
        return self.zones[self.nodes[offer.pod.code]]


def reference(document: Document) -> Reference:
    """Return what names a revision of a document."""
    return Reference(mrid=document.mrid, revision=document.revision)


def _newest(documents: Iterable[Kind]) -> list[Kind]:
    latest: dict[str, Kind] = {}
    for each in documents:
        known = latest.get(each.mrid)
        if known is None or known.revision < each.revision:
            latest[each.mrid] = each
    return list(latest.values())


def _by_buyer(request: FlexRequest) -> tuple[bool, int, str]:
    return request.buyer is not Buyer.DSO, request.created_ms, request.mrid
