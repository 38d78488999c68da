"""Meters on a serial line: a pseudo-terminal that any Modbus RTU client can open."""

import asyncio
import logging
import os
import tty
from collections.abc import Mapping
from pathlib import Path

from hil.framing import Request, RtuRequests
from hil.meter import Meter
from ledger.errors import Rejected, Unavailable

_BITS_PER_BYTE = 11
_READ_AT_ONCE = 4096
# A pty has no wire time of its own; a frame that is not complete after this never will be.
_FRAME_GAP_S = 0.1
_log = logging.getLogger("hil")


class SerialLine:
    """The meters of one line, told apart by their unit.

    Requests for a unit that is not there stay without a reply, as on a bus.

    Args:
        path: where the symbolic link to the terminal appears while the line is open.
        meters: the meters by unit.
        baud: pace replies as if the bytes took their time on a wire of this speed; 0 does not.
    """

    def __init__(self, path: Path, meters: Mapping[int, Meter], *, baud: int = 0) -> None:
        self.meters = meters
        self._path = path
        self._baud = baud
        self._requests = RtuRequests()
        self._gap: asyncio.TimerHandle | None = None
        self._ends: tuple[int, int] | None = None

    @property
    def address(self) -> str:
        """Return where to reach it, as ``rtu PATH``."""
        return f"rtu {self._path}"

    async def open(self) -> None:
        """Make the terminal and the link to it.

        Raises:
            Rejected: something that is not a link stands where the link should be.
            Unavailable: the terminal or the link cannot be made.
        """
        if self._path.exists() and not self._path.is_symlink():
            raise Rejected(
                "a file stands where the link to the line should be",
                where=str(self._path),
                remedy="remove it, or change `line` of the meter",
            )
        try:
            self._ends = self._make()
        except OSError as error:
            raise Unavailable(
                f"cannot make the line: {error.strerror}",
                where=str(self._path),
                remedy="check that the directory can be written and terminals are left",
            ) from error
        self._requests = RtuRequests()
        asyncio.get_running_loop().add_reader(self._ends[0], self._receive)

    def _make(self) -> tuple[int, int]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = os.openpty()
        try:
            # Their end stays open here too: with no client the line is quiet, not broken.
            tty.setraw(theirs)
            os.set_blocking(ours, False)
            link = self._path.with_name(self._path.name + ".new")
            link.unlink(missing_ok=True)
            link.symlink_to(os.ttyname(theirs))
            link.replace(self._path)
        except OSError:
            os.close(ours)
            os.close(theirs)
            raise
        return ours, theirs

    async def close(self) -> None:
        """Take the line away: clients that hold it open see it hung up."""
        if self._ends is None:
            return
        ours, theirs = self._ends
        asyncio.get_running_loop().remove_reader(ours)
        if self._gap is not None:
            self._gap.cancel()
        self._ends = None
        if self._path.is_symlink() and str(self._path.readlink()) == os.ttyname(theirs):
            self._path.unlink()
        os.close(theirs)
        os.close(ours)

    def _receive(self) -> None:
        if self._ends is None:
            return
        try:
            received = os.read(self._ends[0], _READ_AT_ONCE)
        except BlockingIOError:
            return
        if self._gap is not None:
            self._gap.cancel()
        self._gap = asyncio.get_running_loop().call_later(_FRAME_GAP_S, self._requests.silence)
        for request in self._requests.feed(received):
            self._answer(request)

    def _answer(self, request: Request) -> None:
        meter = self.meters.get(request.unit)
        reply = None if meter is None else meter.reply_rtu(request)
        if reply is None:
            return
        wait_s = reply.delay_ms / 1000 + self._wire_s(len(request.pdu) + 3 + len(reply.frame))
        if wait_s:
            loop = asyncio.get_running_loop()
            loop.call_later(wait_s, self._send, self._ends, reply.frame)
        else:
            self._send(self._ends, reply.frame)

    def _wire_s(self, byte_count: int) -> float:
        return byte_count * _BITS_PER_BYTE / self._baud if self._baud else 0.0

    def _send(self, ends: tuple[int, int] | None, frame: bytes) -> None:
        # A reply made before a restart must not reach the line that came after it.
        if ends is None or ends is not self._ends:
            return
        try:
            os.write(ends[0], frame)
        except BlockingIOError:
            _log.warning("hil.line_full", extra={"line": str(self._path)})
