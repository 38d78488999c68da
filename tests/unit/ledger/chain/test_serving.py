"""`certiflex ledger chain …` as it is typed: one line of answer or one line of error."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from ledger.__main__ import main
from tests.chains import EmbeddedServer, LedgerChain, account, stranger
from tests.servers import free_port

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
STRANGER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@dataclass
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


class Typed(Protocol):
    """Runs a command in this process: as a process of its own each would take seconds."""

    def __call__(self, *arguments: str) -> Done: ...


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str]) -> Typed:
    def run(*arguments: str) -> Done:
        capfd.readouterr()
        try:
            status = main(["chain", *arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
        return Done(status, *capfd.readouterr())

    return run


class Refused(Protocol):
    """Runs a command that must fail with this status and one clear line."""

    def __call__(self, *arguments: str, status: int) -> str: ...


@pytest.fixture
def refused(typed: Typed) -> Refused:
    def run(*arguments: str, status: int) -> str:
        done = typed(*arguments)
        assert done.returncode == status, done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.stderr

    return run


def test_an_account_is_made_shown_and_never_overwritten(
    tmp_path: Path, typed: Typed, refused: Refused
) -> None:
    key = str(tmp_path / "account.key")
    made = typed("account", "new", key).stdout.strip()
    assert typed("account", "show", key).stdout.strip() == made
    told = json.loads(typed("account", "show", key, "--json").stdout)
    assert told == {"schema": "certiflex/chain-account/v1", "address": made}
    assert "already" in refused("account", "new", key, status=2)
    assert not typed("account", "new", str(tmp_path / "dry"), "--dry-run").returncode
    assert not (tmp_path / "dry").exists()


def test_wrong_arguments_are_told(tmp_path: Path, refused: Refused) -> None:
    path = str(tmp_path / "chain")
    for arguments in (
        ["--port", "70000"],
        ["--port", "x"],
        ["--chain-id", "0"],
        ["--chain-id", "-1"],
        ["--fund", "0x12"],
        ["--fund", "everybody"],
    ):
        assert arguments[1] in refused("serve", "--path", path, *arguments, status=2)
    assert "--path" in refused("serve", status=2)
    assert "rate" in refused(
        "serve", "--path", path, "--clock-origin-ms", "0", "--clock-rate", "0", status=2
    )
    assert "--clock-origin-ms" in refused("serve", "--path", path, "--clock-rate", "2", status=2)
    assert not (tmp_path / "chain").exists()


def test_deploying_without_chain_or_key_is_told(tmp_path: Path, refused: Refused) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    key = tmp_path / "account.key"
    missing = refused("deploy", "--url", nobody, "--key", str(key), status=2)
    assert str(key) in missing
    account().save(key)
    away = refused("deploy", "--url", nobody, "--key", str(key), "--timeout", "1", status=5)
    assert nobody in away
    assert away.count("\n") == 1


def test_a_served_chain_from_start_to_end(tmp_path: Path, typed: Typed, refused: Refused) -> None:
    key = tmp_path / "account.key"
    account().save(key)
    with EmbeddedServer(tmp_path, [ADDRESS, STRANGER]) as server:
        deployed = typed(
            "deploy", "--url", server.url, "--key", str(key), "--origin", "certiflex.example/x",
            "--chain-id", str(server.chain_id), "--json",
        )  # fmt: skip
        told = json.loads(deployed.stdout)
        assert told["schema"] == "certiflex/chain-contract/v1"
        assert told["contract"].startswith("0x")
        by_hand(server, key, told["contract"], typed, refused)
        other = ["deploy", "--url", server.url, "--key", str(key), "--chain-id", "1"]
        assert "expected 1" in refused(*other, status=2)
        taken = ["serve", "--path", str(tmp_path / "other"), "--port", str(server.port)]
        assert str(server.port) in refused(*taken, status=5)
        same = ["serve", "--path", str(tmp_path / "chain"), "--port", "0"]
        assert "another process" in refused(*same, status=2)
        over_http(server.url)
    assert f"listens on {server.url}\n" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def by_hand(
    server: EmbeddedServer, key: Path, contract: str, typed: Typed, refused: Refused
) -> None:
    """Pause, resume and hand over a log, as guardian and admin do."""
    where = ["--url", server.url, "--key", str(key), "--chain-id", str(server.chain_id)]
    log = [*where, "--contract", contract, "--origin", "certiflex.example/x"]
    for verb in (["pause"], ["resume"], ["submitter", STRANGER]):
        assert typed(*verb, *log).returncode == 0
    assert "no anchor contract" in refused(
        "pause", *where, "--contract", STRANGER, "--origin", "x", status=2
    )
    other_key = key.with_name("other.key")
    stranger().save(other_key)
    as_stranger = [str(other_key) if one == str(key) else one for one in log]
    assert "not guardian" in refused("pause", *as_stranger, status=4)
    assert "not admin" in refused("resume", *as_stranger, status=4)


def over_http(url: str) -> None:
    asked = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
    as_json = {"Content-Type": "application/json"}
    with httpx.Client(base_url=url) as client:
        assert client.post("/", content=asked, headers=as_json).json()["result"] == "0xab6"
        assert client.post("/", content=asked).status_code == 415
        refused = client.get("/")
        assert refused.status_code == 405
        assert refused.headers["connection"] == "close"  # or the next request would meet its end
        assert client.post("/", content=b"{", headers=as_json).json()["error"]["code"] == -32700
        silent = b'{"jsonrpc":"2.0","method":"eth_chainId"}'
        assert client.post("/", content=silent, headers=as_json).status_code == 204
        large = client.post("/", content=b" " * (1 << 20 | 1), headers=as_json)
        assert large.status_code == 413


JUNK = (b"", b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\n")


def test_junk_on_the_wire_does_no_harm(embedded_chain: LedgerChain) -> None:
    server = embedded_chain.server
    for junk in JUNK:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5.0) as connection:
            connection.sendall(junk)
        assert httpx.post(server.url, json={}, timeout=5.0).json()["error"]["code"] == -32600
    assert "Traceback" not in server.log.read_text()
