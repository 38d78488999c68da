"""Quarter-hours: energy, covered seconds, registers, days of 92, 96 and 100."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from central.scd.checking import check
from central.scd.quarters import (
    RegisterCheck,
    Tolerance,
    metered,
    quarters_in,
    sums_of,
    total,
    unmetered,
)
from central.scd.stored import QuarterSums
from ledger.facts.interval import Interval
from ledger.facts.record import GapCause
from tests.segments import FIRST_SLOT, ORIGIN, Power, TestNode, steady

CLOSE = Tolerance(absolute_wh=2.0, relative_pct=1.0)
QUARTER = FIRST_SLOT // 225


def quarters(
    power: Power, minutes: int, gaps: dict[int, GapCause] | None = None, *, stuck: bool = False
) -> list[QuarterSums]:
    """Return the sums of a node's first minutes; `stuck` registers do not count."""
    node = TestNode(0, power=power)
    bodies = []
    for minute in range(minutes):
        bodies.append(node.segment(gaps=gaps if minute == 3 else None))
        if stuck:
            node.import_ws, node.export_ws = 3_600_000, 7_200_000
    found = total(s for body in bodies for s in check(body, ORIGIN).quarters)
    return [found[key] for key in sorted(found)]


def test_steady_power_gives_a_quarter_of_its_watts_in_watt_hours() -> None:
    one, two = quarters(steady(2_000), 30)
    found = metered(one, two, CLOSE)
    assert (found.import_wh, found.export_wh, found.covered_s) == (500.0, 0.0, 900)
    assert (found.register_import_wh, found.register_check) == (500, RegisterCheck.AGREES)


def test_what_is_given_is_never_netted_against_what_is_taken() -> None:
    (one,) = quarters(lambda slot: 1_800 if slot % 2 else -900, 15)
    assert (one.import_ws, one.export_ws) == (112 * 7_200, 113 * 3_600)


def test_missing_seconds_are_stated_and_not_guessed() -> None:
    one, two = quarters(steady(3_600), 16, {4: GapCause.METER_TIMEOUT})
    found = metered(one, two, CLOSE)
    assert (found.covered_s, found.import_wh) == (896, 896.0)
    assert (found.register_import_wh, found.register_check) == (900, RegisterCheck.NOT_COMPARABLE)


def test_registers_that_disagree_are_flagged_with_figures() -> None:
    one, two = quarters(steady(2_000), 30, stuck=True)
    found = metered(one, two, CLOSE)
    assert found.register_check is RegisterCheck.DISAGREES
    assert (found.register_import_wh, found.compared_import_wh) == (0, 500.0)


def test_a_tolerance_is_the_larger_of_its_two_bounds() -> None:
    assert CLOSE.allows(102.0, 100.0)
    assert not CLOSE.allows(102.1, 100.0)
    assert CLOSE.allows(1_010.0, 1_000.0)
    assert not CLOSE.allows(1_010.1, 1_000.0)


def test_the_last_quarter_is_compared_from_its_first_to_its_last_reading() -> None:
    (one,) = quarters(steady(3_600), 5)
    found = metered(one, None, CLOSE)
    assert (found.register_import_wh, found.compared_import_wh) == (296, 296.0)
    assert found.register_check is RegisterCheck.AGREES


def test_a_following_quarter_that_starts_late_closes_nothing() -> None:
    one, two = quarters(steady(3_600), 30)
    late = replace(two, first_slot=two.first_slot + 1)
    assert metered(one, late, CLOSE).register_import_wh == 896


def test_one_reading_alone_compares_with_nothing() -> None:
    node = TestNode(0)
    (sums,) = check(node.sealed([node._reading(node.slot)], node.slot + 1), ORIGIN).quarters
    found = metered(sums, None, CLOSE)
    assert found.register_check is RegisterCheck.NOT_COMPARABLE
    assert found.register_import_wh is None


def test_flagged_seconds_are_counted() -> None:
    row = [1, 1, 0, FIRST_SLOT, 0, 1, 100, 0, [1], [1], 50_000, 1, 1, 1, None]
    clean = [*row[:13], 0, None]
    (sums,) = sums_of(0, [row, [*clean[:3], FIRST_SLOT + 1, *clean[4:]]])
    assert metered(sums, None, CLOSE).flagged_s == 4
    assert sums_of(0, []) == ()


def test_a_quarter_without_a_reading_is_nothing_over_nothing() -> None:
    found = unmetered(3, QUARTER)
    assert (found.covered_s, found.import_wh, found.interval.duration_ms) == (0, 0.0, 900_000)


@pytest.mark.parametrize(
    ("day", "count"), [((2026, 3, 29), 92), ((2026, 6, 21), 96), ((2026, 10, 25), 100)]
)
def test_a_local_day_has_92_96_or_100_quarters(day: tuple[int, int, int], count: int) -> None:
    rome = ZoneInfo("Europe/Rome")
    start, end = datetime(*day, tzinfo=rome), datetime(day[0], day[1], day[2] + 1, tzinfo=rome)
    span = Interval(int(start.timestamp() * 1000), int(end.timestamp() * 1000))
    assert len(quarters_in(span)) == count


def test_quarters_belong_to_the_interval_they_begin_in() -> None:
    assert list(quarters_in(Interval(1, 900_001))) == [1]
    assert list(quarters_in(Interval(0, 900_000))) == [0]
    assert list(quarters_in(Interval(0, 0))) == []
