"""The judge counts what is wrong, under its name, and nothing that is right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hil.demo.central import told
from hil.demo.judge import INVARIANTS, Judgement, judge
from hil.demo.stage import Stage
from ledger import codec
from ledger.facts.interval import SLOT_MS, Interval, slot_of
from ledger.facts.record import Gap, Reading
from ledger.proving import encode_bundle
from ledger.signing import payload_of
from tests.segments import FIRST_MS
from tests.unit.ledger.test_proving import World, world

__all__ = ["world"]

SPAN = Interval(FIRST_MS, FIRST_MS + 4 * 60_000)


@dataclass
class Seen:
    """What a witness saw."""

    shown: Mapping[int, dict[int, bytes]] = field(default_factory=dict)
    promised: Mapping[int, set[bytes]] = field(default_factory=dict)
    forged: Sequence[str] = ()


class Database:
    """Answers from a world of signed segments, as the real one does; lies where it is told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lie: Callable[[str, list[dict[str, Any]]], list[dict[str, Any]]] = lambda _, rows: rows
        self.forge: Callable[[bytes], bytes] = lambda bundle: bundle

    def records(self, pod: str) -> list[bytes]:
        node = next(node.index for node in self.world.nodes if node.pod.code == pod)
        return [
            record
            for window in self.world.bodies
            for record in codec.decode_segment(window[node]).records
        ]

    async def rows(self, pod: str, what: str, span: Interval) -> Sequence[Mapping[str, Any]]:
        assert span.start_ms <= SPAN.start_ms
        decoded = [codec.decode_record(each) for each in self.records(pod)]
        rows: list[dict[str, Any]]
        if what == "readings":
            rows = [_reading_row(each) for each in decoded if isinstance(each, Reading)]
        elif what == "gaps":
            rows = [_gap_row(each) for each in decoded if isinstance(each, Gap)]
        else:
            rows = [{"header_hash": each.hex()} for each in hashes(self.world, pod)]
        return self.lie(what, rows)

    async def proof(self, pod: str, at_ms: int) -> bytes:
        node = next(node.index for node in self.world.nodes if node.pod.code == pod)
        window, index = divmod((at_ms - FIRST_MS) // SLOT_MS, 15)
        return self.forge(encode_bundle(self.world.record(window, node, index)))

    async def bundle(self, pod: str, span: Interval) -> bytes:
        assert span == SPAN
        node = next(node.index for node in self.world.nodes if node.pod.code == pod)
        return self.forge(encode_bundle(self.world.span(node, 0, 3)))


def hashes(world: World, pod: str) -> list[bytes]:
    node = next(node.index for node in world.nodes if node.pod.code == pod)
    signed = [codec.decode_segment(window[node]).signed_header for window in world.bodies]
    return [codec.header_hash(payload_of(each)[1]) for each in signed]


def _reading_row(reading: Reading) -> dict[str, Any]:
    names = ("sequence", "power_w", "import_wh")
    return {"time": told(reading.time_ms)} | {name: getattr(reading, name) for name in names}


def _gap_row(gap: Gap) -> dict[str, Any]:
    return {"start": told(gap.from_slot * SLOT_MS), "end": told(gap.to_slot * SLOT_MS)}


@pytest.fixture
def database(world: World) -> Database:
    return Database(world)


async def judged(database: Database, seen: Seen | None = None) -> Judgement:
    houses = Stage(directory=_nowhere(), count=3, rate=2.0).houses
    return await judge(houses, SPAN, database, seen or Seen(), database.world.trust())


def _nowhere() -> Path:
    return Path("nowhere")


async def test_what_is_right_violates_nothing(database: Database) -> None:
    shown = {
        0: {codec.decode_record(each).sequence: each for each in database.records("IT002E00000000")}
    }
    promised = {1: set(hashes(database.world, "IT002E00000001"))}
    found = await judged(database, Seen(shown=shown, promised=promised))
    assert found.counts() == dict.fromkeys(INVARIANTS, 0), found.told
    assert (found.slots_judged, found.readings_judged) == (180, 168)
    assert found.proofs_checked >= 3 * 5


def lost(what: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return rows[1:] if what == "readings" else rows


def doubled(what: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rows[0], *rows] if what == "readings" else rows


def swapped(what: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if what != "readings":
        return rows
    first, second, *others = rows
    return [
        first | {"sequence": second["sequence"]}, second | {"sequence": first["sequence"]}, *others,
    ]  # fmt: skip


def changed(what: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"power_w": 9} for row in rows] if what == "readings" else rows


def forgotten(what: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [] if what == "segments" else rows


@pytest.mark.parametrize(
    ("lie", "invariants"),
    [
        (lost, {"BROKE_DURABLE", "COMPLETE"}),
        (doubled, {"UNIQUE", "COMPLETE"}),
        (swapped, {"ORDER", "AUTHENTIC", "PROVABLE"}),
        (changed, {"AUTHENTIC", "PROVABLE"}),
        (forgotten, {"RECEIPT"}),
    ],
)
async def test_each_lie_of_the_database_has_its_name(
    database: Database, lie: Callable[..., Any], invariants: set[str]
) -> None:
    pod = "IT002E00000000"
    shown = {0: {codec.decode_record(each).sequence: each for each in database.records(pod)}}
    seen = Seen(shown=shown, promised={0: set(hashes(database.world, pod))})
    database.lie = lie
    found = await judged(database, seen)
    assert {name for name, count in found.counts().items() if count} == invariants


async def test_a_forged_bundle_is_not_provable(database: Database) -> None:
    database.forge = lambda bundle: bundle.replace(b"IT002E", b"IT003E")
    found = await judged(database)
    assert found.counts()["PROVABLE"] >= 3


async def test_a_forged_message_is_not_authentic(database: Database) -> None:
    assert (await judged(database, Seen(forged=["x"]))).counts()["AUTHENTIC"] == 1


def test_slots_of_the_span_are_those_of_the_world() -> None:
    assert slot_of(SPAN.end_ms) - slot_of(SPAN.start_ms) == 60
    assert replace(Judgement()).counts()["ORDER"] == 0
