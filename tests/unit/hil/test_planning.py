"""Load, sun, battery and car become steps of power."""

import pytest

from hil.day import UJ_PER_WH, DayPlan
from hil.planning import Dwelling, Equipment, plan_day
from hil.sky import MS_PER_DAY

DAY = 20_620  # in June
MINUTES_MS = range(0, MS_PER_DAY, 60_000)


def dwelling(equipment: Equipment, *, phases: int = 1) -> Dwelling:
    return Dwelling(seed=11, weather_seed=1, phases=phases, equipment=equipment)


def powers_w(plan: DayPlan) -> list[float]:
    return [plan.channels[0].power_mw(plan.step_at(at_ms)) / 1000 for at_ms in MINUTES_MS]


def test_a_household_without_a_roof_only_takes() -> None:
    plan = plan_day(dwelling(Equipment()), DAY, 0)
    assert min(powers_w(plan)) > 20.0
    assert max(powers_w(plan)) > 1000.0
    (total,) = plan.totals()
    assert total.export_uj == 0
    assert 2_000 < total.import_uj / UJ_PER_WH < 20_000


def test_a_roof_feeds_in_by_day_and_not_by_night() -> None:
    powers = powers_w(plan_day(dwelling(Equipment(pv_peak_w=4000)), DAY, 0))
    assert min(powers) < -1000.0
    assert min(powers[:180]) > 0.0
    assert min(powers[-120:]) > 0.0


def test_a_battery_takes_from_both_directions() -> None:
    roof = plan_day(dwelling(Equipment(pv_peak_w=4000)), DAY, 0)
    stored = plan_day(dwelling(Equipment(4000, 8000, 3000)), DAY, 4000 * UJ_PER_WH)
    (with_roof,), (with_battery,) = roof.totals(), stored.totals()
    assert with_battery.export_uj < with_roof.export_uj
    assert with_battery.import_uj < with_roof.import_uj


@pytest.mark.parametrize("charge_wh", [0, 3000, 8000])
def test_the_battery_stays_between_empty_and_full(charge_wh: int) -> None:
    equipment = Equipment(6000, 8000, 3000)
    charge_uj = charge_wh * UJ_PER_WH
    for day in range(DAY, DAY + 20):
        charge_uj = plan_day(dwelling(equipment), day, charge_uj).charge_end_uj
        assert 0 <= charge_uj <= 8000 * UJ_PER_WH


def test_energy_is_conserved_through_the_battery() -> None:
    bare = plan_day(dwelling(Equipment(4000)), DAY, 0)
    full = plan_day(dwelling(Equipment(4000, 8000, 3000)), DAY, 0)
    (roof,), (stored,) = bare.totals(), full.totals()
    taken_in_uj = (stored.import_uj - stored.export_uj) - (roof.import_uj - roof.export_uj)
    # What the grid gave more than without the battery is in the battery, or lost in it.
    assert taken_in_uj >= full.charge_end_uj
    assert taken_in_uj <= full.charge_end_uj + 8000 * UJ_PER_WH


def test_a_run_over_midnight_is_on_both_days() -> None:
    car = dwelling(Equipment(charger_w=2300))
    seen = 0
    for day in range(DAY, DAY + 30):
        before = plan_day(car, day, 0).channels[0].power_mw
        today, tomorrow = plan_day(car, day, 0), plan_day(car, day + 1, 0)
        last_mw = before(today.step_at(MS_PER_DAY - 1))
        first_mw = tomorrow.channels[0].power_mw(tomorrow.step_at(0))
        if last_mw > 2_300_000 and first_mw > 2_300_000:
            seen += 1
    assert seen >= 3


def test_three_phases_add_up_to_the_sum() -> None:
    plan = plan_day(dwelling(Equipment(6000, 8000, 3000, 11_000), phases=3), DAY, 0)
    total, *phases = plan.channels
    for at_ms in range(0, MS_PER_DAY, 600_001):
        step = plan.step_at(at_ms)
        assert abs(total.power_mw(step) - sum(one.power_mw(step) for one in phases)) <= 3
        assert total.reactive_mvar(step) == sum(one.reactive_mvar(step) for one in phases)


def test_impossible_equipment_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Equipment(pv_peak_w=-1)
    with pytest.raises(ValueError, match="battery"):
        Equipment(battery_wh=5000)
