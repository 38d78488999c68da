"""The process: serving, sealing and anchoring until told to stop, refusing what it cannot use."""

import asyncio
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from central.config import ApiConfig
from central.documents.encoding import sign
from central.scd.documents import checked
from central.scd.documents_entries import SealReason
from central.scd.roles import Role
from central.service import Central
from central.serving import serve
from ledger.chain.account import Account
from ledger.chain.client import deploy
from ledger.chain.settings import ChainConfig
from ledger.contract import log_id
from ledger.errors import Rejected
from ledger.signing import SigningKey
from tests.documents import OFFER
from tests.fakes.gateway_clock import until
from tests.scd import MARKET_ORIGIN, World, lived_in, world

ROOT = Path(__file__).parents[3]


def port_taken() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


async def test_it_serves_and_seals_until_it_is_stopped(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with lived_in(tmp_path, minutes=2) as made:
        config = replace(made.central.config, api=ApiConfig(port=port))
        central = replace(made.central, config=config)
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(central, stop))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await answered(client)
        stop.set()
        await asyncio.wait_for(serving, 10)
        assert list(made.central.config.store.series.glob("*.parquet"))


@pytest.mark.parametrize("client", ["leaves", "waits"])
async def test_half_a_request_leaves_no_error_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    monkeypatch.setattr("central.serving._GRACEFUL_S", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with world(tmp_path) as made:
        config = replace(made.central.config, api=ApiConfig(port=port))
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(replace(made.central, config=config), stop))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as asking:
            await answered(asking)
        token = made.token(Role.GATEWAY)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            "POST /v1/ingest/segments HTTP/1.1\r\nHost: scd\r\nContent-Type: application/cbor\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\nhalf"
        )
        writer.write(head.encode())
        await writer.drain()
        await asyncio.sleep(0.3)
        if client == "leaves":
            writer.close()
            await asyncio.sleep(0.3)
        stop.set()
        told = "" if client == "leaves" else (await reader.read()).decode()
        writer.close()
        await asyncio.wait_for(serving, 10)
        assert [one.exc_info for one in caplog.records if one.exc_info] == []
        assert [word in told for word in ("503", "ask again")] == [client == "waits"] * 2


async def test_it_anchors_what_is_sealed(tmp_path: Path) -> None:
    account = Account.generate()
    account.save(tmp_path / "account.key")
    chain = f"embedded:{tmp_path / 'chain'}"
    names = [log_id(MARKET_ORIGIN)]
    contract = await asyncio.to_thread(deploy, chain, account, chain_id=2742, authorise=names)
    with world(tmp_path) as made:
        settings = ChainConfig(
            urls=(chain,), contract=contract, account_file=tmp_path / "account.key"
        )
        central = with_port(made, 0)
        central = replace(central, config=replace(central.config, chain=settings))
        offer, _ = checked(sign(OFFER, SigningKey.generate("EdDSA")))
        central.documents.commit_documents([offer], 7)
        central.market_log().seal(SealReason.PUBLICATION, OFFER.session)
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(central, stop))
        await until(lambda: central.anchors.anchored() is not None, timeout_s=60)
        stop.set()
        await asyncio.wait_for(serving, 10)
        anchored = central.anchors.anchored()
        assert anchored is not None
        assert (anchored.size, anchored.chain_part is not None) == (1, True)


async def test_without_a_ledger_it_says_that_nothing_is_anchored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stop = asyncio.Event()
    stop.set()
    with world(tmp_path) as made, caplog.at_level("WARNING"):
        await asyncio.wait_for(serve(with_port(made, 0), stop), 10)
    assert "central.market_log_not_anchored" in [one.getMessage() for one in caplog.records]


async def answered(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                answer = await client.get("/health/ready")
            except httpx.ConnectError:
                await asyncio.sleep(0.01)
            else:
                assert answer.status_code == 200
                return


async def test_an_address_that_is_taken_is_one_clear_error(tmp_path: Path) -> None:
    with world(tmp_path) as made, port_taken() as taken:
        central = with_port(made, taken.getsockname()[1])
        with pytest.raises(Rejected, match=r"api\.port") as caught:
            await serve(central, asyncio.Event())
        assert caught.value.reason == "address_taken"


def with_port(made: World, port: int) -> Central:
    config = replace(made.central.config, api=ApiConfig(port=port))
    return replace(made.central, config=config)


def test_told_to_stop_it_ends_well(tmp_path: Path) -> None:
    with lived_in(tmp_path, minutes=1) as made:
        config = made.central.config
    file = tmp_path / "central.toml"
    file.write_text(
        f'origin = "{config.origin}"\nlog_key = "{config.log_key}"\n[store]\n'
        'evidence = "evidence.db"\nseries = "series"\n[api]\nport = 0\n'
    )
    command = [sys.executable, "-m", "central", "serve", "-c", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        assert "central.serving" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert (process.returncode, "Traceback" in rest) == (0, False)
