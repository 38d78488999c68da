"""What a segment is to those stored before it: new, the same again, or a contradiction.

```
 sequences    0 ......... 15 ........ 30 ........ 45
 stored       |--- A ----|--- B -----|
 arrives      |--- A ----|                            duplicate
 arrives                             |--- C ----|     stored
 arrives            |--- X ----|                      conflict: A, B and X count no more
```
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from central.scd.stored import CheckedSegment, Outcome


class Extent(NamedTuple):
    """The sequences `[first_sequence, next_sequence)` and the header that vouches for them."""

    first_sequence: int
    next_sequence: int
    header_hash: bytes

    def overlaps(self, other: "Extent") -> bool:
        """Tell whether both speak of one same sequence."""
        return (
            self.first_sequence < other.next_sequence and other.first_sequence < self.next_sequence
        )


@dataclass(slots=True)
class NodeFold:
    """What is known of a node around the sequences that arrive, kept up to date.

    `stored` never overlap one another and are in order; `contradictions` are the contents kept
    beside them. `disputed` collects the first sequences of stored segments found contradicted.
    """

    stored: list[Extent] = field(default_factory=list)
    contradictions: list[Extent] = field(default_factory=list)
    disputed: set[int] = field(default_factory=set)

    def know(self, extents: Iterable[Extent]) -> None:
        """Take note of stored segments."""
        for extent in extents:
            place = bisect_left(self.stored, extent)
            if self.stored[place : place + 1] != [extent]:
                self.stored.insert(place, extent)

    def fold(self, segment: CheckedSegment) -> tuple[Outcome, bool]:
        """Return the outcome for a segment, and whether it is evidence not seen before."""
        extent = Extent(segment.first_sequence, segment.next_sequence, segment.header_hash)
        overlapping = self._overlapping(extent)
        if extent in overlapping:
            return Outcome.DUPLICATE, False
        if extent in self.contradictions:
            return Outcome.CONFLICT, False
        contradicted = any(map(extent.overlaps, self.contradictions))
        if overlapping or contradicted:
            self.disputed.update(other.first_sequence for other in overlapping)
            self.contradictions.append(extent)
            return Outcome.CONFLICT, True
        insort(self.stored, extent)
        return Outcome.STORED, True

    def _overlapping(self, extent: Extent) -> list[Extent]:
        place = bisect_left(self.stored, extent)
        found = []
        if place and self.stored[place - 1].overlaps(extent):
            found.append(self.stored[place - 1])
        while place < len(self.stored) and self.stored[place].overlaps(extent):
            found.append(self.stored[place])
            place += 1
        return found
