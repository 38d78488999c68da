"""The guards of one meter: lengths take turns, and a silent one is probed before it is believed.

What they achieve is judged in tests/ports/test_lightnode_meter.py.
"""

import pytest

from lightnode.errors import MeterFault
from lightnode.meters.line import LineAddress
from lightnode.meters.modbus import ModbusMeter
from lightnode.meters.profile import load_profile
from tests.fakes.modbus_device import Device, Trick, listening

BUDGET_S = 0.2


async def _asked(tricks: dict[int, Trick], reads: int) -> list[int]:
    """Return the counts of registers that a device was asked for."""
    device = Device(tricks=lambda n: tricks.get(n, "answer"))
    async with listening(device) as port:
        address = LineAddress.parse(f"tcp://127.0.0.1:{port}")
        meter = ModbusMeter(load_profile("eastron-sdm630"), address)
        for _ in range(reads):
            try:
                await meter.read(BUDGET_S)
            except MeterFault:
                continue
        await meter.close()
    return [count for _, _, count in device.requests]


async def test_lengths_take_turns() -> None:
    assert await _asked({}, 6) == [76, 78, 80, 76, 78, 80]


async def test_after_silence_a_probe_comes_first_and_the_silent_length_rests() -> None:
    assert await _asked({2: "silent"}, 6) == [76, 78, 2, 80, 76, 80, 76]


async def test_every_probe_without_an_answer_has_another_length() -> None:
    silent: dict[int, Trick] = dict.fromkeys(range(2, 6), "silent")
    asked = await _asked(silent, 5)
    assert asked[:6] == [76, 78, 2, 4, 6, 8]
    assert asked[6] in {76, 80}


async def test_a_meter_without_the_registers_is_told_with_what_to_check() -> None:
    async with listening(Device(refuses_from=0x40)) as port:
        address = LineAddress.parse(f"tcp://127.0.0.1:{port}")
        meter = ModbusMeter(load_profile("eastron-sdm630"), address)
        with pytest.raises(MeterFault) as told:
            await meter.read(BUDGET_S)
        await meter.close()
    assert "refuses input registers 0x00 … 0x4B: exception 2 (illegal data address)" in str(
        told.value
    )
    assert "check that meter.profile is this make of meter" in str(told.value)


async def test_the_bytes_after_a_reply_make_the_next_read_careful() -> None:
    assert await _asked({1: "twice"}, 2) == [76, 2, 78]
