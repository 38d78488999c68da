"""The embedded chain: a real EVM in this process, kept on disk, that seals at once.

Every transaction gets a block of its own the moment it is sent, so there is no pool, no
reorganisation and no waiting. A block's time is the clock's, but at least a second after the
block before, as Ethereum demands.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Self, cast

from eth.abc import (
    BlockAPI,
    BlockHeaderAPI,
    ComputationAPI,
    ReceiptAPI,
    SignedTransactionAPI,
    StateAPI,
    UnsignedTransactionAPI,
)
from eth.chains.base import MiningChain
from eth.consensus.noproof import NoProofConsensus
from eth.constants import CREATE_CONTRACT_ADDRESS, ZERO_ADDRESS
from eth.exceptions import HeaderNotFound, Revert, TransactionNotFound, VMError
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from ledger import rlp, trie
from ledger.chain.p256 import P256_ADDRESS, p256_verify
from ledger.chain.store import ChainStore, Event, EventFilter
from ledger.errors import Refused, Rejected
from ledger.keccak import keccak256

log = logging.getLogger("ledger")

GAS_LIMIT = 30_000_000
FUNDED_WEI = 10_000 * 10**18
FIRST_BASE_FEE_WEI = 1_000_000_000
_TRANSACTION_TYPES = (1, 2)
_FIRST_LEGACY = 0xC0
_MOST_EVENTS = 10_000
_MARGIN_GAS = 500


class _Computation(PragueComputation):
    _precompiles = {  # noqa: RUF012 -- py-evm's own way
        **PragueComputation.get_precompiles(),
        P256_ADDRESS: p256_verify,
    }


class _State(PragueState):
    computation_class = _Computation


class _Machine(PragueVM):
    _state_class = _State
    consensus_class = NoProofConsensus


class _Chain(MiningChain):
    vm_configuration = ((BlockNumber(0), _Machine),)


class Reverted(Refused):
    """A call that the contract refused; `output` is what it said."""

    def __init__(self, what: str, output: bytes) -> None:
        super().__init__(what, reason="reverted")
        self.output = output


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A message to a contract that leaves no trace; no `to` would create one."""

    to: bytes | None
    data: bytes = b""
    sender: bytes = ZERO_ADDRESS
    value_wei: int = 0
    gas: int = GAS_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A transaction with the block that holds it, and what came of it."""

    transaction: SignedTransactionAPI
    receipt: ReceiptAPI
    header: BlockHeaderAPI


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What an account holds; code only if it is a contract."""

    balance_wei: int
    nonce: int
    code: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageProof:
    """A word of storage and the trie nodes, root first, that show it."""

    slot: int
    value: int
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountProof:
    """The trie nodes, root first, that show an account, and what is asked of its storage."""

    nodes: tuple[bytes, ...]
    storage_root: bytes
    code_hash: bytes
    storage: tuple[StorageProof, ...]


class EmbeddedChain:
    """The chain in one directory; safe to call from several threads."""

    def __init__(self, store: ChainStore, chain_id: int, now_s: Callable[[], int]) -> None:
        self._store = store
        self._class = _Chain.configure(chain_id=chain_id)
        self._now_s = now_s
        self._lock = RLock()
        self.chain_id = chain_id

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        chain_id: int,
        funded_wei: Mapping[bytes, int],
        now_s: Callable[[], int],
    ) -> Self:
        """Return the chain of a directory; a new one begins with the funded accounts.

        Nobody named as funded means: whoever a known chain began with.

        Raises:
            Rejected: the directory holds a chain of another id or with other accounts, or
                another process runs it.
            Unavailable: the directory cannot be used.
            InvariantBroken: its store is damaged.
        """
        store = ChainStore(directory)
        try:
            facts = _facts(chain_id, funded_wei)
            if store.fact("chain_id") is None:
                chain_class = _Chain.configure(chain_id=chain_id)
                with store.block():
                    chain_class.from_genesis(store, _genesis(now_s()), _accounts(funded_wei))
                    store.note(facts)
            for name, expected in facts.items():
                if expected:
                    _compare(name, store.fact(name), expected, directory)
        except Exception:
            store.close()
            raise
        return cls(store, chain_id, now_s)

    def close(self) -> None:
        """Let go of the directory."""
        with self._lock:
            self._store.close()

    def send(self, raw: bytes) -> bytes:
        """Seal a block with one signed transaction and return its hash, once that is on disk.

        Raises:
            Refused: the transaction is not valid now; nothing was changed.
        """
        with self._lock:
            chain = self._chain()
            transaction = self._decoded(chain, raw)
            self._check(chain, transaction)
            with self._store.block():
                try:
                    with _shallow():
                        result, receipts, _ = chain.mine_all([transaction])
                except (ValidationError, VMError) as error:
                    raise Refused(str(error), reason="invalid") from error
                header = result.imported_block.header
                self._store.add_events(_events(header, transaction, receipts[0]))
            log.debug("chain.sealed", extra={"block": header.block_number})
            return bytes(transaction.hash)

    def call(self, call: Call, at: BlockHeaderAPI) -> bytes:
        """Return what a contract answers on the state after a block.

        Raises:
            Reverted: the contract refused.
        """
        if call.to is None:
            raise Refused("a call needs an address", reason="invalid")
        with self._lock:
            machine = self._chain().get_vm(at)
            with _shallow():
                computation = machine.execute_bytecode(
                    origin=Address(call.sender),
                    gas_price=0,
                    gas=min(call.gas, GAS_LIMIT),
                    to=Address(call.to),
                    sender=Address(call.sender),
                    value=call.value_wei,
                    data=call.data,
                    code=machine.state.get_code(Address(call.to)),
                )
            _raise_if_failed(computation)
            return bytes(computation.output)

    def estimated_gas(self, call: Call, at: BlockHeaderAPI) -> int:
        """Return a gas limit with which a transaction succeeds, a few percent above its need.

        Raises:
            Reverted: the contract refused.
        """
        with self._lock:
            machine = self._chain().get_vm(at)
            transaction = machine.create_unsigned_transaction(
                nonce=machine.state.get_nonce(Address(call.sender)),
                gas_price=0,
                gas=min(call.gas, GAS_LIMIT),
                to=Address(call.to) if call.to is not None else CREATE_CONTRACT_ADDRESS,
                value=call.value_wei,
                data=call.data,
            )
            try:
                with _shallow(), machine.in_costless_state() as state:
                    return _estimated_gas(state, transaction, call.sender)
            except Revert as error:
                raise Reverted("execution reverted", _output(error)) from error
            except (VMError, ValidationError) as error:
                raise Refused(str(error), reason="invalid") from error

    def head(self) -> BlockHeaderAPI:
        """Return the header of the newest block."""
        with self._lock:
            return self._chain().get_canonical_head()

    def header(self, number_or_hash: int | bytes) -> BlockHeaderAPI | None:
        """Return a block's header, or None if there is no such block."""
        with self._lock:
            chain = self._chain()
            try:
                if isinstance(number_or_hash, bytes):
                    return chain.get_block_header_by_hash(Hash32(number_or_hash))
                return chain.get_canonical_block_header_by_number(BlockNumber(number_or_hash))
            except (HeaderNotFound, ValidationError):
                return None

    def block(self, header: BlockHeaderAPI) -> BlockAPI:
        """Return the block of a header."""
        with self._lock:
            return self._chain().get_block_by_header(header)

    def sealed(self, transaction_hash: bytes) -> Sealed | None:
        """Return a transaction with its block and receipt, or None if it is unknown."""
        with self._lock:
            chain = self._chain()
            try:
                number, index = chain.get_canonical_transaction_index(Hash32(transaction_hash))
                return Sealed(
                    transaction=chain.get_canonical_transaction_by_index(number, index),
                    receipt=chain.get_transaction_receipt_by_index(number, index),
                    header=chain.get_canonical_block_header_by_number(number),
                )
            except TransactionNotFound:
                return None

    def events(self, wanted: EventFilter) -> list[Event]:
        """Return the events that pass a filter, oldest first.

        Raises:
            Refused: they are more than 10,000.
        """
        with self._lock:
            found = self._store.events(wanted, at_most=_MOST_EVENTS)
        if len(found) > _MOST_EVENTS:
            raise Refused(f"more than {_MOST_EVENTS} events; ask for fewer blocks", reason="size")
        return found

    def account(self, address: bytes, at: BlockHeaderAPI) -> AccountState:
        """Return an account as it stands after a block."""
        with self._lock:
            state = self._chain().get_vm(at).state
            return AccountState(
                balance_wei=state.get_balance(Address(address)),
                nonce=state.get_nonce(Address(address)),
                code=state.get_code(Address(address)),
            )

    def stored(self, address: bytes, slot: int, at: BlockHeaderAPI) -> int:
        """Return a word of a contract's storage as it stands after a block."""
        with self._lock:
            return self._chain().get_vm(at).state.get_storage(Address(address), slot)

    def proof(self, address: bytes, slots: Sequence[int], at: BlockHeaderAPI) -> AccountProof:
        """Return the proof of an account, and of words of its storage, after a block."""
        with self._lock:
            nodes = trie.proof(self._store, at.state_root, keccak256(address))
            storage_root, code_hash = _account_leaf(nodes, address, at.state_root)
            storage = tuple(
                StorageProof(
                    slot=slot,
                    value=self.stored(address, slot, at),
                    nodes=trie.proof(
                        self._store, storage_root, keccak256(slot.to_bytes(32, "big"))
                    ),
                )
                for slot in slots
            )
        return AccountProof(
            nodes=nodes, storage_root=storage_root, code_hash=code_hash, storage=storage
        )

    def _chain(self) -> MiningChain:
        # Made anew each time: nothing of a block that failed half-way can stay behind.
        chain = self._class(self._store)
        parent = chain.get_canonical_head()
        chain.set_header_timestamp(max(self._now_s(), parent.timestamp + 1))
        return chain

    def _decoded(self, chain: MiningChain, raw: bytes) -> SignedTransactionAPI:
        if not raw or (raw[0] not in _TRANSACTION_TYPES and raw[0] < _FIRST_LEGACY):
            raise Refused("transaction type not supported", reason="invalid")
        try:
            transaction = chain.get_vm().get_transaction_builder().decode(raw)
            transaction.validate()
            transaction.check_signature_validity()
        except (RLPException, ValidationError, ValueError, TypeError, IndexError) as error:
            raise Refused(f"no signed transaction ({error})", reason="invalid") from error
        return transaction

    def _check(self, chain: MiningChain, transaction: SignedTransactionAPI) -> None:
        """Refuse in the words other nodes use, so that clients need to know one dialect."""
        state = chain.get_vm().state
        nonce = state.get_nonce(transaction.sender)
        if transaction.chain_id != self.chain_id:
            raise Refused(f"invalid chain id: this is {self.chain_id}", reason="chain_id")
        if transaction.nonce < nonce:
            raise Refused(f"nonce too low: next nonce {nonce}", reason="nonce_too_low")
        if transaction.nonce > nonce:
            raise Refused(f"nonce too high: next nonce {nonce}", reason="nonce_too_high")
        base_fee_wei = chain.header.base_fee_per_gas or 0
        if transaction.max_fee_per_gas < base_fee_wei:
            raise Refused(
                f"max fee per gas less than block base fee: {base_fee_wei}", reason="underpriced"
            )
        cost_wei = transaction.gas * transaction.max_fee_per_gas + transaction.value
        if state.get_balance(transaction.sender) < cost_wei:
            raise Refused("insufficient funds for gas * price + value", reason="funds")


@contextlib.contextmanager
def _shallow() -> Iterator[None]:
    """Refuse contracts that call themselves deeper than this Python can follow."""
    try:
        yield
    except RecursionError as error:
        raise Refused("calls nested too deep for this chain", reason="depth") from error


def _estimated_gas(state: StateAPI, transaction: UnsignedTransactionAPI, sender: bytes) -> int:
    """Return what a run with plenty takes, if a run with that little more than it succeeds."""
    used = _gas_used(state, transaction, sender, transaction.gas)
    # A call may pass on 63/64 of the gas it has: EIP-150.
    enough = min(used + used // 32 + _MARGIN_GAS, transaction.gas)
    try:
        _gas_used(state, transaction, sender, enough)
    except VMError:
        return transaction.gas
    return enough


def _gas_used(state: StateAPI, transaction: UnsignedTransactionAPI, sender: bytes, gas: int) -> int:
    spoofed = SpoofTransaction(transaction, from_=sender, gas=gas, gas_price=0)
    snapshot = state.snapshot()
    try:
        computation = state.apply_transaction(cast("SignedTransactionAPI", spoofed))
    finally:
        state.revert(snapshot)
    computation.raise_if_error()
    # Refunds come at the end: what is used before them has to be there.
    return gas - computation.get_gas_remaining() + computation.get_gas_refund()


def _raise_if_failed(computation: ComputationAPI) -> None:
    if computation.is_success:
        return
    if isinstance(computation.error, Revert):
        raise Reverted("execution reverted", _output(computation.error))
    raise Refused(f"execution failed: {computation.error}", reason="failed")


def _output(error: Revert) -> bytes:
    return bytes(error.args[0]) if error.args and isinstance(error.args[0], bytes) else b""


def _account_leaf(nodes: Sequence[bytes], address: bytes, root: bytes) -> tuple[bytes, bytes]:
    """Return storage root and code hash of an account; those of an empty one if it is absent."""
    with contextlib.suppress(Rejected):
        match rlp.decode(trie.proved_value(root, keccak256(address), nodes)):
            case [_, _, bytes(storage_root), bytes(code_hash)]:
                return storage_root, code_hash
    return trie.EMPTY_ROOT, keccak256(b"")


def _facts(chain_id: int, funded_wei: Mapping[bytes, int]) -> dict[str, str]:
    listed = sorted(f"{address.hex()}={wei}" for address, wei in funded_wei.items())
    return {"chain_id": str(chain_id), "funded": " ".join(listed)}


def _compare(name: str, found: str | None, expected: str, directory: Path) -> None:
    if found != expected:
        raise Rejected(
            f"holds a chain with {name} {found}, expected {expected}",
            where=str(directory),
            remedy="use the settings it was made with, or another directory",
            reason="other_chain",
        )


def _genesis(now_s: int) -> dict[str, Any]:
    return {
        "difficulty": 0,
        "gas_limit": GAS_LIMIT,
        "timestamp": now_s,
        "base_fee_per_gas": FIRST_BASE_FEE_WEI,
        "coinbase": ZERO_ADDRESS,
    }


def _accounts(funded_wei: Mapping[bytes, int]) -> Any:  # noqa: ANN401 -- py-evm's AccountState
    return {
        Address(address): {"balance": wei, "nonce": 0, "code": b"", "storage": {}}
        for address, wei in funded_wei.items()
    }


def _events(
    header: BlockHeaderAPI, transaction: SignedTransactionAPI, receipt: ReceiptAPI
) -> list[Event]:
    return [
        Event(
            block=header.block_number,
            position=position,
            transaction_hash=bytes(transaction.hash),
            address=bytes(entry.address),
            topics=tuple(topic.to_bytes(32, "big") for topic in entry.topics),
            data=bytes(entry.data),
        )
        for position, entry in enumerate(receipt.logs)
    ]
