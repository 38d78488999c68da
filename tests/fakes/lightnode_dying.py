"""The light node's own program, which ends as by a power cut at the n-th time it passes a point.

Its adapters are the real ones; around each call that matters stands a point with a name. What it
was told is durable it notes in a file first, so that a judge can ask for it afterwards.

    python -m tests.fakes.lightnode_dying POINT NTH NOTES run -c node.toml
"""

import contextlib
import hashlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NoReturn

from ledger.facts.receipt import StoredSegment
from ledger.facts.segment import Head
from lightnode import agent
from lightnode.__main__ import main
from lightnode.meters.modbus import ModbusMeter
from lightnode.mqtt import MqttBroker
from lightnode.mqtt.broker import MqttSession
from lightnode.outbox import SqliteOutbox
from lightnode.ports import Measurement, SealedSegment, Tail
from lightnode.sealing import Seal

POINTS = (
    "after read",
    "before boot", "after boot",
    "before record", "after record",
    "after sign",
    "before segment", "after segment",
    "before publish", "after publish",
    "before receipt", "after receipt",
    "before delete", "after delete",
)  # fmt: skip


class Fate:
    """Where this process ends, and what it notes before."""

    def __init__(self) -> None:
        self._end = ("", 0)
        self._notes = Path()
        self._passed: Counter[str] = Counter()

    def befall(self, point: str, nth: int, notes: Path) -> None:
        """Say where the process ends, and where it notes what was promised."""
        assert point in POINTS, point
        self._end, self._notes = (point, nth), notes

    def passes(self, point: str) -> None:
        """End here, if this is the place."""
        self._passed[point] += 1
        if (point, self._passed[point]) == self._end:
            _die()

    def note(self, sequence: int, record: bytes) -> None:
        """Write down that a record was promised to be durable."""
        digest = hashlib.sha256(record).hexdigest()
        with self._notes.open("a") as file:
            file.write(f"{sequence} {digest} {time.monotonic()}\n")


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process goes on")


FATE = Fate()


class Meter(ModbusMeter):
    """The meter, and its point."""

    async def read(self, budget_s: float) -> Measurement:
        measured = await super().read(budget_s)
        FATE.passes("after read")
        return measured


class Signing(Seal):
    """The seal, and its point."""

    def segment(
        self, records: Sequence[bytes], tail: Tail, checkpoint: Head | None
    ) -> tuple[SealedSegment, Tail]:
        sealed = super().segment(records, tail, checkpoint)
        FATE.passes("after sign")
        return sealed


class Outbox(SqliteOutbox):
    """The outbox, and the points around what it does for good."""

    async def note_boot(self, boot_id: bytes) -> None:
        FATE.passes("before boot")
        await super().note_boot(boot_id)
        FATE.passes("after boot")

    async def append(self, sequence: int, record: bytes) -> None:
        FATE.passes("before record")
        await super().append(sequence, record)
        FATE.note(sequence, record)
        FATE.passes("after record")

    async def seal(self, segment: SealedSegment, tail: Tail) -> None:
        FATE.passes("before segment")
        await super().seal(segment, tail)
        FATE.passes("after segment")

    async def release(self, stored: Sequence[StoredSegment], checkpoint: Head | None) -> int:
        FATE.passes("before delete")
        released = await super().release(stored, checkpoint)
        FATE.passes("after delete")
        return released


class Session:
    """A connection, and the points around what is delivered."""

    def __init__(self, session: MqttSession) -> None:
        self._session = session

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        if not qos:
            await self._session.publish(topic, payload, qos=qos)
            return
        FATE.passes("before publish")
        await self._session.publish(topic, payload, qos=qos)
        FATE.passes("after publish")

    async def messages(self) -> AsyncIterator[bytes]:
        async for message in self._session.messages():
            FATE.passes("before receipt")
            yield message
            # Dealt with, and not yet acknowledged to the broker.
            FATE.passes("after receipt")


class Broker(MqttBroker):
    """The broker, whose sessions have points."""

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:  # type: ignore[override]
        async with super().session() as session:
            yield Session(session)


DOOMED = {"ModbusMeter": Meter, "Seal": Signing, "SqliteOutbox": Outbox, "MqttBroker": Broker}


if __name__ == "__main__":
    point, nth, notes, *rest = sys.argv[1:]
    FATE.befall(point, int(nth), Path(notes))
    for name, kind in DOOMED.items():
        setattr(agent, name, kind)
    sys.exit(main(rest))
