"""Field sensors: near the truth by their class, and far from it when they lie."""

import math

import numpy as np
import pytest

from hil.feeder.description import read_description
from hil.feeder.network import SensorPlace
from hil.plant import Plant
from hil.plant_file import Action, SensorFaultKind
from hil.sensors import FieldSensor, Sample, SensorFault
from tests.hil.benches import NOON_MS

PLANT = Plant(read_description(), seed=1, weather_seed=7)
PLANT.solve(NOON_MS)


def place(name: str) -> SensorPlace:
    (found,) = (one for one in PLANT.network.sensors if one.name == name)
    return found


def sensor(name: str = "VC-MV-3", *faults: SensorFault, class_pct: float = 0.5) -> FieldSensor:
    return FieldSensor(place(name), seed=3, class_pct=class_pct, faults=faults)


def sampled(one: FieldSensor, unix_ms: int = NOON_MS) -> Sample:
    sample = one.sample(PLANT.flow, PLANT.state.closed, unix_ms)
    assert sample is not None
    return sample


def lying(kind: SensorFaultKind, size_pct: float = 10.0) -> FieldSensor:
    return sensor("VC-MV-3", SensorFault(kind, NOON_MS, None, size_pct))


def test_a_perfect_sensor_tells_the_truth() -> None:
    sample = sampled(sensor(class_pct=0.0))
    power_va = PLANT.flow.branch_power_va("L-3-8", "MV-3")
    for phase, truth in zip(sample.phases, power_va, strict=True):
        assert complex(phase.power_w, phase.reactive_power_var) == pytest.approx(truth, abs=1)
        assert phase.power_w > 0, "power flows away from the primary substation here"
        volts, amperes = phase.voltage_mv / 1000, phase.current_ma / 1000
        assert volts * amperes == pytest.approx(abs(truth), rel=1e-4)


def test_errors_stay_within_the_class_and_are_there() -> None:
    truth = sampled(sensor(class_pct=0.0))
    for step in range(50):
        seen = sampled(sensor(class_pct=0.5), NOON_MS + step)
        for phase, true in zip(seen.phases, truth.phases, strict=True):
            assert 0 < abs(phase.voltage_mv / true.voltage_mv - 1) <= 0.005
            assert abs(phase.current_ma / true.current_ma - 1) <= 0.01
            assert abs(phase.power_w - true.power_w) < 6 * seen.power_sigma_va


def test_the_deviation_told_is_the_deviation_made() -> None:
    truth = sampled(sensor(class_pct=0.0))
    errors_mv, sigmas_mv = [], []
    for seed in range(300):
        one = FieldSensor(place("VC-MV-3"), seed=seed, class_pct=0.5)
        sample = sampled(one)
        errors_mv += [
            seen.voltage_mv - true.voltage_mv
            for seen, true in zip(sample.phases, truth.phases, strict=True)
        ]
        sigmas_mv.append(sample.voltage_sigma_mv)
    # What stays and what changes is less than both at their limit at once.
    assert 0.6 < np.std(errors_mv) / np.mean(sigmas_mv) < 1.0


def test_one_seed_is_one_sensor() -> None:
    assert sampled(sensor()) == sampled(sensor())
    assert sampled(sensor()) != sampled(sensor(), NOON_MS + 4000)


def test_a_breaker_tells_its_position_and_what_leaves_the_busbar() -> None:
    sample = sampled(sensor("LV3G-3"))
    assert sample.closed is True
    assert all(phase.power_w > 0 for phase in sample.phases)
    assert all(200_000 < phase.voltage_mv < 250_000 for phase in sample.phases)
    other = Plant(read_description(), seed=1, weather_seed=7)
    other.solve(NOON_MS)
    other.act(Action.OPEN, "LV3G-3", None, NOON_MS)
    opened = sensor("LV3G-3").sample(other.flow, other.state.closed, NOON_MS)
    assert opened is not None
    assert opened.closed is False
    assert all(phase.current_ma == 0 for phase in opened.phases)
    assert all(phase.voltage_mv > 200_000 for phase in opened.phases)


def test_a_stuck_sensor_repeats_itself() -> None:
    fault = SensorFault(SensorFaultKind.STUCK, NOON_MS + 4000, NOON_MS + 12_000)
    one = sensor("VC-MV-3", fault)
    good = sampled(one)
    stuck = [sampled(one, NOON_MS + step * 4000) for step in (1, 2)]
    assert all(sample.phases == good.phases for sample in stuck)
    assert [sample.at_ms for sample in stuck] == [NOON_MS + 4000, NOON_MS + 8000]
    assert sampled(one, NOON_MS + 12_000).phases != good.phases


def test_a_biased_sensor_is_off_by_its_size() -> None:
    good, biased = sampled(sensor()), sampled(lying(SensorFaultKind.BIAS, 5.0))
    for phase, true in zip(biased.phases, good.phases, strict=True):
        assert phase.voltage_mv == pytest.approx(1.05 * true.voltage_mv, rel=1e-6)
        assert phase.power_w == pytest.approx(1.05**2 * true.power_w, rel=1e-4)


def test_a_turned_transformer_turns_the_power() -> None:
    good, turned = sampled(sensor()), sampled(lying(SensorFaultKind.SIGN_FLIP))
    for phase, true in zip(turned.phases, good.phases, strict=True):
        assert (phase.voltage_mv, phase.current_ma) == (true.voltage_mv, true.current_ma)
        assert (phase.power_w, phase.reactive_power_var) == (
            -true.power_w,
            -true.reactive_power_var,
        )


def test_a_noisy_sensor_is_off_by_more_than_its_class_and_no_more_than_its_size() -> None:
    truth = sampled(sensor(class_pct=0.0))
    one = lying(SensorFaultKind.NOISE, 20.0)
    parts = [
        sampled(one, NOON_MS + step).phases[0].voltage_mv / truth.phases[0].voltage_mv - 1
        for step in range(50)
    ]
    assert 0.1 < max(map(abs, parts)) < 0.21


def test_a_silent_sensor_says_nothing_until_it_is_cleared() -> None:
    one = lying(SensorFaultKind.SILENT)
    assert one.sample(PLANT.flow, PLANT.state.closed, NOON_MS) is None
    assert one.faults(NOON_MS) == [SensorFaultKind.SILENT]
    assert one.faults(NOON_MS - 1) == []
    one.clear()
    assert sampled(one).phases


def test_a_sensor_in_the_dark_shows_nothing_and_keeps_a_deviation() -> None:
    dark = Plant(read_description(), seed=1, weather_seed=7)
    dark.solve(NOON_MS)
    dark.act(Action.OUT, "TR-1", None, NOON_MS)
    sample = sensor().sample(dark.flow, dark.state.closed, NOON_MS)
    assert sample is not None
    assert {phase.voltage_mv for phase in sample.phases} == {0}
    assert math.isclose(sample.voltage_sigma_mv, 1)
