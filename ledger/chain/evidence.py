"""From a node's JSON to what an offline verifier needs: header and receipt proof, checked here.

What a node tells in JSON is encoded again as Ethereum hashes it. Only if the header gives the
block hash, and all receipts the header's receipts root, there is a chain part; else there is
none, never a wrong one.

Source: Ethereum yellow paper, §4.3 and §4.4; EIP-1559, 2718, 4895, 4844, 4788, 7685.
"""

from collections.abc import Sequence
from typing import Any

from ledger import rlp, trie
from ledger.chain.calls import event_data, topics
from ledger.chain.hexadecimal import octets, quantity
from ledger.chain.node import Block, LogEvent, Node, TxReceipt
from ledger.chain.values import Order
from ledger.errors import Rejected
from ledger.keccak import keccak256
from ledger.receipts import (
    ANCHORED_TOPIC,
    ChainPart,
    anchored_event,
    encode_chain_part,
)

# The header's fields in their order; each fork added some at the end and removed none.
_HEADER = (
    ("parentHash", octets), ("sha3Uncles", octets), ("miner", octets), ("stateRoot", octets),
    ("transactionsRoot", octets), ("receiptsRoot", octets), ("logsBloom", octets),
    ("difficulty", quantity), ("number", quantity), ("gasLimit", quantity),
    ("gasUsed", quantity), ("timestamp", quantity), ("extraData", octets),
    ("mixHash", octets), ("nonce", octets), ("baseFeePerGas", quantity),
)  # fmt: skip
_LATER = (
    ("withdrawalsRoot", octets),  # Shanghai
    ("blobGasUsed", quantity), ("excessBlobGas", quantity),  # Cancun
    ("parentBeaconBlockRoot", octets),
    ("requestsHash", octets),  # Prague
)  # fmt: skip


def chain_part(node: Node, receipt: TxReceipt, contract: bytes) -> bytes | None:
    """Return the chain part for the anchoring event of a transaction; None if there can be none.

    Raises:
        Unavailable: the node is away.
    """
    log_index = _anchored_index(receipt.events, contract)
    block = node.block(receipt.block_hash)
    if log_index is None or block is None:
        return None
    try:
        header = encoded_header(block)
        receipts = [encoded_receipt(one.fields) for one in node.receipts(block)]
        index = quantity(receipt.fields["transactionIndex"])
        part = _part(header, receipts, index, log_index)
        if part is None or keccak256(header) != receipt.block_hash:
            return None
        encoded = encode_chain_part(part)
        anchored_event(encoded)
    except (Rejected, KeyError):
        return None
    return encoded


def encoded_header(block: Block) -> bytes:
    """Return a block's header as it is hashed, as far as its fork has fields.

    Raises:
        Rejected: a field has another shape.
        KeyError: a field is missing.
    """
    present = [field for field in _LATER if block.fields.get(field[0]) is not None]
    return rlp.encode([_field(block.fields[name], read) for name, read in (*_HEADER, *present)])


def encoded_receipt(fields: dict[str, Any]) -> bytes:
    """Return a receipt as it stands in the receipts' trie.

    Raises:
        Rejected: a field has another shape.
        KeyError: a field is missing.
    """
    body = rlp.encode(
        [
            rlp.encode_integer(quantity(fields["status"])),
            rlp.encode_integer(quantity(fields["cumulativeGasUsed"])),
            octets(fields["logsBloom"]),
            [
                [octets(one["address"]), [*map(octets, one["topics"])], octets(one["data"])]
                for one in fields["logs"]
            ],
        ]
    )
    kind = quantity(fields.get("type", "0x0"))
    return bytes([kind]) + body if kind else body


def tells_of(receipt: TxReceipt, order: Order, contract: bytes) -> bool:
    """Tell whether a receipt holds the event with which the contract carried out an order."""
    return any(is_of(event, order, contract) for event in receipt.events)


def is_of(event: LogEvent, order: Order, contract: bytes) -> bool:
    """Tell whether an event says that the contract carried out an order."""
    return (
        event.address == contract
        and list(event.topics) == topics(order)
        and event.data.startswith(event_data(order))
    )


def _anchored_index(events: Sequence[LogEvent], contract: bytes) -> int | None:
    return next(
        (
            index
            for index, event in enumerate(events)
            if event.address == contract and event.topics[:1] == (ANCHORED_TOPIC,)
        ),
        None,
    )


def _part(
    header: bytes, receipts: Sequence[bytes], transaction_index: int, log_index: int
) -> ChainPart | None:
    values = {_key(index): receipt for index, receipt in enumerate(receipts)}
    root, nodes = trie.built(values)
    if _key(transaction_index) not in values:
        return None
    return ChainPart(
        header=header,
        transaction_index=transaction_index,
        proof=trie.proof(nodes, root, _key(transaction_index)),
        log_index=log_index,
    )


def _key(index: int) -> bytes:
    return rlp.encode(rlp.encode_integer(index))


def _field(value: Any, read: Any) -> bytes:  # noqa: ANN401 -- one of the two readers above
    found = read(value)
    return rlp.encode_integer(found) if isinstance(found, int) else found
