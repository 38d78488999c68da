"""RLP: what is written reads back, and nothing but the one encoding is read."""

import pytest
import rlp as reference
from hypothesis import given
from hypothesis import strategies as st

from ledger import rlp
from ledger.errors import Rejected

items = st.recursive(
    st.binary(max_size=80), lambda below: st.lists(below, max_size=4), max_leaves=8
)


@given(items)
def test_what_is_written_reads_back(item: rlp.Item) -> None:
    encoded = rlp.encode(item)
    assert encoded == reference.encode(item)
    if depth(item) < 8:
        assert rlp.decode(encoded) == item


def depth(item: rlp.Item) -> int:
    return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0


@given(st.binary(max_size=60))
def test_only_the_one_encoding_is_read(encoded: bytes) -> None:
    try:
        item = rlp.decode(encoded)
    except Rejected:
        return
    assert rlp.encode(item) == encoded


@pytest.mark.parametrize(
    "encoded",
    ["", "8100", "817f", "b800", "b837" + "00" * 55, "b90038" + "00" * 56, "82ff", "c2ff",
     "c483ffff", "f80100", "0000", "c0c0", "bfffffffffffffffff", "ff" + "ff" * 8, "c1" * 9 + "c0"],
)  # fmt: skip
def test_other_forms_are_refused(encoded: str) -> None:
    with pytest.raises(Rejected) as rejected:
        rlp.decode(bytes.fromhex(encoded))
    assert rejected.value.reason == "not_canonical"


def test_integers() -> None:
    for number in (0, 1, 127, 128, 255, 256, 2**64 - 1):
        assert rlp.decode_integer(rlp.encode_integer(number)) == number
    assert rlp.encode_integer(0) == b""
    wrongs: list[rlp.Item] = [b"\x00", b"\x00\x01", b"\xff" * 9, [b"\x01"]]
    for wrong in wrongs:
        with pytest.raises(Rejected):
            rlp.decode_integer(wrong)
