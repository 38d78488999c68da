"""Check offline that a block holds the event with which a log's head was anchored.

The chain part of a bundle leads from the event to the hash of its block, with nothing but
Keccak-256 in between:

1. the block's header hashes to the block hash, and names the root of the receipts;
2. the proof leads from that root to the receipt of one transaction, which succeeded;
3. the receipt holds the event, and the contract that wrote it.

Whoever calls compares block hash, contract and log with what they trust.

Source: Ethereum yellow paper, §4.4; EIP-2718 (typed receipts).
"""

from dataclasses import dataclass

from ledger import codec, rlp
from ledger.errors import Rejected
from ledger.keccak import keccak256
from ledger.trie import proved_value

ANCHORED_TOPIC = keccak256(b"Anchored(bytes32,uint64,bytes32,uint64,bytes32)")

_VERSION = 1
_HASH_BYTES = 32
_ADDRESS_BYTES = 20
_RECEIPTS_ROOT, _NUMBER, _TIME = 5, 8, 11
_HEADER_FIELDS = range(15, 33)
_MAX_NODES = 16
_MAX_INDEX = 1 << 32
_FIRST_LIST = 0xC0
_SUCCEEDED = b"\x01"
_EVENT_DATA_BYTES = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPart:
    """What leads from an event to a block hash.

    `header` is the block's header in RLP, `proof` the nodes of the receipts' trie from its root
    down to the transaction's receipt, `log_index` counts within that receipt.
    """

    header: bytes
    transaction_index: int
    proof: tuple[bytes, ...]
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchoredEvent:
    """What the contract said when it took a head; `log_id` and `contract` are the chain's names."""

    block_hash: bytes
    block_number: int
    block_time_s: int
    contract: bytes
    log_id: bytes
    sequence: int
    root: bytes
    size: int
    meta: bytes


def encode_chain_part(part: ChainPart) -> bytes:
    """Return the bytes of a chain part."""
    return codec.encode(
        [_VERSION, part.header, part.transaction_index, list(part.proof), part.log_index]
    )


def decode_chain_part(encoded: bytes) -> ChainPart:
    """Return the chain part that the bytes stand for.

    Raises:
        Rejected: `not_canonical` or `wrong_shape`.
    """
    match codec.decode(encoded):
        case [1, bytes(header), int(transaction), [*proof], int(log)] if (
            0 <= transaction < _MAX_INDEX
            and 0 <= log < _MAX_INDEX
            and 1 <= len(proof) <= _MAX_NODES
            and {*map(type, proof)} == {bytes}
        ):
            return ChainPart(
                header=header, transaction_index=transaction, proof=tuple(proof), log_index=log
            )
        case _:
            raise Rejected("no chain part of a bundle", reason="wrong_shape")


def anchored_event(chain_part: bytes) -> AnchoredEvent:
    """Return the event that a chain part proves, and the hash of the block it is in.

    Raises:
        Rejected: `not_canonical`, `wrong_shape`, `bad_proof`, `not_succeeded` or `other_event`.
    """
    part = decode_chain_part(chain_part)
    header = _header_fields(part.header)
    receipt = proved_value(
        _bytes(header[_RECEIPTS_ROOT], _HASH_BYTES),
        rlp.encode(rlp.encode_integer(part.transaction_index)),
        part.proof,
    )
    contract, log_id, sequence, data = _anchored(receipt, part.log_index)
    return AnchoredEvent(
        block_hash=keccak256(part.header),
        block_number=rlp.decode_integer(header[_NUMBER]),
        block_time_s=rlp.decode_integer(header[_TIME]),
        contract=contract,
        log_id=log_id,
        sequence=sequence,
        root=data[:32],
        size=_uint64(data[32:64]),
        meta=data[64:],
    )


def _header_fields(header: bytes) -> list[rlp.Item]:
    fields = rlp.decode(header)
    if not isinstance(fields, list) or len(fields) not in _HEADER_FIELDS:
        raise Rejected("no block header", reason="wrong_shape")
    return fields


def _anchored(receipt: bytes, log_index: int) -> tuple[bytes, bytes, int, bytes]:
    """Return contract, log, sequence and data of the event at its place in a receipt."""
    typed = receipt if receipt[0] >= _FIRST_LIST else receipt[1:]
    match rlp.decode(typed):
        case [bytes(status), bytes(), bytes(), [*logs]]:
            pass
        case _:
            raise Rejected("no receipt", reason="wrong_shape")
    if status != _SUCCEEDED:
        raise Rejected("the transaction did not succeed", reason="not_succeeded")
    if log_index >= len(logs):
        raise Rejected(f"the receipt has no event {log_index}", reason="other_event")
    match logs[log_index]:
        case [bytes(contract), [topic, bytes(log_id), bytes(sequence)], bytes(data)] if (
            topic == ANCHORED_TOPIC
            and len(contract) == _ADDRESS_BYTES
            and len(log_id) == _HASH_BYTES
            and len(data) == _EVENT_DATA_BYTES
        ):
            return contract, log_id, _uint64(sequence), data
        case _:
            raise Rejected("the event is not that a head was anchored", reason="other_event")


def _bytes(item: rlp.Item, length: int) -> bytes:
    if not isinstance(item, bytes) or len(item) != length:
        raise Rejected(f"expected {length} bytes", reason="wrong_shape")
    return item


def _uint64(word: bytes) -> int:
    if len(word) != _HASH_BYTES or any(word[:-8]):
        raise Rejected("no number of 64 bits", reason="wrong_shape")
    return int.from_bytes(word, "big")
