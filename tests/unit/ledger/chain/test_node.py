"""What a node answers is believed only in the shape it must have."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.chain.endpoint import Endpoint, RpcRefusal, endpoint
from ledger.chain.node import Node
from ledger.errors import Unavailable
from tests.chains import Scripted

ADDRESS = b"a" * 20


def test_answers_are_read() -> None:
    scripted = Scripted(
        eth_chainId="0x7", eth_getCode="0x6001", eth_getTransactionCount="0x2",
        eth_getBalance="0x10", eth_call="0xff", eth_estimateGas="0x5208",
        eth_getTransactionByHash=None, eth_sendRawTransaction="0x00",
        eth_maxPriorityFeePerGas="0x3", eth_getTransactionReceipt=None, eth_getLogs=[],
    )  # fmt: skip
    node = Node(scripted)
    assert node.chain_id() == 7
    assert node.code(ADDRESS) == b"\x60\x01"
    assert (node.nonce(ADDRESS), node.balance_wei(ADDRESS), node.tip_wei()) == (2, 16, 3)
    assert node.call(ADDRESS, b"") == b"\xff"
    assert node.estimated_gas(None, b"", sender=ADDRESS) == 21_000
    assert not node.knows(bytes(32))
    assert node.receipt(bytes(32)) is None
    assert node.events(ADDRESS, [[bytes(32)]]) == []
    node.send(b"\x02")
    assert scripted.asked[-1] == ("eth_sendRawTransaction", ["0x02"])


@pytest.mark.parametrize("nonsense", [None, 17, "7", "0x07", [], {}, "0x" + "f" * 65])
@pytest.mark.parametrize("method", ["eth_chainId", "eth_getTransactionCount", "eth_getBalance"])
def test_numbers_in_another_shape_count_as_away(method: str, nonsense: object) -> None:
    node = Node(Scripted(**{method: nonsense}))
    asks: dict[str, Callable[[], int]] = {
        "eth_chainId": node.chain_id,
        "eth_getTransactionCount": lambda: node.nonce(ADDRESS),
        "eth_getBalance": lambda: node.balance_wei(ADDRESS),
    }
    with pytest.raises(Unavailable, match=method):
        asks[method]()


@pytest.mark.parametrize(
    "nonsense",
    [7, [], {}, {"number": "0x1"},
     {"number": "0x1", "hash": "0x12", "timestamp": "0x1", "baseFeePerGas": "0x1"},
     {"number": "0x1", "hash": "0x" + "11" * 32, "timestamp": "0x1"}],
    ids=["number", "list", "empty", "cut", "hash", "before London"],
)  # fmt: skip
def test_blocks_in_another_shape_count_as_away(nonsense: object) -> None:
    with pytest.raises(Unavailable):
        Node(Scripted(eth_getBlockByNumber=nonsense)).latest()


def test_a_node_without_blocks_or_tips() -> None:
    with pytest.raises(Unavailable):
        Node(Scripted(eth_getBlockByNumber=None)).latest()
    assert Node(Scripted()).tip_wei() == 10**9


@pytest.mark.parametrize("nonsense", [7, [], {"transactionHash": "0x"}, {"logs": []}], ids=range(4))
def test_receipts_in_another_shape_count_as_away(nonsense: object) -> None:
    with pytest.raises(Unavailable):
        Node(Scripted(eth_getTransactionReceipt=nonsense)).receipt(bytes(32))
    with pytest.raises(Unavailable):
        Node(Scripted(eth_getLogs=[nonsense])).events(ADDRESS, [])


@pytest.fixture
def empty_chain(tmp_path: Path) -> Iterator[Endpoint]:
    with contextlib.closing(endpoint(f"embedded:{tmp_path}", chain_id=7, timeout_s=5.0)) as made:
        yield made


def test_a_refusal_passes_through(empty_chain: Endpoint) -> None:
    with pytest.raises(RpcRefusal):
        Node(empty_chain).send(b"\x02")


def test_receipts_come_one_by_one_where_they_must() -> None:
    block = {
        "number": "0x1", "hash": "0x" + "11" * 32, "timestamp": "0x1", "baseFeePerGas": "0x1",
        "transactions": ["0x" + "22" * 32],
    }  # fmt: skip
    receipt: dict[str, Any] = {
        "transactionHash": "0x" + "22" * 32, "status": "0x1", "blockNumber": "0x1",
        "blockHash": "0x" + "11" * 32, "gasUsed": "0x5208", "logs": [], "contractAddress": None,
    }  # fmt: skip
    node = Node(Scripted(eth_getBlockByNumber=block, eth_getTransactionReceipt=receipt))
    (found,) = node.receipts(node.latest())
    assert found.succeeded
    assert found.contract is None
