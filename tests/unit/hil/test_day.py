"""A day in steps of constant power, and its exact energy."""

from hil.day import UJ_PER_WH, Channel, DayPlan, Energies, Step
from hil.sky import MS_PER_DAY

HOUR_MS = 3_600_000


def plan() -> DayPlan:
    lengths_ms = [HOUR_MS, 2 * HOUR_MS, MS_PER_DAY - 3 * HOUR_MS]
    channel = Channel(lengths_ms, [1_000_000, -500_000, 0], [200_000, 0, 0], [100_000, -50_000, 0])
    return DayPlan([0, HOUR_MS, 3 * HOUR_MS], (channel,), charge_end_uj=7)


def test_an_instant_falls_into_the_step_that_has_begun() -> None:
    assert plan().step_at(0) == Step(0, 0, HOUR_MS)
    assert plan().step_at(HOUR_MS - 1) == Step(0, HOUR_MS - 1, HOUR_MS)
    assert plan().step_at(HOUR_MS) == Step(1, 0, 2 * HOUR_MS)
    assert plan().step_at(MS_PER_DAY - 1).index == 2


def test_import_and_export_are_counted_apart() -> None:
    assert plan().totals() == (
        Energies(1000 * UJ_PER_WH, 1000 * UJ_PER_WH, 100 * UJ_PER_WH, 100 * UJ_PER_WH),
    )
    half = plan().channels[0].energies(plan().step_at(2 * HOUR_MS))
    assert half == Energies(1000 * UJ_PER_WH, 500 * UJ_PER_WH, 100 * UJ_PER_WH, 50 * UJ_PER_WH)


def test_a_ripple_leans_over_the_step_and_adds_nothing() -> None:
    channel = plan().channels[0]
    assert channel.power_mw(plan().step_at(0)) == 1_200_000
    assert channel.power_mw(plan().step_at(HOUR_MS // 2)) == 1_000_000
    assert channel.power_mw(plan().step_at(HOUR_MS - 1)) < 801_000
    half_uj = channel.energies(plan().step_at(HOUR_MS // 2)).import_uj
    assert half_uj == 550 * UJ_PER_WH


def test_energies_add() -> None:
    assert Energies(1, 2, 3, 4) + Energies(10, 20, 30, 40) == Energies(11, 22, 33, 44)


def test_energies_subtract() -> None:
    assert Energies(11, 22, 33, 44) - Energies(10, 20, 30, 40) == Energies(1, 2, 3, 4)
