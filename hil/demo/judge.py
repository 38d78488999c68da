"""The judge: holds what was seen from outside against what the database can prove.

Each invariant has a name and a count of violations; 0 means that it held for every reading.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hil.demo.central import Row, instant_ms
from hil.demo.stage import House
from ledger import codec
from ledger.facts.interval import SLOT_MS, Interval, slot_of
from ledger.facts.record import Reading
from ledger.proving import SpanBundle, Status, Trust, decode_bundle, verify

INVARIANTS = (
    "BROKE_DURABLE",
    "UNIQUE",
    "COMPLETE",
    "ORDER",
    "AUTHENTIC",
    "PROVABLE",
    "RECEIPT",
)
_PROOFS_PER_HOUSE = 5
_TOLD = 20


class Database(Protocol):
    """What the judge asks: rows and bundles, of which only the bundles are believed."""

    async def rows(self, pod: str, what: str, span: Interval) -> Sequence[Row]:
        """Return all readings, gaps or segments of a POD in a span."""
        ...

    async def proof(self, pod: str, at_ms: int) -> bytes:
        """Return the bundle of the record at an instant."""
        ...

    async def bundle(self, pod: str, span: Interval) -> bytes:
        """Return the bundle that accounts for every slot of a span."""
        ...


class Seen(Protocol):
    """What was seen from outside: records shown and segments promised, by node."""

    @property
    def shown(self) -> Mapping[int, Mapping[int, bytes]]:
        """Return the records that each node showed, by sequence."""
        ...

    @property
    def promised(self) -> Mapping[int, set[bytes]]:
        """Return the hashes of the segments that the gateway promised each node."""
        ...

    @property
    def forged(self) -> Sequence[str]:
        """Return what was no record, or was signed by somebody else."""
        ...


@dataclass
class Judgement:
    """Violations by invariant, and in words the first of them."""

    violations: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    readings_judged: int = 0
    slots_judged: int = 0
    proofs_checked: int = 0

    def violated(self, invariant: str, what: str) -> None:
        """Count a violation."""
        self.violations[invariant] += 1
        if len(self.told) < _TOLD:
            self.told.append(f"{invariant}: {what}")

    def counts(self) -> Mapping[str, int]:
        """Return every invariant with its violations."""
        return {name: self.violations[name] for name in INVARIANTS}


async def judge(
    houses: Sequence[House], span: Interval, central: Database, witness: Seen, trust: Trust
) -> Judgement:
    """Return the judgement over all houses in a span whose windows are anchored.

    * BROKE_DURABLE: a record that a node showed, so had stored, is not in the database.
    * UNIQUE: a sequence number or a slot is there twice.
    * COMPLETE: a slot is neither a reading nor a named gap, or is both.
    * ORDER: a later sequence number stands in an earlier slot.
    * AUTHENTIC: a signed message was forged, or a stored value is not the one shown.
    * PROVABLE: a bundle does not verify, offline, against the trust file.
    * RECEIPT: the gateway promised a segment that is not stored.

    Raises:
        Unavailable: the database does not answer.
    """
    found = Judgement()
    for forged in witness.forged:
        found.violated("AUTHENTIC", forged)
    for house in houses:
        readings = await central.rows(house.pod, "readings", span)
        gaps = await central.rows(house.pod, "gaps", span)
        _judge_slots(found, house, span, readings, gaps)
        _judge_shown(found, house, span, readings, witness)
        await _judge_proofs(
            found, house, span, readings, central=central, witness=witness, trust=trust
        )
    return found


def _judge_slots(
    found: Judgement, house: House, span: Interval, readings: Sequence[Row], gaps: Sequence[Row]
) -> None:
    found.readings_judged += len(readings)
    sequences = [row["sequence"] for row in readings]
    slots = [slot_of(instant_ms(row["time"])) for row in readings]
    for what, counted in (("sequence", Counter(sequences)), ("slot", Counter(slots))):
        for value, count in counted.items():
            if count > 1:
                found.violated("UNIQUE", f"{house.name} has {what} {value} {count} times")
    if sequences != sorted(sequences) or slots != sorted(slots):
        found.violated("ORDER", f"{house.name}: sequence and time disagree")
    covered = Counter(slots) + Counter(_gap_slots(gaps))
    for slot in range(span.start_ms // SLOT_MS, span.end_ms // SLOT_MS):
        found.slots_judged += 1
        if covered[slot] != 1:
            found.violated("COMPLETE", f"{house.name}: slot {slot} is told {covered[slot]} times")


def _gap_slots(gaps: Sequence[Row]) -> Iterator[int]:
    for gap in gaps:
        yield from range(slot_of(instant_ms(gap["start"])), slot_of(instant_ms(gap["end"])))


def _judge_shown(
    found: Judgement, house: House, span: Interval, readings: Sequence[Row], witness: Seen
) -> None:
    stored = {row["sequence"]: row for row in readings}
    for sequence, encoded in witness.shown.get(house.number, {}).items():
        record = codec.decode_record(encoded)
        if not isinstance(record, Reading) or record.time_ms not in span:
            continue
        row = stored.get(sequence)
        if row is None:
            found.violated(
                "BROKE_DURABLE", f"{house.name}: record {sequence} was shown and is lost"
            )
        elif any(row[name] != getattr(record, name) for name in ("power_w", "import_wh")):
            found.violated("AUTHENTIC", f"{house.name}: record {sequence} is not the one shown")


async def _judge_proofs(
    found: Judgement,
    house: House,
    span: Interval,
    readings: Sequence[Row],
    *,
    central: Database,
    witness: Seen,
    trust: Trust,
) -> None:
    whole = await central.bundle(house.pod, span)
    verdict = verify(whole, trust)
    found.proofs_checked += 1
    if verdict.status is not Status.VALID:
        found.violated("PROVABLE", f"{house.name}: {verdict.step}: {verdict.reason}")
    bundle = decode_bundle(whole)
    if verdict.span is None or not isinstance(bundle, SpanBundle):
        return
    if verdict.span.start_ms > span.start_ms or verdict.span.end_ms < span.end_ms:
        found.violated("COMPLETE", f"{house.name}: the proven span is shorter than the demo")
    await _judge_receipts(found, house, verdict.span, central, witness)
    for row in readings[:: max(1, len(readings) // _PROOFS_PER_HOUSE)]:
        single = verify(await central.proof(house.pod, instant_ms(row["time"])), trust)
        found.proofs_checked += 1
        proven = single.record
        if single.status is not Status.VALID or not isinstance(proven, Reading):
            found.violated("PROVABLE", f"{house.name}: {single.step}: {single.reason}")
        elif proven.sequence != row["sequence"] or proven.power_w != row["power_w"]:
            found.violated("PROVABLE", f"{house.name}: {row['sequence']} is not what is proven")


async def _judge_receipts(
    found: Judgement, house: House, span: Interval, central: Database, witness: Seen
) -> None:
    """Every promised segment is stored; those of the last minute may lie beyond the span."""
    wide = Interval(span.start_ms - 3_600_000, span.end_ms + 3_600_000)
    stored = {row["header_hash"] for row in await central.rows(house.pod, "segments", wide)}
    for promised in witness.promised.get(house.number, ()):
        if promised.hex() not in stored:
            found.violated("RECEIPT", f"{house.name}: {promised.hex()[:16]}… is not stored")
