"""What was called in the past, and how surely it was delivered, as far as documents tell.

```
 orders (I-09) ─► offers (I-05) ─► POD, quarter-hour, watts ─┐
 programmes (I-03) ──────────────────────────────────────────┼─► share of each POD
 certified quarters ─────────────────────────────────────────┘
```

A session writes the shares that it reckoned with down in a row of its own: who recomputes it has
them from there.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from central.documents.baseline import Baseline
from central.documents.encoding import opened
from central.documents.header import Direction, QuarterPower
from central.documents.offer import FlexOffer
from central.documents.order import FlexOrder
from central.dso.delivering import coming_back_w
from central.dso.forecast.history import History, Origin
from central.dso.telling.orders import rebound_of
from central.market.delivery import Call, Place, delivered_shares, deliveries
from central.scd.documents import DocumentQuery
from central.scd.ports import DocumentStore
from central.sessions.admitting import each_stored
from central.sessions.counted import reach_of
from central.sessions.shelf import newest
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

DELIVERY = "delivery"
"""The row that notes what reserve by history rests on."""
NOBODY = "nobody has a history yet: the largest offer counts"
_PARTS = 10_000
_HASHES_AT_ONCE = 500


def calls(store: DocumentStore, span: Interval, by_ms: int) -> list[Call]:
    """Return what was called in an interval, by orders (I-09) that came by an instant.

    Raises:
        StoreAway: they cannot be read.
    """
    return [
        _moving(offer, one.start_ms, one.power_w)
        for offer, quarters in _ordered(store, span, by_ms)
        for one in quarters
        if one.start_ms in span and one.power_w
    ]


def moves(store: DocumentStore, span: Interval, by_ms: int) -> list[Call]:
    """Return what calls moved in an interval: what was called, and what came back the other way.

    Raises:
        StoreAway: orders or offers cannot be read.
    """
    reach, found = reach_of(span), []
    for offer, quarters in _ordered(store, reach, by_ms):
        power_w = np.zeros(reach.duration_ms // QUARTER_MS)
        for one in quarters:
            if one.start_ms in reach:
                power_w[(one.start_ms - reach.start_ms) // QUARTER_MS] = one.power_w
        net_w = np.rint(power_w - coming_back_w(rebound_of(offer), power_w)).astype(int)
        found += [
            _moving(offer, start_ms, int(net_w[at]))
            for at in np.flatnonzero(net_w).tolist()
            if (start_ms := reach.start_ms + at * QUARTER_MS) in span
        ]
    return found


def _ordered(
    store: DocumentStore, span: Interval, by_ms: int
) -> Iterator[tuple[FlexOffer, Sequence[QuarterPower]]]:
    """Yield offers that are there, with what orders in an interval call of them."""
    for order in newest(store, FlexOrder, span, arrived_by_ms=by_ms):
        for each in order.orders:
            query = DocumentQuery(mrid=each.offer.mrid, revision=each.offer.revision)
            for stored in store.documents(query):
                offer, _ = opened(stored.signed)
                if isinstance(offer, FlexOffer):
                    yield offer, each.quarters


def _moving(offer: FlexOffer, start_ms: int, power_w: int) -> Call:
    sign = 1 if offer.direction is Direction.UP else -1
    return Call(pod=offer.pod.code, start_ms=start_ms, up_w=sign * power_w)


def shares_so_far(store: DocumentStore, called: Iterable[Call], past: History) -> dict[str, float]:
    """Return how surely each POD that was called has delivered, 0 … 1, in ten-thousandths.

    Only certified quarters count, and only those of which a programme is filed.

    Raises:
        StoreAway: documents cannot be read.
    """
    called = list(called)
    span = Interval(past.start_ms, past.start_ms + past.power_w.shape[1] * QUARTER_MS)
    pods = frozenset(each.pod for each in called)
    programme_w = dict(_programmes(store, span, pods)) if pods else {}
    measured_w = dict(_certified(past, {(each.pod, each.start_ms) for each in called}))
    shares = delivered_shares(deliveries(called, programme_w, measured_w))
    return {pod: round(share * _PARTS) / _PARTS for pod, share in shares.items()}


def told(shares: Mapping[str, float]) -> str:
    """Return what the row says of the shares."""
    return json.dumps(shares, sort_keys=True) if shares else NOBODY


def shares_told(rows: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Return the shares that a session's rows tell of; none if they tell of none.

    Args:
        rows: the name of each, and what it says.

    Raises:
        Rejected: `no_shares`: the row says something else.
    """
    for name, said in rows:
        if name == DELIVERY and said != NOBODY:
            try:
                return {str(pod): float(share) for pod, share in json.loads(said).items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise Rejected(
                    f"expected the share of each POD, found {said!r:.60}",
                    where=f"row {DELIVERY}",
                    remedy="ask the operator for another export",
                    reason="no_shares",
                ) from error
    return {}


def _programmes(
    store: DocumentStore, span: Interval, pods: frozenset[str]
) -> Iterator[tuple[Place, int]]:
    """Yield the power of each quarter-hour that a programme of a POD tells, the last filed last."""
    hashes = [
        each.document_hash
        for each in each_stored(store, (Baseline.ii,), span, bodies=False)
        if not pods.isdisjoint(each.pods)
    ]
    for at in range(0, len(hashes), _HASHES_AT_ONCE):
        wanted = tuple(hashes[at : at + _HASHES_AT_ONCE])
        for stored in store.documents(DocumentQuery(hashes=wanted, limit=len(wanted))):
            programme, _ = opened(stored.signed)
            assert isinstance(programme, Baseline)  # noqa: S101 -- asked for by its kind
            for each in programme.quarters:
                yield (programme.pod.code, each.start_ms), each.power_w


def _certified(past: History, places: Iterable[Place]) -> Iterator[tuple[Place, float]]:
    """Yield the mean power of quarter-hours that the ledger vouches for."""
    rows = {pod: row for row, pod in enumerate(past.pods)}
    for pod, start_ms in sorted(places):
        row, at = rows.get(pod), past.position(start_ms)
        is_inside = row is not None and 0 <= at < past.power_w.shape[1]
        if is_inside and past.origin[row, at] == Origin.CERTIFIED:
            yield (pod, start_ms), float(past.power_w[row, at])
