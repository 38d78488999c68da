"""The precompile that verifies P-256, the curve of the nodes' keys, on the embedded chain.

Source: EIP-7951.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth.abc import ComputationAPI
from eth_typing import Address

P256_ADDRESS = Address((0x100).to_bytes(20, "big"))

_GAS = 6_900
_INPUT_BYTES = 160


def p256_verify(computation: ComputationAPI) -> ComputationAPI:
    """Run the precompile at 0x100: one word, 1, if a P-256 signature is good, nothing if not.

    Source: EIP-7951.
    """
    computation.consume_gas(_GAS, reason="P-256 precompile")
    given = bytes(computation.msg.data)
    computation.output = bytes(31) + b"\x01" if _is_good(given) else b""
    return computation


def _is_good(given: bytes) -> bool:
    if len(given) != _INPUT_BYTES:
        return False
    r, s, x, y = (int.from_bytes(given[at : at + 32], "big") for at in (32, 64, 96, 128))
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        signature = utils.encode_dss_signature(r, s)
        key.verify(signature, given[:32], ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    except (ValueError, InvalidSignature):
        return False
    return True
