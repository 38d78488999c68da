"""kill -9 of node and broker, again and again: nothing promised is lost, nothing comes twice."""

import asyncio
import random
from pathlib import Path

import pytest

from ledger.facts.record import Boot, GapCause
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
