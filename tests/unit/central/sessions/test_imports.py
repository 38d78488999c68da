"""Imported history: checked whole, kept apart, found again; never mistaken for evidence."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from central.sessions.imports import imported_rows, keep_import, read_import
from ledger.errors import Rejected
from ledger.facts.interval import Interval

POD, OTHER = "IT002E00000001", "IT002E00000002"
HEAD = "pod,start,import_wh,export_wh\n"
# Midnight of Rome in summer and the quarter after it.
MIDNIGHT_MS = 1_781_992_800_000
DAY = Interval(MIDNIGHT_MS, MIDNIGHT_MS + 86_400_000)


def written(folder: Path, *rows: str, head: str = HEAD) -> Path:
    file = folder / "last-year.csv"
    file.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return file


def test_what_was_brought_in_is_found_again(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        f"{POD},2026-06-21T00:00:00+02:00,100.5,0",
        f"{OTHER},2026-06-20T22:15:00Z,0,7",
        f"{POD},2026-06-22T00:00:00+02:00,1,1",
    )
    read = read_import(file)
    assert read.rows == 3
    assert read.strangers([POD, OTHER]) == {}
    assert read.strangers([OTHER, "IT002E00000009"]) == {POD: 2}
    keep_import(read, tmp_path / "kept")
    (rows,) = imported_rows(tmp_path / "kept", [POD, OTHER], DAY)
    assert list(rows.pods) == [POD, OTHER]
    assert rows.start_ms.tolist() == [MIDNIGHT_MS, MIDNIGHT_MS + 900_000]
    assert rows.import_wh.tolist() == [100.5, 0]
    assert rows.export_wh.tolist() == [0, 7]
    (only,) = imported_rows(tmp_path / "kept", [OTHER], DAY)
    assert list(only.pods) == [OTHER]
    assert list(imported_rows(tmp_path / "kept", ["IT002E00000009"], DAY)) == []


def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    file = written(tmp_path, f"{POD},2026-06-21T00:00:00+02:00,1,0")
    keep_import(read_import(file), tmp_path / "kept")
    keep_import(read_import(file), tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_parquet_is_taken_too(tmp_path: Path, unit: str) -> None:
    file = tmp_path / "given.parquet"
    factor = {"s": 1, "ms": 1_000, "us": 1_000_000}[unit]
    starts = pa.array([MIDNIGHT_MS // 1000 * factor], pa.timestamp(unit, "Europe/Rome"))
    pq.write_table(
        pa.table({"pod": [POD], "start": starts, "import_wh": [5], "export_wh": [0.0]}), file
    )
    keep_import(read_import(file), tmp_path / "kept")
    (rows,) = imported_rows(tmp_path / "kept", [POD], DAY)
    assert (rows.start_ms.tolist(), rows.import_wh.tolist()) == ([MIDNIGHT_MS], [5.0])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("IT00X,2026-06-21T00:00:00+02:00,1,0", "row 2: not a POD"),
        (f"{POD},2026-06-21T00:00:00,1,0", "row 2: start '2026-06-21T00:00:00' has no offset"),
        (f"{POD},noon,1,0", "row 2: start is 'noon', not a time"),
        (
            f"{POD},2026-06-21T00:07:00+02:00,1,0",
            "row 2: starts at 1781993220000 ms, off a quarter",
        ),
        (f"{POD},2026-06-21T00:00:00+02:00,-1,0", "row 2: an import of -1.0 Wh is no energy"),
        (f"{POD},2026-06-21T00:00:00+02:00,nan,0", "has no import_wh in row 2"),
        (f"{POD},2026-06-21T00:00:00+02:00,,0", "has no import_wh in row 2"),
        (f"{POD},2026-06-21T00:00:00+02:00,much,0", "much"),
        (f"{POD},2026-06-21T00:00:00+02:00,1", "Expected 4 columns, got 3"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_kept(tmp_path: Path, row: str, told: str) -> None:
    file = written(tmp_path, f"{POD},2026-06-21T00:00:00+02:00,1,0", row)
    with pytest.raises(Rejected) as error:
        keep_import(read_import(file), tmp_path / "kept")
    assert told in str(error.value)
    assert str(file) in str(error.value)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("pod,start,import_wh\n", "has no column export_wh"),
        ("pod,start,import_wh,export_wh,colour\n", "has a column colour that nobody knows"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, head: str, told: str) -> None:
    file = written(tmp_path, head=head)
    with pytest.raises(Rejected, match=told):
        keep_import(read_import(file), tmp_path / "kept")


def test_times_without_a_zone_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "given.parquet"
    starts = pa.array([MIDNIGHT_MS], pa.timestamp("ms"))
    pq.write_table(
        pa.table({"pod": [POD], "start": starts, "import_wh": [5.0], "export_wh": [0.0]}), file
    )
    with pytest.raises(Rejected, match="without a zone"):
        keep_import(read_import(file), tmp_path / "kept")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="No such file"):
        read_import(tmp_path / "nothing.csv")


def test_what_was_put_there_by_hand_is_not_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"pod": [POD]}), tmp_path / "foreign.parquet")
    with pytest.raises(Rejected, match="is no imported history"):
        list(imported_rows(tmp_path, [POD], DAY))
    (tmp_path / "foreign.parquet").write_bytes(b"nothing")
    with pytest.raises(Rejected, match="is no imported history"):
        list(imported_rows(tmp_path, [POD], DAY))
