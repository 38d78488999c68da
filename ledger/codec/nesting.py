"""How deep a JSON text goes, told before it is parsed.

Python's own guard is the recursion limit, and a library may raise that beyond what the stack can
carry: py-ecc, which the embedded chain loads, sets it to 100,000. A text of brackets alone would
then end the process instead of raising an error.
"""

import re

from ledger.errors import Rejected

MOST_NESTED = 64
_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


def need_shallow(text: str | bytes) -> None:
    """Refuse a JSON text that is nested deeper than anything of ours.

    Raises:
        Rejected: `too_deep`.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if raw.count(b"[") + raw.count(b"{") <= MOST_NESTED:
        return
    depth = 0
    for found in _STRUCTURE.finditer(raw):
        mark = found[0]
        if mark in {b"[", b"{"}:
            depth += 1
            if depth > MOST_NESTED:
                raise Rejected(
                    f"nested deeper than {MOST_NESTED} at byte {found.start()}", reason="too_deep"
                )
        elif mark in {b"]", b"}"}:
            depth -= 1
