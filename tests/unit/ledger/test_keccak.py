"""Keccak-256 against two implementations not written here, and against published digests."""

import pytest
from Crypto.Hash import keccak as reference
from eth_hash.auto import keccak as ethereum
from hypothesis import given
from hypothesis import strategies as st

from ledger.keccak import keccak256


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"\x80", "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
        (b"Transfer(address,address,uint256)",
         "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
    ],
)  # fmt: skip
def test_published_digests(message: bytes, digest: str) -> None:
    assert keccak256(message).hex() == digest


@pytest.mark.parametrize("length", [*range(134, 139), *range(270, 275), 1_000, 10_000])
def test_borders_of_the_block(length: int) -> None:
    message = bytes(range(256)) * 40
    assert keccak256(message[:length]) == ethereum(message[:length])


@given(st.binary(max_size=600))
def test_any_message(message: bytes) -> None:
    known = reference.new(digest_bits=256, data=message).digest()
    assert keccak256(message) == known == ethereum(message)
