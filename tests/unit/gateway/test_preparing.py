"""Before the first run: what is missing is made, what is wrong is told one by one."""

import asyncio
import stat
from pathlib import Path

import pytest

from gateway.config import BrokerConfig, CentralConfig, GatewayConfig
from gateway.preparing import check, deploy_contract, prepare
from ledger.chain.settings import ChainConfig
from ledger.errors import Rejected, Unavailable
from ledger.signing import SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_central_http import CentralServer
from tests.servers import Mosquitto, free_port


def config(folder: Path, **more: object) -> GatewayConfig:
    chain = ChainConfig(urls=(f"http://127.0.0.1:{free_port()}",), timeout_s=1.0)
    return GatewayConfig(origin="log", state_dir=folder / "state", **{"chain": chain, **more})  # type: ignore[arg-type]


def test_keys_and_journal_are_made_once(tmp_path: Path) -> None:
    made = config(tmp_path)
    first = prepare(made)
    assert prepare(made) == first
    assert first.account.startswith("0x")
    for file in (made.gateway_key_file, made.chain_account_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.journal_file.exists()


def test_a_key_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    made = config(tmp_path)
    SigningKey.generate("ES256").save(made.gateway_key_file)
    with pytest.raises(Rejected, match="another kind"):
        prepare(made)


def test_a_contract_is_deployed_once(tmp_path: Path) -> None:
    made = config(tmp_path)
    prepare(made)
    with pytest.raises(Unavailable):
        deploy_contract(made, timeout_s=1.0)
    made.contract_file.write_text("0xabc\n")
    with pytest.raises(Rejected, match="0xabc"):
        deploy_contract(made, timeout_s=1.0)


async def test_everything_that_is_missing_is_told(tmp_path: Path) -> None:
    made = config(
        tmp_path,
        broker=BrokerConfig(port=free_port()),
        central=CentralConfig(url=f"http://127.0.0.1:{free_port()}"),
    )
    told = {one.name: str(one.fault) for one in await check(made, timeout_s=5.0)}
    assert told["log"] == "None", "the first run makes it"
    assert "gateway.key" in told["key"]
    assert "gateway init" in told["journal"]
    assert "broker.port" in told["broker"]
    assert "central.url" in told["central"]
    assert "chain deploy" in told["ledger"]


async def test_what_is_there_is_well(tmp_path: Path, mosquitto: Mosquitto) -> None:
    fake = FakeCentral("log", SigningKey.generate("EdDSA").public)
    with CentralServer(fake, token="t") as server:
        made = config(
            tmp_path,
            broker=BrokerConfig(port=mosquitto.port),
            central=CentralConfig(url=server.url),
        )
        prepare(made)
        told = {one.name: one.fault for one in await check(made, timeout_s=5.0)}
    assert {name for name, fault in told.items() if fault is None} == {
        "key", "journal", "log", "broker", "central",
    }  # fmt: skip


async def test_a_peer_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("gateway.preparing._check_broker", hang)
    told = {one.name: str(one.fault) for one in await check(config(tmp_path), timeout_s=0.5)}
    assert "no answer within 0.5 s" in told["broker"]
