"""The composer: all tasks together over a real broker, a real journal and HTTP."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest
from paho.mqtt import publish

from gateway import service
from gateway.config import BrokerConfig, CentralConfig, GatewayConfig, HealthConfig
from gateway.errors import JournalTaken
from gateway.journal import Journal, take_alone
from gateway.service import serve
from ledger.chain.account import Account
from ledger.chain.settings import ChainConfig
from ledger.codec import decode_registration
from ledger.errors import Rejected
from ledger.facts.clock import SystemClock
from ledger.facts.interval import slot_of
from ledger.facts.topics import segment_topic
from ledger.signing import SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_central_http import CentralServer
from tests.fakes.gateway_clock import until
from tests.fakes.gateway_ledger import FakeLedger
from tests.fakes.gateway_running import running
from tests.segments import ORIGIN, TestNode
from tests.servers import Mosquitto, free_port


def config(folder: Path, broker: Mosquitto, central: str) -> GatewayConfig:
    return GatewayConfig(
        origin=ORIGIN, state_dir=folder, window_s=4, close_delay_s=0, verify_threads=2,
        broker=BrokerConfig(port=broker.port, longest_pause_s=0.2),
        central=CentralConfig(url=central, longest_pause_s=0.2),
        chain=ChainConfig(urls=("http://127.0.0.1:1",), longest_pause_s=0.2),
        health=HealthConfig(port=free_port()),
    )  # fmt: skip


async def test_a_minute_goes_all_the_way(tmp_path: Path, mosquitto: Mosquitto) -> None:
    key, ledger = SigningKey.generate("EdDSA"), FakeLedger()
    fake = FakeCentral(ORIGIN, key.public)
    now = slot_of(SystemClock().now_ms())
    node = TestNode(0, slot=(now // 15 - 4) * 15)
    with CentralServer(fake, token="t") as server:
        made = config(tmp_path, mosquitto, server.url)
        journal = Journal.open(made.journal_file)
        journal.registry.enrol(lambda _: decode_registration(node.registration()))
        journal.close()
        async with running(made, key, ledger) as gateway:
            await until(lambda: gateway.uplink.is_connected)
            for body in node.segments(3):
                await asyncio.to_thread(
                    publish.single, segment_topic(0), body, qos=1, hostname="127.0.0.1",
                    port=mosquitto.port,
                )  # fmt: skip
            await until(lambda: bool(fake.window_of), timeout_s=20)
            await until(lambda: bool(fake.anchors), timeout_s=20)
            async with httpx.AsyncClient() as client:
                told = await client.get(f"http://127.0.0.1:{made.health.port}/status")
            assert told.json()["schema"] == "certiflex/gateway-status/v1"
            status = await gateway.status()
    assert (status["readings_admitted"], status["segments_stored"], status["nodes"]) == (45, 3, 1)
    assert status["peers"] == {"broker": True, "central": True, "ledger": True}
    assert status["windows_anchored"] >= 1
    assert status["gas_last_submission"] == 40_000
    assert fake.stored(0) == list(range(45))


async def test_what_breaks_breaks_through(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(tmp_path, mosquitto, "http://127.0.0.1:1")
    key, ledger = SigningKey.generate("EdDSA"), FakeLedger()
    with pytest.raises(Rejected, match=r"gateway\.key"):
        await serve(made)
    key.save(made.gateway_key_file)
    Account.generate().save(made.chain_account_file)
    monkeypatch.setattr(service, "connect_ledger", lambda _: ledger)
    with take_alone(made.journal_file), pytest.raises(JournalTaken):
        await serve(made)
    assert not ledger.closed, "it was not even opened"
    made.log_dir.mkdir(parents=True)
    (made.log_dir / "checkpoint").write_text("no checkpoint")
    with pytest.raises(Rejected):
        await serve(made)
    assert ledger.closed


async def test_it_stops_when_told(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(tmp_path, mosquitto, "http://127.0.0.1:1")
    ledger = FakeLedger()
    SigningKey.generate("EdDSA").save(made.gateway_key_file)
    monkeypatch.setattr(service, "connect_ledger", lambda _: ledger)
    stopped = asyncio.Event()

    def stop_soon() -> None:
        asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGTERM)
        stopped.set()

    async with asyncio.timeout(20):
        await serve(made, ready=stop_soon)
    assert stopped.is_set()
    assert ledger.closed
