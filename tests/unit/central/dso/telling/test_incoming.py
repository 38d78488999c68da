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
from central.dso.telling.incoming import Doubt, heard
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


RATED_MV = 11_547_005  # phase to neutral


def volts(*of_phases_mv: int | None) -> tuple[PhaseReading, ...]:
    """Return phases a, b and c with their voltages; None where a phase is not told at all."""
    return tuple(
        phase(p, voltage_mv=mv) for p, mv in zip(Phase, of_phases_mv, strict=True) if mv is not None
    )


@pytest.mark.parametrize(
    ("reads_mv", "told"),
    [
        (0, "VC-1: voltage 0 V of phase b: the phase or its sensor is dead"),
        (500_000, "VC-1: voltage 500 V of phase b: the phase or its sensor is dead"),
        (20_000_000, "voltage 20000 V of phase b: 1.73 pu, and no grid runs beyond 0.5 … 1.5 pu"),
        (1 << 52, "of phase b: 3.9e+08 pu, and no grid runs beyond 0.5 … 1.5 pu"),
    ],
)
def test_a_phase_that_cannot_be_is_told_and_the_mean_is_of_the_others(
    reads_mv: int, told: str
) -> None:
    seen = heard(GRID, [document(reading("VC-1", *volts(RATED_MV, reads_mv, RATED_MV)))], NOW_MS)
    (found,), (doubt,) = seen.measured, seen.doubts
    assert told in doubt.statement()
    assert found.value.real == pytest.approx(1.0)
    assert found.sigma > 0.005, "two of three uneven phases are not their mean"


@pytest.mark.parametrize("phases", [volts(0, 0, 0), (phase(None, voltage_mv=0),)])
def test_a_dead_sensor_says_nothing_and_is_named(phases: tuple[PhaseReading, ...]) -> None:
    seen = heard(GRID, [document(reading("VC-1", *phases))], NOW_MS)
    assert (seen.measured, "VC-1" in seen.silent) == ((), False)
    (doubt,) = seen.doubts
    of = " of phases a, b and c" if len(phases) > 1 else ""
    assert doubt.statement() == f"VC-1: voltage 0 V{of}: the phase or its sensor is dead"


def test_the_fewer_phases_the_less_sure_is_their_voltage() -> None:
    sigma_pu = [
        heard(GRID, [document(reading("VC-1", *volts(*told)))], NOW_MS).measured[0].sigma
        for told in ((RATED_MV,) * 3, (RATED_MV, None, RATED_MV), (None, RATED_MV, None))
    ]
    noise_pu = 30_000 / RATED_MV
    wanted = [
        np.hypot(noise_pu / np.sqrt(3), 0),
        np.hypot(noise_pu / np.sqrt(2), 0.005),
        np.hypot(noise_pu, 0.01),
    ]
    assert sigma_pu == pytest.approx(wanted, rel=1e-6)


def test_where_nothing_feeds_a_dead_sensor_is_right_and_a_live_one_is_not() -> None:
    out = (breaker("TR", BreakerState.OPEN),)
    for reads_mv, doubts in ((0, []), (20_000_000, ["nothing feeds N3"])):
        told = document(reading("VC-1", phase(None, voltage_mv=reads_mv)), breakers=out)
        seen = heard(GRID, [told], NOW_MS)
        assert seen.measured == ()
        assert [each.reason for each in seen.doubts] == doubts


def flow(
    name: Phase | None, power_w: int | None, reactive_power_var: int | None, **more: int
) -> PhaseReading:
    return phase(name, power_w=power_w, reactive_power_var=reactive_power_var, **more)


A, B, C = Phase


@pytest.mark.parametrize(
    ("phases", "said", "reason"),
    [
        (
            [flow(A, 2_000_000, 9)],
            "2000000 W, 9 var",
            "without active power of phases b and c and without reactive power of phases b and c",
        ),
        (
            [flow(A, 4, 1), flow(B, 4, 1), flow(C, 4, None)],
            "12 W, 2 var",
            "without reactive power of phase c",
        ),
        ([flow(None, 7, None)], "7 W, 0 var", "without reactive power of all three alike"),
        (
            [flow(A, 4, 1, voltage_mv=RATED_MV), flow(B, 0, 0, voltage_mv=0), flow(C, 4, 1)],
            "8 W, 2 var",
            "found with the voltage of phase b, which cannot be",
        ),
    ],
)
def test_a_power_that_is_not_of_all_phases_is_not_taken_for_all(
    phases: list[PhaseReading], said: str, reason: str
) -> None:
    seen = heard(GRID, [document(reading("VC-2", *phases))], NOW_MS)
    assert [one for one in seen.measured if one.kind == "flow"] == []
    assert seen.doubts[-1] == Doubt("VC-2", "power", said, reason)


def test_a_current_stands_in_for_an_incomplete_power_if_it_is_whole_itself() -> None:
    whole = [phase(A, current_ma=9_000, power_w=5), *(phase(p, current_ma=9_000) for p in (B, C))]
    seen = heard(GRID, [document(reading("VC-2", *whole))], NOW_MS)
    assert [(one.kind, one.value) for one in seen.measured] == [("current", 9.0)]
    assert [each.kind for each in seen.doubts] == ["power"]
    seen = heard(GRID, [document(reading("VC-3", *whole[:2]))], NOW_MS)
    assert seen.measured == ()
    assert seen.doubts[-1] == Doubt("VC-3", "current", "9 A", "without phase c")


def test_all_alike_and_one_phase_at_once_is_not_added_up() -> None:
    seen = heard(GRID, [document(reading("VC-2", flow(None, 9, 3), flow(B, 3, 1)))], NOW_MS)
    assert seen.measured == ()
    (doubt,) = seen.doubts
    assert doubt.statement() == (
        "VC-2: reading of all three alike and of phase b: which of them counts is not told"
    )
