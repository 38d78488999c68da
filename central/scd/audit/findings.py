"""What an audit finds: the row, the column, what evidence says and what stands there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """A stored row that its evidence does not bear out; `row` names it within its table."""

    table: str
    row: str
    column: str
    expected: str
    found: str

    def __str__(self) -> str:
        """Return the finding in one line."""
        return (
            f"{self.table}  {self.row}  {self.column}: expected {self.expected}, found {self.found}"
        )


@dataclass(slots=True)
class Findings:
    """Findings up to a limit; what comes after is only counted."""

    most: int
    found: list[Finding] = field(default_factory=list)
    count: int = 0

    def note(self, table: str, row: str, column: str, expected: object, found: object) -> None:
        """Write down a finding."""
        self.count += 1
        if len(self.found) < self.most:
            self.found.append(Finding(table, row, column, _told(expected), _told(found)))

    def compare(
        self, table: str, row: str, expected: Mapping[str, object], found: Mapping[str, object]
    ) -> None:
        """Write down each column in which a stored row differs from what it should be."""
        for column, value in expected.items():
            if found[column] != value:
                self.note(table, row, column, value, found[column])


def _told(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
