"""The programs of the demo: each a process of its own, started, stopped, killed by its own id.

Each is the leader of a group of its own: Ctrl-C at the terminal is told to the demo alone, which
ends the programs in its own way.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import SystemRandom
from typing import IO

from ledger.errors import Unavailable

_PORTS = range(10_000, 32_000)
_POLL_S = 0.05
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_TOLD_OF_A_LOG = 600


@dataclass
class Program:
    """`python -m MODULE …` with its output in a file; ready when its port answers, if it has one.

    Args:
        name: how the demo calls it.
        arguments: module and arguments.
        log: where its output goes, appended over restarts.
        port: TCP port on the loopback that answers when it is ready; 0 if it has none.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    port: int = 0
    starts: int = field(default=0, init=False)
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """Return the process id while it lives."""
        return self._process.pid if self._process is not None and self.running else None

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            Unavailable: it ended, or did not become ready; its last words are told.
        """
        self.starts += 1
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = await _begun(self.arguments, output)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while self.port and not _answers(self.port):
                    if not self.running:
                        raise self._failed("ended at its start")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise self._failed(f"was not ready after {_START_TIMEOUT_S:.0f} s") from error

    async def stop(self) -> None:
        """Ask the process to end, and end it if it does not."""
        if self._process is None or not self.running:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End the process as a power cut would: nothing of it runs again."""
        if self._process is not None:
            self.cut()
            await self._process.wait()

    def cut(self) -> None:
        """Do as `kill`, and do not wait for the end."""
        if self._process is not None:
            _cut(self._process)

    def _failed(self, what: str) -> Unavailable:
        said = self.log.read_text(errors="replace")[-_TOLD_OF_A_LOG:].strip().splitlines()
        return Unavailable(
            f"{self.name} {what}; it said: {said[-1] if said else 'nothing'}",
            where=str(self.log),
        )


async def ran(
    arguments: Sequence[str], *, log: Path, timeout_s: float = 60.0, ok: Sequence[int] = (0,)
) -> tuple[int, str]:
    """Run `python -m …` to its end; return its exit status and what it wrote to stdout.

    Raises:
        Unavailable: it took too long, or ended with a status that is not `ok`.
    """
    process = await _begun(arguments, asyncio.subprocess.PIPE)
    command = " ".join(arguments)
    try:
        async with asyncio.timeout(timeout_s):
            output, told = await process.communicate()
    except TimeoutError as error:
        raise Unavailable(f"took longer than {timeout_s:.0f} s", where=command) from error
    finally:
        # Also if nobody waits for its answer any more: nothing of the demo outlives it.
        _cut(process)
        await process.wait()
    with log.open("ab") as file:
        file.write(b"$ " + command.encode() + b"\n" + output + told)
    status = process.returncode if process.returncode is not None else -1
    if status not in ok:
        last = told.decode(errors="replace").strip().splitlines()
        raise Unavailable(f"ended with {status}: {last[-1] if last else 'no word'}", where=command)
    return status, output.decode()


async def _begun(arguments: Sequence[str], output: IO[bytes] | int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        process_group=0,
    )


def _cut(process: asyncio.subprocess.Process) -> None:
    """Kill a process with all of its own, if it still lives."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Return TCP ports of the loopback that nobody listens on just now.

    They are none of those that a system hands out by itself: programs begin to listen minutes
    later, and by then somebody's outgoing connection might have been given one.

    Raises:
        Unavailable: so many are not free.
    """
    drawn = iter(SystemRandom().sample(_PORTS, len(_PORTS)))
    found = list(islice(filter(_is_free, drawn), count))
    if len(found) < count:
        raise Unavailable(
            f"{count} ports are wanted, {len(found)} of {len(_PORTS)} are free",
            where="127.0.0.1",
            remedy="stop programs that listen there",
        )
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(_POLL_S)
        return probe.connect_ex(("127.0.0.1", port)) == 0
