"""The contract against its model: consistency as RFC 9162 has it, roles as documented.

Calls are run on the embedded EVM in this process, past all of the client.
"""

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.anchoring import waits_for_next
from ledger import merkle
from ledger.chain.account import Account
from ledger.chain.calls import calldata, ordered, read_head, refusal
from ledger.chain.evm import FUNDED_WEI, Call, EmbeddedChain, Reverted
from ledger.chain.values import RegistryRoot, Submission
from ledger.contract import anchor
from ledger.errors import Rejected
from ledger.keccak import keccak256
from ledger.rlp import encode, encode_integer

TREE = merkle.Tree([merkle.leaf_hash(b"%d" % n) for n in range(2_100)])
OTHER = merkle.Tree([merkle.leaf_hash(b"other %d" % n) for n in range(2_100)])
PEOPLE = [Account.from_hex(f"{n:02x}" * 32) for n in (1, 2, 3)]
OWNER = PEOPLE[0]
SIZES = 40
YEAR_WINDOWS = 525_600
LIMIT_GAS = 61_000


def raw_address(account: Account) -> bytes:
    return bytes.fromhex(account.address[2:])


def log_of(size: int) -> bytes:
    return size.to_bytes(32, "big")


@dataclass
class Bench:
    """A contract on an embedded chain, called by anybody."""

    chain: EmbeddedChain
    contract: bytes = b""
    nonces: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contract = keccak256(encode([raw_address(OWNER), encode_integer(0)]))[12:]
        guardian = bytes(12) + raw_address(PEOPLE[1])
        self.send(OWNER, anchor().bytecode + guardian, to=b"", gas=8_000_000)

    def send(self, by: Account, data: bytes, *, to: bytes | None = None, gas: int = 400_000) -> int:
        """Return the gas that a transaction of somebody took."""
        nonce = self.nonces.get(by.address, 0)
        target = self.contract if to is None else to
        raw, tx_hash = by.sign(
            {
                "type": 2, "chainId": 7, "nonce": nonce, "to": target, "value": 0, "data": data,
                "gas": gas, "maxFeePerGas": 2 * 10**9, "maxPriorityFeePerGas": 1,
            }
        )  # fmt: skip
        self.chain.send(raw)
        self.nonces[by.address] = nonce + 1
        sealed = self.chain.sealed(tx_hash)
        assert sealed is not None
        assert sealed.receipt.state_root == b"\x01"
        return sealed.receipt.gas_used

    def said(self, by: Account, data: bytes) -> str:
        """Return what the contract says to a call: nothing, or why it refuses."""
        call = Call(to=self.contract, data=data, sender=raw_address(by))
        try:
            self.chain.call(call, self.chain.head())
        except Reverted as reverted:
            return refusal(reverted.output)[0]
        return ""

    def asked(self, data: bytes) -> bytes:
        return self.chain.call(Call(to=self.contract, data=data), self.chain.head())


def opened(directory: Path) -> EmbeddedChain:
    funded_wei = {raw_address(person): FUNDED_WEI for person in PEOPLE}
    return EmbeddedChain.open(directory, chain_id=7, funded_wei=funded_wei, now_s=lambda: 1_000)


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Log n stands at a head of the first n leaves."""
    with contextlib.closing(opened(tmp_path_factory.mktemp("chain"))) as chain:
        bench = Bench(chain)
        for size in (*range(1, SIZES), 63, 64, 65, 1_023, 1_024, 1_025, 2_047):
            bench.send(
                OWNER, calldata("setSubmitter(bytes32,address)", log_of(size), OWNER.address)
            )
            bench.send(OWNER, ordered(grown(size, size, sequence=1)))
        yield bench


def grown(
    log: int, size: int, *, sequence: int = 2, proof: list[bytes] | None = None,
    root: bytes | None = None,
) -> Submission:  # fmt: skip
    return Submission(
        log_id=log_of(log),
        sequence=sequence,
        root=TREE.root(size) if root is None else root,
        size=size,
        meta=bytes(32),
        proof=tuple(proof or ()),
    )


def test_every_growth_of_small_logs_is_taken(heads: Bench) -> None:
    taken = 0
    for old in range(1, SIZES):
        for size in range(old + 1, SIZES + 1):
            order = grown(old, size, proof=TREE.consistency(old, size))
            assert heads.said(OWNER, ordered(order)) == "", (old, size)
            taken += 1
    assert taken == SIZES * (SIZES - 1) // 2


@pytest.mark.parametrize("old", [63, 64, 65, 1_023, 1_024, 1_025, 2_047])
def test_growth_around_powers_of_two_is_taken(heads: Bench, old: int) -> None:
    for size in {old + 1, old + 2, 1_024, 1_025, 2_047, 2_048, 2_049} - set(range(old + 1)):
        order = grown(old, size, proof=TREE.consistency(old, size))
        assert heads.said(OWNER, ordered(order)) == "", (old, size)


hashes = st.binary(min_size=32, max_size=32)


@settings(max_examples=300)
@given(data=st.data())
def test_the_contract_and_the_verifier_agree_on_every_proof(
    heads: Bench, data: st.DataObject
) -> None:
    """True proofs with one thing changed: both must take them, or neither."""
    old = data.draw(st.integers(1, SIZES - 1))
    size = data.draw(st.integers(old + 1, SIZES + 24))
    other_old = data.draw(st.integers(1, size - 1))
    tree = data.draw(st.sampled_from([TREE, OTHER]))
    proof = list(tree.consistency(data.draw(st.sampled_from([old, other_old])), size))
    match data.draw(st.sampled_from(["as it is", "swap", "drop", "add", "replace"])):
        case "swap" if len(proof) > 1:
            at = data.draw(st.integers(0, len(proof) - 2))
            proof[at], proof[at + 1] = proof[at + 1], proof[at]
        case "drop" if proof:
            proof.pop(data.draw(st.integers(0, len(proof) - 1)))
        case "add":
            proof.insert(data.draw(st.integers(0, len(proof))), data.draw(hashes))
        case "replace" if proof:
            proof[data.draw(st.integers(0, len(proof) - 1))] = data.draw(hashes)
    new_size = data.draw(st.sampled_from([size, size, size, size + 1, old + 1]))
    root = data.draw(st.sampled_from([TREE.root(size), tree.root(size), TREE.root(new_size)]))
    order = grown(old, new_size, proof=proof, root=root)
    try:
        merkle.verify_consistency(old, TREE.root(old), new_size, root, proof)
        expected = ""
    except Rejected:
        expected = "consistency"
    assert heads.said(OWNER, ordered(order)) == expected


@given(
    size=st.integers(1, 2**64 - 1), root=hashes, proof=st.lists(hashes, max_size=64),
    old=st.integers(1, SIZES - 1),
)  # fmt: skip
def test_no_drawn_proof_is_taken(
    heads: Bench, size: int, root: bytes, proof: list[bytes], old: int
) -> None:
    said = heads.said(OWNER, ordered(grown(old, size, proof=proof, root=root)))
    if size <= old:
        assert said == "not grown"
    else:
        assert said == ("consistency" if size < 2**32 else "too large")


def test_a_log_can_be_as_large_as_can_be_kept(heads: Bench) -> None:
    log = b"largest" + bytes(25)
    heads.send(OWNER, calldata("setSubmitter(bytes32,address)", log, OWNER.address))
    order = replace(grown(1, 1, sequence=1), log_id=log)
    assert heads.said(OWNER, ordered(replace(order, size=2**32))) == "too large"
    heads.send(OWNER, ordered(replace(order, size=2**32 - 1)))
    head = read_head(heads.asked(calldata("head(bytes32)", log)))
    assert (head.sequence, head.size, head.root) == (1, 2**32 - 1, order.root)
    assert head.block_time_s == heads.chain.head().timestamp


@settings(max_examples=100)
@given(sizes=st.sets(st.integers(1, 2**32 - 1), min_size=2, max_size=2), seed=st.integers(0))
def test_logs_of_any_size_grow_by_their_proof_alone(
    heads: Bench, sizes: set[int], seed: int
) -> None:
    """No tree is as large as this: roots are folded from a proof of nodes that were drawn."""
    old, size = sorted(sizes)
    drawn = random.Random(seed)
    old_root, root, proof = folded(old, size, drawn)
    merkle.verify_consistency(old, old_root, size, root, proof)
    log = merkle.leaf_hash(b"log %d" % heads.nonces[OWNER.address])  # new whenever it is run
    heads.send(OWNER, calldata("setSubmitter(bytes32,address)", log, OWNER.address))
    first = replace(grown(1, old, sequence=1, root=old_root), log_id=log)
    heads.send(OWNER, ordered(first))
    order = replace(first, sequence=2, size=size, root=root, proof=tuple(proof))
    assert heads.said(OWNER, ordered(order)) == ""
    at = drawn.randrange(len(proof))
    longer = (*proof[:at], drawn.randbytes(32), *proof[at:])
    shorter = (*proof[:at], *proof[at + 1 :])
    for wrong in (longer, shorter, (*proof, old_root), ()):
        assert heads.said(OWNER, ordered(replace(order, proof=wrong))) == "consistency"


def folded(old: int, size: int, drawn: random.Random) -> tuple[bytes, bytes, list[bytes]]:
    """Return the roots of both sizes and a proof between them, as RFC 9162 2.1.4.2 goes."""
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = drawn.randbytes(32)
    proof = [fr] if fn else []
    while sn:
        node = drawn.randbytes(32)
        proof.append(node)
        if fn & 1 or fn == sn:
            fr, sr = merkle.node_hash(node, fr), merkle.node_hash(node, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = merkle.node_hash(sr, node)
        fn, sn = fn >> 1, sn >> 1
    return fr, sr, proof


@pytest.fixture(scope="module")
def year() -> merkle.Tree:
    return merkle.Tree([merkle.leaf_hash(b"%d" % n) for n in range(YEAR_WINDOWS + 1)])


def grown_gas(bench: Bench, tree: merkle.Tree, old: int, size: int) -> int:
    """Return the gas of one head after another, written as the gateway does, in a new log."""
    log = merkle.leaf_hash(b"%d to %d" % (old, size))
    bench.send(OWNER, calldata("setSubmitter(bytes32,address)", log, OWNER.address))
    first = replace(grown(1, old, sequence=1, root=tree.root(old)), log_id=log)
    bench.send(OWNER, ordered(first))
    proof = tuple(tree.consistency(old, size))
    return bench.send(
        OWNER, ordered(replace(first, sequence=2, size=size, root=tree.root(size), proof=proof))
    )


def test_no_window_of_a_year_costs_more_than_the_limit(heads: Bench, year: merkle.Tree) -> None:
    """Gas goes with the bits set in the old size: the dearest are all tried, others two each."""
    rests = [size for size in range(1, YEAR_WINDOWS + 2) if not waits_for_next(size)]
    by_ones: dict[int, list[tuple[int, int]]] = {}
    for old, size in pairwise(rests):
        assert size <= old + 2, "no window waits for more than the next one"
        by_ones.setdefault(old.bit_count(), []).append((old, size))
    most = max(by_ones)
    assert len(by_ones[most]) == 19, "each size of nineteen bits but one"
    for ones in range(1, most):
        by_ones[ones] = [by_ones[ones][0], by_ones[ones][-1]]
    gas = {
        ones: max(grown_gas(heads, year, old, size) for old, size in growths)
        for ones, growths in sorted(by_ones.items())
    }
    assert max(gas.values()) == gas[most] <= LIMIT_GAS
    assert all(more - less > 1_000 for less, more in pairwise(gas.values()))


def test_the_window_that_waits_would_cost_more(heads: Bench, year: merkle.Tree) -> None:
    """Were it no longer so, no window would have to wait."""
    waiting = [size for size in range(1, YEAR_WINDOWS + 2) if waits_for_next(size)]
    assert waiting == [2**19 - 1]
    assert LIMIT_GAS < grown_gas(heads, year, waiting[0], waiting[0] + 1) <= LIMIT_GAS + 1_200


LOGS = [b"a" * 32, b"b" * 32]
people = st.sampled_from(PEOPLE)
logs = st.sampled_from(LOGS)


class Contract(RuleBasedStateMachine):
    """Whoever calls whatever: the contract does what the model does, and says why if not."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.bench = Bench(opened(Path(self.directory.name)))
        self.admin, self.guardian = OWNER, PEOPLE[1]
        self.proposed: Account | None = None
        self.submitters: dict[bytes, Account] = {}
        self.paused: set[bytes] = set()
        self.sizes: dict[bytes, list[int]] = {log: [] for log in LOGS}
        self.registry: dict[bytes, bytes] = {}

    def teardown(self) -> None:
        self.bench.chain.close()
        self.directory.cleanup()

    def expect(self, by: Account, data: bytes, refused: str) -> bool:
        """Check what the contract says, and do it if it says yes."""
        assert self.bench.said(by, data) == refused
        if not refused:
            self.bench.send(by, data)
        return not refused

    def writer_fault(self, by: Account, log: bytes) -> str:
        if log in self.paused:
            return "paused"
        return "" if self.submitters.get(log) is by else "not submitter"

    def admin_fault(self, by: Account) -> str:
        return "" if by is self.admin else "not admin"

    @rule(
        by=people,
        log=logs,
        growth=st.integers(-2, 40),
        skip=st.integers(0, 1),
        forked=st.booleans(),
    )
    def submit(self, by: Account, log: bytes, growth: int, skip: int, *, forked: bool) -> None:
        known = self.sizes[log]
        old = known[-1] if known else 0
        size = max(0, old + growth)
        tree = OTHER if forked else TREE
        proof = tree.consistency(old, size) if 0 < old < size else []
        order = Submission(
            log_id=log, sequence=len(known) + 1 + skip, root=tree.root(size), size=size,
            meta=bytes(32), proof=tuple(proof),
        )  # fmt: skip
        fault = self.writer_fault(by, log)
        fault = fault or ("sequence" if skip else "")
        fault = fault or ("not grown" if size <= old else "")
        fault = fault or ("consistency" if forked and known else "")
        if forked and not known:
            return  # a first head may be any
        if self.expect(by, ordered(order), fault):
            known.append(size)

    @rule(by=people, log=logs, root=hashes)
    def set_registry(self, by: Account, log: bytes, root: bytes) -> None:
        order = RegistryRoot(log_id=log, root=root)
        if self.expect(by, ordered(order), self.writer_fault(by, log)):
            self.registry[log] = root

    @rule(by=people, log=logs, submitter=people)
    def set_submitter(self, by: Account, log: bytes, submitter: Account) -> None:
        data = calldata("setSubmitter(bytes32,address)", log, submitter.address)
        if self.expect(by, data, self.admin_fault(by)):
            self.submitters[log] = submitter

    @rule(by=people, log=logs)
    def pause(self, by: Account, log: bytes) -> None:
        fault = "" if by in (self.guardian, self.admin) else "not guardian"
        if self.expect(by, calldata("pause(bytes32)", log), fault):
            self.paused.add(log)

    @precondition(lambda self: self.paused)
    @rule(by=people, log=logs)
    def resume(self, by: Account, log: bytes) -> None:
        if self.expect(by, calldata("resume(bytes32)", log), self.admin_fault(by)):
            self.paused.discard(log)

    @rule(by=people, guardian=people)
    def set_guardian(self, by: Account, guardian: Account) -> None:
        data = calldata("setGuardian(address)", guardian.address)
        if self.expect(by, data, self.admin_fault(by)):
            self.guardian = guardian

    @rule(by=people, admin=people)
    def propose_admin(self, by: Account, admin: Account) -> None:
        data = calldata("proposeAdmin(address)", admin.address)
        if self.expect(by, data, self.admin_fault(by)):
            self.proposed = admin

    @rule(by=people)
    def accept_admin(self, by: Account) -> None:
        fault = "" if by is self.proposed else "not proposed"
        if self.expect(by, calldata("acceptAdmin()"), fault):
            self.admin, self.proposed = by, None

    @invariant()
    def the_heads_are_the_models(self) -> None:
        for log in LOGS:
            head = read_head(self.bench.asked(calldata("head(bytes32)", log)))
            known = self.sizes[log]
            assert (head.sequence, head.size) == (len(known), known[-1] if known else 0)
            if known:
                assert head.root == TREE.root(known[-1])
            root = self.bench.asked(calldata("registryRoot(bytes32)", log))
            assert root == self.registry.get(log, bytes(32))


TestContract = Contract.TestCase
TestContract.settings = settings(max_examples=12, stateful_step_count=40, deadline=None)
