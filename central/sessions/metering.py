"""The newest readings of the light nodes, as the estimation weighs them."""

from central.dso.estimation.measuring import Metered
from central.dso.grid.model import Grid
from central.scd.inquiry import Inquiry
from central.scd.ports import Evidence
from central.scd.stored import State
from ledger.facts.interval import slot_start_ms

# A light node signs a minute at a time, and the newest has to arrive as well.
_OLDEST_MS = 120_000


def newest_readings(
    grid: Grid, evidence: Evidence, inquiry: Inquiry, now_ms: int
) -> dict[str, Metered]:
    """Return what each metered POD draws now, by signed readings of the last two minutes.

    A POD with more than one meter is the sum of all; if one of them is silent it is left out.
    """
    totals: dict[str, Metered | None] = {}
    known = set(grid.pods)
    for registered in evidence.registrations():
        if registered.pod in known:
            seen = _reading(inquiry, registered.node_index, now_ms)
            totals[registered.pod] = _sum(totals.get(registered.pod, Metered(0.0, 0.0)), seen)
    return {pod: total for pod, total in totals.items() if total is not None}


def _reading(inquiry: Inquiry, node_index: int, now_ms: int) -> Metered | None:
    latest = inquiry.latest(node_index)
    if latest is None:
        return None
    value, state = latest
    age_ms = now_ms - slot_start_ms(value.slot)
    if state is State.LIVE or not 0 <= age_ms <= _OLDEST_MS:
        return None
    return Metered(float(value.power_w), float(value.reactive_power_var))


def _sum(one: Metered | None, other: Metered | None) -> Metered | None:
    if one is None or other is None:
        return None
    return Metered(one.power_w + other.power_w, one.reactive_var + other.reactive_var)
