"""JSON from strangers, read only as deep as anything sensible goes.

The EVM raises Python's recursion limit, with which a parser can be driven off its stack.
"""

import json
from typing import Any

from ledger.codec.nesting import need_shallow
from ledger.errors import Rejected


def parsed(text: str | bytes) -> Any:  # noqa: ANN401 -- whatever JSON says
    """Return what a JSON text says.

    Raises:
        Rejected: `wrong_shape`: no JSON, or lists within lists beyond any use.
    """
    try:
        need_shallow(text)
        return json.loads(text)
    except (Rejected, ValueError) as error:
        raise Rejected(f"no JSON ({error})", reason="wrong_shape") from error
