"""The embedded chain's JSON-RPC, field by field beside a foreign node's."""

import itertools
from typing import Any

import pytest
from eth_abi import abi

from ledger import rlp, trie
from ledger.chain.evidence import encoded_header
from ledger.chain.hexadecimal import octets, quantity
from ledger.chain.node import Block
from ledger.chain.values import Final
from ledger.keccak import keccak256
from ledger.merkle import Tree
from ledger.receipts import ANCHORED_TOPIC
from tests.chains import LOG, LedgerChain, Writing, account, submission

TREE = Tree([bytes([n]) * 32 for n in range(9)])


@pytest.fixture
def final(ledger_chain: LedgerChain) -> Final:
    return Writing(ledger_chain.ledger()).final(submission(TREE, 1, 9))


# What some nodes add to what the specification asks for.
EXTRAS = {"size", "totalDifficulty", "blobGasPrice", "l1BlockNumber", "blockTimestamp", "uncles"}


def test_a_foreign_node_tells_the_same_fields(
    anvil_chain: LedgerChain, embedded_chain: LedgerChain
) -> None:
    told: list[dict[str, Any]] = []
    for chain in (anvil_chain, embedded_chain):
        done = Writing(chain.ledger()).final(submission(TREE, 1, 9))
        tx_hash, number = f"0x{done.tx_hash.hex()}", hex(done.block_number)
        receipt = chain.rpc("eth_getTransactionReceipt", tx_hash)
        told.append(
            {
                "block": chain.rpc("eth_getBlockByNumber", number, *[True]),
                "transaction": chain.rpc("eth_getTransactionByHash", tx_hash),
                "receipt": receipt,
                "event": receipt["logs"][0],
                "proof": chain.rpc(
                    "eth_getProof", chain.contract, [f"0x{bytes(32).hex()}"], number
                ),
                "fees": chain.rpc("eth_feeHistory", "0x2", "latest", [50]),
            }
        )
    foreign, ours = told
    for kind in foreign:
        missing = foreign[kind].keys() - ours[kind].keys() - EXTRAS
        assert not {one for one in missing if foreign[kind][one] is not None}, kind


def test_a_header_hashes_to_its_blocks_name(ledger_chain: LedgerChain, final: Final) -> None:
    block = ledger_chain.rpc("eth_getBlockByHash", f"0x{final.block_hash.hex()}", *[False])
    header = encoded_header(
        Block(number=0, block_hash=final.block_hash, time_s=0, base_fee_wei=0, fields=block)
    )
    assert keccak256(header) == final.block_hash
    genesis = ledger_chain.rpc("eth_getBlockByNumber", "earliest", *[False])
    assert genesis["number"] == "0x0"
    assert ledger_chain.rpc("eth_getBlockByNumber", hex(10**6), *[False]) is None


def test_events_are_found_by_topic(ledger_chain: LedgerChain, final: Final) -> None:
    topics = [f"0x{ANCHORED_TOPIC.hex()}", f"0x{LOG.hex()}"]
    wanted = {"address": ledger_chain.contract, "fromBlock": "earliest", "topics": topics}
    (event,) = ledger_chain.rpc("eth_getLogs", wanted)
    assert event["transactionHash"] == f"0x{final.tx_hash.hex()}"
    assert octets(event["data"])[:32] == TREE.root()
    one_block = {"blockHash": f"0x{final.block_hash.hex()}"}
    assert ledger_chain.rpc("eth_getLogs", one_block) == [event]
    nothing = wanted | {"topics": [f"0x{bytes(32).hex()}"]}
    assert ledger_chain.rpc("eth_getLogs", nothing) == []
    either = wanted | {"topics": [[f"0x{bytes(32).hex()}", topics[0]]]}
    assert ledger_chain.rpc("eth_getLogs", either) == [event]


def test_one_storage_proof_vouches_for_the_head(ledger_chain: LedgerChain, final: Final) -> None:
    """Today's root of the state shows today's head, and with it all history."""
    number = hex(final.block_number)
    block = ledger_chain.rpc("eth_getBlockByNumber", number, *[False])
    slot = root_slot(ledger_chain, number)
    proof = ledger_chain.rpc("eth_getProof", ledger_chain.contract, [told_slot(slot)], number)
    account_nodes = [octets(node) for node in proof["accountProof"]]
    leaf = trie.proved_value(
        octets(block["stateRoot"]), keccak256(octets(ledger_chain.contract)), account_nodes
    )
    fields = rlp.decode(leaf)
    assert fields[2] == octets(proof["storageHash"])
    assert fields[3] == octets(proof["codeHash"])
    (stored,) = proof["storageProof"]
    nodes = [octets(node) for node in stored["proof"]]
    value = trie.proved_value(
        octets(proof["storageHash"]), keccak256(slot.to_bytes(32, "big")), nodes
    )
    assert rlp.decode(value) == TREE.root()


def told_slot(slot: int) -> str:
    return f"0x{slot.to_bytes(32, 'big').hex()}"


def root_slot(chain: LedgerChain, number: str) -> int:
    """Return where the contract keeps the root of the log: its map's place is looked for."""
    for place in range(8):
        # Vyper: hash of the map's place and the key; the root is the struct's second word.
        slot = int.from_bytes(keccak256(abi.encode(["uint256", "bytes32"], [place, LOG])), "big")
        found = chain.rpc("eth_getStorageAt", chain.contract, told_slot(slot + 1), number)
        if octets(found) == TREE.root():
            return slot + 1
    pytest.fail("the contract keeps the root elsewhere")


def test_accounts_and_fees(ledger_chain: LedgerChain, final: Final) -> None:
    address = account().address
    assert quantity(ledger_chain.rpc("eth_getTransactionCount", address, "latest")) >= 3
    assert quantity(ledger_chain.rpc("eth_getBalance", address, "latest")) > 10**18
    base_wei = quantity(
        ledger_chain.rpc("eth_getBlockByNumber", "latest", *[False])["baseFeePerGas"]
    )
    assert 0 < quantity(ledger_chain.rpc("eth_gasPrice")) <= 2 * base_wei + 2 * 10**9
    history = ledger_chain.rpc("eth_feeHistory", "0x3", "latest", [10, 50])
    assert len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1
    oldest = quantity(history["oldestBlock"])
    for number, fee in zip(itertools.count(oldest), history["baseFeePerGas"][:-1], strict=False):
        block = ledger_chain.rpc("eth_getBlockByNumber", hex(number), *[False])
        assert block["baseFeePerGas"] == fee
    assert ledger_chain.rpc("net_version") == str(ledger_chain.chain_id)
    assert quantity(ledger_chain.rpc("eth_chainId")) == ledger_chain.chain_id
    assert ledger_chain.rpc("eth_syncing") is False
    assert quantity(ledger_chain.rpc("eth_blockNumber")) >= final.block_number


def test_an_absent_account_is_proved_absent(ledger_chain: LedgerChain, final: Final) -> None:
    number = hex(final.block_number)
    nobody = "0x" + "77" * 20
    proof = ledger_chain.rpc("eth_getProof", nobody, [], number)
    assert (proof["nonce"], proof["balance"]) == ("0x0", "0x0")
    assert octets(proof["codeHash"]) in (keccak256(b""), bytes(32))
