"""Strict CBOR: plain values in one encoding, and nothing else."""

import pytest

from ledger.codec.cbor import decode, encode, need_bytes
from ledger.errors import Rejected


def test_plain_values_come_back() -> None:
    value = [1, -1, b"bytes", "text", None, [2**64 - 1], {1: -7}]
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("", id="nothing"),
        pytest.param("1801", id="longer integer"),
        pytest.param("0101", id="trailing byte"),
        pytest.param("9f01ff", id="indefinite array"),
        pytest.param("5f4101ff", id="indefinite bytes"),
        pytest.param("f97e00", id="NaN"),
        pytest.param("f93c00", id="1.0"),
        pytest.param("f5", id="true"),
        pytest.param("f7", id="undefined"),
        pytest.param("a201000100", id="key twice"),
        pytest.param("a16161f6", id="text key"),
        pytest.param("c24105", id="bignum"),
        pytest.param("d81c80", id="shared reference"),
        pytest.param("c060", id="date"),
        pytest.param("9bffffffffffffffff", id="array longer than memory"),
        pytest.param("5b7fffffffffffffff", id="bytes longer than memory"),
        pytest.param("81" * 100_000, id="deep"),
        pytest.param("61ff", id="bad UTF-8"),
    ],
)
def test_anything_else_is_refused(hostile: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(bytes.fromhex(hostile))
    assert refused.value.reason == "not_canonical"


def test_more_bytes_than_asked_for_are_not_even_read() -> None:
    with pytest.raises(Rejected) as refused:
        decode(encode(bytes(100)), max_bytes=50)
    assert refused.value.reason == "too_long"


@pytest.mark.parametrize("given", [b"1234567", "12345678", None, bytearray(8)])
def test_bytes_of_another_length_or_type_are_refused(given: object) -> None:
    with pytest.raises(Rejected, match="expected 8 bytes"):
        need_bytes(given, 8)
