"""The chain part of a bundle: true ones are read, no other event or block gets through."""

from dataclasses import replace

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from ledger import codec, rlp, trie
from ledger.errors import Rejected
from ledger.receipts import (
    ANCHORED_TOPIC,
    AnchoredEvent,
    ChainPart,
    anchored_event,
    decode_chain_part,
    encode_chain_part,
)

CONTRACT, LOG, ROOT, META = b"c" * 20, b"l" * 32, b"r" * 32, b"m" * 32


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


EVENT: rlp.Item = [CONTRACT, [ANCHORED_TOPIC, LOG, word(7)], ROOT + word(99) + META]


def receipt(*events: rlp.Item, status: bytes = b"\x01", kind: bytes = b"\x02") -> bytes:
    return kind + rlp.encode([status, b"\x9c\x40", bytes(256), list(events)])


def part(*receipts: bytes, index: int = 0, log_index: int = 0, fields: int = 21) -> ChainPart:
    values = {rlp.encode(rlp.encode_integer(n)): one for n, one in enumerate(receipts)}
    root, nodes = trie.built(values)
    header: list[rlp.Item] = [bytes([n]) * 32 for n in range(fields)]
    header[5], header[8], header[11] = root, rlp.encode_integer(4_711), rlp.encode_integer(1_234)
    key = rlp.encode(rlp.encode_integer(index))
    return ChainPart(
        header=rlp.encode(header),
        transaction_index=index,
        proof=trie.proof(nodes, root, key),
        log_index=log_index,
    )


def read(given_part: ChainPart) -> AnchoredEvent:
    return anchored_event(encode_chain_part(given_part))


def test_the_event_and_its_block() -> None:
    true = part(receipt(EVENT))
    assert read(true) == AnchoredEvent(
        block_hash=keccak(true.header), block_number=4_711, block_time_s=1_234,
        contract=CONTRACT, log_id=LOG, sequence=7, root=ROOT, size=99, meta=META,
    )  # fmt: skip
    assert decode_chain_part(encode_chain_part(true)) == true


@pytest.mark.parametrize("index", [0, 1, 130, 199])
@pytest.mark.parametrize("kind", [b"", b"\x01", b"\x02"])
def test_one_transaction_among_many(index: int, kind: bytes) -> None:
    others = [receipt(status=b"\x01", kind=kind)] * 200
    others[index] = receipt([CONTRACT, [], b""], EVENT, kind=kind)
    assert read(part(*others, index=index, log_index=1)).sequence == 7


@pytest.mark.parametrize("fields", [15, 16, 17, 20, 21, 22])
def test_headers_of_every_fork(fields: int) -> None:
    assert read(part(receipt(EVENT), fields=fields)).block_number == 4_711


def other(**changed: rlp.Item) -> rlp.Item:
    fields: dict[str, rlp.Item] = {
        "contract": CONTRACT,
        "topics": [ANCHORED_TOPIC, LOG, word(7)],
        "data": ROOT + word(99) + META,
    }
    return [*{**fields, **changed}.values()]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (part(receipt(EVENT, status=b"")), "not_succeeded"),
        (part(receipt(EVENT, status=bytes(32))), "not_succeeded"),
        (part(receipt(EVENT), log_index=1), "other_event"),
        (part(receipt()), "other_event"),
        (part(receipt(other(topics=[keccak(b"Other()"), LOG, word(7)]))), "other_event"),
        (part(receipt(other(topics=[ANCHORED_TOPIC, LOG]))), "other_event"),
        (part(receipt(other(topics=[ANCHORED_TOPIC, b"l", word(7)]))), "other_event"),
        (part(receipt(other(contract=b"c"))), "other_event"),
        (part(receipt(other(data=ROOT))), "other_event"),
        (part(receipt(b"event")), "other_event"),
        (part(receipt(other(topics=[ANCHORED_TOPIC, LOG, word(2**64)]))), "wrong_shape"),
        (part(receipt(other(data=ROOT + word(2**64) + META))), "wrong_shape"),
        (part(b"\x02" + rlp.encode([b"\x01"])), "wrong_shape"),
        (part(b"\x02" + rlp.encode(b"receipt")), "wrong_shape"),
        (part(receipt(EVENT), fields=14), "wrong_shape"),
        (replace(part(receipt(EVENT)), header=rlp.encode(b"header")), "wrong_shape"),
        (replace(part(receipt(EVENT)), header=b"\xc1"), "not_canonical"),
        (replace(part(receipt(EVENT)), transaction_index=1), "bad_proof"),
        (replace(part(receipt(EVENT)), proof=(b"node",)), "bad_proof"),
    ],
)
def test_nothing_else_gets_through(wrong: ChainPart, reason: str) -> None:
    with pytest.raises(Rejected) as rejected:
        read(wrong)
    assert rejected.value.reason == reason


TRUE = part(receipt(EVENT))


@pytest.mark.parametrize(
    "value",
    [
        [1, TRUE.header, 0, [], 0],
        [2, TRUE.header, 0, list(TRUE.proof), 0],
        [1, TRUE.header, -1, list(TRUE.proof), 0],
        [1, TRUE.header, 0, list(TRUE.proof), 1 << 32],
        [1, TRUE.header, 0, ["node"], 0],
        [1, TRUE.header, 0, [b"n"] * 17, 0],
        [1, TRUE.header, 0, list(TRUE.proof)],
        {1: TRUE.header},
    ],
    ids=["no proof", "version", "negative", "large", "text", "long", "short", "map"],
)
def test_what_is_no_chain_part_is_refused(value: object) -> None:
    with pytest.raises(Rejected) as rejected:
        anchored_event(codec.encode(value))
    assert rejected.value.reason == "wrong_shape"


@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    encoded = bytearray(encode_chain_part(TRUE))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        event = anchored_event(bytes(encoded))
    except Rejected:
        return
    assert event.block_hash != keccak(TRUE.header), "only another block may say something else"
    assert event.root == ROOT


@given(st.binary(max_size=300))
def test_garbage_is_refused(encoded: bytes) -> None:
    with pytest.raises(Rejected):
        anchored_event(encoded)
