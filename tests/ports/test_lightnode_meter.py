"""Every `Meter` keeps its guarantee: what it returns was measured after it was asked."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.meters.line import LineAddress
from lightnode.meters.modbus import ModbusMeter
from lightnode.meters.profile import load_profile
from lightnode.ports import Meter
from tests.fakes.modbus_device import Device, Trick, listening, on_a_serial_port

BUDGET_S = 0.25
LINES = ["tcp", "rtu+tcp", "rtu"]


@asynccontextmanager
async def meter_on(
    line: str, device: Device, profile: str = "eastron-sdm630"
) -> AsyncIterator[Meter]:
    device.framing = "tcp" if line == "tcp" else "rtu"
    serving = on_a_serial_port(device) if line == "rtu" else listening(device)
    async with serving as place:
        text = f"rtu://{place}" if line == "rtu" else f"{line}://127.0.0.1:{place}"
        meter = ModbusMeter(load_profile(profile), LineAddress.parse(text))
        try:
            yield meter
        finally:
            await meter.close()


@pytest.mark.parametrize("line", LINES)
async def test_a_measurement_is_what_the_registers_say(line: str) -> None:
    async with meter_on(line, Device()) as meter:
        measured = await meter.read(BUDGET_S)
    assert measured.power_w == 2760
    assert measured.voltages_mv == (230_000,) * 3
    assert measured.currents_ma == (4_000,) * 3
    assert measured.frequency_mhz == 50_000
    assert (measured.import_wh, measured.export_wh) == (1_234_500, 6_250)


@pytest.mark.parametrize("line", LINES)
async def test_one_phase(line: str) -> None:
    async with meter_on(line, Device(), "eastron-sdm120") as meter:
        measured = await meter.read(BUDGET_S)
    assert (measured.power_w, measured.voltages_mv) == (920, (230_000,))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("trick", "cause"),
    [
        ("silent", GapCause.METER_TIMEOUT),
        ("late", GapCause.METER_TIMEOUT),
        ("foreign", GapCause.METER_TIMEOUT),
        ("hang_up", GapCause.METER_TIMEOUT),
        ("garbage", GapCause.METER_CRC),
        ("cut", GapCause.METER_CRC),
        ("exception", GapCause.METER_EXCEPTION),
        ("nan", GapCause.METER_RANGE),
    ],
)
async def test_a_fault_has_its_cause_and_the_next_read_is_good(
    line: str, trick: Trick, cause: GapCause
) -> None:
    if (line, trick) == ("rtu", "hang_up"):
        pytest.skip("a serial port has nobody to hang up")
    device = Device(late_s=0.6 * BUDGET_S, tricks=lambda n: trick if n == 2 else "answer")
    async with meter_on(line, device) as meter:
        await meter.read(BUDGET_S)
        with pytest.raises(MeterFault) as told:
            await meter.read(BUDGET_S)
        assert told.value.cause == cause
        assert (await meter.read(BUDGET_S)).power_w == 2760


@pytest.mark.parametrize("line", ["rtu+tcp", "rtu"])
async def test_a_bad_checksum_is_told_apart(line: str) -> None:
    device = Device(tricks=lambda n: "bad_crc" if n == 1 else "answer")
    async with meter_on(line, device) as meter:
        with pytest.raises(MeterFault) as told:
            await meter.read(BUDGET_S)
        assert told.value.cause == GapCause.METER_CRC
        assert (await meter.read(BUDGET_S)).power_w == 2760


@pytest.mark.parametrize("line", LINES)
async def test_it_never_takes_longer_than_its_budget(line: str) -> None:
    loop = asyncio.get_running_loop()
    async with meter_on(line, Device(tricks=lambda _: "silent")) as meter:
        for _ in range(3):
            begun_s = loop.time()
            with pytest.raises(MeterFault):
                await meter.read(BUDGET_S)
            assert loop.time() - begun_s < BUDGET_S + 0.1


async def test_a_converter_that_knows_no_transactions() -> None:
    async with meter_on("tcp", Device(tricks=lambda _: "zero_transaction")) as meter:
        assert (await meter.read(BUDGET_S)).power_w == 2760


async def test_another_meter_than_the_configured_one_is_refused() -> None:
    async with listening(Device(serial_number=7)) as port:
        address = LineAddress.parse(f"tcp://127.0.0.1:{port}")
        meter = ModbusMeter(load_profile("eastron-sdm630"), address, serial_number=8)
        with pytest.raises(MeterFault, match="meter 7 answers, where 8 is configured"):
            await meter.read(BUDGET_S)
        assert await meter.identify(BUDGET_S) == 7
        await meter.close()


async def test_nobody_there() -> None:
    async with listening(Device()) as port:
        pass
    meter = ModbusMeter(
        load_profile("eastron-sdm630"), LineAddress.parse(f"tcp://127.0.0.1:{port}")
    )
    with pytest.raises(MeterFault, match="cannot be reached") as told:
        await meter.read(BUDGET_S)
    assert told.value.cause == GapCause.METER_TIMEOUT
    absent = ModbusMeter(load_profile("eastron-sdm630"), LineAddress.parse("rtu:///dev/ttyNONE"))
    with pytest.raises(MeterFault, match="serial port cannot be used"):
        await absent.read(BUDGET_S)


def _lateness(seed: int, share: float) -> Callable[[int], Trick]:
    dice = random.Random(seed)
    tricks: list[Trick] = ["late", "answer", "silent", "twice"]
    return lambda _: dice.choices(tricks, [share, 0.9 - share, 0.05, 0.05])[0]


async def _late_and_wrong(line: str, device: Device, *, reads: int, patience: float) -> list[int]:
    """Return how many replies were late, wrongly taken, and taken.

    Each reply carries in its voltage the number of the request it was made for.
    """
    budget_s, beat_s, dice = 0.02, 0.025, random.Random(11)
    loop = asyncio.get_running_loop()
    device.voltage_v = lambda n: 100 + (n % 1600) / 8
    counts = [0, 0, 0]
    async with meter_on(line, device) as meter:
        for _ in range(reads):
            device.late_s = dice.uniform(0.5, patience) * budget_s
            await asyncio.sleep(beat_s - loop.time() % beat_s)
            try:
                measured = await meter.read(budget_s)
            except MeterFault as fault:
                counts[0] += fault.cause == GapCause.METER_TIMEOUT
                continue
            made_for = (measured.voltages_mv[0] / 1000 - 100) * 8
            counts[1] += made_for != device.asked % 1600
            counts[2] += 1
    return counts


@pytest.mark.parametrize("line", LINES)
async def test_of_hundreds_of_late_replies_none_is_taken(line: str) -> None:
    device = Device(tricks=_lateness(5, 0.4))
    late, wrong, taken = await _late_and_wrong(line, device, reads=450, patience=4.0)
    assert wrong == 0
    assert late > 200
    assert taken > 40


@pytest.mark.parametrize("line", LINES)
async def test_not_even_from_a_device_that_answers_out_of_order(line: str) -> None:
    device = Device(in_order=False, tricks=lambda n: "answer" if n % 5 else "late")
    late, wrong, taken = await _late_and_wrong(line, device, reads=200, patience=6.0)
    assert wrong == 0
    assert late > 25
    assert taken > 50
