"""The newest readings of light nodes: signed, fresh, and all meters of a POD or none."""

from dataclasses import replace
from pathlib import Path

import pytest

from central.dso.grid.model import Connection
from central.sessions.metering import newest_readings
from tests.grids import feeder
from tests.scd import lived_in


def test_fresh_signed_readings_are_taken_and_old_ones_are_not(tmp_path: Path) -> None:
    with lived_in(tmp_path, node_count=3, minutes=10) as world:
        evidence, inquiry = world.central.evidence, world.services.inquiry
        pods = sorted({each.pod for each in evidence.registrations()})
        grid = replace(
            feeder(6), connections=tuple(Connection(p, 2, 3000) for p in [*pods[:2], "IT002E7"])
        )
        last = inquiry.latest(evidence.registrations()[0].node_index)
        assert last is not None
        now_ms = (last[0].slot + 1) * 4_000
        found = newest_readings(grid, evidence, inquiry, now_ms)
        assert sorted(found) == pods[:2]
        first = next(r for r in evidence.registrations() if r.pod == pods[0])
        value = inquiry.latest(first.node_index)
        assert value is not None
        assert found[pods[0]].power_w == pytest.approx(value[0].power_w)
        assert newest_readings(grid, evidence, inquiry, now_ms + 180_000) == {}
        assert newest_readings(grid, evidence, inquiry, now_ms - 600_000) == {}
