"""Numbers and bytes as JSON-RPC writes them: `0x` and hexadecimal digits, read strictly.

Source: Ethereum execution APIs, "Hex value encoding".
"""

import re
from typing import Any

from ledger.errors import Rejected

_QUANTITY = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_BYTES = re.compile(r"0x([0-9a-fA-F]{2})*")


def quantity(text: Any) -> int:  # noqa: ANN401 -- checks what a peer sent
    """Return the number that a quantity stands for.

    Raises:
        Rejected: `wrong_shape`.
    """
    if not isinstance(text, str) or not _QUANTITY.fullmatch(text):
        raise Rejected("expected a quantity such as 0x1f", reason="wrong_shape")
    return int(text, 16)


def octets(text: Any, length: int | None = None) -> bytes:  # noqa: ANN401 -- as above
    """Return the bytes that a hexadecimal text stands for.

    Raises:
        Rejected: `wrong_shape`; also if they are not as many as asked for.
    """
    if not isinstance(text, str) or not _BYTES.fullmatch(text):
        raise Rejected("expected bytes such as 0x00ff", reason="wrong_shape")
    found = bytes.fromhex(text[2:])
    if length is not None and len(found) != length:
        raise Rejected(f"expected {length} bytes, found {len(found)}", reason="wrong_shape")
    return found


def told(value: int | bytes) -> str:
    """Return a number as a quantity, bytes as a hexadecimal text."""
    return hex(value) if isinstance(value, int) else f"0x{value.hex()}"
