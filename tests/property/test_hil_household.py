"""Laws of the simulated households: exact registers, sums, repetition."""

from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.household import Counters, Household, Kind, equipment_of

INSTALLED_DAY = 20_620
DAY_MS = 86_400_000
START_MS = INSTALLED_DAY * DAY_MS
DAYS = 4

kinds = st.sampled_from(list(Kind))
phases = st.sampled_from([1, 3])
seeds = st.integers(0, 5)
instants = st.integers(START_MS, START_MS + DAYS * DAY_MS - 1)


@lru_cache(maxsize=64)
def household(seed: int, phase_count: int, kind: Kind) -> Household:
    return Household(
        seed,
        phases=phase_count,
        equipment=equipment_of(kind, phase_count),
        installed_day=INSTALLED_DAY,
    )


def all_counters(one: Household, unix_ms: int) -> list[Counters]:
    reading = one.at(unix_ms)
    return [reading.counters, *(phase.counters for phase in reading.phases)]


@given(seeds, phases, kinds, instants, st.integers(0, 2 * DAY_MS))
def test_registers_never_run_back(
    seed: int, phase_count: int, kind: Kind, unix_ms: int, later_ms: int
) -> None:
    one = household(seed, phase_count, kind)
    pairs = zip(all_counters(one, unix_ms), all_counters(one, unix_ms + later_ms), strict=True)
    for before, after in pairs:
        assert before.import_wh <= after.import_wh
        assert before.export_wh <= after.export_wh
        assert before.import_varh <= after.import_varh
        assert before.export_varh <= after.export_varh


@given(seeds, phases, kinds, st.integers(0, DAYS * 96 - 1))
def test_power_through_a_quarter_is_what_the_registers_gained(
    seed: int, phase_count: int, kind: Kind, quarter: int
) -> None:
    one = household(seed, phase_count, kind)
    start_ms = START_MS + quarter * 900_000
    # The mean of a step is read at its middle; run edges fall on whole seconds.
    net_wh = sum(one.at(start_ms + s * 1000 + 500).power_w for s in range(900)) / 3600
    reactive_varh = sum(one.at(start_ms + s * 1000 + 500).reactive_var for s in range(900)) / 3600
    before, after = one.at(start_ms).counters, one.at(start_ms + 900_000).counters
    gained_wh = after.import_wh - before.import_wh - (after.export_wh - before.export_wh)
    gained_varh = after.import_varh - before.import_varh - (after.export_varh - before.export_varh)
    assert gained_wh == pytest.approx(net_wh, abs=2.0)
    assert gained_varh == pytest.approx(reactive_varh, abs=2.0)


@given(seeds, phases, kinds, st.integers(0, DAYS * 96 - 1))
def test_readings_every_four_seconds_agree_with_the_registers(
    seed: int, phase_count: int, kind: Kind, quarter: int
) -> None:
    one = household(seed, phase_count, kind)
    start_ms = START_MS + quarter * 900_000
    sampled_wh = sum(one.at(start_ms + n * 4000 + 98).power_w for n in range(225)) / 900
    before, after = one.at(start_ms).counters, one.at(start_ms + 900_000).counters
    gained_wh = after.import_wh - before.import_wh - (after.export_wh - before.export_wh)
    # Each switching inside a slot can be off by its power for up to 4 s.
    assert gained_wh == pytest.approx(sampled_wh, abs=25.0)


@given(seeds, kinds, instants)
def test_phases_add_up(seed: int, kind: Kind, unix_ms: int) -> None:
    reading = household(seed, 3, kind).at(unix_ms)
    assert reading.power_w == pytest.approx(sum(phase.power_w for phase in reading.phases))
    assert reading.reactive_var == pytest.approx(sum(p.reactive_var for p in reading.phases))
    net_wh = reading.counters.import_wh - reading.counters.export_wh
    of_phases_wh = sum(p.counters.import_wh - p.counters.export_wh for p in reading.phases)
    assert abs(net_wh - of_phases_wh) <= 8


@given(seeds, phases, kinds, instants)
def test_a_seed_and_an_instant_decide_everything(
    seed: int, phase_count: int, kind: Kind, unix_ms: int
) -> None:
    fresh = household.__wrapped__(seed, phase_count, kind)
    assert fresh.at(unix_ms) == household(seed, phase_count, kind).at(unix_ms)


@given(seeds, phases, kinds, instants)
def test_values_are_plausible(seed: int, phase_count: int, kind: Kind, unix_ms: int) -> None:
    reading = household(seed, phase_count, kind).at(unix_ms)
    assert 49.9 < reading.frequency_hz < 50.1
    for phase in reading.phases:
        assert 207.0 < phase.voltage_v < 253.0
        assert 0.0 <= phase.current_a < 60.0
        assert abs(phase.power_w) < 14_000.0
        assert abs(phase.reactive_var) < 2_000.0
