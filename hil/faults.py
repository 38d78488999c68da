"""Faults a meter can have, when it has them, and what they do to a reply.

```
 bench time   0 s        60 s               80 s
              |──────────|██████████████████|───────►   silence, from_s = 60, until_s = 80
 requests     · · · · ·  ✗ ✗ ✗ ✗ ✗ ✗ ✗ ✗ ✗  · · · ·     every = 1: each of them
                         · · ✗ · · ✗ · · ✗              every = 3: each third one
```
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hil.noise import Dice

SLAVE_DEVICE_FAILURE = 4
DEFAULT_DELAY_MS = 1500
_HIGHEST_CODE = 0xFF


class FaultKind(StrEnum):
    """What is wrong."""

    SILENCE = "silence"  # no reply at all
    LATE = "late"  # a good reply, after the client stopped waiting
    BAD_CRC = "bad_crc"  # serial only: one bit of the checksum is wrong
    GARBAGE = "garbage"  # noise instead of a reply
    TRUNCATED = "truncated"  # the reply breaks off
    NAN = "nan"  # a well-formed reply whose values are not numbers
    EXCEPTION = "exception"  # the meter refuses
    WRONG_UNIT = "wrong_unit"  # the reply bears another unit's address
    WRONG_TRANSACTION = "wrong_transaction"  # TCP only: transaction 0, as some gateways say
    RESTART = "restart"  # connections drop, or the line goes away, and come back at the end


SERIAL_ONLY = frozenset({FaultKind.BAD_CRC})
TCP_ONLY = frozenset({FaultKind.WRONG_TRANSACTION})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one meter, in [from_ms, until_ms) of the bench's clock.

    Args:
        kind: what is wrong.
        from_ms: the first instant [ms since 1970, UTC].
        until_ms: the first instant after it, or nothing for ever.
        every: only each n-th request meets it.
        delay_ms: how late a late reply is [ms of the wall clock].
        code: the exception code of a refusal.

    Raises:
        ValueError: it ends before it starts, or *every*, *delay_ms* or *code* make no sense.
    """

    kind: FaultKind
    from_ms: int
    until_ms: int | None = None
    every: int = 1
    delay_ms: int = DEFAULT_DELAY_MS
    code: int = SLAVE_DEVICE_FAILURE

    def __post_init__(self) -> None:
        if self.until_ms is not None and self.until_ms <= self.from_ms:
            raise ValueError("a fault must end after it starts")
        if self.every < 1 or self.delay_ms < 0 or not 1 <= self.code <= _HIGHEST_CODE:
            raise ValueError(
                "a fault needs every >= 1, a delay of 0 ms or more, and a code of 1 to 255"
            )
        if self.kind is FaultKind.RESTART and (self.until_ms is None or self.every != 1):
            raise ValueError("a restart needs an end, and concerns the line, not each n-th request")

    def covers(self, unix_ms: int) -> bool:
        """Tell whether an instant lies in the fault."""
        return self.from_ms <= unix_ms and (self.until_ms is None or unix_ms < self.until_ms)


class FaultScript:
    """The faults of one meter, and how many requests each of them has seen."""

    __slots__ = ("_faults", "_seen")

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)
        self._seen = [0] * len(self._faults)

    def add(self, fault: Fault) -> None:
        """Add a fault to the script."""
        self._faults.append(fault)
        self._seen.append(0)

    def clear(self) -> None:
        """Forget every fault, past and to come."""
        self._faults.clear()
        self._seen.clear()

    def covering(self, unix_ms: int) -> list[Fault]:
        """Return the faults that an instant lies in."""
        return [fault for fault in self._faults if fault.covers(unix_ms)]

    def met_by_request(self, unix_ms: int) -> Fault | None:
        """Return the fault that a request at this instant meets: the first one due."""
        met: Fault | None = None
        for index, fault in enumerate(self._faults):
            if fault.kind is FaultKind.RESTART or not fault.covers(unix_ms):
                continue
            self._seen[index] += 1
            if met is None and self._seen[index] % fault.every == 0:
                met = fault
        return met

    def is_away(self, unix_ms: int) -> bool:
        """Tell whether the meter's line is gone at an instant."""
        return any(fault.kind is FaultKind.RESTART for fault in self.covering(unix_ms))

    def next_change_ms(self, unix_ms: int) -> int | None:
        """Return the next instant when the line goes away or comes back, if one is known."""
        edges = (
            edge_ms
            for fault in self._faults
            if fault.kind is FaultKind.RESTART
            for edge_ms in (fault.from_ms, fault.until_ms)
            if edge_ms is not None and edge_ms > unix_ms
        )
        return min(edges, default=None)


def spoilt(frame: bytes, kind: FaultKind, dice: Dice) -> bytes:
    """Return a reply frame as the fault leaves it on the wire; other kinds change nothing."""
    match kind:
        case FaultKind.BAD_CRC:
            return frame[:-1] + bytes((frame[-1] ^ 1 << dice.pick(8),))
        case FaultKind.GARBAGE:
            return bytes(dice.pick(256) for _ in range(3 + dice.pick(len(frame) + 8)))
        case FaultKind.TRUNCATED:
            return frame[: 1 + dice.pick(len(frame) - 1)]
        case _:
            return frame
