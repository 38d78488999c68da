"""What anchoring costs in gas, beside one transaction for each reading, on the embedded EVM."""

import contextlib
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_abi import abi

from gateway.anchoring import waits_for_next
from ledger.chain.account import Account
from ledger.chain.calls import calldata, ordered
from ledger.chain.evm import FUNDED_WEI, EmbeddedChain
from ledger.chain.values import Submission
from ledger.contract import Artifact, anchor, read_artifact
from ledger.facts.segment import NO_HASH
from ledger.keccak import keccak256
from ledger.merkle import Tree, leaf_hash
from ledger.rlp import encode, encode_integer
from tests.bench.conftest import Figure, Figures

pytestmark = pytest.mark.bench

OWNER = Account.from_hex("11" * 32)
ADDRESS = bytes.fromhex(OWNER.address[2:])
LOG = b"l" * 32
READINGS_PER_NODE = 15
LIMIT_GAS = 61_000


@dataclass
class Meter:
    """Measures transactions of one account on the embedded EVM."""

    chain: EmbeddedChain
    nonce: int = 0

    def sent_gas(self, to: bytes, data: bytes) -> int:
        raw, tx_hash = OWNER.sign(
            {
                "type": 2, "chainId": 7, "nonce": self.nonce, "to": to, "value": 0, "data": data,
                "gas": 8_000_000, "maxFeePerGas": 2 * 10**9, "maxPriorityFeePerGas": 1,
            }
        )  # fmt: skip
        self.chain.send(raw)
        self.nonce += 1
        sealed = self.chain.sealed(tx_hash)
        assert sealed is not None
        assert sealed.receipt.state_root == b"\x01"
        return sealed.receipt.gas_used

    def created(self, artifact: Artifact, arguments: bytes = b"") -> tuple[bytes, int]:
        nonce = self.nonce
        gas = self.sent_gas(b"", artifact.bytecode + arguments)
        return keccak256(encode([ADDRESS, encode_integer(nonce)]))[12:], gas


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Meter]:
    chain = EmbeddedChain.open(
        tmp_path, chain_id=7, funded_wei={ADDRESS: FUNDED_WEI}, now_s=lambda: 1_000
    )
    with contextlib.closing(chain):
        yield Meter(chain)


def opened(meter: Meter) -> bytes:
    contract, _ = meter.created(anchor(), abi.encode(["address"], [OWNER.address]))
    open_log(meter, contract, LOG)
    return contract


def open_log(meter: Meter, contract: bytes, log: bytes) -> None:
    meter.sent_gas(contract, calldata("setSubmitter(bytes32,address)", log, OWNER.address))


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree([leaf_hash(b"%d" % n) for n in range(529_100)])


def window_gas(meter: Meter, contract: bytes, tree: Tree, old: int, size: int) -> int:
    """Return the gas of one submission from a head of `old` to one of `size`, in its own log."""
    log = leaf_hash(b"%d %d" % (old, size))
    open_log(meter, contract, log)
    meter.sent_gas(contract, ordered(submission(tree, log, 1, old)))
    return meter.sent_gas(contract, ordered(submission(tree, log, 2, size, old)))


def submission(tree: Tree, log: bytes, sequence: int, size: int, old: int = 0) -> Submission:
    return Submission(
        log_id=log,
        sequence=sequence,
        root=tree.root(size),
        size=size,
        meta=NO_HASH,
        proof=tuple(tree.consistency(old, size) if old else ()),
    )


@pytest.mark.parametrize("windows", [60, 1_440, 43_200, 525_600])
def test_one_window_at_a_time(figures: Figures, meter: Meter, tree: Tree, windows: int) -> None:
    """A log as old as an hour, a day, a month, a year: the last 24 windows of each."""
    contract = opened(meter)
    meter.sent_gas(contract, ordered(submission(tree, LOG, 1, windows - 24)))
    taken_gas = []
    for sequence, size in enumerate(range(windows - 23, windows + 1), start=2):
        order = submission(tree, LOG, sequence, size, size - 1)
        taken_gas.append(meter.sent_gas(contract, ordered(order)))
    assert max(taken_gas) <= LIMIT_GAS
    figures.take(
        Figure(
            subject="contract: gas of one window", size=f"log of {windows:,} windows, median of 24",
            unit="gas", ours=statistics.median(taken_gas), peer=naive_gas(meter)[1],
            peer_name="one reading in storage", reach="61,000 with consistency check",
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("growth", "what"),
    [((0, 1), "the first window"), ((1_023, 1_024), "the dearest up to a day"),
     ((262_143, 262_144), "the dearest up to half a year"),
     ((524_286, 524_288), "the dearest from there to a year, two windows at once"),
     ((524_287, 524_288), "what the gateway never has to pay: 524,287 waits for the next"),
     ((489_000, 529_000), "40,000 windows at once")],
)  # fmt: skip
def test_edges(
    figures: Figures, meter: Meter, tree: Tree, growth: tuple[int, int], what: str
) -> None:
    old, size = growth
    contract = opened(meter)
    if old:
        gas = window_gas(meter, contract, tree, old, size)
    else:
        gas = meter.sent_gas(contract, ordered(submission(tree, LOG, 1, size)))
    figures.take(
        Figure(
            subject="contract: gas at the edges", size=f"{what}: {old:,} to {size:,}", unit="gas",
            ours=gas, note="The proof holds one hash for each bit set in the old size, and each "
            "costs two SHA-256 and 32 bytes of calldata: 2^n - 1 is the worst of all sizes, and "
            "from 524,287 on the gateway anchors such a size together with the next",
        )
    )  # fmt: skip


def test_share_of_windows_above_the_limit(figures: Figures, meter: Meter, tree: Tree) -> None:
    """Gas goes with the bits set in the old size: every count of a year, with its dearest."""
    contract = opened(meter)
    rests = [size for size in range(1, 525_601) if not waits_for_next(size)]
    windows = Counter(old.bit_count() for old in rests)
    dearest = {
        ones: max(
            window_gas(meter, contract, tree, old, old + 1)
            for old in ((1 << ones) - 1, (1 << ones + 1) - 2)
            if not waits_for_next(old)
        )
        for ones in range(13, 19)
    }
    assert max(windows) == max(dearest)
    too_dear = sum(n for ones, n in windows.items() if dearest.get(ones, 0) > LIMIT_GAS)
    figures.take(
        Figure(
            subject="contract: windows of a year above 61,000 gas", size="525,600 windows",
            unit="windows", ours=too_dear, note="Counted by the number of bits set in the old size",
        )
    )  # fmt: skip
    assert too_dear == 0


@pytest.mark.parametrize("nodes", [20, 10_000, 1_600_000])
def test_flat_in_nodes_and_readings(figures: Figures, meter: Meter, tree: Tree, nodes: int) -> None:
    """A window's root is 32 bytes whatever it stands for; the naive way is paid per reading."""
    contract = opened(meter)
    gas = window_gas(meter, contract, tree, 1_000, 1_001)
    event_gas, _ = naive_gas(meter)
    readings = nodes * READINGS_PER_NODE
    figures.take(
        Figure(
            subject="contract: gas of one reading",
            size=f"{nodes:,} nodes, {readings:,} readings a window", unit="gas",
            ours=gas / readings, peer=event_gas, peer_name="one event a reading",
        )
    )  # fmt: skip


def naive_gas(meter: Meter) -> tuple[int, int]:
    """Return the gas of one reading in an event, and of one in storage, each a transaction."""
    shipped = Path(__file__).with_name("naive.json").read_text("utf-8")
    contract, _ = meter.created(read_artifact(shipped))
    reading = leaf_hash(b"reading")
    event_gas = meter.sent_gas(contract, calldata("tell(uint256,bytes32)", 7, reading))
    storage = calldata("keep(uint256,uint256,bytes32)", 7, 445_500_000, reading)
    return event_gas, meter.sent_gas(contract, storage)


def test_deployment(figures: Figures, meter: Meter) -> None:
    _, gas = meter.created(anchor(), abi.encode(["address"], [OWNER.address]))
    figures.take(
        Figure(
            subject="contract: deployment", size="once", unit="gas", ours=gas,
            note="Nine tenths of it are the views that follow a record on the chain",
        )
    )  # fmt: skip
