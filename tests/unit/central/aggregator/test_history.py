"""The aggregator's past: I-01 as mean powers, gaps as gaps, days side by side by their clock."""

from datetime import date

import numpy as np
import pytest

from central.aggregator.history import History
from central.calendar import day_interval, day_start_ms
from central.documents.measures import MeasuredQuarter, Origin, QuarterMeasures
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

DAY = day_interval(date(2026, 6, 3))
POD = "IT002E00000001"


def quarter(number: int, import_wh: int, export_wh: int, covered_s: int = 900) -> MeasuredQuarter:
    return MeasuredQuarter(
        start_ms=DAY.start_ms + number * QUARTER_MS, import_wh=import_wh, export_wh=export_wh,
        covered_s=covered_s, flagged_s=0, origin=Origin.CERTIFIED,
    )  # fmt: skip


def measures(*quarters: MeasuredQuarter, pod: str = POD, created_ms: int = 1) -> QuarterMeasures:
    return QuarterMeasures(
        mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1, created_ms=created_ms,
        sender="scd", receiver="aggregator", validity=DAY, pod=Pod(pod), quarters=quarters,
    )  # fmt: skip


def test_energies_become_net_power_over_the_seconds_that_were_measured() -> None:
    told = measures(quarter(0, 250, 50), quarter(2, 100, 0, 450), quarter(3, 100, 0, 449))
    history = History.of_measures([told], [POD], DAY)
    assert history.power_w[0, :4].tolist()[::2] == [800.0, 800.0]
    assert np.isnan(history.power_w[0, [1, 3]]).all()
    assert history.power_w.shape == (1, 96)


def test_what_was_told_last_counts_whatever_the_order_and_strangers_are_left_out() -> None:
    old, new = (measures(quarter(0, wh, 0), created_ms=ms) for wh, ms in ((100, 1), (200, 2)))
    other = measures(quarter(0, 900, 0), pod="IT002E00000002")
    for told in ([old, new, other], [other, new, old]):
        assert History.of_measures(told, [POD], DAY).power_w[0, 0] == 800.0


def test_beyond_what_is_known_there_is_a_gap() -> None:
    history = History((POD,), DAY.start_ms, np.array([[1.0, 2.0, 3.0]]))
    around = Interval(DAY.start_ms - QUARTER_MS, DAY.start_ms + 5 * QUARTER_MS)
    found = history.between(history.rows_of([POD, "IT002E00000002"]), around)
    np.testing.assert_array_equal(found[0], [np.nan, 1, 2, 3, np.nan, np.nan])
    assert np.isnan(found[1]).all()
    assert np.isnan(history.between(history.rows_of([POD]), day_interval(date(2026, 7, 1)))).all()


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_days_of_another_length_lie_by_their_clock(day: date, count: int) -> None:
    power_w = np.arange(count, dtype=float)[None]
    history = History((POD,), day_start_ms(day), power_w)
    (laid,) = history.days(history.rows_of([POD]), [day])[0]
    if count == 92:
        assert np.isnan(laid[8:12]).all()
        assert laid[12:].tolist() == power_w[0, 8:].tolist()
    else:
        assert laid[8:12].tolist() == [10.0, 11.0, 12.0, 13.0]
        assert laid[12:].tolist() == power_w[0, 16:].tolist()


@pytest.mark.parametrize(
    ("pods", "start_ms", "power_w"),
    [
        ((POD,), 0, np.zeros((2, 4))),
        ((POD, POD), 0, np.zeros((2, 4))),
        ((POD,), 1, np.zeros((1, 4))),
        ((POD,), 0, np.full((1, 4), np.inf)),
    ],
)
def test_what_is_no_history_is_refused(
    pods: tuple[str, ...], start_ms: int, power_w: np.ndarray
) -> None:
    with pytest.raises(Rejected) as caught:
        History(pods, start_ms, power_w)
    assert caught.value.reason == "bad_history"
