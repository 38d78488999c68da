"""The contract's functions as calldata, and what it answers or refuses."""

from collections.abc import Iterable, Sequence

from eth_abi import abi, exceptions

from ledger.chain.node import LogEvent
from ledger.chain.values import Head, Order, RegistryRoot, Submission
from ledger.errors import Unavailable
from ledger.keccak import keccak256
from ledger.receipts import ANCHORED_TOPIC

REGISTRY_TOPIC = keccak256(b"RegistryRoot(bytes32,bytes32)")

_SELECTOR_BYTES = 4
_WORD_BYTES = 32
_ERROR = keccak256(b"Error(string)")[:_SELECTOR_BYTES]
_SUBMIT = "submit(bytes32,uint64,bytes32,uint64,bytes32,bytes32[])"
_REASONS = {
    "consistency": "fork",
    "not grown": "not_grown",
    "sequence": "sequence",
    "not submitter": "not_submitter",
    "paused": "paused",
}

# What one submission takes at most where gas is counted as on Ethereum: once, and for each node.
_SUBMIT_GAS, _NODE_GAS, _REGISTRY_GAS = 80_000, 3_000, 80_000


def calldata(signature: str, *values: object) -> bytes:
    """Return a call of a function, for example `head(bytes32)`, with its arguments."""
    name_end = signature.index("(")
    types = [kind for kind in signature[name_end + 1 : -1].split(",") if kind]
    return keccak256(signature.encode())[:_SELECTOR_BYTES] + abi.encode(types, values)


def ordered(order: Order) -> bytes:
    """Return the call that carries out an order."""
    if isinstance(order, RegistryRoot):
        return calldata("setRegistryRoot(bytes32,bytes32)", order.log_id, order.root)
    return calldata(
        _SUBMIT, order.log_id, order.sequence, order.root, order.size, order.meta, order.proof
    )


def needed_gas(order: Order) -> int:
    """Return a gas limit that is enough for an order on any chain that counts as Ethereum."""
    if isinstance(order, RegistryRoot):
        return _REGISTRY_GAS
    return _SUBMIT_GAS + _NODE_GAS * len(order.proof)


def topics(order: Order) -> list[bytes]:
    """Return the topics of the event that tells of an order."""
    if isinstance(order, Submission):
        return [topic for (topic,) in anchored_topics(order.log_id, [order.sequence])]
    return [REGISTRY_TOPIC, order.log_id]


def event_data(order: Order) -> bytes:
    """Return the beginning of the data of that event, which no other order's event has."""
    if isinstance(order, Submission):
        return order.root + order.size.to_bytes(_WORD_BYTES, "big")
    return order.root


def read_head(answer: bytes) -> Head:
    """Return the head that `head(bytes32)` answered.

    Raises:
        Unavailable: that is no answer of this contract.
    """
    try:
        sequence, size, root, time_s = abi.decode(["uint64", "uint64", "bytes32", "uint64"], answer)
    except exceptions.DecodingError as error:
        raise Unavailable(f"the node answers for the contract, but wrongly ({error})") from error
    return Head(sequence=sequence, size=size, root=root, block_time_s=time_s)


def anchored_topics(log_id: bytes, sequences: Iterable[int]) -> list[Sequence[bytes]]:
    """Return the topics of the events that tell of heads of a log, by their sequences."""
    return [[ANCHORED_TOPIC], [log_id], [n.to_bytes(_WORD_BYTES, "big") for n in sequences]]


def read_anchored(event: LogEvent) -> tuple[int, bytes]:
    """Return size and root of the head that an event tells of.

    Raises:
        Unavailable: that is no event of this contract.
    """
    try:
        root, size, _ = abi.decode(["bytes32", "uint64", "bytes32"], event.data)
    except exceptions.DecodingError as error:
        raise Unavailable(f"the node tells events of the contract wrongly ({error})") from error
    return size, root


def refusal(data: bytes) -> tuple[str, str]:
    """Return what the contract said when it refused, and the name of that reason."""
    if data[:_SELECTOR_BYTES] == _ERROR:
        try:
            (said,) = abi.decode(["string"], data[_SELECTOR_BYTES:])
        except exceptions.DecodingError:
            return "without a reason", "rpc"
        return said, _REASONS.get(said, "rpc")
    return "without a reason", "rpc"
