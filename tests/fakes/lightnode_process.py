"""A light node as a process of its own, with a real meter, broker and store around it."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from ledger.facts.pod import Pod
from lightnode.enrolment import accept_grant, load_key, request_enrolment
from tests.fakes.lightnode_gateway import Gateway, Judge
from tests.fakes.modbus_device import Device, listening

RATE = 20.0


@dataclass
class NodeProcess:
    """`start`, `kill` and `stop` act on the process; `folder` and configuration stay."""

    folder: Path
    config: Path
    rate: float
    starts: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def notes(self) -> Path:
        """Where a process that dies at a point notes what was promised to be durable."""
        return self.folder / "notes"

    async def start(self, *, dies: tuple[str, int] | None = None) -> None:
        """Start the program, or the one that dies at the n-th passing of a point."""
        self.starts += 1
        program = ["lightnode"]
        if dies:
            program = ["tests.fakes.lightnode_dying", dies[0], str(dies[1]), str(self.notes)]
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *program, "run", "-v", "-c", str(self.config),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment},
            )  # fmt: skip

    async def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        """Ask the process to end, and return its exit status."""
        assert self._process
        self._process.terminate()
        async with asyncio.timeout(15):
            return await self._process.wait()

    async def ended(self, timeout_s: float = 15.0) -> int:
        """Return the exit status of a process that ends by itself."""
        assert self._process
        async with asyncio.timeout(timeout_s):
            return await self._process.wait()

    async def told(self, event: str, times: int = 1, timeout_s: float = 20.0) -> None:
        """Wait until the log has an event so often."""
        async with asyncio.timeout(timeout_s):
            while self.log.count(event) < times:  # noqa: ASYNC110 -- another process writes it
                await asyncio.sleep(0.02)


@dataclass
class Surroundings:
    """Everything around one node."""

    node: NodeProcess
    device: Device
    gateway: Gateway


def write_config(
    folder: Path, *, meter: str, broker_port: int, rate: float = RATE, more: str = ""
) -> Path:
    """Write the configuration of a node; the clock begins now."""
    origin_ms = int(time.time() * 1000)
    config = folder / "node.toml"
    config.write_text(
        f'[node]\nfolder = "state"\n'
        f'[meter]\nprofile = "eastron-sdm630"\naddress = "{meter}"\n'
        f"[broker]\nport = {broker_port}\n"
        f"[uplink]\nresend_s = 1.0\nlongest_pause_s = 0.5\n"
        f"[clock]\norigin_ms = {origin_ms}\nrate = {rate}\ntrusted_error_ms = 5\n{more}"
    )
    return config


def enrolled(folder: Path, *, window_s: int = 60) -> Gateway:
    """Enrol a node in its folder, and return the gateway that granted it its place."""
    state = folder / "state"
    request_enrolment(state, pod=Pod("IT002E00000001"), meter="sdm630", now_ms=0)
    gateway = Gateway(Judge(load_key(state).public))
    grant = folder / "grant.toml"
    grant.write_text(gateway.grant(window_s))
    accept_grant(state, grant)
    return gateway


@contextlib.asynccontextmanager
async def surrounded(
    folder: Path,
    broker_port: int,
    *,
    rate: float = RATE,
    device: Device | None = None,
    window_s: int = 60,
) -> AsyncIterator[Surroundings]:
    """Yield a node that is not started yet; whatever runs at the end is killed."""
    meter = device or Device()
    gateway = enrolled(folder, window_s=window_s)
    async with listening(meter) as port:
        config = write_config(
            folder, meter=f"tcp://127.0.0.1:{port}", broker_port=broker_port, rate=rate
        )
        node = NodeProcess(folder, config, rate)
        try:
            yield Surroundings(node, meter, gateway)
        finally:
            await node.kill()
