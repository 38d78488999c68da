"""What a meter sees of a household."""

import math

import pytest

from hil.household import Household, Kind, NotInstalled, equipment_of
from hil.planning import Equipment
from tests.hil.benches import INSTALLED_DAY, NOON_MS, household

DAY_MS = 86_400_000


def test_phases_are_one_or_three() -> None:
    assert len(household(phases=1).at(NOON_MS).phases) == 1
    assert len(household(phases=3).at(NOON_MS).phases) == 3
    with pytest.raises(ValueError, match="1 or 3 phases, not 2"):
        Household(1, phases=2, equipment=Equipment(), installed_day=INSTALLED_DAY)


def test_current_belongs_to_power_and_voltage() -> None:
    for phase in household().at(NOON_MS).phases:
        apparent_va = math.hypot(phase.power_w, phase.reactive_var)
        assert phase.current_a * phase.voltage_v == pytest.approx(apparent_va)
        assert phase.current_a >= 0.0


def test_registers_begin_where_the_seed_says_and_go_on_over_midnight() -> None:
    one = household(5)
    start = one.at(INSTALLED_DAY * DAY_MS).counters
    assert start.import_wh > 200_000
    assert start.export_wh == 0
    before = one.at((INSTALLED_DAY + 1) * DAY_MS - 1).counters
    after = one.at((INSTALLED_DAY + 1) * DAY_MS).counters
    assert 0 <= after.import_wh - before.import_wh <= 1


def test_asking_out_of_order_changes_nothing() -> None:
    asked = [NOON_MS + 9 * DAY_MS, NOON_MS, NOON_MS + 4 * DAY_MS, NOON_MS + 9 * DAY_MS]
    one = household(6)
    assert [one.at(at) for at in asked] == [household(6).at(at) for at in asked]


def test_preparing_changes_nothing() -> None:
    one = household(6)
    one.prepare(NOON_MS + 3 * DAY_MS)
    assert one.at(NOON_MS) == household(6).at(NOON_MS)


def test_before_its_first_day_there_is_no_meter() -> None:
    with pytest.raises(NotInstalled):
        household().at(INSTALLED_DAY * DAY_MS - 1)


def test_kinds_own_more_and_more() -> None:
    assert equipment_of(Kind.FLAT, 1) == Equipment()
    assert equipment_of(Kind.SOLAR, 1).pv_peak_w > 0
    assert equipment_of(Kind.STORAGE, 3).battery_wh > 0
    assert equipment_of(Kind.ELECTRIC, 3).charger_w == 11_000
    assert equipment_of(Kind.ELECTRIC, 1).charger_w == 2_300


def test_a_reading_never_repeats_itself() -> None:
    # A stale reply must be told from a fresh one by its content.
    one = household(kind=Kind.STORAGE)
    seen = {
        (reading.phases[0].voltage_v, reading.frequency_hz, reading.power_w)
        for slot in range(200)
        for reading in [one.at(NOON_MS + 4000 * slot)]
    }
    assert len(seen) == 200
