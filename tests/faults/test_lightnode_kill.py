"""kill -9 of node and broker, again and again: nothing promised is lost, nothing comes twice."""

import asyncio
import hashlib
import random
import signal
import time
from pathlib import Path
from statistics import median

import pytest

from ledger.codec import encode_record
from ledger.facts.record import Boot, GapCause, Record
from tests.fakes.lightnode_dying import POINTS
from tests.fakes.lightnode_process import NodeProcess, surrounded
from tests.servers import Mosquitto

pytestmark = pytest.mark.timeout(300)


async def _leave_everything_delivered(node: NodeProcess) -> None:
    """Stop the node, which seals what is open, and let its next start deliver that."""
    if node.starts > 1:
        await node.start()
        await node.told("lightnode.started", node.starts)
    await asyncio.sleep(2.0)
    assert await node.stop() == 0
    await node.start()
    await node.told("lightnode.started", node.starts)
    await asyncio.sleep(3.0)


async def test_a_node_killed_forty_times_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    dice = random.Random(7)
    async with (
        surrounded(tmp_path, mosquitto.port, rate=10.0) as around,
        around.gateway.connected(mosquitto.port),
    ):
        node = around.node
        for _ in range(40):
            await node.start()
            await node.told("lightnode.started", node.starts)
            await asyncio.sleep(dice.uniform(0.0, 1.2))
            await node.kill()
        await _leave_everything_delivered(node)
    judge = around.gateway.judge
    records = judge.records()
    assert not judge.broken
    assert sum(isinstance(record, Boot) for record in records) >= 25
    assert set(judge.gap_slots()) == {GapCause.PROCESS_DOWN}
    assert len(judge.readings()) > 30
    assert "Traceback" not in around.node.log


async def test_a_node_killed_at_every_point_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with (
        surrounded(tmp_path, mosquitto.port, rate=10.0, window_s=4) as around,
        around.gateway.connected(mosquitto.port),
    ):
        node = around.node
        begun_s: list[float] = []
        for nth in (1, 2, 3):
            for point in POINTS:
                # A process notes one boot; everything else happens to it again and again.
                times = 1 if point.endswith("boot") else nth
                begun_s.append(time.monotonic())
                await node.start(dies=(point, times))
                assert await node.ended(30) == -signal.SIGKILL, f"{point} is never passed"
        await _leave_everything_delivered(node)
    judge = around.gateway.judge
    records = judge.records()
    assert not judge.broken
    assert set(judge.gap_slots()) == {GapCause.PROCESS_DOWN}
    assert len(judge.readings()) >= 10
    delivered = {record.sequence: _digest(record) for record in records}
    promised = [line.split() for line in node.notes.read_text().splitlines()]
    assert len(promised) >= 2 * len(POINTS)
    lost = [number for number, digest, _ in promised if delivered.get(int(number)) != digest]
    assert not lost, "DURABLE"
    assert median(_waits_s(begun_s, [float(at_s) for *_, at_s in promised])) <= 5.0
    assert judge.copies >= 3, "what was sent, and not known to be, was sent again"
    assert "Traceback" not in node.log


def _waits_s(begun_s: list[float], stored_s: list[float]) -> list[float]:
    """Return for each start how long the first record after it took to be stored."""
    first_s = [min((at_s for at_s in stored_s if at_s > start_s), default=0) for start_s in begun_s]
    return [at_s - start_s for start_s, at_s in zip(begun_s, first_s, strict=True) if at_s]


def _digest(record: Record) -> str:
    return hashlib.sha256(encode_record(record)).hexdigest()


@pytest.mark.parametrize("wiped", ["kept", "wiped"])
async def test_a_broker_killed_again_and_again_loses_nothing(
    wiped: str, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with surrounded(tmp_path, mosquitto.port, rate=10.0) as around:
        await around.node.start()
        for _ in range(10):
            async with around.gateway.connected(mosquitto.port):
                await asyncio.sleep(1.2)
                await asyncio.to_thread(mosquitto.kill)
            if wiped == "wiped":
                mosquitto.wipe()
            await asyncio.sleep(0.3)
            await asyncio.to_thread(mosquitto.start)
        async with around.gateway.connected(mosquitto.port):
            await _leave_everything_delivered(around.node)
    judge = around.gateway.judge
    judge.records()
    assert not judge.broken
    assert set(judge.gap_slots()) <= {GapCause.PROCESS_DOWN}
    assert len(judge.readings()) > 30
    assert around.node.log.count("lightnode.away peer=broker") >= 8
    assert around.node.log.count("lightnode.back peer=broker") >= 8
