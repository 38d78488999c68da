"""What is asked of the ledger and what it answers; plain values, no chain library behind them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The next head of a log, to be anchored.

    `sequence` is one more than the last one, 1 for the first; `size` is above the last one;
    `proof` is the RFC 9162 consistency proof from the last head, empty for the first.
    """

    log_id: bytes
    sequence: int
    root: bytes
    size: int
    meta: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRoot:
    """The root of a log's registry of nodes, to be put on the ledger."""

    log_id: bytes
    root: bytes


Order = Submission | RegistryRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What a transaction offers per unit of gas [wei]: at most in total, and to the proposer."""

    max_fee_wei: int
    priority_fee_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A signed transaction, sent or not; kept durably before it is sent.

    Sending it again changes nothing: its nonce is used once.
    """

    tx_hash: bytes
    raw: bytes
    nonce: int
    max_fee_wei: int
    priority_fee_wei: int
    prepared_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """An order to the ledger that is under way or done; `chain_part` is None until it is final."""

    number: int
    order: Order
    attempts: tuple[Attempt, ...]
    is_final: bool = False
    chain_part: bytes | None = None
    gas: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a log as the contract holds it; sequence and size 0: nothing anchored yet."""

    sequence: int
    size: int
    root: bytes
    block_time_s: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A new attempt: keep it durably, then ask again with it; only then is it sent."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing to do but to ask again after a while."""

    reason: Literal["sent", "pending", "included"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """The order is carried out, in a block that is as deep as asked for."""

    tx_hash: bytes
    gas_used: int
    block_number: int
    block_hash: bytes
    block_time_s: int


Step = Prepared | Waiting | Final
