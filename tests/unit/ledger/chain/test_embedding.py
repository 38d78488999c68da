"""The embedded chain inside a process: the same answers without a server."""

import json
from pathlib import Path

import pytest

from ledger.chain.embedding import EmbeddedNode
from ledger.errors import Rejected

FOUNDER = "0x" + "11" * 20


def balance_wei(node: EmbeddedNode, address: str) -> int:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": [address, "latest"]}
    return int(json.loads(node.answered(json.dumps(asked).encode()))["result"], 16)


def test_a_new_chain_funds_its_founder_only(tmp_path: Path) -> None:
    node = EmbeddedNode(tmp_path, chain_id=7, founder=FOUNDER)
    assert balance_wei(node, FOUNDER) == 10_000 * 10**18
    node.close()
    late = "0x" + "22" * 20
    again = EmbeddedNode(tmp_path, chain_id=7, founder=late)
    assert balance_wei(again, late) == 0
    assert balance_wei(again, FOUNDER) > 0
    again.close()


def test_a_chain_nobody_founded_is_there_all_the_same(tmp_path: Path) -> None:
    node = EmbeddedNode(tmp_path, chain_id=7, founder=None)
    assert balance_wei(node, FOUNDER) == 0
    node.close()
    with pytest.raises(Rejected):
        EmbeddedNode(tmp_path, chain_id=8, founder=None)
