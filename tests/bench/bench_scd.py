"""The Shared Customer Database beside one plain SQL row for each reading."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from central.scd.checking import check, readings_of
from central.scd.columns import READINGS
from central.scd.database import Database
from central.scd.evidence import SqliteEvidence
from central.scd.manifest import DAY_MS, HOUR_MS, Manifest, SealedHour, write_manifest
from central.scd.sealing import PARQUET
from central.scd.series import Series
from ledger.codec import Row, decode_segment, read_rows
from ledger.facts.interval import SLOT_MS, Interval
from tests.bench.conftest import Figure, Figures, seconds_of
from tests.scd import World, world
from tests.segments import FIRST_MS, ORIGIN, TestNode, lively

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

_CALL = 500
_DAY = Interval(FIRST_MS, FIRST_MS + DAY_MS)
_ROW_TABLE = """
CREATE TABLE reading (
  node_index INTEGER, sequence INTEGER, time_ms INTEGER, latency_ms INTEGER, power_w INTEGER,
  reactive_power_var INTEGER, voltage_mv INTEGER, current_ma INTEGER, frequency_mhz INTEGER,
  import_wh INTEGER, export_wh INTEGER, quality INTEGER, clock_error_ms INTEGER,
  PRIMARY KEY (node_index, sequence)
) WITHOUT ROWID
"""


@cache
def bodies(count: int) -> tuple[bytes, ...]:
    """Return signed segments of 15 readings of 20 nodes, minute after minute."""
    nodes = [TestNode(i, power=lively(i)) for i in range(20)]
    return tuple(nodes[at % 20].segment() for at in range(count))


def plain_rows(path: Path) -> sqlite3.Connection:
    """Return a database of one row for each reading, as durable as ours."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute(_ROW_TABLE)
    return connection


def row(node_index: int, reading: Row) -> tuple[int | None, ...]:
    _, _, sequence, slot, offset, latency, p, q, u, i, f, imported, exported, quality, error = (
        reading
    )
    return (
        node_index, sequence, slot * SLOT_MS + offset, latency, p, q, u[0], i[0], f, imported,
        exported, quality, error,
    )  # fmt: skip


def insert(connection: sqlite3.Connection, rows: Sequence[tuple[int | None, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    marks = ",".join("?" * len(rows[0]))
    connection.executemany(f"INSERT OR IGNORE INTO reading VALUES ({marks})", rows)  # noqa: S608
    connection.execute("COMMIT")


@pytest.mark.parametrize("segments", [2_000, 8_000, 16_000])
def test_into_the_durable_store(figures: Figures, tmp_path: Path, segments: int) -> None:
    prepared = bodies(segments)
    checked = [check(body, ORIGIN) for body in prepared]
    as_rows = [
        [
            row(segment.node_index, reading)
            for reading in readings_of(read_rows(decode_segment(segment.body).records))
        ]
        for segment in checked
    ]
    readings = segments * 15

    evidence = SqliteEvidence(Database(tmp_path / "evidence.db", create=True))
    began_s = time.perf_counter()
    for at in range(0, segments, _CALL):
        evidence.commit_segments(checked[at : at + _CALL], 1)
    ours_s = time.perf_counter() - began_s
    assert evidence.tally().reading_count == readings
    evidence.close()

    with closing(plain_rows(tmp_path / "rows.db")) as connection:
        began_s = time.perf_counter()
        for at in range(0, segments, _CALL):
            insert(connection, [each for rows in as_rows[at : at + _CALL] for each in rows])
        naive_s = time.perf_counter() - began_s
        (count,) = connection.execute("SELECT count(*) FROM reading").fetchone()
        assert count == readings
    figures.take(
        Figure(
            subject="SCD: into the durable store", size=f"{readings:,} readings",
            unit="readings/s", ours=readings / ours_s, peer=readings / naive_s,
            peer_name="one row for each reading, executemany", reach="100,000 readings/s",
            note="Signed segments of 15 readings, 500 in a transaction, with watermark, last "
            "value, gaps and quarter-hours; both with WAL and synchronous=FULL",
        )
    )  # fmt: skip
    figures.take(
        Figure(
            subject="SCD: evidence at rest", size=f"{readings:,} readings", unit="bytes/reading",
            ours=(tmp_path / "evidence.db").stat().st_size / readings,
            peer=(tmp_path / "rows.db").stat().st_size / readings,
            peer_name="one row for each reading",
            note="Ours holds signature, salts (16 bytes a reading, incompressible) and hashes, "
            "so that every reading can be proved; the plain rows prove nothing",
        )
    )  # fmt: skip


@pytest.mark.parametrize("segments", [2_000, 8_000, 16_000])
def test_checked_and_stored(figures: Figures, tmp_path: Path, segments: int) -> None:
    prepared = bodies(segments)
    with world(tmp_path, node_count=20) as made:
        made.enrol()
        began_s = time.perf_counter()
        for at in range(0, segments, _CALL):
            made.services.ingest.segments(prepared[at : at + _CALL])
        taken_s = time.perf_counter() - began_s
        assert made.central.evidence.tally().reading_count == segments * 15
    figures.take(
        Figure(
            subject="SCD: parts checked, then stored", size=f"{segments * 15:,} readings",
            unit="readings/s", ours=segments * 15 / taken_s,
            note="From the bytes of a segment to the durable commit: encoding, root, sequence, "
            "slots and registers checked again; nothing naive does as much",
        )
    )  # fmt: skip


def day(nodes: int) -> pa.Table:
    """Return a day of readings, by node and time: integers that wander as a household's do."""
    slots = DAY_MS // SLOT_MS
    rows = nodes * slots
    place = pa.array(range(rows), pa.int64())
    node = pc.divide(place, slots)
    slot = pc.subtract(place, pc.multiply(node, slots))
    noise = pc.cast(pc.multiply(pc.random(rows, initializer=7), 3_000), pa.int64(), safe=False)
    power = pc.subtract(noise, 600)
    zero = pc.multiply(place, 0)
    columns = {
        "node_index": node, "sequence": slot,
        "time_ms": pc.add(pc.multiply(slot, SLOT_MS), FIRST_MS + 12),
        "latency_ms": pc.add(zero, 31), "power_w": power,
        "reactive_power_var": pc.divide(power, 5), "voltage_l1_mv": pc.add(zero, 230_100),
        "current_l1_ma": pc.multiply(pc.abs(power), 4), "frequency_mhz": pc.add(zero, 50_012),
        "import_wh": pc.add(slot, 1_000), "export_wh": pc.add(pc.divide(slot, 3), 500),
        "quality": zero, "clock_error_ms": pc.add(zero, 3), "log_window": pc.divide(slot, 15),
    }  # fmt: skip
    arrays = [
        columns[field.name].cast(field.type)
        if field.name in columns
        else pa.nulls(rows, field.type)
        for field in READINGS
    ]
    return pa.Table.from_arrays(arrays, schema=READINGS)


def sealed(table: pa.Table, directory: Path) -> None:
    """Write a day as the sealer does."""
    directory.mkdir()
    name = f"day-{FIRST_MS}-1-24.parquet"
    with pq.ParquetWriter(directory / name, READINGS, **PARQUET) as writer:
        writer.write_table(table, row_group_size=122_880)
    manifest = Manifest()
    for start_ms in range(FIRST_MS, FIRST_MS + DAY_MS, HOUR_MS):
        manifest = manifest.sealed(
            SealedHour(start_ms=start_ms, file=name, through_arrival=1, row_count=0, open_count=0)
        )
    write_manifest(directory, manifest)


@pytest.mark.parametrize("nodes", [20, 60, 200])
def test_quarters_of_a_day(figures: Figures, tmp_path: Path, nodes: int) -> None:
    table = day(nodes)
    sealed(table, tmp_path / "series")
    evidence = SqliteEvidence(Database(tmp_path / "evidence.db", create=True))
    series = Series(evidence, tmp_path / "series")
    with closing(plain_rows(tmp_path / "rows.db")) as connection:
        names = [
            "node_index", "sequence", "time_ms", "latency_ms", "power_w", "reactive_power_var",
            "voltage_l1_mv", "current_l1_ma", "frequency_mhz", "import_wh", "export_wh",
            "quality", "clock_error_ms",
        ]  # fmt: skip
        for batch in table.select(names).to_batches(max_chunksize=100_000):
            insert(connection, list(zip(*(c.to_pylist() for c in batch.columns), strict=True)))

        def ours() -> pa.Table:
            return series.quarter_sums(_DAY)

        def naive() -> list[tuple[int, ...]]:
            return connection.execute(
                "SELECT node_index, time_ms / 900000, count(*), sum(max(power_w, 0)) * 4 "
                "FROM reading WHERE time_ms >= ? AND time_ms < ? GROUP BY 1, 2 ORDER BY 1, 2",
                (_DAY.start_ms, _DAY.end_ms),
            ).fetchall()

        found = ours()
        names = ["node_index", "quarter", "reading_count", "import_ws"]
        columns = [found.column(name).to_pylist() for name in names]
        assert list(zip(*columns, strict=True)) == naive()
        figures.take(
            Figure(
                subject="SCD: 15-minute energies of a day", size=f"{nodes} nodes", unit="s",
                ours=seconds_of(ours), peer=seconds_of(naive), peer_name="plain SQL rows",
                reach="2,000 nodes in 1 s",
                note="Ours sums import, export, flags and registers; the plain query import only",
            )
        )  # fmt: skip
    path = next((tmp_path / "series").glob("*.parquet"))
    figures.take(
        Figure(
            subject="SCD: series at rest", size=f"{table.num_rows:,} readings",
            unit="bytes/reading", ours=path.stat().st_size / table.num_rows,
            peer=(tmp_path / "rows.db").stat().st_size / table.num_rows,
            peer_name="plain SQL rows", reach="15 bytes a reading",
            note="Random power is the worst case for the packing; a household's is smoother",
        )
    )  # fmt: skip
    series.close()
    evidence.close()


@pytest.mark.parametrize("days", [1, 7, 30])
def test_one_node_over_days(figures: Figures, tmp_path: Path, days: int) -> None:
    table = day(10)
    directory = tmp_path / "series"
    directory.mkdir()
    manifest = Manifest(offset=1)
    for number in range(days):
        shift_ms = number * DAY_MS
        place = READINGS.get_field_index("time_ms")
        moved = table.set_column(
            place, READINGS.field(place), pc.add(table.column("time_ms"), shift_ms)
        )
        name = f"day-{FIRST_MS + shift_ms}-1-24.parquet"
        with pq.ParquetWriter(directory / name, READINGS, **PARQUET) as writer:
            writer.write_table(moved, row_group_size=122_880)
        for hour in range(24):
            start_ms = FIRST_MS + shift_ms + hour * HOUR_MS
            manifest = manifest.sealed(
                SealedHour(
                    start_ms=start_ms, file=name, through_arrival=1, row_count=0, open_count=0
                )
            )
    write_manifest(directory, manifest)
    evidence = SqliteEvidence(Database(tmp_path / "evidence.db", create=True))
    series = Series(evidence, directory)
    span = Interval(FIRST_MS, FIRST_MS + days * DAY_MS)

    def ours() -> int:
        return sum(part.num_rows for part in series.scan([3], span))

    assert ours() == days * DAY_MS // SLOT_MS
    figures.take(
        Figure(
            subject="SCD: every reading of one node", size=f"{days} days", unit="s",
            ours=seconds_of(ours),
            note="All 15 columns of each reading, in order of time, each with its state",
        )
    )  # fmt: skip
    series.close()
    evidence.close()


def lived(made: World, minutes: int) -> None:
    made.enrol()
    made.minutes(minutes)
    made.anchor()
    made.central.sealer.seal_due(FIRST_MS + DAY_MS)


@pytest.mark.parametrize("minutes", [50, 200, 800])
def test_audit(figures: Figures, tmp_path: Path, minutes: int) -> None:
    with world(tmp_path, node_count=20) as made:
        lived(made, minutes)
        report = made.audit()
        assert report.findings == ()
        figures.take(
            Figure(
                subject="SCD: audit", size=f"{report.reading_count:,} readings",
                unit="rows/minute", ours=report.row_count / report.duration_s * 60,
                reach="1,000,000 rows/minute",
                note="Every signature, hash, link, window, derived row and sealed reading",
            )
        )  # fmt: skip
