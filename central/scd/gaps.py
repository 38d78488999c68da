"""Slots without a reading, each with its cause, and what the registers say went by meanwhile.

A node names its own gaps. Two causes are ours: `NOT_RECEIVED`, where no segment has come yet, and
`DISPUTED`, where two signed contents contradict each other. Gaps that touch make one outage.

```
 readings   r  r  .  .  .  .  .  r  r
 cause            METER_TIMEOUT
 gaps             |--|--------|            both in one outage: the registers of the reading
 cause               POWER_OFF             before it and of the one after it give its energy
```
"""

from collections.abc import Sequence
from dataclasses import dataclass

from central.scd.stored import NamedGap, SegmentEntry
from ledger.facts.record import GapCause

NOT_RECEIVED = "NOT_RECEIVED"
DISPUTED = "DISPUTED"


@dataclass(frozen=True, slots=True, order=True)
class SlotGap:
    """The slots `[from_slot, to_slot)` have no reading that counts."""

    from_slot: int
    to_slot: int
    cause: str


def gaps_between(
    from_slot: int, end_slot: int, entries: Sequence[SegmentEntry], named: Sequence[NamedGap]
) -> list[SlotGap]:
    """Return the gaps in `[from_slot, end_slot)`, clipped to it, in order of time.

    `entries` are the segments that cover any of it, by sequence; `named` the gaps among them.
    """
    found = [SlotGap(g.from_slot, g.to_slot, GapCause(g.cause).name) for g in named]
    covered_to = from_slot
    for entry in entries:
        found.append(SlotGap(covered_to, entry.first_slot, NOT_RECEIVED))
        covered_to = max(covered_to, entry.end_slot)
        if entry.disputed:
            found.append(SlotGap(entry.first_slot, entry.end_slot, DISPUTED))
    found.append(SlotGap(covered_to, end_slot, NOT_RECEIVED))
    within = (
        SlotGap(max(gap.from_slot, from_slot), min(gap.to_slot, end_slot), gap.cause)
        for gap in found
    )
    return sorted(gap for gap in within if gap.from_slot < gap.to_slot)


def outages(gaps: Sequence[SlotGap]) -> list[list[SlotGap]]:
    """Return gaps that touch one another together."""
    runs: list[list[SlotGap]] = []
    for gap in gaps:
        if runs and runs[-1][-1].to_slot >= gap.from_slot:
            runs[-1].append(gap)
        else:
            runs.append([gap])
    return runs
