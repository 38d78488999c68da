"""What chains do to a writer: reorganise, forget, grow dear, go away, and lie."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ledger.chain.client import AnchorLedger
from ledger.chain.endpoint import Endpoint, endpoint
from ledger.chain.evidence import chain_part
from ledger.chain.node import Node
from ledger.chain.values import Final, Waiting
from ledger.errors import Refused, Rejected, Unavailable
from ledger.merkle import Tree, leaf_hash
from ledger.receipts import anchored_event
from tests.chains import LOG, LedgerChain, Writing, submission
from tests.servers import Anvil

TREE = Tree([leaf_hash(bytes([n])) for n in range(60)])
GWEI = 10**9
_ON, _OFF = True, False


def mine(chain: LedgerChain, blocks: int = 1) -> None:
    chain.rpc("anvil_mine", hex(blocks))


def hold_back(chain: LedgerChain) -> None:
    """Let transactions wait until a block is asked for."""
    chain.rpc("evm_setAutomine", _OFF)


@pytest.mark.parametrize("depth", [1, 2, 5, 12])
def test_a_reorganised_anchor_is_sent_again(anvil_chain: LedgerChain, depth: int) -> None:
    anvil_chain.deployed()
    mine(anvil_chain, 5)
    gateway = Writing(anvil_chain.ledger(confirmations=depth + 1))
    order = submission(TREE, 1, 5)
    while gateway.step(order) != Waiting("included"):
        pass
    mine(anvil_chain, depth - 1)
    assert gateway.step(order) == Waiting("included")
    anvil_chain.rpc("anvil_reorg", depth, [])
    assert gateway.ledger.head(LOG).sequence == 0, "the reorganisation took it"
    assert gateway.step(order) in (Waiting("sent"), Waiting("pending"), Waiting("included"))
    mine(anvil_chain, depth + 1)
    final = gateway.until_final(order)
    assert {one.nonce for one in gateway.attempts} == {gateway.attempts[0].nonce}
    assert gateway.ledger.head(LOG).sequence == 1
    part = gateway.ledger.chain_part(final.tx_hash)
    assert part is not None
    assert anchored_event(part).block_hash == final.block_hash


def test_what_was_final_and_is_gone_all_the_same_is_refused_by_sequence(
    anvil_chain: LedgerChain,
) -> None:
    """A reorganisation below finality: the next order does not fit, so it is made anew."""
    anvil_chain.deployed()
    gateway = Writing(anvil_chain.ledger())
    gateway.final(submission(TREE, 1, 5))
    snapshot_lost = anvil_chain.rpc("anvil_reorg", 1, [])
    assert snapshot_lost is None
    with pytest.raises(Refused) as refused:
        gateway.final(submission(TREE, 2, 6, 5))
    assert refused.value.reason == "sequence"
    final = gateway.final(submission(TREE, 1, 6))
    assert final.gas_used
    assert gateway.ledger.head(LOG).root == TREE.root(6)


def test_a_forgotten_transaction_is_sent_again(anvil_chain: LedgerChain) -> None:
    anvil_chain.deployed()
    hold_back(anvil_chain)
    gateway = Writing(anvil_chain.ledger())
    order = submission(TREE, 1, 5)
    assert gateway.step(order) is None
    assert gateway.step(order) == Waiting("sent")
    anvil_chain.rpc("anvil_dropTransaction", f"0x{gateway.attempts[0].tx_hash.hex()}")
    mine(anvil_chain)
    assert gateway.ledger.head(LOG).sequence == 0
    assert gateway.step(order) == Waiting("sent")
    mine(anvil_chain)
    assert gateway.until_final(order).tx_hash == gateway.attempts[0].tx_hash
    assert len(gateway.attempts) == 1


def test_a_stuck_transaction_is_replaced_with_higher_fees(anvil_chain: LedgerChain) -> None:
    anvil_chain.deployed()
    hold_back(anvil_chain)
    gateway = Writing(anvil_chain.ledger(bump_after_ms=1_000))
    order = submission(TREE, 1, 5)
    gateway.step(order)
    gateway.step(order)
    gateway.now_ms += 999
    assert gateway.step(order) == Waiting("pending")
    gateway.now_ms += 1
    assert gateway.step(order) is None
    first, second = gateway.attempts
    assert second.nonce == first.nonce
    assert second.max_fee_wei >= first.max_fee_wei * 1.125
    assert second.priority_fee_wei >= first.priority_fee_wei * 1.125
    assert gateway.step(order) == Waiting("sent")
    mine(anvil_chain)
    assert gateway.until_final(order).tx_hash == second.tx_hash


def test_a_spike_of_the_base_fee_is_followed(anvil_chain: LedgerChain) -> None:
    anvil_chain.deployed()
    hold_back(anvil_chain)
    gateway = Writing(anvil_chain.ledger(bump_after_ms=1_000))
    order = submission(TREE, 1, 5)
    gateway.step(order)
    gateway.step(order)
    dear_wei = 3 * gateway.attempts[0].max_fee_wei
    anvil_chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(dear_wei))
    mine(anvil_chain)
    gateway.now_ms += 1_000
    while gateway.step(order) != Waiting("sent"):
        assert len(gateway.attempts) <= 2
    anvil_chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(dear_wei))
    mine(anvil_chain)
    assert gateway.until_final(order).tx_hash == gateway.attempts[1].tx_hash


def test_nothing_above_the_ceiling_is_ever_signed(anvil_chain: LedgerChain) -> None:
    anvil_chain.deployed()
    hold_back(anvil_chain)
    ceiling_wei = 30 * GWEI
    gateway = Writing(anvil_chain.ledger(bump_after_ms=1, max_fee_ceiling_wei=ceiling_wei))
    order = submission(TREE, 1, 5)
    anvil_chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(400 * GWEI))
    mine(anvil_chain)
    for _ in range(12):
        gateway.step(order)
        gateway.now_ms += 1_000
    assert gateway.attempts
    assert max(one.max_fee_wei for one in gateway.attempts) <= ceiling_wei
    assert gateway.ledger.head(LOG).sequence == 0
    anvil_chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    mine(anvil_chain)
    for _ in range(4):
        gateway.step(order)
    mine(anvil_chain)
    assert gateway.until_final(order).gas_used


def test_an_order_is_final_only_when_deep_enough(anvil_chain: LedgerChain) -> None:
    anvil_chain.deployed()
    gateway = Writing(anvil_chain.ledger(confirmations=4))
    order = submission(TREE, 1, 5)
    for _ in range(3):
        gateway.step(order)
    for _ in range(3):
        assert gateway.step(order) == Waiting("included")
        mine(anvil_chain)
    assert isinstance(gateway.step(order), Final)


def test_two_writers_of_one_account_anchor_once(anvil_chain: LedgerChain) -> None:
    anvil_chain.deployed()
    one, other = Writing(anvil_chain.ledger()), Writing(anvil_chain.ledger(), now_ms=2_000_000)
    order = submission(TREE, 1, 5)
    one.step(order)
    other.step(order)
    finals = {one.until_final(order), other.until_final(order)}
    assert len(finals) == 1
    assert one.ledger.head(LOG).sequence == 1


def test_another_chain_behind_the_same_address_is_noticed(anvil: Anvil) -> None:
    chain = LedgerChain(anvil)
    ledger = chain.ledger()
    assert ledger.head(LOG).sequence == 0
    anvil.kill()
    with pytest.raises(Unavailable):
        ledger.head(LOG)
    anvil.log.with_name("state.json").unlink(missing_ok=True)
    anvil.start()
    with pytest.raises(Rejected) as rejected:
        ledger.head(LOG)
    ledger.close()
    assert rejected.value.reason == "no_contract"


def test_killed_after_any_step_the_embedded_chain_goes_on(embedded_chain: LedgerChain) -> None:
    gateway = Writing(embedded_chain.ledger())
    for sequence in range(1, 3):
        order = submission(TREE, sequence, sequence, sequence - 1)
        gateway.attempts = []
        while not isinstance(gateway.step(order), Final):
            embedded_chain.server.kill()
            with pytest.raises(Unavailable):
                gateway.ledger.head(LOG)
            embedded_chain.server.start()
        head = gateway.ledger.head(LOG)
        assert (head.sequence, head.root) == (sequence, TREE.root(sequence))


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_instant_the_embedded_chain_keeps_what_it_told(
    embedded_chain: LedgerChain, seed: int
) -> None:
    """Blocks are sealed as fast as it can while a timer kills it, again and again."""
    gateway = Writing(embedded_chain.ledger())
    chance = random.Random(seed)
    told: list[Final] = []
    for _ in range(3):
        killer = threading.Timer(chance.uniform(0.05, 0.6), embedded_chain.server.kill)
        killer.start()
        try:
            with pytest.raises(Unavailable):
                anchor_all(gateway, told)
        finally:
            killer.join()
        embedded_chain.server.start()
        for final in told:
            receipt = embedded_chain.rpc("eth_getTransactionReceipt", f"0x{final.tx_hash.hex()}")
            assert receipt["blockHash"] == f"0x{final.block_hash.hex()}"
    assert gateway.ledger.head(LOG).sequence in (len(told), len(told) + 1)


def anchor_all(gateway: Writing, told: list[Final]) -> None:
    """Anchor one window after the other; attempts kept before the chain went away go on."""
    while True:
        size = len(told) + 1
        told.append(gateway.until_final(submission(TREE, size, size, size - 1)))
        gateway.attempts = []


class Liar:
    """A node's answers, some of them changed on the way."""

    def __init__(self, true: Endpoint, lies: dict[str, Callable[[Any], Any]]) -> None:
        self.url = true.url
        self._true = true
        self._lies = lies

    def request(self, method: str, params: list[Any]) -> Any:  # noqa: ANN401 -- as Endpoint
        answer = self._true.request(method, params)
        lie = self._lies.get(method)
        return answer if lie is None or answer is None else lie(answer)

    def close(self) -> None:
        self._true.close()


def changed(field: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda answer: {**answer, field: value}


@pytest.mark.parametrize(
    "lies",
    [
        {"eth_getBlockByHash": changed("timestamp", "0x1")},
        {"eth_getBlockByHash": changed("receiptsRoot", "0x" + "00" * 32)},
        {"eth_getBlockByHash": changed("extraData", "0x00")},
        {"eth_getBlockReceipts": lambda all_: [changed("cumulativeGasUsed", "0x1")(all_[0])]},
        {"eth_getBlockReceipts": lambda all_: [changed("status", "0x0")(all_[0])]},
        {"eth_getBlockReceipts": lambda all_: [*all_, *all_]},
        {"eth_getBlockReceipts": lambda _: []},
        {"eth_getBlockByHash": changed("requestsHash", None)},
    ],
    ids=["time", "root", "extra", "gas", "status", "doubled", "none", "fork"],
)
def test_no_chain_part_is_made_of_lies(
    ledger_chain: LedgerChain, lies: dict[str, Callable[[Any], Any]]
) -> None:
    final = Writing(ledger_chain.ledger()).final(submission(TREE, 1, 5))
    true = endpoint(ledger_chain.url, chain_id=ledger_chain.chain_id, timeout_s=5.0)
    node = Node(Liar(true, lies))
    contract = bytes.fromhex(ledger_chain.contract[2:])
    try:
        receipt = Node(true).receipt(final.tx_hash)
        assert receipt is not None
        part = chain_part(node, receipt, contract)
        assert part is None
    finally:
        node.close()


@pytest.mark.parametrize(
    "lies",
    [
        {"eth_getTransactionReceipt": changed("logs", [])},
        {"eth_getTransactionReceipt": changed("transactionHash", "0x" + "11" * 32)},
        {"eth_getTransactionReceipt": changed("blockNumber", "0x01")},
        {"eth_getTransactionReceipt": lambda _: "yes"},
        {"eth_chainId": lambda _: 1},
    ],
    ids=["no event", "other transaction", "leading zero", "no object", "number"],
)
def test_a_node_that_answers_nonsense_counts_as_away(
    ledger_chain: LedgerChain, lies: dict[str, Callable[[Any], Any]]
) -> None:
    honest = ledger_chain.ledger()
    gateway = Writing(honest)
    order = submission(TREE, 1, 5)
    gateway.final(order)
    true = endpoint(ledger_chain.url, chain_id=ledger_chain.chain_id, timeout_s=5.0)
    ledger = AnchorLedger(
        [Node(Liar(true, lies))],
        contract=bytes.fromhex(ledger_chain.contract[2:]),
        chain_id=ledger_chain.chain_id,
        writer=honest._writer,
    )
    try:
        with pytest.raises(Unavailable):
            ledger.advance(order, gateway.attempts, next_nonce=5, now_ms=0)
    finally:
        ledger.close()
