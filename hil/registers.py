"""Register images of the simulated meters, written from the makers' documents.

The bench shares no register map with the programs it tests, so that two wrongs cannot agree.
Every parameter is a 32-bit float, most significant word first, in two registers at an even
address. Inside the map, parameters that are not modelled (demands, distortion) read as 0.

Source: Eastron, "SDM630Modbus MID V2 user manual" (1.2 input registers, 1.3 holding
registers) and "SDM120-Modbus user manual", each compared with a second reading of them:
volkszaehler/mbmd, meters/rs485/sdm.go and sdm120.go. Exception 2 answers an address outside
the map or a part of a floating-point value, exception 3 more than 40 parameters at once.
"""

import cmath
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hil.household import Counters, Measurement, Phase

ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
NAN_WORDS = struct.pack(">f", math.nan)
_LONGEST_READ = 80

Quantity = Callable[[Measurement], float]


class IllegalRead(Exception):
    """The meter answers a read with a Modbus exception.

    Args:
        code: the exception code on the wire.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Nameplate:
    """What distinguishes one meter of a model from the next."""

    unit: int
    serial_number: int
    baud: int = 9600


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of meter and its register image.

    Args:
        name: the name used in bench files.
        phases: how many phases it measures.
        inputs: the modelled input registers (function 4), by zero-based address.
        inputs_end: the first input address past the map.
        holdings: the holding registers (function 3), as words by zero-based address.
    """

    name: str
    phases: int
    inputs: Mapping[int, Quantity]
    inputs_end: int
    holdings: Callable[[Nameplate], Mapping[int, int]]

    def read_inputs(self, measurement: Measurement, address: int, count: int) -> bytes:
        """Return *count* input registers from *address* on.

        Raises:
            IllegalRead: the read leaves the map, cuts a value, or is too long.
        """
        _check_length(count)
        if address % 2 or count % 2 or address + count > self.inputs_end:
            raise IllegalRead(ILLEGAL_ADDRESS)
        values = [
            self.inputs[at](measurement) if at in self.inputs else 0.0
            for at in range(address, address + count, 2)
        ]
        return struct.pack(f">{len(values)}f", *values)

    def read_holdings(self, nameplate: Nameplate, address: int, count: int) -> bytes:
        """Return *count* holding registers from *address* on.

        Raises:
            IllegalRead: a register of the read does not exist, or the read is too long.
        """
        _check_length(count)
        words = self.holdings(nameplate)
        wanted = range(address, address + count)
        if any(at not in words for at in wanted):
            raise IllegalRead(ILLEGAL_ADDRESS)
        return struct.pack(f">{count}H", *(words[at] for at in wanted))


def _check_length(count: int) -> None:
    if not 1 <= count <= _LONGEST_READ:
        raise IllegalRead(ILLEGAL_VALUE)


def _float(address: int, value: float) -> dict[int, int]:
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return {address: high, address + 1: low}


def _of_phase(first_address: int, quantity: Callable[[Phase], float]) -> dict[int, Quantity]:
    """Return the same quantity of L1, L2 and L3, at consecutive parameters."""

    def of(index: int) -> Quantity:
        return lambda measurement: quantity(measurement.phases[index])

    return {first_address + 2 * index: of(index) for index in range(3)}


def _counters_of_phase(
    first_address: int, quantity: Callable[[Counters], int]
) -> dict[int, Quantity]:
    return _of_phase(first_address, lambda phase: quantity(phase.counters) / 1000)


def _apparent_va(phase: Phase) -> float:
    return math.hypot(phase.power_w, phase.reactive_var)


def _power_factor(power_w: float, reactive_var: float) -> float:
    """Return the power factor; its sign is that of the power, 1 without any."""
    apparent_va = math.hypot(power_w, reactive_var)
    return power_w / apparent_va if apparent_va else 1.0


def _angle_deg(power_w: float, reactive_var: float) -> float:
    return math.degrees(math.atan2(reactive_var, power_w)) if power_w or reactive_var else 0.0


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _system_va(measurement: Measurement) -> float:
    return sum(_apparent_va(phase) for phase in measurement.phases)


def _line_to_line_v(measurement: Measurement, index: int) -> float:
    """Return the voltage between L(index + 1) and the next phase [V], 120 degrees apart."""
    one_v = measurement.phases[index].voltage_v
    next_v = measurement.phases[(index + 1) % 3].voltage_v
    return math.sqrt(one_v * one_v + next_v * next_v + one_v * next_v)


def _neutral_a(measurement: Measurement) -> float:
    """Return the current in the neutral [A]: the phasors of the phases, added."""
    return abs(
        sum(
            cmath.rect(
                phase.current_a,
                -2.0 * math.pi * index / 3.0 - math.atan2(phase.reactive_var, phase.power_w),
            )
            for index, phase in enumerate(measurement.phases)
        )
    )


_ENERGY: dict[int, Quantity] = {
    0x0048: lambda m: m.counters.import_wh / 1000,
    0x004A: lambda m: m.counters.export_wh / 1000,
    0x004C: lambda m: m.counters.import_varh / 1000,
    0x004E: lambda m: m.counters.export_varh / 1000,
    0x0156: lambda m: (m.counters.import_wh + m.counters.export_wh) / 1000,
    0x0158: lambda m: (m.counters.import_varh + m.counters.export_varh) / 1000,
}

_SDM120_INPUTS: dict[int, Quantity] = {
    0x0000: lambda m: m.phases[0].voltage_v,
    0x0006: lambda m: m.phases[0].current_a,
    0x000C: lambda m: m.phases[0].power_w,
    0x0012: lambda m: _apparent_va(m.phases[0]),
    0x0018: lambda m: m.phases[0].reactive_var,
    0x001E: lambda m: _power_factor(m.phases[0].power_w, m.phases[0].reactive_var),
    0x0024: lambda m: _angle_deg(m.phases[0].power_w, m.phases[0].reactive_var),
    0x0046: lambda m: m.frequency_hz,
    **_ENERGY,
}

_SDM630_INPUTS: dict[int, Quantity] = {
    **_of_phase(0x0000, lambda phase: phase.voltage_v),
    **_of_phase(0x0006, lambda phase: phase.current_a),
    **_of_phase(0x000C, lambda phase: phase.power_w),
    **_of_phase(0x0012, _apparent_va),
    **_of_phase(0x0018, lambda phase: phase.reactive_var),
    **_of_phase(0x001E, lambda phase: _power_factor(phase.power_w, phase.reactive_var)),
    **_of_phase(0x0024, lambda phase: _angle_deg(phase.power_w, phase.reactive_var)),
    0x002A: lambda m: _mean(phase.voltage_v for phase in m.phases),
    0x002E: lambda m: _mean(phase.current_a for phase in m.phases),
    0x0030: lambda m: sum(phase.current_a for phase in m.phases),
    0x0034: lambda m: m.power_w,
    0x0038: _system_va,
    0x003C: lambda m: m.reactive_var,
    0x003E: lambda m: _power_factor(m.power_w, m.reactive_var),
    0x0042: lambda m: _angle_deg(m.power_w, m.reactive_var),
    0x0046: lambda m: m.frequency_hz,
    0x00C8: lambda m: _line_to_line_v(m, 0),
    0x00CA: lambda m: _line_to_line_v(m, 1),
    0x00CC: lambda m: _line_to_line_v(m, 2),
    0x00CE: lambda m: _mean(_line_to_line_v(m, index) for index in range(3)),
    0x00E0: _neutral_a,
    **_ENERGY,
    **_counters_of_phase(0x015A, lambda counters: counters.import_wh),
    **_counters_of_phase(0x0160, lambda counters: counters.export_wh),
    **_counters_of_phase(0x0166, lambda counters: counters.import_wh + counters.export_wh),
    **_counters_of_phase(0x016C, lambda counters: counters.import_varh),
    **_counters_of_phase(0x0172, lambda counters: counters.export_varh),
    **_counters_of_phase(0x0178, lambda counters: counters.import_varh + counters.export_varh),
}

_SDM120_BAUD_CODES = {2400: 0, 4800: 1, 9600: 2, 1200: 5}
_SDM630_BAUD_CODES = {2400: 0, 4800: 1, 9600: 2, 19200: 3, 38400: 4}


def _settings(nameplate: Nameplate, baud_code: int) -> dict[int, int]:
    """Return the settings that both models keep; the serial number is a plain 32-bit number."""
    return {
        **_float(0x000C, 100.0),  # width of the pulses [ms]
        **_float(0x0012, 0.0),  # no parity, one stop bit
        **_float(0x0014, float(nameplate.unit)),
        **_float(0x001C, float(baud_code)),
        0xFC00: nameplate.serial_number >> 16,
        0xFC01: nameplate.serial_number & 0xFFFF,
    }


def _sdm120_holdings(nameplate: Nameplate) -> dict[int, int]:
    return _settings(nameplate, _SDM120_BAUD_CODES.get(nameplate.baud, 2))


def _sdm630_holdings(nameplate: Nameplate) -> dict[int, int]:
    """Return the settings of an SDM630.

    Its first edition shows the serial number as two halves at 0x2A and 0x2C, each in the
    first register of a parameter; later ones as one number at 0xFC00. The bench keeps both.
    """
    return {
        **_settings(nameplate, _SDM630_BAUD_CODES.get(nameplate.baud, 2)),
        **_float(0x0002, 60.0),  # period of the demand [min]
        **_float(0x000A, 3.0),  # three phases, four wires
        0x002A: nameplate.serial_number >> 16,
        0x002B: 0,
        0x002C: nameplate.serial_number & 0xFFFF,
        0x002D: 0,
    }


SDM120 = Model("sdm120", 1, _SDM120_INPUTS, 0x015A, _sdm120_holdings)
SDM630 = Model("sdm630", 3, _SDM630_INPUTS, 0x017E, _sdm630_holdings)
MODELS: Mapping[str, Model] = {model.name: model for model in (SDM120, SDM630)}
