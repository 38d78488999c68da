"""The manifest: replaced in one step, and refused when it is damaged."""

import json
from pathlib import Path

import pytest

from central.errors import StoreAway
from central.scd.manifest import Manifest, SealedHour, read_manifest, write_manifest
from ledger.errors import Rejected

HOUR = SealedHour(
    start_ms=7_200_000, file="hour-2.parquet", through_arrival=9, row_count=3, open_count=1
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = Manifest().read_up_to(5, [3_600_000, 7_200_000]).sealed(HOUR)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert manifest.waiting == {3_600_000}
    assert HOUR.interval.duration_ms == 3_600_000
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_hours_move_to_another_file_unchanged() -> None:
    moved = Manifest().sealed(HOUR).moved([HOUR.start_ms], "day.parquet")
    assert moved.files() == {"day.parquet"}
    assert moved.hours[HOUR.start_ms].through_arrival == 9


def test_no_manifest_is_an_empty_one(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == Manifest()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"schema": "other/v9"}', json.dumps({"schema": "certiflex/series/v1"})]
)
def test_a_damaged_manifest_is_told_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Rejected, match="scd rebuild"):
        read_manifest(tmp_path)


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreAway):
        write_manifest(tmp_path / "nowhere", Manifest())
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(StoreAway):
        read_manifest(tmp_path)
