"""The law of records, whatever fails: sequences dense, slots dense, nothing promised is lost."""

import asyncio
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.codec import decode_segment
from ledger.facts.interval import SLOT_MS
from ledger.facts.record import GapCause
from tests.fakes.lightnode_clock import WoundClock
from tests.fakes.lightnode_meter import ScriptedMeter
from tests.fakes.lightnode_node import WirelessNode
from tests.fakes.lightnode_outbox import MemoryOutbox

METER_CAUSES = [
    GapCause.METER_TIMEOUT, GapCause.METER_CRC, GapCause.METER_EXCEPTION, GapCause.METER_RANGE,
]  # fmt: skip
HOUR_MS = 3_600_000
Fault = Literal["", "lost", "kept", "full"]

faults = st.dictionaries(
    st.integers(1, 160), st.sampled_from(["lost", "kept", "full"]), max_size=25
)
answers = st.dictionaries(
    st.integers(1, 60),
    st.one_of(st.sampled_from(METER_CAUSES), st.integers(0, 9_000)),
    max_size=20,
)
steps = st.dictionaries(
    st.integers(7_000, 200_000), st.integers(-2 * HOUR_MS, 2 * HOUR_MS), max_size=2
)
runs = st.lists(st.tuples(st.integers(1, 25), st.integers(0, 200_000)), min_size=1, max_size=4)


@settings(max_examples=150)
@given(faults=faults, answers=answers, steps=steps, runs=runs)
def test_every_slot_ends_as_one_reading_or_one_named_gap(
    faults: dict[int, Fault],
    answers: dict[int, GapCause | int],
    steps: dict[int, int],
    runs: list[tuple[int, int]],
) -> None:
    outbox = MemoryOutbox(fault=lambda number, _name: faults.get(number, ""))
    meter = ScriptedMeter(script=lambda number: answers.get(number, 40))
    node = WirelessNode(outbox=outbox, clock=WoundClock(steps=dict(steps)), meter=meter)

    async def story() -> None:
        for beats, off_ms in runs:
            await node.boot()
            await node.beat(beats)
            node.clock.work(off_ms)
        outbox.fault, meter.script = lambda _number, _name: "", lambda _: 40
        await node.boot()
        await node.beat(1)

    asyncio.run(story())
    judge = asyncio.run(node.judged())
    records = judge.records()
    assert not judge.broken
    assert not outbox.records, "everything is sealed at the end"
    assert [record.sequence for record in records] == list(range(len(records)))
    kept = {record for segment in outbox.segments.values() for record in _bodies(segment.encoded)}
    assert kept.issuperset(outbox.promised)
    assert kept.issuperset(node.shown)
    spans = [record.span for record in records if hasattr(record, "span")]
    assert spans[-1][1] * SLOT_MS > node.clock.now_ms() - SLOT_MS


def _bodies(encoded: bytes) -> tuple[bytes, ...]:
    return decode_segment(encoded).records
