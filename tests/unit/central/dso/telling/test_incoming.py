"""What field sensors say, as the estimation weighs it."""

from dataclasses import replace

import numpy as np
import pytest

from central.documents.elements import Phase
from central.documents.measurement import (
    BreakerReading,
    BreakerState,
    FieldMeasurements,
    PhaseReading,
    SensorReading,
)
from central.dso.grid.model import Sensor
from central.dso.telling.incoming import heard
from ledger.facts.interval import Interval
from tests.grids import feeder

NOW_MS = 1_780_000_000_000
GRID = replace(
    feeder(8),
    sensors=(
        Sensor("VC-1", "voltage", node=3),
        Sensor("VC-2", "power", branch=1),
        Sensor("VC-3", "current", branch=2),
        Sensor("LV3G-1", "breaker", branch=4),
    ),
)


def phase(
    name: Phase | None,
    *,
    voltage_mv: int | None = None,
    current_ma: int | None = None,
    power_w: int | None = None,
    reactive_power_var: int | None = None,
) -> PhaseReading:
    return PhaseReading(
        phase=name,
        voltage_mv=voltage_mv,
        current_ma=current_ma,
        power_w=power_w,
        reactive_power_var=reactive_power_var,
    )


def reading(sensor: str, *phases: PhaseReading, age_s: int = 10) -> SensorReading:
    return SensorReading(
        sensor=sensor, measured_ms=NOW_MS - age_s * 1000, phases=phases, voltage_sigma_mv=30_000,
        current_sigma_ma=500, power_sigma_w=600, reactive_power_sigma_var=900,
    )  # fmt: skip


def document(
    *sensors: SensorReading, breakers: tuple[BreakerReading, ...] = ()
) -> FieldMeasurements:
    return FieldMeasurements(
        mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1, created_ms=NOW_MS, sender="field",
        receiver="dso", validity=Interval(NOW_MS - 7_200_000, NOW_MS + 7_200_000),
        sensors=sensors, breakers=breakers,
    )  # fmt: skip


def breaker(name: str, state: BreakerState, *, age_s: int = 10) -> BreakerReading:
    return BreakerReading(breaker=name, measured_ms=NOW_MS - age_s * 1000, state=state)


def test_three_phases_to_neutral_are_one_voltage_per_unit() -> None:
    volts = [11_547_005, 11_500_000, 11_600_000]
    seen = reading("VC-1", *(phase(p, voltage_mv=v) for p, v in zip(Phase, volts, strict=True)))
    (found,) = heard(GRID, [document(seen)], NOW_MS).measured
    assert (found.name, found.kind, found.element, found.origin) == ("VC-1", "voltage", 3, "sensor")
    assert found.value.real == pytest.approx(np.mean(volts) / 11_547_005, abs=1e-6)
    assert found.sigma == pytest.approx(30_000 / 11_547_005 / np.sqrt(3), rel=1e-6)


def test_a_voltage_of_all_alike_is_phase_to_phase() -> None:
    (found,) = heard(
        GRID, [document(reading("VC-1", phase(None, voltage_mv=20_400_000)))], NOW_MS
    ).measured
    assert found.value.real == pytest.approx(1.02)


def test_powers_are_summed_and_lead_away_from_the_busbar() -> None:
    seen = reading("VC-2", *(phase(p, power_w=-1000, reactive_power_var=200) for p in Phase))
    (found,) = heard(GRID, [document(seen)], NOW_MS).measured
    assert (found.kind, found.element, found.value) == ("flow", 1, -3000 + 600j)
    assert found.sigma == pytest.approx(900 * np.sqrt(3))


def test_a_sensor_at_a_branch_tells_the_voltage_of_its_busbar_too() -> None:
    seen = reading("VC-2", phase(None, voltage_mv=20_000_000, power_w=5, reactive_power_var=1))
    voltage, flow = heard(GRID, [document(seen)], NOW_MS).measured
    assert (voltage.kind, voltage.element) == ("voltage", int(GRID.branch_from[1]))
    assert flow.kind == "flow"


def test_a_current_alone_is_a_magnitude() -> None:
    seen = reading("VC-3", *(phase(p, current_ma=100_000) for p in Phase))
    (found,) = heard(GRID, [document(seen)], NOW_MS).measured
    assert (found.kind, found.element, found.value) == ("current", 2, 100.0)


def test_the_newest_counts_and_the_future_and_the_old_do_not() -> None:
    def at(age_s: int, voltage_mv: int) -> FieldMeasurements:
        return document(reading("VC-1", phase(None, voltage_mv=voltage_mv), age_s=age_s))

    documents = [at(60, 20_100_000), at(20, 20_200_000), at(40, 20_300_000), at(-5, 9), at(901, 9)]
    (found,) = heard(GRID, documents, NOW_MS).measured
    assert found.value.real == pytest.approx(1.01)
    assert heard(GRID, [at(901, 9)], NOW_MS).measured == ()


def test_breakers_say_what_is_closed_and_the_newest_word_counts() -> None:
    documents = [
        document(breakers=(breaker("LV3G-1", BreakerState.CLOSED, age_s=50),)),
        document(breakers=(breaker("LV3G-1", BreakerState.TRIPPED, age_s=5),)),
        document(breakers=(breaker(GRID.branches[0].name, BreakerState.OPEN),)),
    ]
    closed = heard(GRID, documents, NOW_MS).closed
    assert np.flatnonzero(~closed).tolist() == [0, 4]
    assert GRID.closed.all(), "the file's own state is not touched"


def test_who_is_silent_and_who_is_a_stranger_is_told() -> None:
    found = heard(
        GRID,
        [document(reading("VC-9", phase(None, voltage_mv=1)), breakers=(
            breaker("B-9", BreakerState.OPEN),))],
        NOW_MS,
    )  # fmt: skip
    assert found.strangers == ("B-9", "VC-9")
    assert found.silent == ("LV3G-1", "VC-1", "VC-2", "VC-3")
