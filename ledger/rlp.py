"""Recursive Length Prefix, Ethereum's encoding of nested byte strings, read strictly.

Source: Ethereum yellow paper, appendix B.
"""

from collections.abc import Sequence

from ledger.errors import Rejected

Item = bytes | list["Item"]
"""A byte string, or a list of items."""

Encodable = bytes | Sequence["Encodable"]
"""An item to encode; any sequence stands for a list."""

_SHORT = 55
_STRING = 0x80
_LIST = 0xC0
_MAX_DEPTH = 8


def encode(item: Encodable) -> bytes:
    """Return the encoding of an item."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _STRING:
            return item
        return _head(len(item), _STRING) + item
    body = b"".join(map(encode, item))
    return _head(len(body), _LIST) + body


def encode_integer(number: int) -> bytes:
    """Return a number of 0 or more as the byte string that stands for it: no leading zero."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def decode(encoded: bytes) -> Item:
    """Return the item that the bytes are the one encoding of.

    Raises:
        Rejected: `not_canonical`: cut short, bytes too many, another form of the same item, or
            lists within lists within lists beyond any use.
    """
    item, end = _read(encoded, 0, len(encoded), _MAX_DEPTH)
    if end != len(encoded):
        raise Rejected("bytes follow the RLP item", reason="not_canonical")
    return item


def decode_integer(item: Item, *, max_bytes: int = 8) -> int:
    """Return the number that a byte string stands for.

    Raises:
        Rejected: `not_canonical`: a list, a leading zero, or more bytes than expected.
    """
    if not isinstance(item, bytes) or len(item) > max_bytes or item[:1] == b"\x00":
        raise Rejected("no RLP integer", reason="not_canonical")
    return int.from_bytes(item, "big")


def _head(length: int, kind: int) -> bytes:
    if length <= _SHORT:
        return bytes([kind + length])
    size = encode_integer(length)
    return bytes([kind + _SHORT + len(size)]) + size


def _read(encoded: bytes, start: int, limit: int, depth: int) -> tuple[Item, int]:
    """Return the item at `start` and where it ends, which is not beyond `limit`."""
    if start >= limit or depth == 0:
        raise Rejected("RLP cut short or nested too deep", reason="not_canonical")
    first = encoded[start]
    if first < _STRING:
        return encoded[start : start + 1], start + 1
    kind = _LIST if first >= _LIST else _STRING
    begin, end = _body(encoded, start, limit, first - kind)
    if kind == _LIST:
        return _read_list(encoded, begin, end, depth - 1), end
    string = encoded[begin:end]
    if len(string) == 1 and string[0] < _STRING:
        raise Rejected("a small byte stands for itself in RLP", reason="not_canonical")
    return string, end


def _read_list(encoded: bytes, begin: int, end: int, depth: int) -> Item:
    items: list[Item] = []
    while begin < end:
        item, begin = _read(encoded, begin, end, depth)
        items.append(item)
    return items


def _body(encoded: bytes, start: int, limit: int, length: int) -> tuple[int, int]:
    """Return where the body of an item begins and ends."""
    begin = start + 1
    if length > _SHORT:
        begin += length - _SHORT
        size = encoded[start + 1 : begin]
        length = int.from_bytes(size, "big")
        if size[:1] == b"\x00" or length <= _SHORT:
            raise Rejected("RLP length not in its shortest form", reason="not_canonical")
    if begin + length > limit:
        raise Rejected("RLP cut short", reason="not_canonical")
    return begin, begin + length
