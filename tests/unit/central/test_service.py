"""The database as a configuration composes it; one that is damaged is not opened."""

from dataclasses import replace
from pathlib import Path

import pytest

from central.errors import DamagedStore
from central.service import opened
from tests.scd import lived_in


def test_a_damaged_database_is_not_opened(tmp_path: Path) -> None:
    with lived_in(tmp_path, minutes=20) as made:
        config = made.central.config
    with config.store.evidence.open("r+b") as file:
        file.seek(30 * 4_096)
        file.write(b"\xff" * 8_192)
    damaged = config.store.evidence.read_bytes()
    with pytest.raises(DamagedStore, match="salvage"), opened(config):
        pass
    assert config.store.evidence.read_bytes() == damaged


def test_a_large_database_is_not_read_through_at_start(tmp_path: Path) -> None:
    with lived_in(tmp_path, minutes=1) as made:
        config = made.central.config
    config = replace(config, store=replace(config.store, check_up_to_mib=0))
    with opened(config) as central:
        assert central.evidence.last_arrival() > 0
