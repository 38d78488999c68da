"""A meter on Modbus, and the guards that keep an old answer from passing for a new one.

A serial line has no transaction numbers: a reply that comes after its time-out looks exactly
like the reply to the next request. So

1. the length is the number: successive reads ask for different counts of registers, and only a
   reply of the count asked for is taken;
2. after a request that went unanswered the line must fall quiet, and then a probe of yet another
   length must be answered, before a read is believed again. Meters answer in order: when the
   probe's reply is here, nothing older can come.
"""

import asyncio
from typing import NoReturn

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.meters.framing import (
    Declined,
    Foreign,
    Found,
    Framing,
    Garbage,
    Registers,
    Request,
    RtuFraming,
    TcpFraming,
    next_transaction,
)
from lightnode.meters.line import Line, LineAddress, SerialSettings, open_line
from lightnode.meters.plausibility import check_range
from lightnode.meters.profile import Block, Profile, Space
from lightnode.meters.registers import REGISTER_BYTES, Unpack, unpacker, whole
from lightnode.ports import Measurement

_RESPONSE_SHARE = 0.45
_QUIET_SHARE = 0.1
_FUNCTION_UNKNOWN = 1
_ADDRESS_UNKNOWN = 2
_EXCEPTIONS = {
    _FUNCTION_UNKNOWN: "illegal function",
    _ADDRESS_UNKNOWN: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    10: "gateway path unavailable",
    11: "gateway target did not respond",
}

Decoder = list[tuple[str, Unpack, int, float]]


class ModbusMeter:
    """One meter, sole owner of its line (`Meter` in lightnode.ports).

    Args:
        profile: what its registers mean.
        address: where it is.
        unit: its number on the bus.
        settings: of the serial port, if it is one.
        serial_number: what the meter must say it is, if given.
    """

    def __init__(
        self,
        profile: Profile,
        address: LineAddress,
        *,
        unit: int | None = None,
        settings: SerialSettings | None = None,
        serial_number: int | None = None,
    ) -> None:
        bus = profile.bus
        self.address = address
        self._profile = profile
        self._unit = bus.unit if unit is None else unit
        self._settings = settings or SerialSettings(
            baud=bus.baud, parity=bus.parity, stop_bits=bus.stop_bits
        )
        self._serial_number = serial_number
        self._framing: Framing = RtuFraming() if address.framing == "rtu" else TcpFraming()
        self._blocks = [(block, _decoder(block, profile)) for block in profile.block]
        self._turn = 0
        self._last_turn: dict[int, tuple[float, int]] = {}
        self._transaction = 0
        self._line: Line | None = None
        self._identified = False
        self._unanswered: dict[int, None] = {}
        self._last_traffic_s = 0.0
        self._response_s = self._quiet_s = 0.0

    async def read(self, budget_s: float) -> Measurement:
        """Return a new measurement within the budget [s].

        Raises:
            MeterFault: none could be had, and why.
        """
        until_s = self._begin(budget_s)
        try:
            await self._ready(until_s)
            values: dict[str, int] = {}
            for block, decoder in self._blocks:
                values |= _decoded(decoder, await self._ask_block(block, until_s))
        except MeterFault:
            await self._settle(until_s)
            raise
        measured = self._measurement(values)
        try:
            check_range(measured, self._profile.sanity)
        except MeterFault as fault:
            self._fail(fault.what, fault.cause, remedy=fault.remedy)
        return measured

    async def identify(self, budget_s: float) -> int | None:
        """Return the serial number that the meter gives, None where its make has none to give.

        Raises:
            MeterFault: it does not answer.
        """
        until_s = self._begin(budget_s)
        try:
            await self._connected(until_s)
            await self._in_step(until_s)
            return await self._ask_serial_number(until_s)
        except MeterFault:
            await self._settle(until_s)
            raise

    async def close(self) -> None:
        """Let go of the bus; a later `read` takes hold of it again."""
        self._drop_line()

    def _begin(self, budget_s: float) -> float:
        bus = self._profile.bus
        self._response_s = min(bus.response_ms / 1000, budget_s * _RESPONSE_SHARE)
        self._quiet_s = min(bus.quiet_ms / 1000, budget_s * _QUIET_SHARE)
        return _now_s() + budget_s

    async def _ready(self, until_s: float) -> None:
        await self._connected(until_s)
        await self._in_step(until_s)
        if self._serial_number is not None and not self._identified:
            await self._check_identity(until_s)

    async def _connected(self, until_s: float) -> Line:
        if self._line is None or self._line.lost:
            self._drop_line()
            self._line = await open_line(self.address, self._settings, until_s)
        return self._line

    async def _in_step(self, until_s: float) -> None:
        """Wait for quiet and probe, if some request is still unanswered."""
        if not self._unanswered:
            return
        await self._fall_quiet(until_s)
        probe = self._profile.probe
        await self._ask(probe.space, probe.address, self._probe_length(), until_s)
        self._unanswered.clear()

    async def _settle(self, until_s: float) -> None:
        """Use what is left of the budget to get in step again, so that the next read is on time."""
        if self._line and not self._line.lost and _now_s() < until_s:
            try:
                await self._in_step(until_s)
            except MeterFault:
                return

    async def _fall_quiet(self, until_s: float) -> None:
        line = await self._connected(until_s)
        while _now_s() < until_s:
            try:
                if not await line.receive(min(until_s, _now_s() + self._quiet_s)):
                    self._lost()
            except TimeoutError:
                return
        self._fail("the line never falls quiet", GapCause.METER_CRC)

    async def _check_identity(self, until_s: float) -> None:
        found = await self._ask_serial_number(until_s)
        if found != self._serial_number:
            self._fail(
                f"meter {found} answers, where {self._serial_number} is configured",
                GapCause.METER_RANGE,
                remedy="check unit and wiring, or meter.serial_number in the configuration",
            )
        self._identified = True

    async def _ask_serial_number(self, until_s: float) -> int | None:
        place = self._profile.identify
        if place is None:
            return None
        payload = await self._ask(place.space, place.address, place.count, until_s)
        return place.serial_number(payload)

    async def _ask_block(self, block: Block, until_s: float) -> bytes:
        """Read a block in the length whose last reply to stay out lies longest back."""
        length = min(block.lengths, key=lambda length: self._last_turn.get(length, (0.0, 0)))
        self._turn += 1
        self._last_turn[length] = (_now_s(), self._turn)
        payload = await self._ask(block.space, block.address, length, until_s)
        self._last_turn[length] = (0.0, self._turn)
        return payload

    async def _ask(self, space: Space, address: int, count: int, until_s: float) -> bytes:
        """Return the bytes of `count` registers.

        The request stays among the unanswered ones until its own reply is here, alone.
        """
        line = await self._connected(until_s)
        await self._keep_gap()
        line.discard()
        request = self._request(space, address, count)
        self._unanswered.pop(count, None)
        self._unanswered[count] = None
        line.write(self._framing.encode(request))
        found, rest = await self._reply(line, request, min(until_s, _now_s() + self._response_s))
        self._last_traffic_s = _now_s()
        if isinstance(found, Declined):
            self._declined(found.code, request)
        if isinstance(found, Garbage):
            self._garbled(found.what)
        if not rest:
            del self._unanswered[count]
        return found.payload

    def _request(self, space: Space, address: int, count: int) -> Request:
        self._transaction = next_transaction(self._transaction)
        return Request(
            unit=self._unit,
            space=space,
            address=address,
            count=count,
            transaction=self._transaction,
        )

    async def _reply(
        self, line: Line, request: Request, until_s: float
    ) -> tuple[Registers | Declined | Garbage, bytes]:
        """Return the first thing that is no answer to an older request, and what came after it."""
        received = b""
        while True:
            try:
                chunk = await line.receive(until_s)
            except TimeoutError:
                self._timed_out(received)
            if not chunk:
                self._lost()
            received += chunk
            found, received = self._first_of_ours(received, request)
            if found:
                return found, received

    def _first_of_ours(
        self, received: bytes, request: Request
    ) -> tuple[Registers | Declined | Garbage | None, bytes]:
        while received:
            found: Found | None = self._framing.find(received, request)
            match found:
                case None:
                    return None, received
                case Foreign(consumed):
                    received = received[consumed:]
                case Registers(payload):
                    return found, received[self._frame_bytes(payload) :]
                case Declined() | Garbage():
                    return found, b""
        return None, received

    def _frame_bytes(self, payload: bytes) -> int:
        overhead_bytes = 5 if self._framing.name == "rtu" else 9
        return len(payload) + overhead_bytes

    def _probe_length(self) -> int:
        """Return the probe length that went unanswered longest ago, or never."""
        order = list(self._unanswered)
        lengths = self._profile.probe.lengths
        return min(lengths, key=lambda length: order.index(length) if length in order else -1)

    async def _keep_gap(self) -> None:
        wait_s = self._last_traffic_s + self._profile.bus.gap_ms / 1000 - _now_s()
        if wait_s > 0 and self._framing.name == "rtu":
            await asyncio.sleep(wait_s)

    def _measurement(self, values: dict[str, int]) -> Measurement:
        phases = self._profile.phase_names
        return Measurement(
            power_w=values["power"],
            reactive_power_var=values["reactive_power"],
            voltages_mv=tuple(values[f"voltage{phase}"] for phase in phases),
            currents_ma=tuple(abs(values[f"current{phase}"]) for phase in phases),
            frequency_mhz=values["frequency"],
            import_wh=values["import"],
            export_wh=values["export"],
        )

    def _drop_line(self) -> None:
        if self._line:
            self._line.close()
        self._line, self._identified = None, False

    def _timed_out(self, received: bytes) -> NoReturn:
        if received:
            self._garbled(f"the reply broke off after {len(received)} bytes")
        self._fail(
            f"unit {self._unit} does not answer",
            GapCause.METER_TIMEOUT,
            remedy="check unit number, baud, parity and wiring; type: certiflex lightnode check",
        )

    def _lost(self) -> NoReturn:
        self._drop_line()
        self._fail("the line was closed from the other side", GapCause.METER_TIMEOUT)

    def _garbled(self, what: str) -> NoReturn:
        if self._framing.name == "tcp":
            # Inside a stream nothing tells where the next frame would start.
            self._drop_line()
        self._fail(
            f"the reply is no Modbus frame: {what}",
            GapCause.METER_CRC,
            remedy="check baud, parity, wiring, and tcp:// against rtu+tcp://",
        )

    def _declined(self, code: int, request: Request) -> NoReturn:
        name = _EXCEPTIONS.get(code, "unknown exception")
        wrong_map = code in {_FUNCTION_UNKNOWN, _ADDRESS_UNKNOWN}
        last = request.address + request.count - 1
        self._fail(
            f"the meter refuses {request.space} registers "
            f"0x{request.address:02X} … 0x{last:02X}: exception {code} ({name})",
            GapCause.METER_EXCEPTION,
            remedy="check that meter.profile is this make of meter" if wrong_map else "",
        )

    def _fail(self, what: str, cause: GapCause, *, remedy: str = "") -> NoReturn:
        raise MeterFault(what, cause=cause, where=str(self.address), remedy=remedy)


def _decoder(block: Block, profile: Profile) -> Decoder:
    return [
        (
            point.quantity,
            unpacker(point.type, point.order),
            (point.address - block.address) * REGISTER_BYTES,
            point.factor,
        )
        for point in profile.points_in(block)
    ]


def _decoded(decoder: Decoder, payload: bytes) -> dict[str, int]:
    return {
        quantity: whole(unpack(payload, offset), factor, quantity=quantity)
        for quantity, unpack, offset, factor in decoder
    }


def _now_s() -> float:
    return asyncio.get_running_loop().time()
