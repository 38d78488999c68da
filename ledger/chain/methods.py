"""The JSON-RPC methods of the embedded chain, as Ethereum's execution API describes them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from eth.abc import BlockHeaderAPI, SignedTransactionAPI
from eth_utils.address import to_checksum_address
from rlp import encode

from ledger import rlp, trie
from ledger.chain.evm import GAS_LIMIT, Call, EmbeddedChain, Sealed
from ledger.chain.hexadecimal import octets, quantity, told
from ledger.chain.store import Event, EventFilter
from ledger.errors import Refused, Rejected
from ledger.keccak import keccak256

if TYPE_CHECKING:
    from eth.vm.forks.prague.blocks import PragueBlockHeader

Json = Any
Method = Callable[[EmbeddedChain, Sequence[Json]], Json]

_ADDRESS_BYTES = 20
_HASH_BYTES = 32
_BLOOM_BYTES = 256
_NEWEST = {"latest", "pending", "safe", "finalized"}
_MOST_TOPICS = 4
_MOST_BLOCKS_OF_FEES = 1_024
_CLIENT = "certiflex-embedded"


def answer(chain: EmbeddedChain, method: str, params: Sequence[Json]) -> Json:
    """Return what the chain answers to one request.

    Raises:
        LookupError: there is no such method.
        Rejected: the parameters are wrong.
        Refused: the chain said no.
    """
    return METHODS[method](chain, params)


def _param(params: Sequence[Json], index: int, default: Json = None) -> Json:
    value = params[index] if index < len(params) else None
    return default if value is None else value


def _header(chain: EmbeddedChain, tag: Json) -> BlockHeaderAPI | None:
    """Return the header that a tag, a number, a hash or an EIP-1898 object names."""
    if isinstance(tag, dict):
        tag = tag.get("blockHash", tag.get("blockNumber"))
    if not isinstance(tag, str):
        raise Rejected("expected a block by number, tag or hash", reason="wrong_shape")
    if tag in _NEWEST:
        return chain.head()
    if tag == "earliest":
        return chain.header(0)
    if len(tag) == 2 + 2 * _HASH_BYTES:
        return chain.header(octets(tag))
    return chain.header(quantity(tag))


def _state_header(chain: EmbeddedChain, tag: Json) -> BlockHeaderAPI:
    header = _header(chain, tag)
    if header is None:
        raise Refused("header not found", reason="unknown_block")
    return header


def _call(params: Sequence[Json]) -> Call:
    given = _param(params, 0)
    if not isinstance(given, Mapping):
        raise Rejected("expected an object that describes the call", reason="wrong_shape")
    data = given.get("input", given.get("data", "0x"))
    to = given.get("to")
    return Call(
        to=None if to is None else octets(to, _ADDRESS_BYTES),
        data=octets(data),
        sender=octets(given.get("from", "0x" + "00" * _ADDRESS_BYTES), _ADDRESS_BYTES),
        value_wei=quantity(given.get("value", "0x0")),
        gas=min(quantity(given.get("gas", hex(GAS_LIMIT))), GAS_LIMIT),
    )


def _block(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    header = _header(chain, _param(params, 0, "latest"))
    if header is None:
        return None
    block = chain.block(header)
    full = _param(params, 1, default=False) is True
    return {
        **_header_fields(header),
        "size": told(len(encode(block))),
        "transactions": [
            _transaction(one, header) if full else told(bytes(one.hash))
            for one in block.transactions
        ],
        "uncles": [],
        "withdrawals": [],
    }


def _header_fields(header: BlockHeaderAPI) -> dict[str, Json]:
    return {
        "hash": told(bytes(header.hash)),
        "parentHash": told(bytes(header.parent_hash)),
        "sha3Uncles": told(bytes(header.uncles_hash)),
        "miner": to_checksum_address(header.coinbase),
        "stateRoot": told(bytes(header.state_root)),
        "transactionsRoot": told(bytes(header.transaction_root)),
        "receiptsRoot": told(bytes(header.receipt_root)),
        "logsBloom": told(header.bloom.to_bytes(_BLOOM_BYTES, "big")),
        "difficulty": told(header.difficulty),
        "totalDifficulty": told(0),
        "number": told(header.block_number),
        "gasLimit": told(header.gas_limit),
        "gasUsed": told(header.gas_used),
        "timestamp": told(header.timestamp),
        "extraData": told(bytes(header.extra_data)),
        "mixHash": told(bytes(header.mix_hash)),
        "nonce": told(bytes(header.nonce)),
        "baseFeePerGas": told(header.base_fee_per_gas or 0),
        "withdrawalsRoot": told(bytes(header.withdrawals_root or trie.EMPTY_ROOT)),
        "blobGasUsed": told(header.blob_gas_used),
        "excessBlobGas": told(header.excess_blob_gas),
        "parentBeaconBlockRoot": told(bytes(header.parent_beacon_block_root or bytes(32))),
        "requestsHash": told(bytes(cast("PragueBlockHeader", header).requests_hash)),
    }


def _kind(transaction: SignedTransactionAPI) -> int:
    return transaction.type_id or 0


def _effective_fee_wei(transaction: SignedTransactionAPI, header: BlockHeaderAPI) -> int:
    base_fee_wei = header.base_fee_per_gas or 0
    tip_wei = min(transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas - base_fee_wei)
    return base_fee_wei + tip_wei


def _transaction(transaction: SignedTransactionAPI, header: BlockHeaderAPI) -> Json:
    y_parity = transaction.y_parity
    shown: dict[str, Json] = {
        "hash": told(bytes(transaction.hash)),
        "nonce": told(transaction.nonce),
        "blockHash": told(bytes(header.hash)),
        "blockNumber": told(header.block_number),
        "transactionIndex": told(0),
        "from": to_checksum_address(transaction.sender),
        "to": to_checksum_address(transaction.to) if transaction.to else None,
        "value": told(transaction.value),
        "gas": told(transaction.gas),
        "gasPrice": told(_effective_fee_wei(transaction, header)),
        "input": told(transaction.data),
        "type": told(_kind(transaction)),
        "chainId": told(transaction.chain_id or 0),
        "r": told(transaction.r),
        "s": told(transaction.s),
        "v": told(y_parity if _kind(transaction) else 27 + y_parity),
    }
    if _kind(transaction):
        shown["yParity"] = told(y_parity)
        shown["accessList"] = [
            {
                "address": to_checksum_address(address),
                "storageKeys": [told(slot.to_bytes(_HASH_BYTES, "big")) for slot in slots],
            }
            for address, slots in transaction.access_list
        ]
    if _kind(transaction) > 1:
        shown["maxFeePerGas"] = told(transaction.max_fee_per_gas)
        shown["maxPriorityFeePerGas"] = told(transaction.max_priority_fee_per_gas)
    return shown


def _event(event: Event, header: BlockHeaderAPI) -> Json:
    return {
        "address": to_checksum_address(event.address),
        "topics": [told(topic) for topic in event.topics],
        "data": told(event.data),
        "blockNumber": told(event.block),
        "blockHash": told(bytes(header.hash)),
        "blockTimestamp": told(header.timestamp),
        "transactionHash": told(event.transaction_hash),
        "transactionIndex": told(0),
        "logIndex": told(event.position),
        "removed": False,
    }


def _receipt(chain: EmbeddedChain, sealed: Sealed) -> Json:
    transaction, header, receipt = sealed.transaction, sealed.header, sealed.receipt
    number = header.block_number
    events = chain.events(EventFilter(from_block=number, to_block=number))
    created = None
    if not transaction.to:
        named = rlp.encode([bytes(transaction.sender), rlp.encode_integer(transaction.nonce)])
        created = to_checksum_address(keccak256(named)[12:])
    return {
        "transactionHash": told(bytes(transaction.hash)),
        "transactionIndex": told(0),
        "blockHash": told(bytes(header.hash)),
        "blockNumber": told(number),
        "from": to_checksum_address(transaction.sender),
        "to": to_checksum_address(transaction.to) if transaction.to else None,
        "cumulativeGasUsed": told(receipt.gas_used),
        "gasUsed": told(receipt.gas_used),
        "contractAddress": created,
        "logs": [_event(event, header) for event in events],
        "logsBloom": told(receipt.bloom.to_bytes(_BLOOM_BYTES, "big")),
        "status": told(1 if receipt.state_root == b"\x01" else 0),
        "effectiveGasPrice": told(_effective_fee_wei(transaction, header)),
        "type": told(_kind(transaction)),
    }


def _transaction_receipt(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    sealed = chain.sealed(octets(_param(params, 0), _HASH_BYTES))
    return None if sealed is None else _receipt(chain, sealed)


def _transaction_by_hash(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    sealed = chain.sealed(octets(_param(params, 0), _HASH_BYTES))
    return None if sealed is None else _transaction(sealed.transaction, sealed.header)


def _block_receipts(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    header = _header(chain, _param(params, 0, "latest"))
    if header is None:
        return None
    found = [chain.sealed(bytes(one.hash)) for one in chain.block(header).transactions]
    return [_receipt(chain, sealed) for sealed in found if sealed is not None]


def _fee_history(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    asked = _param(params, 0)
    # Some clients send a plain number.
    count = max(asked, 0) if type(asked) is int else quantity(asked)
    newest = _state_header(chain, _param(params, 1, "latest"))
    first = max(0, newest.block_number - min(count, _MOST_BLOCKS_OF_FEES) + 1)
    headers = [_state_header(chain, hex(n)) for n in range(first, newest.block_number + 1)]
    percentiles = _param(params, 2, [])
    if not isinstance(percentiles, list):
        raise Rejected("expected a list of percentiles", reason="wrong_shape")
    return {
        "oldestBlock": told(first),
        "baseFeePerGas": [told(one.base_fee_per_gas or 0) for one in headers]
        + [told(_base_fee_wei(newest))],
        "gasUsedRatio": [one.gas_used / one.gas_limit for one in headers],
        # No transaction here carries blobs: their price stays at its least.
        "baseFeePerBlobGas": [told(1)] * (len(headers) + 1),
        "blobGasUsedRatio": [0.0] * len(headers),
        "reward": [[told(1)] * len(percentiles) for _ in headers],
    }


def _base_fee_wei(parent: BlockHeaderAPI) -> int:
    """Return the base fee of the block after this one [wei]. Source: EIP-1559."""
    base_fee_wei = parent.base_fee_per_gas or 0
    target = parent.gas_limit // 2
    change_wei = base_fee_wei * abs(parent.gas_used - target) // target // 8
    if parent.gas_used > target:
        return base_fee_wei + max(change_wei, 1)
    return base_fee_wei - change_wei


def _events(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    given = _param(params, 0, {})
    if not isinstance(given, Mapping):
        raise Rejected("expected a filter object", reason="wrong_shape")
    first: int
    last: int
    if "blockHash" in given:
        first = last = _state_header(chain, given["blockHash"]).block_number
    else:
        last_header = _header(chain, given.get("toBlock", "latest")) or chain.head()
        first_header = _header(chain, given.get("fromBlock", "latest"))
        last = last_header.block_number
        first = last + 1 if first_header is None else first_header.block_number
    wanted = EventFilter(
        from_block=first,
        to_block=last,
        addresses=_choice(given.get("address"), _ADDRESS_BYTES),
        topics=_topics(given.get("topics", [])),
    )
    return [_event(one, _state_header(chain, hex(one.block))) for one in chain.events(wanted)]


def _topics(given: Json) -> tuple[frozenset[bytes], ...]:
    if not isinstance(given, list) or len(given) > _MOST_TOPICS:
        raise Rejected("expected up to four topics", reason="wrong_shape")
    return tuple(_choice(one, _HASH_BYTES) for one in given)


def _choice(given: Json, length: int) -> frozenset[bytes]:
    if given is None:
        return frozenset()
    listed = given if isinstance(given, list) else [given]
    return frozenset(octets(one, length) for one in listed)


def _proof(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    address = octets(_param(params, 0), _ADDRESS_BYTES)
    keys = _param(params, 1, [])
    if not isinstance(keys, list):
        raise Rejected("expected a list of storage keys", reason="wrong_shape")
    header = _state_header(chain, _param(params, 2, "latest"))
    slots = [int.from_bytes(_storage_key(key), "big") for key in keys]
    account = chain.account(address, header)
    proof = chain.proof(address, slots, header)
    return {
        "address": to_checksum_address(address),
        "accountProof": [told(node) for node in proof.nodes],
        "balance": told(account.balance_wei),
        "nonce": told(account.nonce),
        "codeHash": told(proof.code_hash),
        "storageHash": told(proof.storage_root),
        "storageProof": [
            {
                "key": told(one.slot),
                "value": told(one.value),
                "proof": [told(node) for node in one.nodes],
            }
            for one in proof.storage
        ],
    }


def _storage_key(given: Json) -> bytes:
    if isinstance(given, str) and len(given) == 2 + 2 * _HASH_BYTES:
        return octets(given)
    return quantity(given).to_bytes(_HASH_BYTES, "big")


def _storage(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    address = octets(_param(params, 0), _ADDRESS_BYTES)
    slot = int.from_bytes(_storage_key(_param(params, 1)), "big")
    header = _state_header(chain, _param(params, 2, "latest"))
    return told(chain.stored(address, slot, header).to_bytes(_HASH_BYTES, "big"))


def _of_account(show: Callable[[Any], int | bytes]) -> Method:
    def method(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
        address = octets(_param(params, 0), _ADDRESS_BYTES)
        header = _state_header(chain, _param(params, 1, "latest"))
        return told(show(chain.account(address, header)))

    return method


def _constant(show: Callable[[EmbeddedChain], Json]) -> Method:
    def method(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
        del params
        return show(chain)

    return method


def _contract_call(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    header = _state_header(chain, _param(params, 1, "latest"))
    return told(chain.call(_call(params), header))


def _estimate(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    header = _state_header(chain, _param(params, 1, "latest"))
    return told(chain.estimated_gas(_call(params), header))


def _send(chain: EmbeddedChain, params: Sequence[Json]) -> Json:
    return told(chain.send(octets(_param(params, 0))))


METHODS: dict[str, Method] = {
    "eth_accounts": _constant(lambda _: []),
    "eth_blockNumber": _constant(lambda chain: told(chain.head().block_number)),
    "eth_call": _contract_call,
    "eth_chainId": _constant(lambda chain: told(chain.chain_id)),
    "eth_estimateGas": _estimate,
    "eth_feeHistory": _fee_history,
    "eth_gasPrice": _constant(lambda chain: told(_base_fee_wei(chain.head()) + 1)),
    "eth_getBalance": _of_account(lambda account: account.balance_wei),
    "eth_getBlockByHash": _block,
    "eth_getBlockByNumber": _block,
    "eth_getBlockReceipts": _block_receipts,
    "eth_getCode": _of_account(lambda account: account.code),
    "eth_getLogs": _events,
    "eth_getProof": _proof,
    "eth_getStorageAt": _storage,
    "eth_getTransactionByHash": _transaction_by_hash,
    "eth_getTransactionCount": _of_account(lambda account: account.nonce),
    "eth_getTransactionReceipt": _transaction_receipt,
    "eth_maxPriorityFeePerGas": _constant(lambda _: told(1)),
    "eth_sendRawTransaction": _send,
    "eth_syncing": _constant(lambda _: False),
    "net_version": _constant(lambda chain: str(chain.chain_id)),
    "web3_clientVersion": _constant(lambda _: _CLIENT),
}
