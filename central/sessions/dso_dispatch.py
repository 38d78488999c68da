"""The DSO when flexibility is called, AC-3a: orders become set-points of points of delivery.

```
 AC-3a  orders, resolved to won offers, checked by AC power flow   → I-09 to the light nodes
```
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.baseline import Baseline
from central.documents.encoding import opened
from central.documents.offer import FlexOffer
from central.documents.order import FlexOrder, SetPoint
from central.documents.outcome import MarketOutcome
from central.dso.dispatch import Dispatch, dispatch, taken_orders
from central.dso.grid.model import Floats, Phasors
from central.dso.limits import Limits
from central.dso.powerflow import Setting
from central.dso.telling.orders import Resolved, resolved_orders, standing_va
from central.dso.telling.set_points import Silence, set_points
from central.scd.documents import DocumentQuery
from central.scd.ports import DocumentStore
from central.sessions.desk import Desk, Expected
from central.sessions.steps import Steps
from ledger.facts.interval import QUARTER_MS, Interval

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Called:
    """What an activation is made from: orders, and everything they rest on."""

    orders: Sequence[FlexOrder]
    outcomes: Sequence[MarketOutcome]
    offers: Sequence[FlexOffer]
    baselines: Sequence[Baseline]


@dataclass(frozen=True)
class Admitted:
    """Orders that nothing stands against but, perhaps, the power flow.

    Args:
        resolved: offer by offer.
        baseline_w: of each offer's POD, shape (offers, quarters).
        held: the set-points that each POD of the grid has been given before.
        standing_va: what of them still stands, shape (quarters, nodes).
    """

    resolved: Sequence[Resolved]
    baseline_w: Floats
    held: Mapping[str, Sequence[SetPoint]]
    standing_va: Phasors


@dataclass(frozen=True)
class Dispatched:
    """What is sent, what of the orders cannot be, and the orders as they were resolved.

    Args:
        dispatch: by POD and time.
        start_ms: of the first quarter that was looked at.
        resolved: offer by offer.
        documents: the set-points, I-09.
        steps: the rows that have ended.
    """

    dispatch: Dispatch
    start_ms: int
    resolved: Sequence[Resolved]
    documents: tuple[SetPoint, ...]
    steps: list[str]


def admitted(
    desk: Desk, span: Interval, called: Called, held: Mapping[str, Sequence[SetPoint]]
) -> Admitted:
    """Return orders resolved, checked by all that is known before anything is forecast.

    Args:
        desk: of the DSO.
        span: the quarters that are looked at.
        called: orders with what they rest on.
        held: the set-points that each POD of the grid has been given before.

    Raises:
        Rejected: an order is expired, of what was not won, without a baseline, of a POD that is
            ordered twice or that the grid does not have.
    """
    resolved = resolved_orders(
        span, called.orders, outcomes=called.outcomes, offers=called.offers,
        baselines=called.baselines, now_ms=desk.clock.now_ms(),
    )  # fmt: skip
    shape = (len(resolved), span.duration_ms // QUARTER_MS)
    baseline_w = np.array([each.baseline_w for each in resolved]).reshape(shape)
    standing = standing_va(desk.grid, span, resolved, held)
    taken_orders(desk.grid, [each.ordered for each in resolved], baseline_w)
    return Admitted(resolved, baseline_w, held, standing)


def dso_dispatch(
    desk: Desk,
    expected: Expected,
    setting: Setting,
    orders: Admitted,
    *,
    silence: Silence,
    progress: Callable[[str], None] = lambda _: None,
) -> Dispatched:
    """Return the set-points that carry orders out.

    Args:
        desk: of the DSO.
        expected: what the grid must carry.
        setting: with own means, quarter by quarter.
        orders: admitted for the same quarters; what was sent before is in what is checked.
        silence: what holds when a light node hears nobody.
        progress: told the row that begins.

    Raises:
        NotConverged: a quarter has no power flow without any order.
    """
    resolved = orders.resolved
    row = Steps(", ".join(sorted({each.order.session for each in resolved})), progress)
    with row("AC-3a"):
        found = dispatch(
            desk.power_flow,
            expected.moved(orders.standing_va).expectation,
            [each.ordered for each in resolved],
            orders.baseline_w,
            Limits.of(desk.grid, desk.margin),
            setting=setting,
        )
        documents = set_points(
            desk.grid, found, resolved, envelope=desk.envelope, silence=silence, held=orders.held
        )
    return Dispatched(found, expected.expectation.start_ms, resolved, documents, row.done)


def held_set_points(store: DocumentStore, pods: frozenset[str]) -> dict[str, list[SetPoint]]:
    """Return the set-points that PODs have been given, by arrival.

    Raises:
        StoreAway: the database cannot be read.
    """
    held: dict[str, list[SetPoint]] = {}
    since = 0
    while True:
        page = store.documents(DocumentQuery(ii=(SetPoint.ii,), since=since, latest=True))
        for stored in page:
            if pods.isdisjoint(stored.pods):
                continue
            document, _ = opened(stored.signed)
            if isinstance(document, SetPoint):
                held.setdefault(document.pod.code, []).append(document)
        if len(page) < _PAGE:
            return held
        since = page[-1].arrival
