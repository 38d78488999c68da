"""Rows into a history: net power in load convention, evidence before imports, wrong rows named."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from central.dso.forecast.history import Integers, Origin
from central.dso.forecast.rows import CertifiedRows, HistoryBuilder, QuarterRows
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

A, B, C = "IT002E00000001", "IT002E00000002", "IT002E00000003"
START_MS = 1_781_820_000_000
SPAN = Interval(START_MS, START_MS + 4 * QUARTER_MS)


def at(quarters: Sequence[int]) -> Integers:
    return START_MS + QUARTER_MS * np.array(quarters, np.int64)


def imported(
    pods: Sequence[str],
    quarters: Sequence[int],
    import_wh: Sequence[float],
    export_wh: Sequence[float] | None = None,
) -> QuarterRows:
    given_wh = np.zeros(len(import_wh)) if export_wh is None else np.array(export_wh, float)
    return QuarterRows("old.csv", pods, at(quarters), np.array(import_wh, float), given_wh)


def certified(
    pods: Sequence[str],
    quarters: Sequence[int],
    import_wh: Sequence[float],
    *,
    covered_s: Sequence[int] | None = None,
    state: Sequence[str] | None = None,
) -> CertifiedRows:
    count = len(pods)
    covered = np.array(covered_s if covered_s is not None else [900] * count, np.int64)
    told = state if state is not None else ["anchored"] * count
    energy_wh = np.array(import_wh, float)
    return CertifiedRows("scd", pods, at(quarters), energy_wh, np.zeros(count), covered, told)


def test_net_energy_is_mean_power_in_load_convention() -> None:
    rows = imported([A, A, B], [0, 1, 3], [250, 0, 100], [0, 500, 25])
    history = HistoryBuilder([A, B, C], SPAN).add_imported(rows).build()
    assert history.pods == (A, B, C)
    assert history.power_w.tolist() == [[1_000, -2_000, 0, 0], [0, 0, 0, 300], [0] * 4]
    assert history.origin.tolist() == [[1, 1, 0, 0], [0, 0, 0, 1], [0] * 4]


def test_received_is_not_yet_certified() -> None:
    rows = certified([A, A], [0, 1], [25, 25], state=["received", "anchored"])
    history = HistoryBuilder([A], SPAN).add_certified(rows).build()
    assert history.origin[0, :2].tolist() == [Origin.RECEIVED, Origin.CERTIFIED]


def test_the_mean_is_that_of_the_seconds_covered() -> None:
    rows = certified([A, A, A], [0, 1, 2], [50, 25, 24], covered_s=[900, 450, 449])
    history = HistoryBuilder([A], SPAN).add_certified(rows).build()
    assert history.power_w[0].tolist() == [200, 200, 0, 0]
    assert history.origin[0].tolist() == [3, 3, 0, 0]


@pytest.mark.parametrize("evidence_first", [True, False])
def test_evidence_stands_before_imports_in_any_order(*, evidence_first: bool) -> None:
    builder = HistoryBuilder([A], SPAN)
    adds: list[Callable[[], HistoryBuilder]] = [
        lambda: builder.add_certified(certified([A], [1], [75])),
        lambda: builder.add_imported(imported([A, A], [1, 2], [1, 2])),
    ]
    for add in adds if evidence_first else adds[::-1]:
        add()
    history = builder.build()
    assert history.power_w[0].tolist() == [0, 300, 8, 0]
    assert history.origin[0].tolist() == [0, 3, 1, 0]


def test_too_little_evidence_leaves_the_import() -> None:
    builder = HistoryBuilder([A], SPAN).add_imported(imported([A], [0], [10]))
    history = builder.add_certified(certified([A], [0], [1], covered_s=[100])).build()
    assert (history.power_w[0, 0], history.origin[0, 0]) == (40, Origin.IMPORTED)


def test_a_changed_meter_gives_two_rows_of_a_quarter() -> None:
    rows = certified([A, A], [2, 2], [30, 20], covered_s=[400, 500], state=["anchored", "received"])
    history = HistoryBuilder([A], SPAN).add_certified(rows).build()
    assert (history.power_w[0, 2], history.origin[0, 2]) == (200, Origin.RECEIVED)


def test_a_built_history_does_not_change_any_more() -> None:
    builder = HistoryBuilder([A], SPAN)
    before = builder.build()
    builder.add_imported(imported([A], [0], [10]))
    assert not before.power_w.any()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (lambda: imported([A], [0], [-1]), "old.csv, row 1: an import of -1.0 Wh"),
        (lambda: imported([A, A], [0, 1], [1, 1], [0, np.nan]), "row 2: an export of nan Wh"),
        (lambda: imported([A], [0], [np.inf]), "an import of inf Wh"),
        (lambda: imported([A], [0, 1], [1]), "differ in length"),
        (lambda: QuarterRows("x", [A], at([0]) + 1, np.ones(1), np.ones(1)), "off a quarter"),
        (lambda: certified([A], [0], [1], covered_s=[901]), "covers 901 s"),
        (lambda: certified([A], [0], [1], covered_s=[-1]), "covers -1 s"),
        (lambda: certified([A], [0], [1], state=["live"]), "state 'live'"),
        (lambda: certified([A], [0], [1], covered_s=[900, 900]), "scd: the columns differ"),
    ],
)
def test_a_wrong_row_is_named(rows: Callable[[], QuarterRows], told: str) -> None:
    with pytest.raises(Rejected, match=told):
        rows()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (imported([A, C], [0, 0], [1, 1]), f"row 2: POD {C} is none of this history"),
        (imported([A, A], [0, 4], [1, 1]), "row 2: .* is outside the history"),
        (imported([A], [-1], [1]), "outside the history"),
        (imported([B, A, B], [2, 2, 2], [1, 1, 1]), f"row 1: {B} has the quarter of .* twice"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows: QuarterRows, told: str) -> None:
    with pytest.raises(Rejected, match=told):
        HistoryBuilder([A, B], SPAN).add_imported(rows)


def test_a_quarter_that_counts_twice_is_refused() -> None:
    with pytest.raises(Rejected, match=f"row 2: {A} has the quarter"):
        HistoryBuilder([A, B], SPAN).add_certified(certified([B, A, A], [0, 1, 1], [1, 1, 1]))


@pytest.mark.parametrize(
    ("pods", "span", "told"),
    [
        (["house 7"], SPAN, "not a POD"),
        ([A, B, A], SPAN, "comes twice"),
        ([A], Interval(START_MS, START_MS + 1), "ends on a quarter"),
    ],
)
def test_a_history_is_of_pods_and_quarters(pods: list[str], span: Interval, told: str) -> None:
    with pytest.raises(Rejected, match=told):
        HistoryBuilder(pods, span)
