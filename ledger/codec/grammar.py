"""What a reading looks like on the wire, as a pattern over bytes: shape, bounds and encoding.

What matches is a deterministically encoded reading within bounds, and needs no further look.
Whole segments are checked this way many times as fast as field by field.

```
 0x00…0x17          0 … 23           0x1a + 4 bytes     65,536 … 2^32 - 1
 0x18 + 1 byte      24 … 255         0x1b + 8 bytes     2^32 … 2^64 - 1
 0x19 + 2 bytes     256 … 65,535     0x20 higher        -1 - the same
```

Source: RFC 8949 §3 and §4.2.1.
"""

import re
from collections.abc import Sequence

_U16 = rb"[\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff]."
_U32 = _U16 + rb"|\x1a(?!\x00\x00)...."
_U48 = _U32 + rb"|\x1b\x00\x00(?!\x00\x00)......"
_I31 = (
    _U16
    + rb"|\x1a(?!\x00\x00)[\x00-\x7f]..."
    + rb"|[\x20-\x37]|\x38[\x18-\xff]|\x39[\x01-\xff]."
    + rb"|\x3a(?!\x00\x00|\x7f\xff\xff\xff)[\x00-\x7f]..."
)
_UNDER_4000 = rb"[\x00-\x17]|\x18[\x18-\xff]|\x19(?:[\x01-\x0e].|\x0f[\x00-\x9f])"
_VERSION_AND_KIND = rb"\x8f\x01\x01"
_QUALITY = rb"[\x00-\x07]"
_NONE = rb"|\xf6"


def _fields(*alternatives: bytes) -> bytes:
    return b"".join(b"(?:" + each + b")" for each in alternatives)


_ONE_PHASE = rb"\x81" + _fields(_U32) + rb"\x81" + _fields(_U32)
_THREE_PHASES = rb"\x83" + _fields(_U32, _U32, _U32) + rb"\x83" + _fields(_U32, _U32, _U32)

_PLACE = b"(" + _fields(_U48, _U48) + b")"

READING = re.compile(
    b"("
    + _VERSION_AND_KIND
    + _PLACE  # sequence, slot
    + _fields(_UNDER_4000)  # offset_ms
    + _fields(_UNDER_4000, _I31, _I31)  # latency_ms, power_w, reactive_power_var
    + _fields(_ONE_PHASE + b"|" + _THREE_PHASES)  # voltages_mv, currents_ma
    + _fields(_U32, _U48, _U48)  # frequency_mhz, import_wh, export_wh
    + _QUALITY
    + _fields(_U48 + _NONE)  # clock_error_ms
    + b")",
    re.DOTALL,
)
"""A reading; group 1 is all of it, group 2 its place as it stands there: sequence and slot."""


def readings(records: Sequence[bytes]) -> list[bytes] | None:
    """Return the place of each record as it stands there, if all are readings; None otherwise.

    One search through all of them instead of one for each. What is found has to be the records,
    one by one: then each is a reading, with nothing missing, trailing or moved to the next.
    """
    found = READING.findall(b"".join(records))
    if [reading for reading, _ in found] != list(records):
        return None
    return [place for _, place in found]
