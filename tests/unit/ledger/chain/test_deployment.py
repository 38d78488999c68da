"""Deploying: one contract, its roles, and a clear word where that cannot be."""

from pathlib import Path

import pytest

from ledger.chain.account import Account
from ledger.chain.client import AnchorLedger, deploy
from ledger.chain.deployment import Administration
from ledger.chain.endpoint import endpoint
from ledger.chain.node import Node
from ledger.contract import anchor
from ledger.errors import Refused, Rejected, Unavailable
from tests.chains import Scripted

OWNER = Account.from_hex("11" * 32)
LATEST = {
    "number": "0x1", "hash": "0x" + "11" * 32, "timestamp": "0x1", "baseFeePerGas": "0x1",
}  # fmt: skip


def test_the_account_becomes_admin_and_submitter(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path}"
    logs = [b"a" * 32, b"b" * 32]
    address = deploy(url, OWNER, chain_id=7, authorise=logs)
    ledger = AnchorLedger.connect([url], contract=address, account=OWNER, chain_id=7)
    try:
        assert all(ledger.head(log).block_time_s for log in logs)
        assert ledger.head(b"c" * 32).block_time_s == 0
        assert ledger.account_nonce() == 3
    finally:
        ledger.close()


def test_two_contracts_have_two_addresses(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path}"
    first, second = (deploy(url, OWNER, chain_id=7) for _ in range(2))
    assert first != second


def test_a_node_of_another_chain_is_refused() -> None:
    with pytest.raises(Rejected) as rejected:
        deploy("ftp://x", OWNER, chain_id=7)
    assert rejected.value.reason == "configuration"


def test_an_account_without_ether_is_refused(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path}"
    deploy(url, OWNER, chain_id=7)
    with pytest.raises(Refused):
        deploy(url, Account.generate(), chain_id=7)


def test_the_contracts_own_word_is_told(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path}"
    address = deploy(url, OWNER, chain_id=7)
    node = Node(endpoint(url, chain_id=7, timeout_s=5.0))
    try:
        with pytest.raises(Refused, match="not proposed") as refused:
            Administration(node, OWNER, chain_id=7).run(bytes.fromhex(address[2:]), "acceptAdmin()")
        assert refused.value.reason == "not proposed"
    finally:
        node.close()


def scripted(**changed: object) -> Administration:
    answers: dict[str, object] = {
        "eth_estimateGas": "0x5208", "eth_getBlockByNumber": LATEST,
        "eth_maxPriorityFeePerGas": "0x1", "eth_getTransactionCount": "0x0",
        "eth_sendRawTransaction": "0x", "eth_getTransactionReceipt": None,
    }  # fmt: skip
    node = Node(Scripted(**(answers | changed)))
    return Administration(node, OWNER, chain_id=7, timeout_s=0.1)


def test_a_transaction_without_a_block_is_given_up_in_time() -> None:
    with pytest.raises(Unavailable, match=r"no block in 0\.1 s"):
        scripted().run(bytes(20), "acceptAdmin()")


def test_code_that_is_not_ours_is_noticed() -> None:
    admin = scripted(eth_getCode="0x6001")
    receipt = {
        "status": "0x1", "blockNumber": "0x1", "blockHash": "0x" + "11" * 32, "gasUsed": "0x1",
        "logs": [], "contractAddress": "0x" + "22" * 20,
    }  # fmt: skip

    def request(method: str, params: list[object]) -> object:
        if method == "eth_sendRawTransaction":
            from ledger.keccak import keccak256  # noqa: PLC0415 -- the hash the node would tell

            receipt["transactionHash"] = f"0x{keccak256(bytes.fromhex(str(params[0])[2:])).hex()}"
        if method == "eth_getTransactionReceipt":
            return receipt
        return true(method, params)

    true = admin._node._endpoint.request
    admin._node._endpoint.request = request  # type: ignore[method-assign]
    with pytest.raises(Rejected, match="no anchor contract"):
        admin.create(OWNER.address)
    assert anchor().runtime != b"\x60\x01"
