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


class Mains:
    """A supply of one voltage, for all that is asked of it."""

    def __init__(self, volts: float) -> None:
        self.volts = volts

    def voltage_v(self, phase: int, unix_ms: int, power_w: float) -> float:
        del unix_ms, power_w
        return self.volts + phase if self.volts else 0.0


def supplied(mains: Mains) -> Household:
    return Household(5, phases=3, equipment=Equipment(), installed_day=INSTALLED_DAY, supply=mains)


def test_a_household_shows_the_voltages_of_its_supply() -> None:
    measured = supplied(Mains(231.0)).at(NOON_MS)
    assert [phase.voltage_v for phase in measured.phases] == [231.0, 232.0, 233.0]
    for phase in measured.phases:
        apparent_va = math.hypot(phase.power_w, phase.reactive_var)
        assert phase.current_a == pytest.approx(apparent_va / phase.voltage_v)


def test_powers_are_those_that_are_measured() -> None:
    one = household(5)
    measured = [complex(p.power_w, p.reactive_var) for p in one.at(NOON_MS).phases]
    assert list(one.powers_va(NOON_MS)) == measured


def test_without_voltage_nothing_flows() -> None:
    measured = supplied(Mains(0.0)).at(NOON_MS)
    assert measured.power_w == 0
    assert all(phase.current_a == 0 for phase in measured.phases)


def test_what_an_outage_took_is_never_counted() -> None:
    whole, cut = household(5), household(5)
    hour_ms = 3_600_000
    cut.cut_off(NOON_MS)
    cut.cut_off(NOON_MS + 1000)  # it is off already
    assert not cut.is_supplied
    assert cut.at(NOON_MS + hour_ms).counters == whole.at(NOON_MS).counters
    cut.supply_again(NOON_MS + 12 * hour_ms)
    cut.supply_again(NOON_MS + 13 * hour_ms)  # it is on already
    assert cut.is_supplied
    assert cut.at(NOON_MS + 12 * hour_ms).counters == whole.at(NOON_MS).counters
    missed_wh, lag_wh = (
        whole.at(NOON_MS + later).counters.import_wh - cut.at(NOON_MS + later).counters.import_wh
        for later in (12 * hour_ms, 36 * hour_ms)
    )
    assert missed_wh > 1000
    assert abs(lag_wh - missed_wh) <= 1
