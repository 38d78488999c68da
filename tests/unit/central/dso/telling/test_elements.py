"""Each element is listed once, with its limit in whole millivolts or milliamperes."""

from central.documents.elements import Side
from central.dso.assessment import Congestion
from central.dso.limits import Bound, Margin
from central.dso.telling.elements import Elements, scenario_names, scenario_of
from ledger.facts.interval import Interval
from tests.grids import feeder

GRID = feeder(8)


def congestion(element: str, bound: Bound, value: float, limit: float, *, quarter: int = 0,
               scenario: str = "mean", outage: str = "") -> Congestion:  # fmt: skip
    interval = Interval(quarter * 900_000, (quarter + 1) * 900_000)
    return Congestion(
        element, bound, quarter, interval, scenario, value, limit, cause="load", outage=outage
    )


def test_entries_stand_by_position_time_and_scenario_and_elements_once() -> None:
    elements = Elements(GRID, Margin())
    found = elements.violations(
        [
            congestion("N4", Bound.UNDERVOLTAGE, 0.94, 0.955, quarter=1),
            congestion("L1-2", Bound.LINE, 110.0, 98.0),
            congestion("N4", Bound.UNDERVOLTAGE, 0.93, 0.955),
            congestion("N4", Bound.OVERVOLTAGE, 1.06, 1.045),
        ]
    )
    assert [(each.position, each.start_ms) for each in found] == [
        (0, 0), (0, 900_000), (1, 0), (2, 0),
    ]  # fmt: skip
    assert [each.element for each in elements.listed] == ["N4", "L1-2", "N4"]
    assert [each.side for each in elements.listed] == [None, Side.FROM, None]
    assert found[0].excess_milli == 500_000
    assert found[2].excess_milli == 17_400


def test_the_smallest_excess_is_still_one() -> None:
    elements = Elements(GRID, Margin())
    (found,) = elements.violations([congestion("N4", Bound.OVERVOLTAGE, 1.05 + 1e-12, 1.05)])
    assert found.excess_milli == 1


def test_the_mean_is_what_is_expected_and_an_outage_is_told() -> None:
    assert scenario_names(("mean", "p95")) == ("expected", "p95")
    told = congestion("N4", Bound.OVERVOLTAGE, 1.06, 1.05, scenario="p95", outage="L1-2")
    assert scenario_of(told) == "p95 without L1-2"
