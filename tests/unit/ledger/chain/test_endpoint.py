"""The way to a node: whatever a server does, an answer, a refusal or "away" comes of it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ledger.chain.endpoint import HttpEndpoint, RpcRefusal, endpoint
from ledger.errors import Rejected, Unavailable
from tests.servers import free_port


class Answering(BaseHTTPRequestHandler):
    """Says whatever it was told to say."""

    protocol_version = "HTTP/1.1"
    status, body, stall_s = 200, b"", 0.0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if type(self).stall_s:
            threading.Event().wait(type(self).stall_s)
        self.send_response(type(self).status)
        self.send_header("Content-Length", str(len(type(self).body)))
        self.end_headers()
        self.wfile.write(type(self).body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[tuple[type[Answering], str]]:
    class Handler(Answering):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Handler, f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def ask(url: str, timeout_s: float = 5.0) -> object:
    node = HttpEndpoint(url, timeout_s=timeout_s)
    try:
        return node.request("eth_chainId", [])
    finally:
        node.close()


def test_an_answer(server: tuple[type[Answering], str]) -> None:
    server[0].body = b'{"jsonrpc":"2.0","id":1,"result":"0x7"}'
    assert ask(server[1]) == "0x7"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""), (200, b"<html>"), (500, b"down"), (429, b"slow down"), (200, b"[]"),
        (200, b"{}"), (200, b"[" * 200_000), (302, b""),
        (200, b'{"jsonrpc":"2.0","id":2,"result":"0x7"}'),
        (200, b'{"jsonrpc":"2.0","id":1}'),
        (200, b'{"error":{"code":"x","message":"y"}}'),
        (200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}'),
        (200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"internal"}}'),
    ],
    ids=range(13),
)  # fmt: skip
def test_nonsense_counts_as_away(
    server: tuple[type[Answering], str], status: int, body: bytes
) -> None:
    server[0].status, server[0].body = status, body
    with pytest.raises(Unavailable) as away:
        ask(server[1])
    assert server[1] in str(away.value)
    assert len(str(away.value)) < 500


def test_a_refusal_keeps_what_was_said(server: tuple[type[Answering], str]) -> None:
    error = {"code": 3, "message": "execution reverted", "data": "0x08c379a0"}
    server[0].body = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()
    with pytest.raises(RpcRefusal) as refused:
        ask(server[1])
    assert (refused.value.code, refused.value.data.hex()) == (3, "08c379a0")
    assert refused.value.what == "execution reverted"


@pytest.mark.parametrize("data", [None, 5, {"x": 1}, "no hex", "0xzz"])
def test_a_refusal_without_usable_data(server: tuple[type[Answering], str], data: object) -> None:
    error = {"code": -32000, "message": "nonce too low", "data": data}
    server[0].body = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()
    with pytest.raises(RpcRefusal) as refused:
        ask(server[1])
    assert refused.value.data == b""


def test_a_node_that_says_nothing_is_away_in_time(server: tuple[type[Answering], str]) -> None:
    server[0].stall_s = 1.0
    with pytest.raises(Unavailable):
        ask(server[1], timeout_s=0.2)


def test_nobody_there_is_away() -> None:
    with pytest.raises(Unavailable, match="no answer"):
        ask(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    "url", ["", "chain", "ftp://host", "ws://host:1", "http://", "http://[::1"]
)
def test_an_address_of_no_kind_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(Rejected) as rejected:
        endpoint(url, chain_id=1, timeout_s=1.0)
    assert rejected.value.reason == "configuration"


def test_passwords_are_not_told() -> None:
    node = HttpEndpoint("https://user:secret@host:8545/key", timeout_s=1.0)
    assert node.url == "https://host:8545"
    node.close()


def test_an_embedded_chain_is_reached_in_process(tmp_path: Path) -> None:
    founder = "0x" + "11" * 20
    first = endpoint(f"embedded:{tmp_path}/chain", chain_id=7, timeout_s=1.0, founder=founder)
    assert not (tmp_path / "chain").exists(), "nothing is made before the first question"
    assert first.request("eth_chainId", []) == "0x7"
    assert int(first.request("eth_getBalance", [founder, "latest"]), 16) > 0
    with pytest.raises(RpcRefusal):
        first.request("eth_call", [{"to": founder}, "0xffff"])
    first.close()
    again = endpoint(
        f"embedded:{tmp_path}/chain", chain_id=7, timeout_s=1.0, founder="0x" + "22" * 20
    )
    assert again.request("eth_getBalance", ["0x" + "22" * 20, "latest"]) == "0x0"
    again.close()
    other = endpoint(f"embedded:{tmp_path}/chain", chain_id=8, timeout_s=1.0)
    with pytest.raises(Rejected, match="chain_id 7, expected 8"):
        other.request("eth_chainId", [])
    other.close()
