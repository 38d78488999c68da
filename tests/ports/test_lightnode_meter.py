"""Every `Meter` keeps its guarantee: what it returns was measured after it was asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.meters.line import LineAddress
from lightnode.meters.modbus import ModbusMeter
from lightnode.meters.profile import load_profile
from lightnode.ports import Meter
from tests.fakes.modbus_device import Device, Trick, listening, on_a_serial_port
from tests.fakes.modbus_lateness import (
    LINES,
    Lateness,
    Line,
    Slow,
    of_many,
    ours,
    plain_pymodbus,
)

BUDGET_S = 0.25
FRAMINGS = ["tcp", "rtu+tcp", "rtu"]


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


@pytest.mark.parametrize("line", FRAMINGS)
async def test_a_measurement_is_what_the_registers_say(line: str) -> None:
    async with meter_on(line, Device()) as meter:
        measured = await meter.read(BUDGET_S)
    assert measured.power_w == 2760
    assert measured.voltages_mv == (230_000,) * 3
    assert measured.currents_ma == (4_000,) * 3
    assert measured.frequency_mhz == 50_000
    assert (measured.import_wh, measured.export_wh) == (1_234_500, 6_250)


@pytest.mark.parametrize("line", FRAMINGS)
async def test_one_phase(line: str) -> None:
    async with meter_on(line, Device(), "eastron-sdm120") as meter:
        measured = await meter.read(BUDGET_S)
    assert (measured.power_w, measured.voltages_mv) == (920, (230_000,))


@pytest.mark.parametrize("line", FRAMINGS)
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


@pytest.mark.parametrize("line", FRAMINGS)
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


async def test_of_a_thousand_late_replies_none_is_taken() -> None:
    found = dict.fromkeys(LINES, Lateness())
    while sum(each.overtaken for each in found.values()) < 1_000 or not seen(found, 200, 20):
        found = both(found, await of_many(ours, meters=4, reads=75))
        assert {line: each.wrong for line, each in found.items()} == dict.fromkeys(LINES, 0)


async def test_not_even_from_meters_that_answer_out_of_order() -> None:
    slow = Slow(every=5, in_order=False, latest_budgets=6.0)
    found = dict.fromkeys(LINES, Lateness())
    while sum(each.overtaken for each in found.values()) < 200 or not seen(found, 0, 20):
        found = both(found, await of_many(ours, meters=4, reads=50, slow=slow))
        assert {line: each.wrong for line, each in found.items()} == dict.fromkeys(LINES, 0)


def both(one: dict[Line, Lateness], other: dict[Line, Lateness]) -> dict[Line, Lateness]:
    return {line: one[line] + other[line] for line in LINES}


def seen(found: dict[Line, Lateness], overtaken: int, taken: int) -> bool:
    """Tell whether every line had so many of each; a busy machine needs longer."""
    return all(each.overtaken >= overtaken and each.taken >= taken for each in found.values())


async def test_a_reader_without_the_guards_takes_them_for_good_ones() -> None:
    found = await of_many(plain_pymodbus, meters=2, reads=80)
    assert found["tcp"].wrong == 0, "where replies have a number, the number is enough"
    assert min(each.wrong for line, each in found.items() if line != "tcp") >= 5
