"""Keys and signatures: COSE_Sign1 (RFC 9052) with ES256 on P-256, or EdDSA on Ed25519.

Each kind of message is signed in a context of its own (the external_aad of RFC 9052 §4.4), so a
receipt can never pass for a segment.
"""

import functools
import hashlib
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from cbor2 import dumps
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from ledger import codec
from ledger.errors import Rejected

Algorithm = Literal["ES256", "EdDSA"]

SEGMENT_CONTEXT = b"certiflex/segment/v1"
RECEIPT_CONTEXT = b"certiflex/receipt/v1"
ENROLMENT_CONTEXT = b"certiflex/enrolment/v1"
DOCUMENT_CONTEXT = b"certiflex/document/v1"

_ES256 = -7
_EDDSA = -8
_ALG, _KID = 1, 4
_SIGN1_TAG = b"\xd2"  # tag 18
_SIGNATURE_BYTES = 64
_SIGNATURE_HEAD = b"\x58\x40"
_USUAL_HEAD = re.compile(
    rb"\xd2\x84\x4d(.{13})\xa0(?:\x58([\x18-\xff])|\x59([\x01-\xff].))", re.DOTALL
)
_USUAL_PROTECTED = re.compile(rb"\xa2\x01[\x26\x27]\x04\x48(.{8})", re.DOTALL)
_KEY_ID_BYTES = 8
_P256_POINT_BYTES = 33
_ED25519_BYTES = 32
_ECDSA = ec.ECDSA(hashes.SHA256())
_CURVE = ec.SECP256R1()
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class VerifyingKey:
    """A public key: 33 bytes (compressed point, P-256) or 32 bytes (Ed25519)."""

    def __init__(self, encoded: bytes) -> None:
        self._encoded = bytes(encoded)
        self._verify, self._algorithm = _verifier(self._encoded)
        self.key_id = hashlib.sha256(self._encoded).digest()[:_KEY_ID_BYTES]
        self._protected = _protected(self._algorithm, self.key_id)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Return the key of 33 bytes (P-256) or 32 bytes (Ed25519).

        Raises:
            Rejected: `bad_key`.
        """
        return cls(encoded)

    def encode(self) -> bytes:
        """Return the bytes that `decode` takes."""
        return self._encoded

    def verify(self, message: bytes, context: bytes) -> bytes:
        """Return the payload of a COSE_Sign1 message that this key signed in this context.

        Raises:
            Rejected: `wrong_key`, `bad_signature`, `wrong_shape` or `not_canonical`.
        """
        protected, payload, signature = _open(message)
        if protected != self._protected:
            raise Rejected("signed with another key or algorithm", reason="wrong_key")
        self.verify_raw(signature, _to_be_signed(protected, context, payload))
        return payload

    def verify_raw(self, signature: bytes, signed: bytes) -> None:
        """Check a bare signature of 64 bytes.

        Raises:
            Rejected: `bad_signature`.
        """
        try:
            self._verify(signature, signed)
        except (InvalidSignature, ValueError) as error:
            raise Rejected("the signature does not match", reason="bad_signature") from error

    def __eq__(self, other: object) -> bool:
        """Tell whether both are the same key."""
        return isinstance(other, VerifyingKey) and self._encoded == other._encoded

    def __hash__(self) -> int:
        """Return a hash that goes with equality."""
        return hash(self._encoded)


class SigningKey:
    """A private key, kept in a PEM file that only its owner can read."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
        self._key = key
        self.public = VerifyingKey(_public_bytes(key))
        algorithm = _EDDSA if isinstance(key, ed25519.Ed25519PrivateKey) else _ES256
        self._protected = _protected(algorithm, self.public.key_id)

    @classmethod
    def generate(cls, algorithm: Algorithm = "ES256") -> Self:
        """Return a new key from the operating system's randomness."""
        if algorithm == "EdDSA":
            return cls(ed25519.Ed25519PrivateKey.generate())
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the key in a file.

        Raises:
            Rejected: the file is missing, unreadable, open to others, or holds no such key.
        """
        pem = read_secret(path, what="key")
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Rejected(
                f"holds no private key in PEM form ({error})",
                where=str(path),
                remedy="restore the file from its backup, or enrol again with a new key",
                reason="bad_key",
            ) from error
        if isinstance(key, ed25519.Ed25519PrivateKey) or (
            isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
        ):
            return cls(key)
        raise Rejected(
            "holds a key of another kind; expected P-256 or Ed25519",
            where=str(path),
            reason="bad_key",
        )

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner can read (0600).

        Raises:
            Rejected: there is a file already, or it cannot be written.
        """
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_secret(path, pem, what="key")

    def sign(self, payload: bytes, context: bytes) -> bytes:
        """Return a COSE_Sign1 message over the payload in this context."""
        signature = self.sign_raw(_to_be_signed(self._protected, context, payload))
        return _SIGN1_TAG + dumps([self._protected, {}, payload, signature])

    def sign_raw(self, message: bytes) -> bytes:
        """Return a bare signature of 64 bytes: r and s, or Ed25519's."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = decode_dss_signature(self._key.sign(message, _ECDSA))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def payload_of(message: bytes) -> tuple[bytes, bytes]:
    """Return the key id and payload that a COSE_Sign1 message claims, not yet verified.

    Raises:
        Rejected: `wrong_shape` or `not_canonical`.
    """
    protected, payload, _ = _open(message)
    if usual := _USUAL_PROTECTED.fullmatch(protected):
        return usual[1], payload
    match codec.decode(protected):
        case {1: _, 4: bytes(key_id)}:
            return key_id, payload
        case _:
            raise Rejected("names no key", reason="wrong_shape")


def read_secret(path: Path, *, what: str) -> bytes:
    """Return the bytes of a file that only its owner may read.

    Raises:
        Rejected: the file is missing, unreadable, or open to others.
    """
    try:
        open_to_others = path.stat().st_mode & _OTHERS
        secret = path.read_bytes()
    except OSError as error:
        raise Rejected(
            f"the {what} file cannot be read ({error.strerror})",
            where=str(path),
            remedy="check the path in the configuration and who owns the file",
            reason="unreadable_key",
        ) from error
    if open_to_others:
        raise Rejected(
            f"the {what} file is open to others",
            where=str(path),
            remedy=f"type: chmod 600 {path}",
            reason="exposed_key",
        )
    return secret


def write_secret(path: Path, secret: bytes, *, what: str) -> None:
    """Write bytes, durably, to a new file that only its owner may read.

    Raises:
        Rejected: there is a file already, or it cannot be written.
    """
    if path.exists():
        raise Rejected(
            f"there is a {what} file already; it is never overwritten",
            where=str(path),
            remedy="move it away first if you really want a new one",
            reason="key_exists",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise Rejected(
            f"the {what} file cannot be written ({error.strerror})", where=str(path)
        ) from error


def _open(message: bytes) -> tuple[bytes, bytes, bytes]:
    if opened := _open_usual(message):
        return opened
    if message[:1] == _SIGN1_TAG:
        match codec.decode(message[1:]):
            case [bytes(protected), {**unprotected}, bytes(payload), bytes(signature)] if (
                not unprotected and len(signature) == _SIGNATURE_BYTES
            ):
                return protected, payload, signature
    raise Rejected("no COSE_Sign1 message", reason="wrong_shape")


def _open_usual(message: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return the parts of a message as `sign` writes it; None leaves it to the codec.

    This is the hot path of the gateway: what fits byte for byte needs no decoding.
    """
    head = _USUAL_HEAD.match(message)
    if head is None:
        return None
    start = head.end()
    end = start + int.from_bytes(head[2] or head[3], "big")
    if len(message) != end + 2 + _SIGNATURE_BYTES or message[end : end + 2] != _SIGNATURE_HEAD:
        return None
    return head[1], message[start:end], message[end + 2 :]


def _protected(algorithm: int, key_id: bytes) -> bytes:
    return codec.encode({_ALG: algorithm, _KID: key_id})


def _to_be_signed(protected: bytes, context: bytes, payload: bytes) -> bytes:
    return _signed_head(protected, context) + dumps(payload)


@functools.lru_cache(maxsize=1 << 16)
def _signed_head(protected: bytes, context: bytes) -> bytes:
    """Return all but the payload of the Sig_structure (RFC 9052 §4.4), an array of four."""
    return b"\x84" + b"".join(map(dumps, ("Signature1", protected, context)))


def _public_bytes(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.public_key().public_bytes_raw()
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )


def _verifier(encoded: bytes) -> tuple[Callable[[bytes, bytes], None], int]:
    try:
        if len(encoded) == _ED25519_BYTES:
            return ed25519.Ed25519PublicKey.from_public_bytes(encoded).verify, _EDDSA
        if len(encoded) == _P256_POINT_BYTES:
            point = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, encoded)
            return _ecdsa_verifier(point), _ES256
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Rejected(f"no public key: {error}", reason="bad_key") from error
    raise Rejected(f"no public key: {len(encoded)} bytes", reason="bad_key")


def _ecdsa_verifier(key: ec.EllipticCurvePublicKey) -> Callable[[bytes, bytes], None]:
    def verify(signature: bytes, signed: bytes) -> None:
        if len(signature) != _SIGNATURE_BYTES:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), signed, _ECDSA)

    return verify
