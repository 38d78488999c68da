"""The point of delivery: where a customer meets the grid."""

import re
from dataclasses import dataclass

_FORM = re.compile(r"IT[0-9]{3}E[0-9]{8}[0-9A-Z]?")


@dataclass(frozen=True, slots=True, order=True)
class Pod:
    """An Italian point of delivery: ``IT``, distributor (3 digits), ``E``, number (8 digits).

    A fifteenth check character may follow and belongs to the code.

    Raises:
        ValueError: the code has another form.

    Source: ARERA, TIME annex, art. 14 (codice POD); CIM name: UsagePoint (IEC 61968-9).
    """

    code: str

    def __post_init__(self) -> None:
        if not _FORM.fullmatch(self.code):
            msg = f"not a POD: {self.code!r}; expected the form IT002E12345678"
            raise ValueError(msg)

    def __str__(self) -> str:
        """Return the code itself."""
        return self.code
