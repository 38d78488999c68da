"""The node as a whole, in one process: how it starts, goes on, and leaves."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.configuration import load
from ledger.errors import Rejected
from ledger.facts.record import Boot, Gap, GapCause
from lightnode import agent
from lightnode.config import NodeClockSettings, Settings
from lightnode.outbox import SqliteOutbox
from lightnode.ports import Kept, Tail
from tests.fakes.lightnode_gateway import Judge
from tests.fakes.lightnode_process import enrolled, write_config
from tests.fakes.modbus_device import Device, listening
from tests.servers import Mosquitto, free_port

RATE = 10.0

# A busy machine may lose a slot of 0.4 s here and there; that too is a named gap.
BUSY = {GapCause.OVERLOAD, GapCause.METER_TIMEOUT}


def settings_of(file: Path) -> Settings:
    return load(Settings, file, program="lightnode", environ={}).value


async def _runs(settings: Settings, seconds_s: float, **more: Path) -> None:
    running = asyncio.create_task(agent.run(settings, **more))
    await asyncio.sleep(seconds_s)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        await running


async def _runs_until(settings: Settings, holds: Callable[[], bool], **more: Path) -> None:
    running = asyncio.create_task(agent.run(settings, **more))
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 -- told by the broker, not by an event
            await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        await running


async def _rest_admitted(folder: Path, judge: Judge) -> None:
    """Show the judge what was sealed at the very end, and waits for the next start."""
    outbox = SqliteOutbox(folder / "state", capacity=1_000)
    for segment in await outbox.after(-1, 99):
        judge.admit(segment.encoded)
    await outbox.close()


async def test_it_samples_delivers_and_leaves_everything_sealed(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    gateway = enrolled(tmp_path)
    gateway.checkpoint = (5, b"5" * 32)
    async with listening(Device()) as port, gateway.connected(mosquitto.port):
        config = write_config(
            tmp_path, meter=f"tcp://127.0.0.1:{port}", broker_port=mosquitto.port, rate=RATE
        )
        judge, live = gateway.judge, gateway.live
        await _runs_until(settings_of(config), lambda: len(judge.readings()) >= 8)
        seen = len(live)
        await _runs_until(settings_of(config), lambda: len(live) >= seen + 2)
    assert len(judge.segments) >= 1
    await _rest_admitted(tmp_path, judge)
    assert len(judge.readings()) >= 8
    assert not judge.broken
    assert sum(isinstance(record, Boot) for record in judge.records()) == 2
    assert set(judge.gap_slots()) <= {GapCause.PROCESS_DOWN} | BUSY
    assert judge.chain()[-1].header.checkpoint == (5, b"5" * 32)
    assert len(gateway.live) >= 8
    assert (tmp_path / "state/health.json").exists()


async def test_without_broker_and_meter_it_goes_on_in_named_gaps(tmp_path: Path) -> None:
    gateway = enrolled(tmp_path)
    config = write_config(
        tmp_path, meter=f"tcp://127.0.0.1:{free_port()}", broker_port=free_port(), rate=RATE
    )
    health = tmp_path / "state/health.json"
    await _runs_until(
        settings_of(config),
        lambda: health.exists() and bool(json.loads(health.read_text())["gap_slots"]),
    )
    await _rest_admitted(tmp_path, gateway.judge)
    assert not gateway.judge.broken
    assert GapCause.METER_TIMEOUT in gateway.judge.gap_slots()
    assert not gateway.judge.readings()


async def test_another_start_of_the_system_means_that_power_was_off(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    gateway = enrolled(tmp_path)
    boot_id = tmp_path / "boot_id"
    async with listening(Device()) as port, gateway.connected(mosquitto.port):
        config = write_config(
            tmp_path, meter=f"tcp://127.0.0.1:{port}", broker_port=mosquitto.port, rate=RATE
        )
        for name in ("first", "second", "second"):
            boot_id.write_text(name)
            gateway.live.clear()
            await _runs_until(
                settings_of(config), lambda: len(gateway.live) >= 4, boot_id_file=boot_id
            )
            await asyncio.sleep(0.5)
    await _rest_admitted(tmp_path, gateway.judge)
    causes = [
        record.cause
        for record in gateway.judge.records()
        if isinstance(record, Gap) and record.cause not in BUSY
    ]
    assert causes == [GapCause.POWER_OFF, GapCause.PROCESS_DOWN]


async def test_a_store_that_does_not_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    enrolled(tmp_path)
    outbox = SqliteOutbox(tmp_path / "state", capacity=1_000)
    await outbox.load()
    config = write_config(
        tmp_path, meter=f"tcp://127.0.0.1:{free_port()}", broker_port=free_port(), rate=RATE
    )
    monkeypatch.setattr("lightnode.storing._BUSY_TIMEOUT_S", 0.05)
    running = asyncio.create_task(agent.run(settings_of(config)))
    with caplog.at_level(logging.INFO, "lightnode"):
        await asyncio.sleep(0.5)
        assert not running.done()
        await outbox.close()
        await asyncio.sleep(3.0)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await running
    events = [entry.getMessage() for entry in caplog.records]
    assert events.count("lightnode.started") == 1
    assert "another light node runs on this folder" in str(vars(caplog.records[0]))


async def test_told_to_stop_while_it_waits_it_leaves(tmp_path: Path) -> None:
    enrolled(tmp_path)
    outbox = SqliteOutbox(tmp_path / "state", capacity=1_000)
    await outbox.load()
    config = write_config(tmp_path, meter="tcp://127.0.0.1:1", broker_port=1, rate=RATE)
    await _runs(settings_of(config), 0.3)
    await outbox.close()


async def test_without_enrolment_it_does_not_start(tmp_path: Path) -> None:
    config = write_config(tmp_path, meter="tcp://127.0.0.1:1", broker_port=1)
    with pytest.raises(Rejected, match="no key yet"):
        await agent.run(settings_of(config))


def test_why_there_was_no_program(tmp_path: Path) -> None:
    (tmp_path / "boot_id").write_text("11111111-2222\n")
    now = agent.boot_id_of(tmp_path / "boot_id")
    assert len(now) == 8
    nobody = agent.boot_id_of(tmp_path / "none")
    assert nobody == bytes(8)

    def kept(boot_id: bytes | None) -> Kept:
        return Kept(tail=Tail(), open_records=(), boot_id=boot_id, checkpoint=None)

    assert agent.down_cause(kept(now), now) == GapCause.PROCESS_DOWN
    for before, present in ((b"another!", now), (None, now), (nobody, nobody)):
        assert agent.down_cause(kept(before), present) == GapCause.POWER_OFF


def test_an_operators_word_replaces_the_kernels() -> None:
    trusted = agent.clock_watch_of(NodeClockSettings(trusted_error_ms=9)).state()
    assert (trusted.synchronised, trusted.error_ms) == (True, 9)
    assert type(agent.clock_watch_of(NodeClockSettings())).__name__ == "KernelClockWatch"
