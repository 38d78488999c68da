"""JSON-RPC: whatever comes in, an answer of the protocol goes out."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.chain import methods
from ledger.chain.evm import EmbeddedChain
from ledger.chain.jsonrpc import JsonRpc
from ledger.errors import Unavailable


@pytest.fixture(scope="module")
def rpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsonRpc]:
    chain = EmbeddedChain.open(
        tmp_path_factory.mktemp("chain"), chain_id=7, funded_wei={}, now_s=lambda: 1_000
    )
    with contextlib.closing(chain):
        yield JsonRpc(chain)


def asked(rpc: JsonRpc, request: object) -> Any:  # noqa: ANN401 -- whatever JSON says
    answer = rpc.answered(json.dumps(request).encode())
    return json.loads(answer) if answer else None


def request(method: str, *params: object, **changed: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)} | changed


def test_a_request_is_answered(rpc: JsonRpc) -> None:
    assert asked(rpc, request("eth_chainId")) == {"jsonrpc": "2.0", "id": 1, "result": "0x7"}
    assert asked(rpc, request("eth_chainId", id="a"))["id"] == "a"


def test_a_batch_is_answered_but_notifications_are_not(rpc: JsonRpc) -> None:
    silent = {"jsonrpc": "2.0", "method": "eth_chainId"}
    assert asked(rpc, silent) is None
    assert asked(rpc, [silent]) is None
    answers = asked(rpc, [request("eth_chainId", id=1), silent, request("no", id=2), 5])
    assert [one.get("id") for one in answers] == [1, 2, None]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700), (b"{", -32700), (b"\xff", -32700), (b"[" * 100_000, -32700),
        (b"[]", -32600), (b"1", -32600), (b"null", -32600), (b'"x"', -32600), (b"{}", -32600),
        (b"[" + b"1," * 200 + b"1]", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_getBalance"}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x"]}', -32000),
    ],
    ids=range(17),
)  # fmt: skip
def test_errors_have_their_codes(rpc: JsonRpc, body: bytes, code: int) -> None:
    assert json.loads(rpc.answered(body))["error"]["code"] == code


def test_a_fault_of_ours_tells_nothing_inside(
    rpc: JsonRpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    def away(*_: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setitem(methods.METHODS, "eth_chainId", fail)
    assert asked(rpc, request("eth_chainId"))["error"] == {
        "code": -32603, "message": "internal error"
    }  # fmt: skip
    monkeypatch.setitem(methods.METHODS, "eth_chainId", away)
    assert "disk" in asked(rpc, request("eth_chainId"))["error"]["message"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
    | st.from_regex(r"0x[0-9a-f]{0,64}", fullmatch=True)
    | st.sampled_from(["latest", "earliest", "0x0", "0x" + "11" * 20, "0x" + "22" * 32]),
    lambda below: st.lists(below, max_size=4)
    | st.dictionaries(
        st.sampled_from(["to", "from", "data", "input", "value", "gas", "address", "topics",
                         "fromBlock", "toBlock", "blockHash", "blockNumber", "x"]),
        below, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(method=st.sampled_from(sorted(methods.METHODS)), params=st.lists(anything, max_size=4))
def test_no_parameters_bring_it_down(rpc: JsonRpc, method: str, params: list[object]) -> None:
    answer = asked(rpc, request(method, *params))
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert answer["error"]["code"] in (-32602, -32000, 3), answer


@given(st.binary(max_size=200))
def test_no_bytes_bring_it_down(rpc: JsonRpc, body: bytes) -> None:
    json.loads(rpc.answered(body) or b"null")


def test_a_closed_directory_is_told(tmp_path: Path) -> None:
    chain = EmbeddedChain.open(tmp_path, chain_id=7, funded_wei={}, now_s=lambda: 1)
    chain.close()
    assert asked(JsonRpc(chain), request("eth_blockNumber"))["error"]["code"] == -32603
