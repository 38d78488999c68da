"""The past of a grid: evidence where there is any, imports where there is none."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from central.dso.forecast.history import Floats, Origin, Origins
from central.dso.grid.model import Connection, Grid
from central.sessions.history import customers_of, gather_history
from central.sessions.imports import keep_import, read_import
from ledger.facts.interval import QUARTER_MS, Interval
from tests.grids import feeder
from tests.scd import FIRST_HOUR, World, lived_in

FIRST_MS = FIRST_HOUR.start_ms - FIRST_HOUR.start_ms % QUARTER_MS
SPAN = Interval(FIRST_MS - QUARTER_MS, FIRST_MS + 4 * QUARTER_MS)


def test_evidence_stands_where_both_are_and_each_quarter_says_its_origin(tmp_path: Path) -> None:
    with lived_in(tmp_path, node_count=2, minutes=60) as world:
        metered = [each.pod for each in world.central.evidence.registrations()]
        grid = grid_of(metered[0], "IT002E00009999")
        starts = [SPAN.start_ms + k * QUARTER_MS for k in range(2)]
        brought = tmp_path / "old.csv"
        brought.write_text(
            "pod,start,import_wh,export_wh\n"
            + "".join(f"{pod},{told(ms)},250,0\n" for pod in grid.pods for ms in starts),
            encoding="utf-8",
        )
        keep_import(read_import(brought), tmp_path / "imports")
        history = gather_history(
            grid, world.central.evidence, world.services.inquiry, tmp_path / "imports", SPAN
        )
        check(world, history.origin, history.power_w)
        without = gather_history(grid, world.central.evidence, world.services.inquiry, None, SPAN)
    assert (without.origin[1] == Origin.MISSING).all()
    assert np.array_equal(without.origin[0, 1:], history.origin[0, 1:])


def test_what_was_imported_in_another_unit_is_missing_and_its_pod_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grid = grid_of("IT002E00008888", "IT002E00009999")
    brought = tmp_path / "old.csv"
    brought.write_text(
        "pod,start,import_wh,export_wh\n"
        f"{grid.pods[0]},{told(SPAN.start_ms)},0,7500\n"
        f"{grid.pods[1]},{told(SPAN.start_ms)},250,0\n"
        f"{grid.pods[1]},{told(FIRST_MS)},250000,0\n",
        encoding="utf-8",
    )
    keep_import(read_import(brought), tmp_path / "imports")
    with lived_in(tmp_path, node_count=1, minutes=1) as world:
        history = gather_history(
            grid, world.central.evidence, world.services.inquiry, tmp_path / "imports", SPAN
        )
    assert history.power_w[:, :2].tolist() == [[-30_000.0, 0.0], [1_000.0, 0.0]]
    assert history.origin[:, :2].tolist() == [
        [Origin.IMPORTED, Origin.MISSING], [Origin.IMPORTED, Origin.MISSING],
    ]  # fmt: skip
    (warned,) = (vars(each) for each in caplog.records if "implausible" in each.msg)
    assert (warned["msg"], warned["quarters"]) == ("session.history_implausible", 1)
    assert warned["first_pods"] == [grid.pods[1]]


def check(world: World, origin: Origins, power_w: Floats) -> None:
    assert origin[0, 0] == Origin.IMPORTED
    assert power_w[0, 0] == 1000.0
    assert origin[0, 1] == Origin.CERTIFIED, "the evidence of this quarter is on the ledger"
    assert origin[1].tolist() == [Origin.IMPORTED] * 2 + [Origin.MISSING] * 3
    node = world.central.evidence.registrations()[0].node_index
    (first, *_) = world.services.inquiry.quarters(node, SPAN)
    energy = first.energy
    mean_w = (energy.import_wh - energy.export_wh) * 3600 / energy.covered_s
    assert abs(power_w[0, 1] - mean_w) < 1e-6


def grid_of(*pods: str) -> Grid:
    connections = tuple(Connection(pod, 2 + k, 3000) for k, pod in enumerate(pods))
    return replace(feeder(4), connections=connections)


def told(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat()


def test_customers_are_told_with_contract_and_profile() -> None:
    grid = feeder(5)
    found = customers_of(grid)
    assert found.contract_w.tolist() == [1e6] * 3
    assert found.group == ("household",) * 3
