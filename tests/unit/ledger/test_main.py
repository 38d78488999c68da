"""The verbs of `certiflex ledger`: verdicts as exit statuses, and what a file holds."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from ledger.__main__ import main
from ledger.command import Exit
from ledger.documents import encode_document_bundle
from ledger.proving import encode_bundle
from tests.documents import OFFER
from tests.segments import ORIGIN
from tests.unit.ledger.test_documents import TRUST
from tests.unit.ledger.test_documents import bundle as document_bundle
from tests.unit.ledger.test_proving import World, world

__all__ = ["world"]

PATH = "/v1/pods/IT002E00000001/proof?at=2026-06-21T12%3A00%3A00%2B02%3A00"


@pytest.fixture
def bundle(world: World, tmp_path: Path) -> Path:
    file = tmp_path / "it.bundle"
    file.write_bytes(encode_bundle(world.record(2, 1, 5)))
    return file


@pytest.fixture
def trust(world: World, tmp_path: Path) -> Path:
    file = tmp_path / "trust.toml"
    made = world.trust()
    file.write_text(
        f'origin = "{made.origin}"\nlog_key = "{made.log_key}"\n'
        f'[ledger]\nheads = ["{made.ledger.heads[0]}"]\n'
    )
    return file


def test_valid_is_0_and_told_step_by_step(
    bundle: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(bundle), "--trust", str(trust)]) == Exit.OK
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "VALID"
    assert "  9  ledger" in out
    assert "power_w" in out


def test_invalid_is_1_with_the_step(
    bundle: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle.write_bytes(bundle.read_bytes().replace(b"\x19\x07\x08", b"\x19\x07\x09", 1))
    assert main(["verify", str(bundle), "--trust", str(trust), "--json"]) == Exit.FALSE
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["step"]) == ("INVALID", "record")


def test_what_cannot_be_told_is_3(
    bundle: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust.write_text(trust.read_text().partition("[ledger]")[0])
    assert main(["verify", str(bundle), "--trust", str(trust)]) == Exit.UNKNOWN
    assert capsys.readouterr().out.splitlines()[-1].startswith("INDETERMINATE  ledger: ")


def test_a_bundle_may_come_on_stdin(
    bundle: Path, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(bundle.read_bytes())))
    assert main(["verify", "-", "--trust", str(trust)]) == Exit.OK


def test_a_document_of_the_market_is_verified_by_its_own_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, trusted = tmp_path / "offer.bundle", tmp_path / "market.toml"
    file.write_bytes(encode_document_bundle(document_bundle()))
    head, sender = TRUST.ledger.heads[0], TRUST.parties[0].key
    known = f'[[parties]]\nid = "{OFFER.sender}"\nkey = "{sender}"\n'
    trusted.write_text(
        f'origin = "{TRUST.origin}"\nlog_key = "{TRUST.log_key}"\n'
        f'[ledger]\nheads = ["{head}"]\n{known}'
    )
    asked = ["verify", str(file), "--trust", str(trusted)]
    assert main([*asked, "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["entry"]["kind"]) == ("VALID", "flex-offer")
    trusted.write_text(trusted.read_text().replace(known, ""))
    assert main(asked) == Exit.UNKNOWN
    assert "under [[parties]]" in capsys.readouterr().out
    trusted.write_text(trusted.read_text() + known)
    file.write_bytes(file.read_bytes().replace(b"flex-offer", b"flex-order", 1))
    assert main(asked) == Exit.FALSE
    assert "INVALID  signature" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["bundle", "trust"])
def test_a_missing_file_is_a_usage_error(
    bundle: Path, trust: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle if missing == "bundle" else trust).unlink()
    assert main(["verify", str(bundle), "--trust", str(trust)]) == Exit.USAGE
    assert "cannot be read" in capsys.readouterr().err


def test_inspect_tells_what_a_file_holds(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(bundle), "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "bundle"
    assert document["registration"]["pod"] == "IT002E00000001"
    assert main(["inspect", str(bundle)]) == Exit.OK
    assert capsys.readouterr().out.startswith("bundle\n")


class Scd(BaseHTTPRequestHandler):
    """Answers one path with one bundle, to one token."""

    bundle = b""
    status = 200

    def do_GET(self) -> None:
        allowed = self.headers["Authorization"] == "Bearer secret" and self.path == PATH
        self.send_response(self.status if allowed else 404)
        body = self.bundle if allowed else b'{"code": "unknown-pod"}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def scd(bundle: Path) -> Iterator[str]:
    Scd.bundle, Scd.status = bundle.read_bytes(), 200
    with ThreadingHTTPServer(("127.0.0.1", 0), Scd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def asked(url: str, token: Path, output: Path, pod: str = "IT002E00000001") -> int:
    return main(
        ["proof", "--scd", url, "--token-file", str(token), "--pod", pod,
         "--at", "2026-06-21T12:00:00+02:00", "-o", str(output)]
    )  # fmt: skip


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("secret\n")
    return file


def test_a_proof_is_fetched_and_kept(scd: str, token: Path, bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "fetched.bundle"
    assert asked(scd, token, output) == Exit.OK
    assert output.read_bytes() == bundle.read_bytes()


def test_a_refusal_is_4_and_a_broken_peer_5(
    scd: str, token: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(scd, token, tmp_path / "x", pod="IT002E00000009") == Exit.REFUSED
    assert "unknown-pod" in capsys.readouterr().err
    Scd.status = 503
    assert asked(scd, token, tmp_path / "x") == Exit.TRANSPORT
    assert asked("http://127.0.0.1:9", token, tmp_path / "x") == Exit.TRANSPORT
    assert asked("file:///etc/passwd", token, tmp_path / "x") == Exit.USAGE
    assert not (tmp_path / "x").exists()


def test_what_is_no_bundle_is_not_kept(scd: str, token: Path, tmp_path: Path) -> None:
    Scd.bundle = b"hello"
    assert asked(scd, token, tmp_path / "x") == Exit.USAGE
    assert not (tmp_path / "x").exists()


def test_a_chain_that_is_away_is_5(tmp_path: Path) -> None:
    arguments = [
        "trust", "--rpc", "http://127.0.0.1:9", "--chain-id", "2742", "--contract", f"0x{'1' * 40}",
        "--origin", ORIGIN, "--log-key", "00", "--timeout", "2", "-o", str(tmp_path / "trust.toml"),
    ]  # fmt: skip
    assert main(arguments) == Exit.TRANSPORT
    assert not (tmp_path / "trust.toml").exists()
