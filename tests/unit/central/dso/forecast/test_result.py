"""The result: nothing that is no number, and in words how far it may be trusted."""

import numpy as np
import pytest

from central.dso.forecast.history import History, Past
from central.dso.forecast.result import Band, Forecast, Note, Provenance, Reason
from ledger.errors import InvariantBroken
from ledger.facts.interval import QUARTER_MS, Interval

POD = "IT002E00000001"
PAST = Past.of(
    History((POD,), 0, np.ones((1, 8)), np.array([[3, 3, 3, 2, 1, 1, 1, 1]], np.uint8)),
    Interval(0, 10 * QUARTER_MS),
)


def band(mean_w: float = 1.0, low_w: float = 0.0, high_w: float = 2.0) -> Band:
    quantile_w = np.array([[[low_w]], [[high_w]]])
    return Band((POD,), np.array([[mean_w]]), quantile_w)


def forecast(
    weather_issued_ms: int | None, *notes: Note, covered_pct: float | None = None
) -> Forecast:
    return Forecast(
        start_ms=900_000, known_until_ms=0, levels=(0.05, 0.95), of_pods=band(),
        of_feeders=Band((), np.zeros((0, 1)), np.zeros((2, 0, 1))),
        provenance=Provenance.of(PAST), trained_days=28, covered_pct=covered_pct,
        weather_issued_ms=weather_issued_ms, notes=notes,
    )  # fmt: skip


def test_nothing_gets_out_that_is_no_number() -> None:
    for wrong in ((np.nan, 0.0, 2.0), (1.0, -np.inf, 2.0), (1.0, 0.0, np.nan)):
        with pytest.raises(InvariantBroken, match="not finite"):
            band(*wrong)


def test_quantiles_never_fall() -> None:
    with pytest.raises(InvariantBroken, match="fall"):
        band(1.0, 2.0, 1.0)


def test_certified_and_imported_are_told_apart() -> None:
    found = Provenance.of(PAST)
    assert found == Provenance(certified=3, received=1, imported=4, missing=2)
    assert (found.certified_pct, found.imported_pct) == (37.5, 50.0)
    assert Provenance(0, 0, 0, 5).certified_pct == 0


def test_the_statement_says_what_it_rests_on() -> None:
    told = forecast(0, Note(Reason.GAPS, "1 POD lacks 2 quarters")).statement()
    assert "90 % of the errors of 28 days lie between the outer quantiles by construction" in told
    assert "not tested on other days" in told
    assert "38 % is certified and 50 % imported" in told
    assert "weather as issued 1970-01-01T00:00Z" in told
    assert "1 POD lacks 2 quarters" in told


def test_what_was_tested_is_told_beside_what_is_meant() -> None:
    told = forecast(0, covered_pct=83.6).statement()
    assert "meant for 90 %, lay 84 % of what came in 28 days" in told
    assert "not tested" not in told


def test_without_weather_it_warns() -> None:
    assert "keep a wide margin" in forecast(None).statement()


def test_the_shape_is_told() -> None:
    found = forecast(None)
    assert (found.pods, found.quarter_count) == ((POD,), 1)
    assert found.interval == Interval(900_000, 1_800_000)
    assert found.mean_w.shape == (1, 1)
    assert found.quantile_w.shape == (2, 1, 1)
