"""The embedded EVM: seals at once, keeps what it sealed, refuses the rest in known words."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_abi import abi

from ledger.chain.account import Account
from ledger.chain.evm import FUNDED_WEI, Call, EmbeddedChain, Reverted
from ledger.chain.store import EventFilter
from ledger.contract import Artifact, anchor
from ledger.errors import Refused, Rejected
from ledger.keccak import keccak256

OWNER, POOR = Account.from_hex("11" * 32), Account.from_hex("22" * 32)


def raw_address(account: Account) -> bytes:
    return bytes.fromhex(account.address[2:])


@dataclass
class Hand:
    """Winds the clock of the chain."""

    now_s: int = 1_000

    def __call__(self) -> int:
        return self.now_s


def opened(path: Path, hand: Callable[[], int], chain_id: int = 7) -> EmbeddedChain:
    return EmbeddedChain.open(
        path, chain_id=chain_id, funded_wei={raw_address(OWNER): FUNDED_WEI}, now_s=hand
    )


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def chain(tmp_path: Path, hand: Hand) -> Iterator[EmbeddedChain]:
    with contextlib.closing(opened(tmp_path, hand)) as chain:
        yield chain


def signed(nonce: int = 0, *, by: Account = OWNER, **changed: object) -> bytes:
    transaction = {
        "type": 2, "chainId": 7, "nonce": nonce, "to": POOR.address, "value": 1, "data": b"",
        "gas": 21_000, "maxFeePerGas": 2 * 10**9, "maxPriorityFeePerGas": 1,
    }  # fmt: skip
    return by.sign({**transaction, **changed})[0]


def creation(nonce: int = 0, artifact: Artifact | None = None) -> bytes:
    code = (artifact or anchor()).bytecode + abi.encode(["address"], [OWNER.address])
    return signed(nonce, to=b"", data=code, value=0, gas=8_000_000)


def created(account: Account, nonce: int) -> bytes:
    import rlp  # noqa: PLC0415 -- here only

    return keccak256(rlp.encode([raw_address(account), nonce]))[12:]


def test_a_transaction_gets_a_block_of_its_own(chain: EmbeddedChain) -> None:
    tx_hash = chain.send(signed())
    sealed = chain.sealed(tx_hash)
    assert sealed is not None
    assert (sealed.header.block_number, sealed.receipt.gas_used) == (1, 21_000)
    assert chain.head() == sealed.header
    assert chain.account(raw_address(POOR), chain.head()).balance_wei == 1
    assert chain.sealed(bytes(32)) is None


def test_time_is_the_clocks_but_never_the_same_twice(chain: EmbeddedChain, hand: Hand) -> None:
    times_s = []
    for nonce, now_s in enumerate((2_000, 2_000, 1_500, 2_010)):
        hand.now_s = now_s
        chain.send(signed(nonce))
        times_s.append(chain.head().timestamp)
    assert times_s == [2_000, 2_001, 2_002, 2_010]


def test_reopened_it_goes_on(tmp_path: Path, hand: Hand) -> None:
    with contextlib.closing(opened(tmp_path, hand)) as chain:
        hashes_ = [chain.send(signed(nonce)) for nonce in range(3)]
        head = chain.head()
    with contextlib.closing(opened(tmp_path, hand)) as chain:
        assert chain.head() == head
        assert all(chain.sealed(tx_hash) for tx_hash in hashes_)
        chain.send(signed(3))
        assert chain.head().block_number == 4


def test_a_directory_of_another_chain_is_refused(tmp_path: Path, hand: Hand) -> None:
    opened(tmp_path, hand).close()
    with pytest.raises(Rejected, match="chain_id 7, expected 8"):
        opened(tmp_path, hand, chain_id=8)
    with pytest.raises(Rejected, match="funded"):
        EmbeddedChain.open(tmp_path, chain_id=7, funded_wei={raw_address(POOR): 1}, now_s=hand)
    EmbeddedChain.open(tmp_path, chain_id=7, funded_wei={}, now_s=hand).close()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (signed(1), "nonce_too_high"),
        (signed(chainId=8), "chain_id"),
        (signed(by=POOR), "funds"),
        (signed(value=2 * FUNDED_WEI), "funds"),
        (signed(maxFeePerGas=1), "underpriced"),
        (signed(gas=20_999), "invalid"),
        (signed(gas=40_000_000), "invalid"),
        (b"", "invalid"),
        (b"\x00", "invalid"),
        (b"\x02", "invalid"),
        (b"\x03" + signed()[1:], "invalid"),
        (b"\x7f" + signed()[1:], "invalid"),
        (b"\xc0", "invalid"),
        (signed() + b"\x00", "invalid"),
        (signed()[:-1], "invalid"),
    ],
    ids=["gap", "chain", "poor", "too dear", "fee", "gas", "block", "empty", "zero", "cut", "blob",
         "unknown", "list", "longer", "shorter"],
)  # fmt: skip
def test_what_is_not_valid_is_refused(chain: EmbeddedChain, raw: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        chain.send(raw)
    assert refused.value.reason == reason
    assert chain.head().block_number == 0
    chain.send(signed())


def test_a_used_nonce_is_refused_and_nothing_changes(chain: EmbeddedChain) -> None:
    chain.send(signed())
    with pytest.raises(Refused, match="nonce too low"):
        chain.send(signed())
    assert chain.account(raw_address(POOR), chain.head()).balance_wei == 1


def test_a_contract_answers_and_refuses(chain: EmbeddedChain) -> None:
    chain.send(creation())
    contract = created(OWNER, 0)
    assert chain.account(contract, chain.head()).code == anchor().runtime
    asked = keccak256(b"admin()")[:4]
    assert chain.call(Call(to=contract, data=asked), chain.head())[12:] == raw_address(OWNER)
    closed = Call(to=contract, data=keccak256(b"acceptAdmin()")[:4], sender=raw_address(POOR))
    with pytest.raises(Reverted) as reverted:
        chain.call(closed, chain.head())
    assert reverted.value.output[:4] == keccak256(b"Error(string)")[:4]
    with pytest.raises(Reverted):
        chain.estimated_gas(closed, chain.head())
    with pytest.raises(Refused):
        chain.call(Call(to=contract, data=asked, gas=30), chain.head())
    genesis = chain.header(0)
    assert genesis is not None
    assert chain.call(Call(to=contract, data=asked), genesis) == b""


def test_a_call_leaves_no_trace(chain: EmbeddedChain) -> None:
    chain.send(creation())
    before = chain.head()
    function = keccak256(b"setGuardian(address)")[:4] + abi.encode(["address"], [POOR.address])
    call = Call(to=created(OWNER, 0), data=function, sender=raw_address(OWNER))
    chain.call(call, before)
    limit = chain.estimated_gas(call, before)
    assert chain.head() == before
    chain.send(signed(1, to=created(OWNER, 0), data=function, value=0, gas=limit))
    sealed = chain.head()
    assert sealed.gas_used <= limit <= sealed.gas_used * 1.05
    (event,) = chain.events(EventFilter(from_block=2, to_block=2))
    assert event.address == created(OWNER, 0)
    assert event.topics[1][12:] == raw_address(POOR)


def test_a_failed_transaction_is_sealed_and_changes_nothing(chain: EmbeddedChain) -> None:
    chain.send(creation())
    accept = keccak256(b"acceptAdmin()")[:4]
    tx_hash = chain.send(signed(1, to=created(OWNER, 0), data=accept, value=0, gas=100_000))
    sealed = chain.sealed(tx_hash)
    assert sealed is not None
    assert sealed.receipt.state_root == b""
    assert chain.events(EventFilter(from_block=2, to_block=2)) == []


def test_headers_are_found_by_number_and_hash(chain: EmbeddedChain) -> None:
    chain.send(signed())
    head = chain.head()
    assert chain.header(1) == chain.header(bytes(head.hash)) == head
    assert chain.header(2) is None
    assert chain.header(bytes(32)) is None
    assert [bytes(one.hash) for one in chain.block(head).transactions]


def test_a_contract_that_calls_itself_to_the_end_is_survived(chain: EmbeddedChain) -> None:
    runtime = bytes.fromhex("60006000600060006000305af1")
    code = b"\x6c" + runtime + bytes.fromhex("600052600d6013f3")
    chain.send(signed(0, to=b"", data=code, value=0, gas=200_000))
    target = created(OWNER, 0)
    assert chain.account(target, chain.head()).code == runtime
    unexpected: list[BaseException] = []
    reasons: set[str] = set()

    def run() -> None:
        for work in (
            lambda: chain.call(Call(to=target), chain.head()),
            lambda: chain.estimated_gas(Call(to=target, sender=raw_address(OWNER)), chain.head()),
            lambda: chain.send(signed(1, to=target, value=0, gas=29_000_000)),
        ):
            try:
                work()
            except Refused as refused:
                reasons.add(refused.reason)
            except BaseException as error:  # noqa: BLE001 -- told below
                unexpected.append(error)

    # Servers answer in threads, whose stack is smaller.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not unexpected
    assert reasons <= {"depth"}, "what this Python cannot follow"
    head = chain.head().block_number
    chain.send(signed(head))
    assert chain.head().block_number == head + 1
