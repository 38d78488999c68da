"""Register images, against the makers' examples and the household behind them."""

import math
import struct
from dataclasses import replace

import pytest

from hil.household import Measurement
from hil.registers import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    MODELS,
    NAN_WORDS,
    SDM120,
    SDM630,
    IllegalRead,
    Model,
    Nameplate,
)
from tests.hil.benches import NOON_MS, household

PLATE = Nameplate(unit=9, serial_number=0x0141_6F42, baud=9600)


def reading(model: Model) -> Measurement:
    return household(3, phases=model.phases).at(NOON_MS)


def value(model: Model, measurement: Measurement, address: int) -> float:
    found: float = struct.unpack(">f", model.read_inputs(measurement, address, 2))[0]
    return found


def test_the_makers_example_is_met() -> None:
    # Eastron's protocol documents: 230.2 V is 0x4366 0x3334, one step above the nearest float.
    (volts,) = struct.unpack(">f", bytes.fromhex("43663334"))
    assert volts == pytest.approx(230.2, abs=2e-5)
    for model in MODELS.values():
        measured = reading(model)
        first = replace(measured.phases[0], voltage_v=volts)
        shown = model.read_inputs(replace(measured, phases=(first, *measured.phases[1:])), 0, 2)
        assert shown.hex() == "43663334"


def test_an_sdm630_shows_each_phase_and_the_sum() -> None:
    measured = reading(SDM630)
    for index, phase in enumerate(measured.phases):
        assert value(SDM630, measured, 0x00 + 2 * index) == pytest.approx(phase.voltage_v)
        assert value(SDM630, measured, 0x06 + 2 * index) == pytest.approx(phase.current_a)
        assert value(SDM630, measured, 0x0C + 2 * index) == pytest.approx(phase.power_w)
        assert value(SDM630, measured, 0x18 + 2 * index) == pytest.approx(phase.reactive_var)
        exported_kwh = phase.counters.export_wh / 1000
        assert value(SDM630, measured, 0x160 + 2 * index) == pytest.approx(exported_kwh)
    assert value(SDM630, measured, 0x34) == pytest.approx(measured.power_w, rel=1e-5)
    assert value(SDM630, measured, 0x3C) == pytest.approx(measured.reactive_var, rel=1e-5)
    assert value(SDM630, measured, 0x46) == pytest.approx(measured.frequency_hz)


def test_an_sdm120_shows_its_only_phase() -> None:
    measured = reading(SDM120)
    phase = measured.phases[0]
    assert value(SDM120, measured, 0x00) == pytest.approx(phase.voltage_v)
    assert value(SDM120, measured, 0x06) == pytest.approx(phase.current_a)
    assert value(SDM120, measured, 0x0C) == pytest.approx(phase.power_w)
    assert value(SDM120, measured, 0x18) == pytest.approx(phase.reactive_var)
    assert value(SDM120, measured, 0x46) == pytest.approx(measured.frequency_hz)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_energies_are_shown_in_kwh(model: Model) -> None:
    measured = reading(model)
    counted = measured.counters
    assert value(model, measured, 0x48) == pytest.approx(counted.import_wh / 1000)
    assert value(model, measured, 0x4A) == pytest.approx(counted.export_wh / 1000)
    assert value(model, measured, 0x4C) == pytest.approx(counted.import_varh / 1000)
    assert value(model, measured, 0x4E) == pytest.approx(counted.export_varh / 1000)
    total_wh = counted.import_wh + counted.export_wh
    assert value(model, measured, 0x156) == pytest.approx(total_wh / 1000)


def test_derived_values_agree_with_measured_ones() -> None:
    measured = reading(SDM630)
    for index, phase in enumerate(measured.phases):
        apparent_va = value(SDM630, measured, 0x12 + 2 * index)
        assert apparent_va == pytest.approx(phase.voltage_v * phase.current_a, rel=1e-5)
        factor = value(SDM630, measured, 0x1E + 2 * index)
        assert factor == pytest.approx(phase.power_w / apparent_va, rel=1e-4)
    angle_rad = math.radians(value(SDM630, measured, 0x42))
    assert math.cos(angle_rad) == pytest.approx(value(SDM630, measured, 0x3E), rel=1e-4)
    line_v = value(SDM630, measured, 0xCE)
    assert line_v == pytest.approx(math.sqrt(3) * value(SDM630, measured, 0x2A), rel=1e-3)
    assert value(SDM630, measured, 0xE0) <= value(SDM630, measured, 0x30)


def test_the_neutral_carries_nothing_when_phases_are_alike() -> None:
    measured = reading(SDM630)
    alike = replace(measured, phases=(measured.phases[0],) * 3)
    assert value(SDM630, alike, 0xE0) == pytest.approx(0.0, abs=1e-9)


def test_a_silent_phase_has_a_power_factor_of_one() -> None:
    measured = reading(SDM630)
    idle = replace(measured.phases[0], power_w=0.0, reactive_var=0.0, current_a=0.0)
    shown = replace(measured, phases=(idle,) * 3)
    assert value(SDM630, shown, 0x1E) == 1.0
    assert value(SDM630, shown, 0x24) == 0.0


def test_a_block_is_its_values_one_after_the_other() -> None:
    measured = reading(SDM630)
    block = struct.unpack(">40f", SDM630.read_inputs(measured, 0, 80))
    assert block == tuple(value(SDM630, measured, address) for address in range(0, 80, 2))
    assert block[0x2C // 2] == 0.0  # no parameter lives there


@pytest.mark.parametrize(
    ("address", "count", "code"),
    [
        (1, 2, ILLEGAL_ADDRESS),
        (0, 1, ILLEGAL_ADDRESS),
        (0, 3, ILLEGAL_ADDRESS),
        (0x17E, 2, ILLEGAL_ADDRESS),
        (0x17C, 4, ILLEGAL_ADDRESS),
        (0xFFFE, 2, ILLEGAL_ADDRESS),
        (0, 0, ILLEGAL_VALUE),
        (0, 82, ILLEGAL_VALUE),
        (0, 0xFFFF, ILLEGAL_VALUE),
    ],
)
def test_reads_that_the_meter_refuses(address: int, count: int, code: int) -> None:
    with pytest.raises(IllegalRead) as refusal:
        SDM630.read_inputs(reading(SDM630), address, count)
    assert refusal.value.code == code


def test_maps_end_where_the_documents_end() -> None:
    assert len(SDM630.read_inputs(reading(SDM630), 0x17C, 2)) == 4
    assert len(SDM120.read_inputs(reading(SDM120), 0x158, 2)) == 4
    with pytest.raises(IllegalRead):
        SDM120.read_inputs(reading(SDM120), 0x15A, 2)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_serial_number_is_in_the_holding_registers(model: Model) -> None:
    assert model.read_holdings(PLATE, 0xFC00, 2).hex() == "01416f42"
    assert struct.unpack(">f", model.read_holdings(PLATE, 0x14, 2)) == (9.0,)
    assert struct.unpack(">f", model.read_holdings(PLATE, 0x1C, 2)) == (2.0,)


def test_an_sdm630_of_the_first_edition_shows_it_in_halves() -> None:
    assert SDM630.read_holdings(PLATE, 0x2A, 1).hex() == "0141"
    assert SDM630.read_holdings(PLATE, 0x2C, 1).hex() == "6f42"
    with pytest.raises(IllegalRead):
        SDM120.read_holdings(PLATE, 0x2A, 1)


def test_holding_registers_that_are_not_there_are_refused() -> None:
    for address, count, code in [(0xFC02, 1, 2), (0x30, 2, 2), (0xFC00, 3, 2), (0x14, 0, 3)]:
        with pytest.raises(IllegalRead) as refusal:
            SDM630.read_holdings(PLATE, address, count)
        assert refusal.value.code == code


def test_the_words_of_nan_are_one() -> None:
    assert math.isnan(struct.unpack(">f", NAN_WORDS)[0])
