"""A history out of rows: certified quarters of the Shared Customer Database, and imported ones.

A certified quarter and an imported one never meet in one value: where both are there, the certified
one stands. Rows come as columns, whatever they were read from; a wrong row is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Self

import numpy as np

from central.dso.forecast.history import Floats, History, Integers, Origin
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

QUARTER_S = QUARTER_MS // 1000
LEAST_COVERED_S = QUARTER_S // 2
"""A quarter of which less is covered counts as missing: its mean would be a guess."""
_S_PER_H = 3_600
_STATES = {"received": Origin.RECEIVED, "anchored": Origin.CERTIFIED}


@dataclass(frozen=True, slots=True)
class QuarterRows:
    """Energies of quarters (I-01), a row each; both registers count up, so neither is negative.

    Args:
        source: where they come from, for messages: a file, an address.
        pods: code of each row.
        start_ms: first instant of each [ms since 1970, UTC].
        import_wh: energy taken from the grid [Wh].
        export_wh: energy given to the grid [Wh].

    Raises:
        Rejected: the columns differ in length, or a row holds what no meter can have measured.
    """

    source: str
    pods: Sequence[str]
    start_ms: Integers
    import_wh: Floats
    export_wh: Floats

    def __post_init__(self) -> None:
        """Refuse the first row that is wrong."""
        if len({len(self.pods), *map(len, (self.start_ms, self.import_wh, self.export_wh))}) != 1:
            _reject(self.source, "the columns differ in length", "rows_differ")
        self._need(self.start_ms % QUARTER_MS == 0, self.start_ms, "starts at {} ms, off a quarter")
        for name, energy_wh in (("import", self.import_wh), ("export", self.export_wh)):
            good = np.isfinite(energy_wh) & (energy_wh >= 0)
            self._need(good, energy_wh, f"an {name} of {{}} Wh is no energy")

    def _need(self, good: object, values: Integers | Floats, otherwise: str) -> None:
        wrong = np.flatnonzero(~np.asarray(good))
        if len(wrong):
            where = f"{self.source}, row {wrong[0] + 1}"
            _reject(where, otherwise.format(values[wrong[0]]), "row_wrong")


@dataclass(frozen=True, slots=True)
class CertifiedRows(QuarterRows):
    """Quarters as the Shared Customer Database gives them.

    Args:
        covered_s: seconds with a reading, 0 … 900, of each row.
        state: ``received`` or ``anchored``: only what is anchored counts as certified.
    """

    covered_s: Integers
    state: Sequence[str]

    def __post_init__(self) -> None:
        """Refuse the first row that is wrong."""
        super(CertifiedRows, self).__post_init__()
        if {len(self.covered_s), len(self.state)} != {len(self.pods)}:
            _reject(self.source, "the columns differ in length", "rows_differ")
        good = (self.covered_s >= 0) & (self.covered_s <= QUARTER_S)
        self._need(good, self.covered_s, "covers {} s of a quarter")
        if unknown := sorted(set(self.state) - _STATES.keys()):
            remedy = f"only {' and '.join(_STATES)} quarters are evidence"
            _reject(self.source, f"state {unknown[0]!r}", "state", remedy)


class HistoryBuilder:
    """Collects rows of an interval into a history.

    Args:
        pods: those that the history is about, in its order.
        interval: on quarters; a row outside is refused.

    Raises:
        Rejected: a code is none, or comes twice; the interval is not on quarters.
    """

    def __init__(self, pods: Sequence[str], interval: Interval) -> None:
        self._place = {code: number for number, code in enumerate(map(_pod, pods))}
        if len(self._place) != len(pods):
            _reject("PODs of the history", "a POD comes twice", "pod_twice")
        if interval.start_ms % QUARTER_MS or interval.end_ms % QUARTER_MS:
            _reject(f"{interval}", "a history begins and ends on a quarter", "interval")
        shape = (len(pods), interval.duration_ms // QUARTER_MS)
        self._interval = interval
        self._power_w = np.zeros(shape)
        self._origin = np.zeros(shape, np.uint8)

    def add_imported(self, rows: QuarterRows) -> Self:
        """Add quarters that nobody certifies; where something is known already, that stands.

        Raises:
            Rejected: a row is of another POD, outside the interval, or comes twice.
        """
        pod, quarter = self._places(rows)
        self._refuse_twice(rows, pod, quarter)
        free = self._origin[pod, quarter] == Origin.MISSING
        power_w = (rows.import_wh - rows.export_wh) * (_S_PER_H / QUARTER_S)
        self._power_w[pod[free], quarter[free]] = power_w[free]
        self._origin[pod[free], quarter[free]] = Origin.IMPORTED
        return self

    def add_certified(self, rows: CertifiedRows) -> Self:
        """Add quarters of the Shared Customer Database; they replace imported ones.

        The mean power is that of the seconds covered. A POD whose meter was changed has two rows
        in that quarter, which are added up.

        Raises:
            Rejected: a row is of another POD or outside the interval, or the rows of a quarter
                cover more than it has.
        """
        pod, quarter = self._places(rows)
        energy_wh, covered_s = np.zeros(self._power_w.shape), np.zeros(self._origin.shape, np.int64)
        np.add.at(energy_wh, (pod, quarter), rows.import_wh - rows.export_wh)
        np.add.at(covered_s, (pod, quarter), rows.covered_s)
        if (covered_s > QUARTER_S).any():
            self._refuse_twice(rows, pod, quarter)
        origin = np.full(self._origin.shape, Origin.CERTIFIED, np.uint8)
        states = np.array([_STATES[state] for state in rows.state], np.uint8)
        np.minimum.at(origin, (pod, quarter), states)
        good = covered_s >= LEAST_COVERED_S
        self._power_w[good] = energy_wh[good] * _S_PER_H / covered_s[good]
        self._origin[good] = origin[good]
        return self

    def build(self) -> History:
        """Return the history; what no row told is missing."""
        return History(
            tuple(self._place), self._interval.start_ms, self._power_w.copy(), self._origin.copy()
        )

    def _places(self, rows: QuarterRows) -> tuple[Integers, Integers]:
        pod = np.array([self._place.get(code, -1) for code in rows.pods], np.int64)
        for number in np.flatnonzero(pod < 0)[:1]:
            where, remedy = f"{rows.source}, row {number + 1}", "name it, or leave its rows out"
            _reject(where, f"POD {rows.pods[number]} is none of this history", "pod", remedy)
        quarter = (rows.start_ms - self._interval.start_ms) // QUARTER_MS
        for number in np.flatnonzero((quarter < 0) | (quarter >= self._origin.shape[1]))[:1]:
            where, remedy = f"{rows.source}, row {number + 1}", "ask for the interval only"
            _reject(where, f"{rows.start_ms[number]} ms is outside the history", "outside", remedy)
        return pod, quarter

    def _refuse_twice(self, rows: QuarterRows, pod: Integers, quarter: Integers) -> None:
        _, first, count = np.unique(
            pod * self._origin.shape[1] + quarter, return_index=True, return_counts=True
        )
        for number in first[count > 1][:1]:
            what = f"{rows.pods[number]} has the quarter of {rows.start_ms[number]} ms twice"
            _reject(f"{rows.source}, row {number + 1}", what, "quarter_twice")


def _pod(code: str) -> str:
    try:
        return Pod(code).code
    except ValueError as error:
        raise Rejected(str(error), where="PODs of the history", reason="pod") from error


def _reject(where: str, what: str, reason: str, remedy: str = "mend the source") -> NoReturn:
    raise Rejected(what, where=where, remedy=remedy, reason=reason)
