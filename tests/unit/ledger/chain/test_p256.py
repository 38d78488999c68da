"""P-256 on the embedded chain: one for a good signature, silence for anything else."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from ledger.chain.evm import Call, EmbeddedChain
from ledger.chain.p256 import P256_ADDRESS
from ledger.errors import Refused


def p256_input(message: bytes) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    numbers = key.public_key().public_numbers()
    digest = hashes.Hash(hashes.SHA256())
    digest.update(message)
    words = (r, s, numbers.x, numbers.y)
    return digest.finalize() + b"".join(word.to_bytes(32, "big") for word in words)


def test_p256_signatures_are_verified_at_0x100(tmp_path: Path) -> None:
    chain = EmbeddedChain.open(tmp_path, chain_id=7, funded_wei={}, now_s=lambda: 1_000)

    true = p256_input(b"message")

    def verified(given: bytes) -> bytes:
        return chain.call(Call(to=P256_ADDRESS, data=given), chain.head())

    assert verified(true) == bytes(31) + b"\x01"
    for place in range(0, 160, 7):
        wrong = bytearray(true)
        wrong[place] ^= 1
        assert verified(bytes(wrong)) == b""
    for wrong_length in (b"", true[:-1], true + b"\x00", bytes(160), b"\xff" * 160):
        assert verified(wrong_length) == b""
    with pytest.raises(Refused):
        chain.call(Call(to=P256_ADDRESS, data=true, gas=6_899), chain.head())
    chain.close()
