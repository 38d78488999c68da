"""What a terminal is told: tables, the worst first, and one sentence where there is nothing."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from central.calendar import ROME
from central.dso.assessment import Congestion
from central.dso.dispatch import BeyondContract, Ordered
from central.dso.forecast.result import Forecast
from central.dso.grid.model import Grid
from central.dso.phases import Unbalance
from central.dso.powerflow import Flow
from central.dso.requesting import Need
from central.dso.telling.incoming import Heard
from central.dso.validation import Cut
from central.sessions.desk import Desk
from central.sessions.dso_dispatch import Dispatched
from central.sessions.dso_validation import Validated
from central.sessions.shown import Shown
from central.sessions.steps import Outcome
from ledger.facts.interval import QUARTER_MS

_W_PER_MW = 1e6
_MOST_ROWS = 20
_FIRST_NAMED = 3
_LAST_STEPS = ("DA-9a", "RT-7a", "DA-16a", "RT-13a-approved", "AC-3a")


def progress_of(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Return what tells the step under way, on a terminal only."""
    if arguments.quiet > 1 or arguments.json or not sys.stderr.isatty():
        return lambda _: None

    def told(step: str) -> None:
        print(f"\r\x1b[K{step} …", end="", file=sys.stderr, flush=True)
        if step in _LAST_STEPS:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    return told


def tell_forecast(forecast: Forecast) -> None:
    """Print the most and the least of each area, and how far the forecast may be trusted."""
    rows = [
        (name, _mw(mean_w.max()), _at(forecast, int(mean_w.argmax())), _mw(mean_w.min()),
         _at(forecast, int(mean_w.argmin())))
        for name, mean_w in zip(
            forecast.of_feeders.names, forecast.of_feeders.mean_w, strict=True
        )
    ]  # fmt: skip
    _table(("area", "most MW", "at", "least MW", "at"), rows)
    print(forecast.statement())


def tell_plan(outcome: Outcome) -> None:
    """Print each move of own means, and why."""
    starts = outcome.expected.expectation
    rows = [
        (_clock(starts.interval_of(move.quarter).start_ms), move.kind, move.device,
         move.before, move.after)
        for move in outcome.plan.moves
    ]  # fmt: skip
    if rows:
        _table(("from", "means", "device", "before", "after"), rows)
    print(outcome.plan.reason)


def tell_strangers(grid: Grid, rows: Mapping[str, int]) -> None:
    """Print how many rows are of PODs that a grid does not have, and of which; nothing if none."""
    if not rows:
        return
    first, more = list(rows)[:_FIRST_NAMED], len(rows) - _FIRST_NAMED
    named = ", ".join(first) + (f" and {more} more" if more > 0 else "")
    print(f"{sum(rows.values())} of them are of PODs that {grid.name} does not have: {named}")


def tell_congestions(congestions: Sequence[Congestion]) -> None:
    """Print one row for each limit of each element: how often, and the worst of it."""
    if not congestions:
        print("every limit holds")
        return
    groups: dict[tuple[str, str], list[Congestion]] = {}
    for each in congestions:
        groups.setdefault((_named(each), each.bound.value), []).append(each)
    worst_first = sorted(groups.items(), key=lambda group: -_badness(_worst(group[1])))
    rows = []
    for (element, bound), found in worst_first[:_MOST_ROWS]:
        worst = _worst(found)
        unit = "pu" if worst.bound.is_voltage else "%"
        rows.append(
            (element, bound, len({each.quarter for each in found}),
             _clock(worst.interval.start_ms), f"{worst.value:.4g} {unit}",
             f"{worst.limit:.4g} {unit}", _situation(worst), worst.cause)
        )  # fmt: skip
    _table(("element", "limit", "quarters", "worst at", "value", "allowed", "under", "by"), rows)
    _tell_more(len(groups))


def tell_cut_off(cut_off: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Print what nothing feeds when a line is out."""
    for line, nodes in cut_off[:_MOST_ROWS]:
        print(f"without {line} nothing feeds {_some(nodes)}")
    _tell_more(len(cut_off))


def tell_newton(flow: Flow) -> None:
    """Print how many power flows took Newton's method, if any did."""
    if count := int(flow.by_newton.sum()):
        print(f"{count} of {len(flow.by_newton)} power flows by Newton: currents did not settle")


def tell_unbalances(unbalances: Sequence[Unbalance]) -> None:
    """Print one row for each node whose phases are too uneven: how often, and the worst of it."""
    groups: dict[str, list[Unbalance]] = {}
    for each in unbalances:
        groups.setdefault(each.element, []).append(each)
    worst = [max(found, key=lambda one: one.value_pct) for found in groups.values()]
    rows = [
        (one.element, len({each.quarter for each in groups[one.element]}),
         _clock(one.interval.start_ms), f"{one.value_pct:.2f} %", f"{one.limit_pct:g} %",
         one.scenario)
        for one in sorted(worst, key=lambda one: -one.value_pct)[:_MOST_ROWS]
    ]  # fmt: skip
    if rows:
        _table(("uneven at", "quarters", "worst at", "value", "allowed", "under"), rows)
    _tell_more(len(worst))


def unbalance_figures(unbalance: Unbalance) -> dict[str, Any]:
    """Return an unbalance as JSON has it."""
    return {
        "element": unbalance.element, "start_at": _instant(unbalance.interval.start_ms),
        "scenario": unbalance.scenario, "value_pct": round(unbalance.value_pct, 3),
        "limit_pct": unbalance.limit_pct,
    }  # fmt: skip


def tell_seen(desk: Desk, shown: Shown | None) -> None:
    """Print what the field showed, of the next four hours."""
    if shown is None:
        return
    seen, estimate = shown.seen, shown.estimate
    for name, state in _switched(desk, seen).items():
        print(f"{name} is {state}")
    for liar in estimate.liars:
        print(f"{liar.measurement.origin} {liar.measurement.name} does not fit: "
              f"{liar.deviations:.1f} standard deviations off")  # fmt: skip
    for doubt in seen.doubts:
        print(f"put aside, sensor {doubt.statement()}")
    for told, names in (("silent", seen.silent), ("unknown", seen.strangers)):
        if names:
            print(f"{told} sensors: {_some(names)}")
    for note in estimate.notes:
        print(note)
    if shown.supply_pu is not None:
        print(f"the grid above is at {shown.supply_pu:.4f} pu as measured, and taken to stay")


def seen_figures(desk: Desk, shown: Shown | None) -> dict[str, Any]:
    """Return what the field showed as JSON has it; nothing for the day after."""
    if shown is None:
        return {}
    seen, estimate = shown.seen, shown.estimate
    return {
        "seen": {
            "sensors": sorted({one.name for one in seen.measured}),
            "silent": list(seen.silent),
            "unknown": list(seen.strangers),
            "metered_pods": list(shown.metered),
            "switched": _switched(desk, seen),
            "does_not_fit": {
                liar.measurement.name: round(liar.deviations, 1) for liar in estimate.liars
            },
            "put_aside": [asdict(doubt) for doubt in seen.doubts],
            "supply_pu": None if shown.supply_pu is None else round(shown.supply_pu, 6),
            "notes": list(estimate.notes),
        }
    }


def _switched(desk: Desk, seen: Heard) -> dict[str, str]:
    """Return the branches that are not as the grid's file has them, open or closed."""
    other = np.flatnonzero(seen.closed != desk.grid.closed)
    return {desk.grid.branches[k].name: "closed" if seen.closed[k] else "open" for k in other}


def tell_need(desk: Desk, need: Need) -> None:
    """Print what is needed in each direction, where it helps most, and what stays unsolved."""
    expectation = need.assessment.expectation
    rows = []
    for direction, asked_w in (("up", need.up_w), ("down", need.down_w)):
        total_w = asked_w.sum(axis=1)
        quarters = np.flatnonzero(total_w >= 1)
        if len(quarters):
            worst = int(total_w.argmax())
            at = np.argsort(-asked_w.sum(axis=0))[:3]
            nodes = [desk.grid.nodes[need.resources.node[k]].name for k in at]
            rows.append(
                (direction, len(quarters), f"{total_w.sum() / 4 / _W_PER_MW:.3f}",
                 _mw(total_w.max()), _clock(expectation.interval_of(worst).start_ms),
                 ", ".join(dict.fromkeys(nodes)))
            )  # fmt: skip
    if rows:
        _table(("direction", "quarters", "MWh", "most MW", "at", "best at"), rows)
    else:
        print("no flexibility is needed")
    for left in need.residual[:_MOST_ROWS]:
        print(
            f"{left.name(desk.grid)} stays beyond its limit by {left.excess:.3g} "
            f"{'pu' if left.bound.is_voltage else '%'} at "
            f"{_clock(expectation.interval_of(expectation.quarter_of(left.situation)).start_ms)} "
            f"under {expectation.scenario_of(left.situation)}: {need.why_left(left)}"
        )
    _tell_more(len(need.residual))


def tell_validated(desk: Desk, validated: Validated) -> None:
    """Print what was cut, because of which limit, and how much is accepted."""
    found = validated.validation
    rows = [
        (found.taken.mrids[cut.offer], cut.quarter, f"{cut.offered_w:.0f}", f"{cut.accepted_w:.0f}",
         cut.binding.name(desk.grid), cut.binding.bound.value, cut.scenario)
        for cut in found.cuts[:_MOST_ROWS]
    ]  # fmt: skip
    if rows:
        _table(("offer", "quarter", "offered W", "accepted W", "because of", "limit", "when"), rows)
    _tell_more(len(found.cuts))
    whole_w, accepted_w = found.taken.power_w.sum(), found.accepted_w.sum()
    share_pct = 100 * accepted_w / whole_w if whole_w else 100.0
    print(f"{share_pct:.1f} % of what was taken is accepted, in {len(found.scenarios)} scenarios")
    if not found.is_largest:
        print("the search ended before it was known that the grid bears no more")


def tell_dispatched(desk: Desk, dispatched: Dispatched) -> None:
    """Print each set-point, and what of the orders is not dispatched, and why."""
    rows = [
        (point.pod.code, _clock(point.validity.start_ms), _clock(point.validity.end_ms),
         point.target_w, point.difference_w, f"{point.least_w} … {point.most_w}", point.sequence)
        for point in dispatched.documents
    ]  # fmt: skip
    if rows:
        _table(("pod", "from", "to", "target W", "less baseline W", "envelope W", "number"), rows)
    else:
        print("nobody has to move")
    short = [*_short(desk, dispatched)]
    for each in short[:_MOST_ROWS]:
        print(
            f"{each.ordered.pod} gets {each.accepted_w:.0f} of {each.asked_w:.0f} W at "
            f"{_clock(each.start_ms)}: {each.limit} of {each.element} "
            f"(order {each.ordered.order}, offer {each.ordered.offer})"
        )
    _tell_more(len(short))


def short_figures(desk: Desk, dispatched: Dispatched) -> dict[str, Any]:
    """Return what of the orders is not dispatched, and why, as JSON has it."""
    return {"cuts": [
        {"order": each.ordered.order, "offer": each.ordered.offer, "pod": each.ordered.pod,
         "start_at": _instant(each.start_ms), "asked_w": round(each.asked_w, 1),
         "accepted_w": round(each.accepted_w, 1), "limit": each.limit, "element": each.element}
        for each in _short(desk, dispatched)
    ]}  # fmt: skip


class _Short(NamedTuple):
    """What of an order is not dispatched in a quarter, and the limit that stands against it."""

    ordered: Ordered
    start_ms: int
    asked_w: float
    accepted_w: float
    limit: str
    element: str


def _short(desk: Desk, dispatched: Dispatched) -> Iterator[_Short]:
    """Yield what contracts leave no room for, then what the grid cannot bear of the rest."""
    found = dispatched.dispatch
    every: list[BeyondContract | Cut] = [*found.beyond, *found.cuts]
    for each in every:
        ordered = dispatched.resolved[each.offer].ordered
        limit, element = "contract", ordered.pod
        if isinstance(each, Cut):
            limit, element = each.binding.bound.value, each.binding.name(desk.grid)
        start_ms = dispatched.start_ms + each.quarter * QUARTER_MS
        yield _Short(ordered, start_ms, each.offered_w, each.accepted_w, limit, element)


def _named(congestion: Congestion) -> str:
    """Return the element, and the phase of it that is meant."""
    return f"{congestion.element} {congestion.phase}".rstrip()


def _worst(found: Sequence[Congestion]) -> Congestion:
    return max(found, key=_badness)


def _badness(congestion: Congestion) -> float:
    return abs(congestion.value / congestion.limit - 1)


def _situation(congestion: Congestion) -> str:
    return congestion.scenario + (f" without {congestion.outage}" if congestion.outage else "")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""  # noqa: PLR2004
    return ", ".join(names[:5]) + more


def forecast_figures(forecast: Forecast) -> dict[str, Any]:
    """Return a forecast as JSON has it."""
    return {
        "start": _instant(forecast.start_ms),
        "known_until": _instant(forecast.known_until_ms),
        "levels": list(forecast.levels),
        "pods": [
            {"pod": pod, "mean_w": [round(float(w)) for w in mean_w],
             "quantile_w": [[round(float(w)) for w in one] for one in quantile_w]}
            for pod, mean_w, quantile_w in zip(
                forecast.pods, forecast.mean_w, forecast.quantile_w.swapaxes(0, 1), strict=True
            )
        ],
        "certified_pct": round(forecast.provenance.certified_pct, 1),
        "imported_pct": round(forecast.provenance.imported_pct, 1),
        "statement": forecast.statement(),
        "notes": [{"reason": note.reason.value, "said": note.said, "pods": list(note.pods)}
                  for note in forecast.notes],
    }  # fmt: skip


def _tell_more(count: int) -> None:
    """Print how many rows of a long list are left out, if any are."""
    if count > _MOST_ROWS:
        print(f"and {count - _MOST_ROWS} more; --json tells all")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    written = [[str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *written, strict=True)]
    for row in (head, *written):
        print(
            "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        )


def _mw(power_w: float) -> str:
    return f"{power_w / _W_PER_MW:.3f}"


def _at(forecast: Forecast, quarter: int) -> str:
    return _clock(forecast.start_ms + quarter * QUARTER_MS)


def _clock(unix_ms: int) -> str:
    """Return an instant as clocks in Rome show it."""
    return datetime.fromtimestamp(unix_ms / 1_000, ROME).strftime("%d %H:%M")


def _instant(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, ROME).isoformat()
