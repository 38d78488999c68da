"""The programme of each point of delivery (I-03): the mean of like days, the last weighing most.

```
 days of the same class, newest first   ●   ●   ●   ●   ●   ●      the last `day_count` known
 weight                                 1   d   d²  d³  d⁴  d⁵     d = `decay_permille` of 1000
 quarter by quarter of the clock        Σ weight · power / Σ weight, over the days that know it
```

Another method than the aggregator's: its offers are measured against what somebody else expects.
Power is positive when taken from the grid. The same measures give the same programmes, in
whatever order they come.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from central.calendar import SLOTS, day_class, day_interval, day_of, slots
from central.documents.baseline import Baseline
from central.documents.header import MAX_W, Envelope, QuarterPower
from central.documents.measures import QuarterMeasures
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS
from ledger.facts.pod import Pod

Floats = NDArray[np.float64]

NAMESPACE = uuid.UUID("4c0d9a86-51b7-5b0e-8c55-6a6f1f0a7d03")
"""Where the names of programmes live (RFC 9562, version 5)."""
_S_PER_HOUR = 3_600
_FULL_PERMILLE = 1_000
_ENOUGH = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How programmes are made.

    Args:
        day_count: how many days of the same class are averaged at most.
        least_days: with fewer, days of any class are.
        within_days: how far back they are looked for.
        decay_permille: weight of a day over that of the next newer one.
        least_covered_s: a quarter of which less was measured is a gap.
    """

    day_count: int = 8
    least_days: int = 3
    within_days: int = 56
    decay_permille: int = 850
    least_covered_s: int = 450


class Lack(StrEnum):
    """What a programme lacks."""

    NO_PAST = "no_past"
    """No day is known: there is no programme, and nothing can be offered."""
    NEW_POD = "new_pod"
    """Fewer days are known than the method asks for: it rests on those."""
    ANY_DAYS = "any_days"
    """Too few days of the same class: it rests on days of any."""
    GAPS_FILLED = "gaps_filled"
    """Quarters that none of the days knows lie on a line between their neighbours."""


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """What the programme of a POD lacks; `count` is of days or quarters, as `Lack` says."""

    pod: str
    lack: Lack
    count: int


@dataclass(frozen=True, slots=True)
class Programmes:
    """Programmes by POD, whole and in whole watts, and what they lack."""

    baselines: tuple[Baseline, ...]
    remarks: tuple[Remark, ...]


def programmes(
    pods: Iterable[Pod],
    measures: Iterable[QuarterMeasures],
    day: date,
    *,
    envelope: Callable[[str], Envelope],
    method: Method | None = None,
    called: Collection[tuple[str, int]] = (),
) -> Programmes:
    """Return the programme of each POD for a market day of 92, 96 or 100 quarters.

    Args:
        pods: that take part in the market.
        measures: what is known of their past (I-01), all of it before the gate.
        day: the market day.
        envelope: header of the document of that mRID.
        method: how they are made.
        called: quarters of PODs in which flexibility moved them: they are no usual ones.
    """
    method = method or Method()
    past = _past(measures, day, method, frozenset(called))
    made, remarks = [], []
    for pod in sorted(set(pods)):
        power_w, found = _usual_w(past.get(pod.code, {}), day, method)
        remarks += [Remark(pod.code, lack, count) for lack, count in found]
        if power_w is not None:
            made.append(_baseline(pod, power_w, day, envelope))
    return Programmes(tuple(made), tuple(sorted(remarks)))


def refiled(filed: Baseline | None, made: Baseline, *, now_ms: int, gate_ms: int) -> Baseline:
    """Return the revision to file: the first, the next, or the filed one where nothing changed.

    Args:
        filed: the newest revision that is filed, if any.
        made: what would be filed now.
        now_ms: when it would be filed [ms since 1970, UTC].
        gate_ms: from when on programmes are frozen.

    Raises:
        Rejected: `frozen`, or `other_programme`: the two are not of the same POD and day.
    """
    if filed is None and now_ms < gate_ms:
        return made
    if filed is not None and (filed.mrid, filed.pod) != (made.mrid, made.pod):
        raise Rejected(
            f"{filed.mrid} is filed, {made.mrid} was made", where=made.pod.code,
            remedy="compare programmes of one POD and one day", reason="other_programme",
        )  # fmt: skip
    if filed is not None and (filed.validity, filed.quarters) == (made.validity, made.quarters):
        return filed
    if now_ms >= gate_ms:
        raise Rejected(
            "its programme is frozen since the gate has closed", where=made.pod.code,
            remedy="what is filed counts", reason="frozen",
        )  # fmt: skip
    return replace(made, revision=filed.revision + 1 if filed else 1)


def baseline_mrid(pod: Pod, day: date) -> str:
    """Return the name of a programme, through all its revisions."""
    return str(uuid.uuid5(NAMESPACE, f"{pod.code}|{day.isoformat()}"))


def _past(
    measures: Iterable[QuarterMeasures],
    day: date,
    method: Method,
    called: Collection[tuple[str, int]],
) -> Mapping[str, Mapping[date, Floats]]:
    """Return the days before a day, by POD: mean power by the clock [W], NaN where unknown."""
    first = day - timedelta(days=method.within_days)
    told: dict[str, dict[int, float]] = {}
    for one in sorted(measures, key=lambda each: (each.created_ms, each.mrid, each.revision)):
        known = told.setdefault(one.pod.code, {})
        for quarter in one.quarters:
            if quarter.covered_s < method.least_covered_s:
                continue
            if (one.pod.code, quarter.start_ms) not in called:
                net_wh = quarter.import_wh - quarter.export_wh
                known[quarter.start_ms] = net_wh * _S_PER_HOUR / quarter.covered_s
    return {
        pod: {
            each: _by_clock(known, each)
            for each in sorted({day_of(start_ms) for start_ms in known})
            if first <= each < day
        }
        for pod, known in told.items()
    }


def _by_clock(known: Mapping[int, float], day: date) -> Floats:
    """Return a day in 96 slots [W]: two quarters in one are averaged, a missing one is unknown."""
    of_slot: list[list[float]] = [[] for _ in range(SLOTS)]
    start_ms = day_interval(day).start_ms
    for quarter, slot in enumerate(slots(day).tolist()):
        power_w = known.get(start_ms + quarter * QUARTER_MS)
        if power_w is not None:
            of_slot[slot].append(power_w)
    return np.array([sum(each) / len(each) if each else np.nan for each in of_slot])


def _usual_w(
    past: Mapping[date, Floats], day: date, method: Method
) -> tuple[Floats | None, list[tuple[Lack, int]]]:
    """Return what is usual in each slot [W], whole, and what it lacks; None without a past."""
    newest = sorted(past, reverse=True)
    whole = [each for each in newest if np.isfinite(past[each]).mean() >= _ENOUGH]
    alike = [each for each in whole if day_class(each) is day_class(day)]
    lacks: list[tuple[Lack, int]] = []
    if len(alike) < method.least_days:
        alike = whole or newest
        lack = Lack.ANY_DAYS if len(whole) >= method.least_days else Lack.NEW_POD
        lacks.append((lack, len(alike)))
    alike = alike[: method.day_count]
    if not alike:
        return None, [(Lack.NO_PAST, 0)]
    power_w = _weighted_w(np.array([past[each] for each in alike]), method)
    if missing := int(np.isnan(power_w).sum()):
        lacks.append((Lack.GAPS_FILLED, missing))
    return _without_gaps(power_w), lacks


def _weighted_w(days_w: Floats, method: Method) -> Floats:
    """Return the weighted mean of days [W], the newest first, NaN where none knows a slot."""
    weight = (method.decay_permille / _FULL_PERMILLE) ** np.arange(len(days_w))[:, None]
    known = np.isfinite(days_w)
    total = (weight * known).sum(axis=0)
    summed_w = (weight * np.where(known, days_w, 0.0)).sum(axis=0)
    mean_w: Floats = np.where(total > 0, summed_w / np.where(total > 0, total, 1.0), np.nan)
    return mean_w


def _without_gaps(power_w: Floats) -> Floats:
    """Return the slots with gaps on a line between their neighbours, midnight joining the ends."""
    known = np.flatnonzero(np.isfinite(power_w))
    filled_w: Floats = np.interp(np.arange(SLOTS), known, power_w[known], period=SLOTS)
    return filled_w


def _baseline(
    pod: Pod, power_w: Floats, day: date, envelope: Callable[[str], Envelope]
) -> Baseline:
    interval = day_interval(day)
    whole_w: Sequence[int] = np.clip(np.rint(power_w), -MAX_W, MAX_W).astype(np.int64).tolist()
    return Baseline(
        **envelope(baseline_mrid(pod, day)).header(interval),
        pod=pod,
        quarters=tuple(
            QuarterPower(start_ms=interval.start_ms + at * QUARTER_MS, power_w=whole_w[slot])
            for at, slot in enumerate(slots(day).tolist())
        ),
    )
