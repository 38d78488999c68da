"""Energy registers against power."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.facts.record import GapCause
from lightnode.energy import EnergyWatch
from lightnode.errors import MeterFault
from tests.fakes.lightnode_meter import measured

SLOT_MS = 4_000


def watch() -> EnergyWatch:
    return EnergyWatch(greatest_power_w=9_000, step_wh=10)


def test_what_power_allows_is_believed() -> None:
    energy = watch()
    energy.check(measured(import_wh=1_000), 0)
    energy.check(measured(import_wh=1_020), SLOT_MS)
    energy.check(measured(import_wh=1_020 + 9_000 + 10), SLOT_MS + 3_600_000)


@pytest.mark.parametrize("import_wh", [999, 1_021, 50_000])
def test_running_back_and_leaping_are_not(import_wh: int) -> None:
    energy = watch()
    energy.check(measured(import_wh=1_000), 0)
    with pytest.raises(MeterFault, match="which no power explains") as told:
        energy.check(measured(import_wh=import_wh), SLOT_MS)
    assert told.value.cause == GapCause.METER_RANGE
    energy.check(measured(import_wh=1_001), 2 * SLOT_MS)


def test_a_changed_meter_is_believed_the_third_time() -> None:
    energy = watch()
    energy.check(measured(import_wh=900_000), 0)
    for number in (1, 2):
        with pytest.raises(MeterFault):
            energy.check(measured(import_wh=number), number * SLOT_MS)
    energy.check(measured(import_wh=3), 3 * SLOT_MS)
    energy.check(measured(import_wh=4), 4 * SLOT_MS)


def test_nonsense_that_keeps_no_course_is_never_believed() -> None:
    energy = watch()
    energy.check(measured(import_wh=1_000), 0)
    for number, import_wh in enumerate([5, 90_000, 7, 80_000, 2, 70_000], 1):
        with pytest.raises(MeterFault):
            energy.check(measured(import_wh=import_wh), number * SLOT_MS)


@given(powers_w=st.lists(st.integers(-9_000, 9_000), max_size=40))
def test_a_meter_that_counts_what_it_shows_is_always_believed(powers_w: list[int]) -> None:
    energy, import_ws, export_ws = watch(), 0, 0
    for number, power_w in enumerate(powers_w):
        import_ws += 4 * max(power_w, 0)
        export_ws += 4 * max(-power_w, 0)
        shown = measured(power_w, import_ws // 36_000 * 10, export_ws // 36_000 * 10)
        energy.check(shown, number * SLOT_MS)
