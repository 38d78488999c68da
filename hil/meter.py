"""A simulated meter: a request in, a reply out, spoilt when the script says so."""

import logging
import struct
from collections import Counter
from dataclasses import dataclass

from hil.faults import SLAVE_DEVICE_FAILURE, Fault, FaultKind, FaultScript, spoilt
from hil.framing import (
    ILLEGAL_FUNCTION,
    READ_HOLDINGS,
    READ_INPUTS,
    Request,
    exception_pdu,
    rtu_frame,
    tcp_frame,
)
from hil.household import Household, NotInstalled
from hil.noise import Dice
from hil.registers import ILLEGAL_VALUE, NAN_WORDS, IllegalRead, Model, Nameplate
from ledger.facts.clock import Clock

_log = logging.getLogger("hil")

_READ_LENGTH = 5
_UNITS = 247


@dataclass(frozen=True, slots=True)
class Reply:
    """A frame for the wire, and how long to hold it back [ms of the wall clock]."""

    frame: bytes
    delay_ms: int = 0


class Meter:
    """One meter on one line.

    Args:
        name: its name in the bench file.
        model: its register image.
        nameplate: its unit, serial number and speed.
        household: what it measures.
        clock: the instant its registers are read at.
        script: its faults.
    """

    def __init__(
        self,
        name: str,
        *,
        model: Model,
        nameplate: Nameplate,
        household: Household,
        clock: Clock,
        script: FaultScript,
    ) -> None:
        self.name = name
        self.model = model
        self.nameplate = nameplate
        self.household = household
        self.script = script
        self.requests = 0
        self.faults_served: Counter[FaultKind] = Counter()
        self._clock = clock
        self._dice = Dice("spoilt", name)

    def reply_rtu(self, request: Request) -> Reply | None:
        """Return the frame to put on the serial line, or nothing to stay silent."""
        fault, pdu = self._answer(request)
        if pdu is None:
            return None
        return self._reply(rtu_frame(self._unit(request, fault), pdu), fault)

    def reply_tcp(self, request: Request) -> Reply | None:
        """Return the frame to send back on the connection, or nothing to stay silent."""
        fault, pdu = self._answer(request)
        if pdu is None:
            return None
        of_nobody = fault is not None and fault.kind is FaultKind.WRONG_TRANSACTION
        transaction = 0 if of_nobody else request.transaction
        return self._reply(tcp_frame(transaction, self._unit(request, fault), pdu), fault)

    def _reply(self, frame: bytes, fault: Fault | None) -> Reply:
        if fault is None:
            return Reply(frame)
        delay_ms = fault.delay_ms if fault.kind is FaultKind.LATE else 0
        return Reply(spoilt(frame, fault.kind, self._dice), delay_ms)

    def _unit(self, request: Request, fault: Fault | None) -> int:
        other = fault is not None and fault.kind is FaultKind.WRONG_UNIT
        return request.unit % _UNITS + 1 if other else request.unit

    def _answer(self, request: Request) -> tuple[Fault | None, bytes | None]:
        """Return the fault this request meets, and the PDU of the reply, if there is one.

        Without supply there is none: the meter lives on what it measures.
        """
        self.requests += 1
        if not self.household.is_supplied:
            return None, None
        now_ms = self._clock.now_ms()
        fault = self.script.met_by_request(now_ms)
        if fault is not None:
            self.faults_served[fault.kind] += 1
            _log.debug("hil.fault_met", extra={"meter": self.name, "kind": fault.kind})
            if fault.kind is FaultKind.SILENCE:
                return fault, None
            if fault.kind is FaultKind.EXCEPTION:
                return fault, exception_pdu(request.pdu[0], fault.code)
        return fault, self._read(request.pdu, now_ms, fault)

    def _read(self, pdu: bytes, now_ms: int, fault: Fault | None) -> bytes:
        function = pdu[0]
        if function not in {READ_HOLDINGS, READ_INPUTS}:
            return exception_pdu(function, ILLEGAL_FUNCTION)
        if len(pdu) != _READ_LENGTH:
            return exception_pdu(function, ILLEGAL_VALUE)
        address, count = struct.unpack(">HH", pdu[1:])
        try:
            words = self._words(function, address, count, now_ms)
        except IllegalRead as refusal:
            return exception_pdu(function, refusal.code)
        except NotInstalled:
            return exception_pdu(function, SLAVE_DEVICE_FAILURE)
        if fault is not None and fault.kind is FaultKind.NAN:
            words = NAN_WORDS * (len(words) // len(NAN_WORDS))
        return bytes((function, len(words))) + words

    def _words(self, function: int, address: int, count: int, now_ms: int) -> bytes:
        if function == READ_HOLDINGS:
            return self.model.read_holdings(self.nameplate, address, count)
        return self.model.read_inputs(self.household.at(now_ms), address, count)
