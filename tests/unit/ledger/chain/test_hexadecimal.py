"""Quantities and bytes of JSON-RPC: one form each."""

import pytest

from ledger.chain.hexadecimal import octets, quantity, told
from ledger.errors import Rejected


@pytest.mark.parametrize("number", [0, 1, 15, 16, 255, 2**64, 2**256 - 1])
def test_quantities_read_back(number: int) -> None:
    assert quantity(told(number)) == number


@pytest.mark.parametrize(
    "text", ["", "0x", "0x00", "0x01", "1", "0X1", "0xg", " 0x1", "0x1\n", "0x" + "1" * 65, 17]
)
def test_other_forms_of_a_number_are_refused(text: object) -> None:
    with pytest.raises(Rejected):
        quantity(text)


def test_bytes_read_back() -> None:
    assert octets(told(b"\x00\xff")) == b"\x00\xff"
    assert octets("0x", 0) == b""
    assert octets("0xABcd", 2) == b"\xab\xcd"


@pytest.mark.parametrize("text", ["", "0", "0x0", "00", "0xzz", "0x00 ", [], 17, None])
def test_other_forms_of_bytes_are_refused(text: object) -> None:
    with pytest.raises(Rejected):
        octets(text)


def test_bytes_of_another_length_are_refused() -> None:
    with pytest.raises(Rejected, match="expected 20 bytes, found 2"):
        octets("0x0000", 20)
