"""JSON from strangers, read only as deep as anything sensible goes.

The EVM raises Python's recursion limit, with which a parser can be driven off its stack.
"""

import json
import re
from itertools import accumulate
from typing import Any

from ledger.errors import Rejected

_DEEPEST = 64
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def parsed(text: bytes) -> Any:  # noqa: ANN401 -- whatever JSON says
    """Return what a JSON text says.

    Raises:
        Rejected: `wrong_shape`: no JSON, or lists within lists beyond any use.
    """
    if _depth(text) > _DEEPEST:
        raise Rejected(f"JSON nested deeper than {_DEEPEST}", reason="wrong_shape")
    try:
        return json.loads(text)
    except ValueError as error:
        raise Rejected(f"no JSON ({error})", reason="wrong_shape") from error


def _depth(text: bytes) -> int:
    if text.count(b"[") + text.count(b"{") <= _DEEPEST:
        return 0
    steps = (_STEPS.get(byte, 0) for byte in _STRING.sub(b"", text))
    return max(accumulate(steps))
