"""The series: sealed, merged, sealed again; each reading once, each with its state."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from central.errors import StoreAway
from central.scd.manifest import DAY_MS, HOUR_MS
from central.scd.series import SERIES, Series
from ledger.facts.interval import Interval
from tests.scd import FIRST_HOUR, World, world
from tests.segments import FIRST_MS, TestNode, lively

DAY = Interval(FIRST_MS, FIRST_MS + DAY_MS)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as empty:
        empty.enrol()
        yield empty


def scanned(made: World, *nodes: int, span: Interval = DAY) -> pa.Table:
    parts = list(made.central.series.scan(nodes or [0, 1, 2, 3], span))
    return pa.concat_tables([SERIES.empty_table(), *parts])


def pairs(table: pa.Table, *names: str) -> list[tuple[int, ...]]:
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def files(made: World) -> list[str]:
    return sorted(path.name for path in made.central.config.store.series.glob("*.parquet"))


def test_what_is_not_sealed_comes_from_evidence(made: World) -> None:
    made.minutes(3)
    table = scanned(made)
    assert table.num_rows == 4 * 45
    assert table.schema == SERIES
    places = list(
        zip(*[table.column(c).to_pylist() for c in ("time_ms", "node_index")], strict=True)
    )
    assert places == sorted(places)
    assert files(made) == []


def test_sealing_changes_where_readings_come_from_and_nothing_else(made: World) -> None:
    made.minutes(70)
    before = scanned(made)
    assert made.central.sealer.seal_due(FIRST_MS + HOUR_MS) == 1
    assert scanned(made).equals(before)
    assert len(files(made)) == 1
    assert made.central.sealer.seal_due(FIRST_MS + DAY_MS) == 1
    assert scanned(made).equals(before)
    made.central.sealer.seal_due(FIRST_MS + DAY_MS)
    assert [name[:4] for name in files(made)] == ["day-"]
    assert scanned(made).equals(before)


def test_nothing_is_sealed_before_it_is_over(made: World) -> None:
    made.minutes(2)
    assert made.central.sealer.seal_due(FIRST_MS + HOUR_MS - 1) == 0
    assert made.central.sealer.seal_due(FIRST_MS + HOUR_MS) == 1
    assert made.central.sealer.seal_due(FIRST_MS + HOUR_MS) == 0


def test_a_late_reading_is_seen_at_once_and_sealed_later(made: World) -> None:
    made.minutes(1)
    late = made.nodes[0].segment()
    made.services.ingest.segments([made.nodes[0].segment()])
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    first = files(made)
    made.services.ingest.segments([late])
    assert scanned(made, 0).column("sequence").to_pylist() == list(range(45))
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    assert scanned(made, 0).column("sequence").to_pylist() == list(range(45))
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    assert files(made) != first
    assert len(files(made)) == 1


def test_a_late_hour_of_a_merged_day_takes_the_place_of_its_old_rows(made: World) -> None:
    made.minutes(60)
    late = made.nodes[0].segment()
    made.services.ingest.segments([made.nodes[0].segment()])
    made.central.sealer.seal_due(FIRST_MS + DAY_MS)
    made.services.ingest.segments([late])
    whole = scanned(made)
    made.central.sealer.seal_due(FIRST_MS + 2 * HOUR_MS)
    assert [name[:4] for name in files(made)] == ["day-", "hour"]
    assert scanned(made).equals(whole)
    assert made.central.series.quarter_sums(FIRST_HOUR).num_rows == 16


def test_states_follow_the_log_also_for_what_was_sealed_before(made: World) -> None:
    bodies = [node.segment() for node in made.nodes]
    made.services.ingest.segments(bodies)
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    assert set(scanned(made).column("state").to_pylist()) == {"received"}
    made.services.ingest.window(made.log.close(bodies))
    assert set(scanned(made).column("state").to_pylist()) == {"received"}
    made.anchor()
    assert set(scanned(made).column("state").to_pylist()) == {"anchored"}


def test_what_is_contradicted_disappears_even_if_it_is_sealed(made: World) -> None:
    node = made.nodes[0]
    first = node.segment()
    twin = TestNode(
        0, power=lively(50), key=node.key, slot=node.slot, sequence=node.sequence,
        previous_hash=node.previous_hash,
    )  # fmt: skip
    made.services.ingest.segments([first, node.segment()])
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    made.services.ingest.segments([twin.segment()])
    assert scanned(made, 0).column("sequence").to_pylist() == list(range(15))
    assert made.central.sealer.seal_due(FIRST_MS + HOUR_MS) == 1
    assert scanned(made, 0).column("sequence").to_pylist() == list(range(15))
    assert made.audit().findings == ()


def test_it_can_be_made_again_at_any_time(made: World) -> None:
    made.minutes(3)
    before = scanned(made)
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    for path in made.central.config.store.series.glob("*.parquet"):
        path.write_bytes(b"")
    with pytest.raises(StoreAway, match="scd rebuild"):
        scanned(made)
    assert made.central.sealer.rebuild(FIRST_MS + HOUR_MS) == 1
    assert scanned(made).equals(before)


def test_a_crash_before_the_manifest_leaves_a_file_that_is_swept(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.minutes(2)
    before = scanned(made)

    def crash(*_: object) -> None:
        raise StoreAway("told to crash")

    with monkeypatch.context() as patched:
        patched.setattr(made.central.sealer, "_keep", crash)
        with pytest.raises(StoreAway):
            made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    assert scanned(made).equals(before)
    (made.central.config.store.series / "hour-0-0.parquet.new").touch()
    assert made.central.sealer.seal_due(FIRST_MS + HOUR_MS) == 1
    assert len(files(made)) == 1
    assert scanned(made).equals(before)


def test_files_are_packed_and_sorted_by_node_and_time(made: World) -> None:
    made.minutes(60)
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    path = made.central.config.store.series / files(made)[0]
    column = pq.ParquetFile(path).metadata.row_group(0).column(4)
    assert "DELTA_BINARY_PACKED" in column.encodings
    assert column.compression == "ZSTD"
    table = pq.read_table(path)
    places = list(
        zip(*[table.column(c).to_pylist() for c in ("node_index", "time_ms")], strict=True)
    )
    assert places == sorted(places)
    assert path.stat().st_size / table.num_rows < 15, "bytes per reading at rest"


def test_quarter_sums_of_the_files_are_those_of_the_evidence(made: World) -> None:
    made.minutes(60)
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)
    found = made.central.series.quarter_sums(FIRST_HOUR).to_pylist()
    expected = [
        sums for node in range(4) for sums in made.central.evidence.quarters(node, 0, 1 << 40)
    ]
    assert found == [{name: getattr(sums, name) for name in found[0]} for sums in expected]


def test_a_scan_comes_in_parts_and_ends_where_it_is_told(made: World) -> None:
    made.minutes(130)
    span = Interval(FIRST_MS + 1_000, FIRST_MS + 2 * HOUR_MS + 4_000)
    parts = list(made.central.series.scan([0], span, rows_at_once=900))
    assert [part.num_rows for part in parts] == [899, 900, 1]
    assert list(made.central.series.scan([], span)) == []


def test_no_file_and_no_evidence_is_no_reading(tmp_path: Path, made: World) -> None:
    empty = Series(made.central.evidence, tmp_path / "nowhere")
    assert list(empty.scan([0], DAY)) == []
    assert empty.quarter_sums(DAY).num_rows == 0
    empty.close()
