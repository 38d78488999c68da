"""Headers and receipts from JSON: encoded as every fork hashes them."""

from collections.abc import Callable
from typing import Any

import pytest
from eth.abc import BlockHeaderAPI
from eth.vm.forks.cancun.blocks import CancunBlockHeader
from eth.vm.forks.london.blocks import LondonBlockHeader
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.forks.shanghai.blocks import ShanghaiBlockHeader

from ledger.chain import evidence
from ledger.chain.hexadecimal import octets, told
from ledger.chain.node import Block, LogEvent
from ledger.chain.values import RegistryRoot, Submission
from ledger.errors import Rejected
from ledger.keccak import keccak256
from ledger.merkle import Tree
from ledger.receipts import ANCHORED_TOPIC
from tests.chains import submission

PLAIN: dict[str, Any] = {
    "difficulty": 0, "block_number": 4_711, "gas_limit": 30_000_000, "gas_used": 54_321,
    "timestamp": 1_795_406_768, "coinbase": b"c" * 20, "parent_hash": b"p" * 32,
    "state_root": b"s" * 32, "transaction_root": b"t" * 32, "receipt_root": b"r" * 32,
    "bloom": 1 << 2047 | 5, "extra_data": b"extra", "mix_hash": b"m" * 32, "nonce": bytes(8),
    "base_fee_per_gas": 7,
}  # fmt: skip
SHANGHAI = {"withdrawals_root": b"w" * 32}
CANCUN = {"blob_gas_used": 0, "excess_blob_gas": 131_072, "parent_beacon_block_root": b"b" * 32}
PRAGUE = {"requests_hash": b"q" * 32}


def as_json(header: BlockHeaderAPI) -> dict[str, Any]:
    names = {
        "parent_hash": "parentHash", "uncles_hash": "sha3Uncles", "coinbase": "miner",
        "state_root": "stateRoot", "transaction_root": "transactionsRoot",
        "receipt_root": "receiptsRoot", "difficulty": "difficulty", "block_number": "number",
        "gas_limit": "gasLimit", "gas_used": "gasUsed", "timestamp": "timestamp",
        "extra_data": "extraData", "mix_hash": "mixHash", "nonce": "nonce",
        "base_fee_per_gas": "baseFeePerGas", "withdrawals_root": "withdrawalsRoot",
        "blob_gas_used": "blobGasUsed", "excess_blob_gas": "excessBlobGas",
        "parent_beacon_block_root": "parentBeaconBlockRoot", "requests_hash": "requestsHash",
    }  # fmt: skip
    fields = {
        name: told(value if isinstance(value, int) else bytes(value))
        for field, name in names.items()
        if (value := getattr(header, field, None)) is not None
    }
    return fields | {"logsBloom": told(header.bloom.to_bytes(256, "big"))}


def block(fields: dict[str, Any]) -> Block:
    return Block(number=0, block_hash=bytes(32), time_s=0, base_fee_wei=0, fields=fields)


@pytest.mark.parametrize(
    ("fork", "fields"),
    [
        (LondonBlockHeader, PLAIN),
        (ShanghaiBlockHeader, PLAIN | SHANGHAI),
        (CancunBlockHeader, PLAIN | SHANGHAI | CANCUN),
        (PragueBlockHeader, PLAIN | SHANGHAI | CANCUN | PRAGUE),
    ],
    ids=["london", "shanghai", "cancun", "prague"],
)
def test_a_header_of_each_fork_has_its_hash(
    fork: Callable[..., BlockHeaderAPI], fields: dict[str, Any]
) -> None:
    header = fork(**fields)
    assert keccak256(evidence.encoded_header(block(as_json(header)))) == header.hash


def test_a_header_with_a_field_missing_or_wrong_has_none() -> None:
    fields = as_json(LondonBlockHeader(**PLAIN))
    with pytest.raises(KeyError):
        evidence.encoded_header(block({k: v for k, v in fields.items() if k != "mixHash"}))
    with pytest.raises(Rejected):
        evidence.encoded_header(block(fields | {"gasUsed": "0x00"}))


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_receipts_carry_their_type(kind: int) -> None:
    fields = {
        "status": "0x1", "cumulativeGasUsed": "0x5208", "logsBloom": told(bytes(256)),
        "type": hex(kind),
        "logs": [{"address": told(b"a" * 20), "topics": [told(b"t" * 32)], "data": "0x0102"}],
    }  # fmt: skip
    encoded = evidence.encoded_receipt(fields)
    assert (encoded[:1] == bytes([kind])) == (kind > 0)
    assert b"a" * 20 in encoded
    if kind == 0:
        assert encoded == evidence.encoded_receipt({k: v for k, v in fields.items() if k != "type"})


ORDER = submission(Tree([bytes(32)]), 1, 1)
CONTRACT = b"c" * 20


def event(order: Submission | RegistryRoot = ORDER, **changed: Any) -> LogEvent:  # noqa: ANN401
    from ledger.chain.calls import event_data, topics  # noqa: PLC0415 -- what the contract writes

    fields = {
        "address": CONTRACT,
        "topics": tuple(topics(order)),
        "data": event_data(order) + bytes(32),
        "tx_hash": bytes(32),
    }
    return LogEvent(**{**fields, **changed})


def test_an_event_is_of_one_order_only() -> None:
    registry = RegistryRoot(log_id=ORDER.log_id, root=ORDER.root)
    assert evidence.is_of(event(), ORDER, CONTRACT)
    assert evidence.is_of(event(registry), registry, CONTRACT)
    assert not evidence.is_of(event(), registry, CONTRACT)
    assert not evidence.is_of(event(registry), ORDER, CONTRACT)
    assert not evidence.is_of(event(), ORDER, b"d" * 20)
    assert not evidence.is_of(event(data=bytes(96)), ORDER, CONTRACT)
    other = (ANCHORED_TOPIC, ORDER.log_id, octets(told(bytes(31) + b"\x02")))
    assert not evidence.is_of(event(topics=other), ORDER, CONTRACT)
