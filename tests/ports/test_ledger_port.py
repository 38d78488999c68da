"""The ledger as the gateway sees it: the same on the embedded chain and on a foreign node."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.ports import Ledger
from ledger.__main__ import main
from ledger.chain.account import Account
from ledger.chain.values import RegistryRoot, Submission
from ledger.command import Exit
from ledger.contract import anchor, log_id
from ledger.errors import Refused, Rejected, Unavailable
from ledger.merkle import Tree, leaf_hash
from ledger.proving import Trust
from ledger.receipts import anchored_event
from ledger.signing import SigningKey
from tests.chains import LOG, LedgerChain, Writing, stranger, submission
from tests.fakes.gateway_ledger import FakeLedger
from tests.servers import free_port

TREE = Tree([leaf_hash(bytes([n])) for n in range(40)])
_NO_TRANSACTIONS = False
OTHER = Tree([leaf_hash(bytes([n, n])) for n in range(40)])

Ledgers = Callable[[], Ledger]


class Laws:
    """What holds for every ledger; each call of `ledgers` connects to the same one again."""

    def test_nothing_is_anchored_at_first(self, ledgers: Ledgers) -> None:
        ledger = ledgers()
        head = ledger.head(LOG)
        assert (head.sequence, head.size, head.root) == (0, 0, Tree().root())
        assert ledger.registry_root(LOG) == bytes(32)

    def test_heads_are_anchored_one_after_the_other(self, ledgers: Ledgers) -> None:
        ledger = ledgers()
        gateway = Writing(ledger)
        old_size = 0
        for sequence, size in enumerate((1, 2, 3, 7, 8, 20), start=1):
            order = submission(TREE, sequence, size, old_size)
            assert ledger.head(LOG).sequence == sequence - 1
            final = gateway.final(order)
            head = ledger.head(LOG)
            assert (head.sequence, head.size, head.root) == (sequence, size, TREE.root(size))
            assert head.block_time_s == final.block_time_s
            assert 0 < final.gas_used <= 61_000
            old_size = size

    def test_the_registry_root_is_put_there_once(self, ledgers: Ledgers) -> None:
        order = RegistryRoot(log_id=LOG, root=b"r" * 32)
        final = Writing(ledgers()).final(order)
        assert ledgers().registry_root(LOG) == b"r" * 32
        assert Writing(ledgers()).final(order) == final

    @pytest.mark.parametrize("steps", [1, 2, 3])
    def test_back_after_any_step_it_goes_on(self, ledgers: Ledgers, steps: int) -> None:
        order = submission(TREE, 1, 6)
        gateway = Writing(ledgers())
        for _ in range(steps):
            gateway.step(order)
        back = Writing(ledgers(), nonce=gateway.nonce, attempts=gateway.attempts)
        assert back.until_final(order).tx_hash == gateway.attempts[0].tx_hash
        assert len(back.attempts) == 1
        assert ledgers().head(LOG).sequence == 1

    def test_a_crash_before_an_attempt_is_kept_costs_nothing(self, ledgers: Ledgers) -> None:
        order = submission(TREE, 1, 6)
        Writing(ledgers()).step(order)
        assert ledgers().head(LOG).sequence == 0, "nothing is sent before it is kept"
        final = Writing(ledgers()).final(order)
        assert Writing(ledgers()).final(order) == final, "a lost journal finds it again"

    def test_a_lost_journal_finds_older_anchors_too(self, ledgers: Ledgers) -> None:
        gateway = Writing(ledgers())
        first = gateway.final(submission(TREE, 1, 6))
        gateway.final(submission(TREE, 2, 7, 6))
        assert Writing(ledgers()).final(submission(TREE, 1, 6)) == first

    @pytest.mark.parametrize(
        ("order", "reason"),
        [
            (submission(OTHER, 2, 9, 5), "fork"),
            (submission(OTHER, 1, 5), "fork"),
            (submission(TREE, 3, 9, 5), "sequence"),
            (submission(TREE, 2, 5, 5), "not_grown"),
            (submission(TREE, 2, 4), "not_grown"),
        ],
        ids=["fork", "other head", "gap", "unchanged", "shrunk"],
    )
    def test_what_the_contract_refuses(
        self, ledgers: Ledgers, order: Submission, reason: str
    ) -> None:
        Writing(ledgers()).final(submission(TREE, 1, 5))
        with pytest.raises(Refused) as refused:
            Writing(ledgers()).final(order)
        assert refused.value.reason == reason
        assert ledgers().head(LOG).root == TREE.root(5)


class TestChains(Laws):
    """The embedded chain and a foreign node."""

    @pytest.fixture
    def ledgers(self, ledger_chain: LedgerChain) -> Ledgers:
        return ledger_chain.ledger


class TestFake(Laws):
    """The ledger in memory that the gateway's faults are played on."""

    @pytest.fixture
    def ledgers(self) -> Ledgers:
        fake = FakeLedger()
        return lambda: fake


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [9]), (2, [9, 7]), (3, [9, 7, 5]), (99, [9, 7, 5])]
)
def test_the_last_heads_are_told_newest_first(
    ledger_chain: LedgerChain, count: int, sizes: list[int]
) -> None:
    ledger = ledger_chain.ledger()
    gateway = Writing(ledger)
    for sequence, (old, size) in enumerate(pairwise((0, 5, 7, 9)), start=1):
        gateway.final(submission(TREE, sequence, size, old))
    assert ledger.newest_heads(LOG, count) == [(size, TREE.root(size)) for size in sizes]


def test_a_bundle_of_a_window_ago_still_finds_its_head_in_the_trust_file(
    ledger_chain: LedgerChain, tmp_path: Path
) -> None:
    log = log_id("certiflex.test/log")
    ledger_chain.deployed(log)
    gateway = Writing(ledger_chain.ledger())
    gateway.final(replace(submission(TREE, 1, 5), log_id=log))
    gateway.final(replace(submission(TREE, 2, 7, 5), log_id=log))
    file = tmp_path / "trust.toml"
    asked = [
        "trust", "--rpc", ledger_chain.url, "--chain-id", str(ledger_chain.chain_id),
        "--contract", ledger_chain.contract, "--origin", "certiflex.test/log",
        "--log-key", SigningKey.generate().public.encode().hex(), "-o", str(file),
    ]  # fmt: skip
    assert main(asked) == Exit.OK
    assert Trust.load(file).ledger.heads == tuple(f"{n} {TREE.root(n).hex()}" for n in (7, 5))
    assert main([*asked, "--heads", "1"]) == Exit.OK
    assert Trust.load(file).ledger.heads == (f"7 {TREE.root(7).hex()}",)


def test_a_log_without_heads_has_the_empty_one_only(ledger_chain: LedgerChain) -> None:
    assert ledger_chain.ledger().newest_heads(LOG, 5) == [(0, Tree().root())]


def test_a_log_nobody_opened_has_no_head(ledger_chain: LedgerChain) -> None:
    unknown = ledger_chain.ledger().head(bytes(32))
    assert (unknown.sequence, unknown.size, unknown.block_time_s) == (0, 0, 0)


def test_a_window_is_proved_offline_from_the_block_hash_on(ledger_chain: LedgerChain) -> None:
    ledger = ledger_chain.ledger()
    gateway = Writing(ledger)
    gateway.final(submission(TREE, 1, 5))
    final = gateway.final(submission(TREE, 2, 9, 5))
    part = ledger.chain_part(final.tx_hash)
    assert part is not None
    assert len(part) <= 2_000
    event = anchored_event(part)
    assert event.block_hash == final.block_hash
    assert (event.block_number, event.block_time_s) == (final.block_number, final.block_time_s)
    assert (event.log_id, event.sequence, event.size) == (LOG, 2, 9)
    assert event.root == TREE.root(9)
    assert event.contract.hex() == ledger_chain.contract.removeprefix("0x").lower()
    block = ledger_chain.rpc("eth_getBlockByNumber", hex(final.block_number), _NO_TRANSACTIONS)
    assert block["hash"] == f"0x{event.block_hash.hex()}"


def test_no_chain_part_of_what_anchors_nothing(ledger_chain: LedgerChain) -> None:
    ledger = ledger_chain.ledger()
    final = Writing(ledger).final(RegistryRoot(log_id=LOG, root=b"r" * 32))
    assert ledger.chain_part(final.tx_hash) is None
    assert ledger.chain_part(bytes(32)) is None


def test_nothing_is_sent_before_it_is_kept(ledger_chain: LedgerChain) -> None:
    ledger = ledger_chain.ledger()
    gateway = Writing(ledger)
    assert gateway.step(submission(TREE, 1, 1)) is None
    tx_hash = f"0x{gateway.attempts[0].tx_hash.hex()}"
    assert ledger_chain.rpc("eth_getTransactionByHash", tx_hash) is None
    assert ledger.head(LOG).sequence == 0


def test_a_stranger_is_refused(ledger_chain: LedgerChain) -> None:
    ledger_chain.deployed()
    with pytest.raises(Refused) as refused:
        Writing(ledger_chain.ledger(by=stranger())).final(submission(TREE, 1, 5))
    assert refused.value.reason == "not_submitter"


def test_an_account_without_ether_is_told_so(ledger_chain: LedgerChain) -> None:
    poor = Account.generate()
    ledger_chain.deployed()
    ledger_chain.administer("setSubmitter(bytes32,address)", LOG, poor.address)
    with pytest.raises(Refused) as refused:
        Writing(ledger_chain.ledger(by=poor)).final(submission(TREE, 1, 5))
    assert refused.value.reason == "funds"
    assert poor.address in str(refused.value)


def test_while_paused_nothing_is_written(ledger_chain: LedgerChain) -> None:
    gateway = Writing(ledger_chain.ledger())
    order = submission(TREE, 1, 5)
    ledger_chain.administer("pause(bytes32)", LOG)
    with pytest.raises(Refused) as refused:
        gateway.final(order)
    assert refused.value.reason == "paused"
    with pytest.raises(Refused):
        gateway.final(RegistryRoot(log_id=LOG, root=b"r" * 32))
    ledger_chain.administer("resume(bytes32)", LOG)
    gateway.nonce = None
    assert gateway.final(order).gas_used


def test_a_nonce_that_somebody_else_used_is_left_behind(ledger_chain: LedgerChain) -> None:
    ledger = ledger_chain.ledger()
    gateway = Writing(ledger)
    order = submission(TREE, 1, 5)
    gateway.step(order)
    failed = gateway.attempts[0]
    ledger_chain.administer("pause(bytes32)", LOG)
    ledger_chain.administer("resume(bytes32)", LOG)
    gateway.until_final(order)
    assert [one.nonce for one in gateway.attempts] == [failed.nonce, failed.nonce + 2]


def test_every_node_of_another_chain_is_a_wrong_setting(ledger_chain: LedgerChain) -> None:
    ledger_chain.deployed()
    with pytest.raises(Rejected) as rejected:
        ledger_chain.ledger(chain_id=1).head(LOG)
    assert rejected.value.reason == "other_chain"
    assert "chain_id" in rejected.value.remedy


def test_an_address_without_the_contract_is_a_wrong_setting(ledger_chain: LedgerChain) -> None:
    ledger_chain.contract = "0x" + "11" * 20
    with pytest.raises(Rejected) as rejected:
        ledger_chain.ledger().head(LOG)
    assert rejected.value.reason == "no_contract"


def test_a_node_that_is_away_is_passed_over(ledger_chain: LedgerChain) -> None:
    ledger_chain.deployed()
    nobody = f"http://127.0.0.1:{free_port()}"
    ledger = ledger_chain.ledger(urls=[nobody, ledger_chain.url], timeout_s=5.0)
    assert Writing(ledger).final(submission(TREE, 1, 5)).gas_used
    with pytest.raises(Unavailable):
        ledger_chain.ledger(urls=[nobody], timeout_s=5.0).head(LOG)


def test_what_stands_there_is_what_is_shipped(ledger_chain: LedgerChain) -> None:
    address = ledger_chain.deployed()
    assert ledger_chain.rpc("eth_getCode", address, "latest") == f"0x{anchor().runtime.hex()}"
