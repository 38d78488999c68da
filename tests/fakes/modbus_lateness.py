"""Many readers of slow meters: who takes a late reply, made for an older question, as a good one.

Each meter puts the number of the question into the voltage that it answers with, so that every
value taken says by itself what it was an answer to.
"""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from lightnode.errors import MeterFault
from lightnode.meters.line import LineAddress
from lightnode.meters.modbus import ModbusMeter
from lightnode.meters.profile import load_profile
from tests.fakes.modbus_device import Device, Trick, listening, on_a_serial_port

Line = Literal["tcp", "tcp without numbers", "rtu+tcp", "rtu"]
Read = Callable[[], "asyncio.Future[float | None]"]
Reader = Callable[[Line, str, float], AbstractAsyncContextManager[Read]]

LINES: list[Line] = ["tcp", "tcp without numbers", "rtu+tcp", "rtu"]
BUDGET_S = 0.02
BEAT_S = 0.025
_NUMBERS = 1_600


@dataclass(frozen=True)
class Slow:
    """How a meter is slow: which share of its replies is late, by how much, and in what order.

    With `every`, it is every n-th reply instead of a share by chance.
    """

    share: float = 0.4
    every: int = 0
    latest_budgets: float = 4.0
    in_order: bool = True

    def tricks(self, dice: random.Random) -> Callable[[int], Trick]:
        """Return what becomes of each reply."""
        if self.every:
            return lambda n: "answer" if n % self.every else "late"
        tricks: list[Trick] = ["late", "answer", "silent", "twice"]
        weights = [self.share, 0.9 - self.share, 0.05, 0.05]
        return lambda _: dice.choices(tricks, weights)[0]


@dataclass
class Lateness:
    """What became of the questions: `overtaken` replies came after a newer question."""

    overtaken: int = 0
    wrong: int = 0
    taken: int = 0

    def __add__(self, other: "Lateness") -> "Lateness":
        """Return both together."""
        return Lateness(
            self.overtaken + other.overtaken, self.wrong + other.wrong, self.taken + other.taken
        )


@asynccontextmanager
async def ours(line: Line, place: str, budget_s: float) -> AsyncIterator[Read]:
    """Read as the light node does."""
    scheme = line.split()[0]
    text = f"rtu://{place}" if line == "rtu" else f"{scheme}://127.0.0.1:{place}"
    meter = ModbusMeter(load_profile("eastron-sdm630"), LineAddress.parse(text))

    async def read() -> float | None:
        try:
            return (await meter.read(budget_s)).voltages_mv[0] / 1000
        except MeterFault:
            return None

    try:
        yield lambda: asyncio.ensure_future(read())
    finally:
        await meter.close()


@asynccontextmanager
async def plain_pymodbus(line: Line, place: str, budget_s: float) -> AsyncIterator[Read]:
    """Read with pymodbus and nothing around it."""
    client: AsyncModbusTcpClient | AsyncModbusSerialClient
    if line == "rtu":
        client = AsyncModbusSerialClient(place, timeout=budget_s, retries=0)
    else:
        framer = FramerType.RTU if line == "rtu+tcp" else FramerType.SOCKET
        client = AsyncModbusTcpClient(
            "127.0.0.1", port=int(place), framer=framer, timeout=budget_s, retries=0
        )

    async def read() -> float | None:
        try:
            if not client.connected and not await client.connect():
                return None
            answer = await client.read_input_registers(0, count=20, device_id=1)
        except ModbusException:
            return None
        if answer.isError() or len(answer.registers) < 2:
            return None
        (volts,) = struct.unpack(">f", struct.pack(">HH", *answer.registers[:2]))
        return float(volts)

    try:
        yield lambda: asyncio.ensure_future(read())
    finally:
        client.close()


async def lateness(reader: Reader, line: Line, slow: Slow, *, reads: int, seed: int) -> Lateness:
    """Return what became of so many reads of one slow meter."""
    dice = random.Random(seed)
    device = Device(
        framing="tcp" if line.startswith("tcp") else "rtu",
        tricks=slow.tricks(dice),
        voltage_v=lambda n: 100 + (n % _NUMBERS) / 8,
        in_order=slow.in_order,
        knows_transactions=line == "tcp",
    )
    loop, found = asyncio.get_running_loop(), Lateness()
    serving = on_a_serial_port(device) if line == "rtu" else listening(device)
    async with serving as place, reader(line, str(place), BUDGET_S) as read:
        for _ in range(reads):
            device.late_s = dice.uniform(0.5, slow.latest_budgets) * BUDGET_S
            await asyncio.sleep(BEAT_S - loop.time() % BEAT_S)
            volts = await read()
            if volts is not None:
                found.taken += 1
                found.wrong += round((volts - 100) * 8) != device.asked % _NUMBERS
    found.overtaken = device.overtaken
    return found


async def of_many(
    reader: Reader, *, meters: int, reads: int, slow: Slow | None = None
) -> dict[Line, Lateness]:
    """Return the outcome by line, of meters that are all read at once."""
    runs = [(line, number) for line in LINES for number in range(meters)]
    outcomes = await asyncio.gather(
        *(lateness(reader, line, slow or Slow(), reads=reads, seed=number) for line, number in runs)
    )
    found = {line: Lateness() for line in LINES}
    for (line, _), outcome in zip(runs, outcomes, strict=True):
        found[line] += outcome
    return found
