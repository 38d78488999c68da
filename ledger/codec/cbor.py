"""Plain values as deterministic CBOR (RFC 8949 §4.2), and strict decoding of it."""

from typing import Any, NoReturn

from cbor2 import CBORDecodeError, dumps, loads

from ledger.errors import Rejected

VERSION = 1
HASH_BYTES = 32
MAX_TEXT = 200
U32 = (1 << 32) - 1
U48 = (1 << 48) - 1

MAX_ENCODED_BYTES = 1 << 20
_SCALARS = {int, bytes, str, type(None)}


def encode(value: Any) -> bytes:  # noqa: ANN401 -- CBOR carries any plain value
    """Return the one deterministic encoding of plain integers, bytes, texts, arrays, None."""
    return dumps(value, canonical=True)


def decode(encoded: bytes, max_bytes: int = MAX_ENCODED_BYTES) -> Any:  # noqa: ANN401 -- CBOR carries any plain value
    """Return the value of an encoding, if it is the deterministic one.

    Raises:
        Rejected: no CBOR, bytes too many, or another encoding of the same value.
    """
    if len(encoded) > max_bytes:
        reject(f"{len(encoded)} bytes; at most {max_bytes} are read", "too_long")
    value = loads_plain(encoded)
    if not _is_plain(value) or encode(value) != encoded:
        reject("not the deterministic encoding of plain values", "not_canonical")
    return value


def reject(what: str, reason: str) -> NoReturn:
    """Refuse the bytes at hand, with a reason for machines."""
    raise Rejected(what, reason=reason)


def loads_plain(encoded: bytes) -> Any:  # noqa: ANN401 -- CBOR carries any plain value
    """Return what the bytes decode to, in whatever encoding.

    Raises:
        Rejected: `not_canonical`: no CBOR at all.
    """
    try:
        return loads(encoded)
    except (CBORDecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Rejected(f"no CBOR: {error}", reason="not_canonical") from error


def _is_plain(value: Any) -> bool:  # noqa: ANN401 -- checks what it is given
    """Tell whether a value is made of what we write; True and 1.0, equal to 1, are not."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is list:
        return all(_is_plain(entry) for entry in value if type(entry) not in _SCALARS)
    return kind is dict and all(
        type(key) is int and _is_plain(entry) for key, entry in value.items()
    )


def need_bytes(given: Any, length: int) -> None:  # noqa: ANN401 -- checks what it is given
    """Refuse anything but a byte string of this length."""
    if type(given) is not bytes or len(given) != length:
        reject(f"expected {length} bytes", "wrong_shape")
