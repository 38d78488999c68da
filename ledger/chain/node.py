"""What is asked of a node of the chain, with its answers checked for shape.

A node that answers nonsense counts as away: another one may know better.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ledger.chain.endpoint import Endpoint, RpcRefusal
from ledger.chain.hexadecimal import octets, quantity, told
from ledger.errors import Refused, Rejected, Unavailable

HASH_BYTES = 32
ADDRESS_BYTES = 20
LATEST = "latest"

_WEI_PER_GWEI = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block's place and price; `fields` is all that the node said of it."""

    number: int
    block_hash: bytes
    time_s: int
    base_fee_wei: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """An event in a receipt or of a search."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    tx_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TxReceipt:
    """What came of a transaction in a block; `fields` is all that the node said of it."""

    tx_hash: bytes
    succeeded: bool
    block_number: int
    block_hash: bytes
    gas_used: int
    contract: bytes | None
    events: tuple[LogEvent, ...]
    fields: dict[str, Any]


class Node:
    """One node of the chain; each method raises Unavailable, and RpcRefusal if it says no."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = endpoint.url
        self._endpoint = endpoint

    def close(self) -> None:
        """Let go of the node."""
        self._endpoint.close()

    def chain_id(self) -> int:
        """Return the chain's id."""
        with self._shaped("eth_chainId"):
            return quantity(self._endpoint.request("eth_chainId", []))

    def code(self, address: bytes) -> bytes:
        """Return the code at an address, nothing if it is no contract."""
        with self._shaped("eth_getCode"):
            return octets(self._endpoint.request("eth_getCode", [told(address), LATEST]))

    def nonce(self, address: bytes, tag: str = LATEST) -> int:
        """Return how many transactions of an account the latest or pending block knows."""
        with self._shaped("eth_getTransactionCount"):
            asked = [told(address), tag]
            return quantity(self._endpoint.request("eth_getTransactionCount", asked))

    def balance_wei(self, address: bytes) -> int:
        """Return what an account holds [wei]."""
        with self._shaped("eth_getBalance"):
            return quantity(self._endpoint.request("eth_getBalance", [told(address), LATEST]))

    def call(self, to: bytes, data: bytes, *, sender: bytes | None = None) -> bytes:
        """Return what a contract answers on the state after the latest block."""
        with self._shaped("eth_call"):
            return octets(self._endpoint.request("eth_call", [_message(to, data, sender), LATEST]))

    def estimated_gas(self, to: bytes | None, data: bytes, *, sender: bytes) -> int:
        """Return the gas limit that a transaction needs; a contract's no comes as RpcRefusal."""
        with self._shaped("eth_estimateGas"):
            # Not on the pending state, as some nodes would: a transaction of ours may wait there.
            asked = [_message(to, data, sender), LATEST]
            return quantity(self._endpoint.request("eth_estimateGas", asked))

    def block(self, number_or_hash: int | bytes | None = None) -> Block | None:
        """Return a block of the chain as the node sees it now, the latest by default."""
        by_hash = isinstance(number_or_hash, bytes)
        method = "eth_getBlockByHash" if by_hash else "eth_getBlockByNumber"
        asked = LATEST if number_or_hash is None else told(number_or_hash)
        with self._shaped(method):
            fields = self._endpoint.request(method, [asked, False])
            return None if fields is None else _block(_object(fields))

    def latest(self) -> Block:
        """Return the latest block."""
        block = self.block()
        if block is None:
            raise Unavailable("the node has no block yet", where=self.url)
        return block

    def receipt(self, tx_hash: bytes) -> TxReceipt | None:
        """Return what came of a transaction, None if it is in no block."""
        with self._shaped("eth_getTransactionReceipt"):
            fields = self._endpoint.request("eth_getTransactionReceipt", [told(tx_hash)])
            found = None if fields is None else receipt_of(_object(fields))
        if found is not None and found.tx_hash != tx_hash:
            raise Unavailable("the node gave the receipt of another transaction", where=self.url)
        return found

    def receipts(self, block: Block) -> list[TxReceipt]:
        """Return all receipts of a block, in order."""
        transactions = block.fields.get("transactions")
        try:
            with self._shaped("eth_getBlockReceipts"):
                listed = self._endpoint.request("eth_getBlockReceipts", [told(block.block_hash)])
                return [receipt_of(_object(fields)) for fields in _list(listed)]
        except RpcRefusal:
            # Not every node knows this method: one by one then.
            with self._shaped("eth_getBlockByHash"):
                hashes = [octets(one, HASH_BYTES) for one in _list(transactions)]
            found = [self.receipt(one) for one in hashes]
            return [one for one in found if one is not None]

    def knows(self, tx_hash: bytes) -> bool:
        """Tell whether the node has a transaction, in a block or waiting."""
        return self._endpoint.request("eth_getTransactionByHash", [told(tx_hash)]) is not None

    def send(self, raw: bytes) -> None:
        """Hand a signed transaction to the node."""
        self._endpoint.request("eth_sendRawTransaction", [told(raw)])

    def tip_wei(self) -> int:
        """Return what the node thinks a proposer wants per unit of gas [wei]."""
        try:
            with self._shaped("eth_maxPriorityFeePerGas"):
                return quantity(self._endpoint.request("eth_maxPriorityFeePerGas", []))
        except RpcRefusal:
            return _WEI_PER_GWEI

    def events(self, address: bytes, topics: Sequence[Sequence[bytes]]) -> list[LogEvent]:
        """Return a contract's events whose first topics are each one of these, oldest first."""
        wanted = {
            "address": told(address),
            "topics": [[told(topic) for topic in choice] for choice in topics],
            "fromBlock": "earliest",
            "toBlock": LATEST,
        }
        with self._shaped("eth_getLogs"):
            listed = self._endpoint.request("eth_getLogs", [wanted])
            return [_event(_object(fields)) for fields in _list(listed)]

    @contextmanager
    def _shaped(self, method: str) -> Iterator[None]:
        try:
            yield
        except Refused:
            raise
        except (Rejected, KeyError) as error:
            if isinstance(error, Rejected) and error.reason != "wrong_shape":
                raise
            raise Unavailable(
                f"the node answers {method} in a shape nobody knows ({error})", where=self.url
            ) from error


def receipt_of(fields: dict[str, Any]) -> TxReceipt:
    """Return the receipt that a node's JSON object tells."""
    contract = fields.get("contractAddress")
    return TxReceipt(
        tx_hash=octets(fields["transactionHash"], HASH_BYTES),
        succeeded=quantity(fields["status"]) == 1,
        block_number=quantity(fields["blockNumber"]),
        block_hash=octets(fields["blockHash"], HASH_BYTES),
        gas_used=quantity(fields["gasUsed"]),
        contract=None if contract is None else octets(contract, ADDRESS_BYTES),
        events=tuple(_event(_object(event)) for event in _list(fields["logs"])),
        fields=fields,
    )


def _block(fields: dict[str, Any]) -> Block:
    if "baseFeePerGas" not in fields:
        raise Rejected("a block without base fee: older than London", reason="wrong_shape")
    return Block(
        number=quantity(fields["number"]),
        block_hash=octets(fields["hash"], HASH_BYTES),
        time_s=quantity(fields["timestamp"]),
        base_fee_wei=quantity(fields["baseFeePerGas"]),
        fields=fields,
    )


def _event(fields: dict[str, Any]) -> LogEvent:
    return LogEvent(
        address=octets(fields["address"], ADDRESS_BYTES),
        topics=tuple(octets(topic, HASH_BYTES) for topic in _list(fields["topics"])),
        data=octets(fields["data"]),
        tx_hash=octets(fields["transactionHash"], HASH_BYTES),
    )


def _message(to: bytes | None, data: bytes, sender: bytes | None) -> dict[str, str]:
    # Nodes of different age read one or the other.
    message = {"data": told(data), "input": told(data)}
    if to is not None:
        message["to"] = told(to)
    if sender is not None:
        message["from"] = told(sender)
    return message


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 -- checks what a node sent
    if not isinstance(value, dict):
        raise Rejected("expected an object", reason="wrong_shape")
    return value


def _list(value: Any) -> list[Any]:  # noqa: ANN401 -- as above
    if not isinstance(value, list):
        raise Rejected("expected a list", reason="wrong_shape")
    return value
