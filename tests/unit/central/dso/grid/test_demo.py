"""The demo grid is what the brochure prints, and calculates to what the brochure prints."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from power_grid_model import LoadGenType, PowerGridModel

from central.dso.grid.admittance import Admittance
from central.dso.grid.checking import faults
from central.dso.grid.demo import FILE, building, cigre, demo_grid
from central.dso.grid.islands import is_radial
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.powerflow import PowerFlow
from tests.grids import component

GRID = demo_grid()
# Technical Brochure 575, table 9.6 (p. 85): voltage between phases [kV], S1, S2 and S3 open.
PRINTED_KV = {
    1: 20.52, 2: 20.09, 3: 19.43, 4: 19.40, 5: 19.38, 6: 19.35, 7: 19.33, 8: 19.33, 9: 19.31,
    10: 19.29, 11: 19.29, 12: 20.04, 13: 19.94, 14: 19.88,
}  # fmt: skip
# Table 9.6: current [A] of branches at the end named last, and table 9.7: taps of the low side [%].
PRINTED_A = {
    "TR-1": 727.89, "L-1-2": 125.27, "L-2-3": 125.98, "L-3-4": 48.98, "L-4-5": 36.57,
    "L-5-6": 15.79, "L-3-8": 62.31, "L-8-9": 43.43, "L-9-10": 25.21,
    "L-10-11": 9.48, "TR-2": 612.21, "L-12-13": 18.27, "L-13-14": 17.18,
}  # fmt: skip
PRINTED_TAPS_PCT = (6.250, 3.125)


def as_printed() -> tuple[Grid, Phasors]:
    """Return the grid with the brochure's taps and ideal 110 kV, and its load at MV nodes alone."""
    transformers, source = (GRID.network[kind].copy() for kind in ("transformer", "source"))
    raised = 1 + np.array(PRINTED_TAPS_PCT) / 100
    transformers["u2"][:2] *= raised
    for column in ("uk", "pk"):  # shares of a base that the taps raise; the impedance stays
        transformers[column][:2] /= raised**2
    source["u_ref"], source["sk"] = 1.0, 1e20
    grid = replace(GRID, network={**GRID.network, "transformer": transformers, "source": source})
    drawn_va: Phasors = np.zeros((1, len(grid.nodes)), dtype=complex)
    for factor, peaks_va in (*cigre.RESIDENTIAL_VA, *cigre.COMMERCIAL_VA):
        for node, peak_va in peaks_va.items():
            drawn_va[0, grid.node(f"MV-{node}")] += peak_va * np.exp(1j * np.arccos(factor))
    return grid, drawn_va


def peak_va(share: float = 1.0) -> Phasors:
    """Return a share of the published loads [VA], while no resource gives anything."""
    power_w = building.peak_w(GRID).clip(0.0) * share
    return (GRID.at_nodes(power_w) + 1j * GRID.at_nodes(power_w * GRID.tan_phi))[None]


def test_the_files_in_the_package_are_what_is_built(tmp_path: Path) -> None:
    building.write(tmp_path)
    shipped = Path(building.__file__).parent
    for name in (FILE, "rome.pgm.json"):
        assert (tmp_path / name).read_text() == (shipped / name).read_text(), (
            f"{name} is stale: call central.dso.grid.demo.building.write with its folder"
        )


def test_nothing_is_wrong_with_it() -> None:
    assert faults(GRID) == []
    assert is_radial(GRID)
    assert "575" in GRID.source


def test_the_power_flow_is_the_brochures() -> None:
    """With loads as the impedances they are at rated voltage, which is how it was calculated."""
    grid, rated_va = as_printed()
    flows, drawn_va = PowerFlow(grid), rated_va
    for _ in range(20):
        flow = flows.solve(drawn_va, exact=True)
        drawn_va = rated_va * flow.voltage_pu**2
    found_kv = {n: flow.voltage_pu[0, grid.node(f"MV-{n}")] * 20 for n in PRINTED_KV}
    assert found_kv == pytest.approx(PRINTED_KV, abs=0.0075)
    ends_a = np.abs(np.concatenate(Admittance.of(grid).currents_a(flow.u_pu)))
    found_a = {name: float(ends_a[1, grid.branch(name)]) for name in PRINTED_A}
    assert found_a == pytest.approx(PRINTED_A, abs=0.05)


def test_the_load_is_the_brochures_wherever_it_hangs() -> None:
    """Customers behind a secondary substation are part of the load printed for its MV node."""
    printed_va: Counter[int] = Counter()
    for _, peaks in (*cigre.RESIDENTIAL_VA, *cigre.COMMERCIAL_VA):
        printed_va.update({node: round(peak) for node, peak in peaks.items()})
    found_va = np.zeros(15)
    for pod, peak_w in zip(GRID.connections, building.peak_w(GRID), strict=True):
        if peak_w > 0:
            level, node, *_ = GRID.nodes[pod.node].name.split("-")
            assert level in {"MV", "LV"}
            found_va[int(node)] += peak_w * np.hypot(1, pod.tan_phi)
    assert found_va == pytest.approx([printed_va[n] for n in range(15)], rel=1e-4)


def test_the_peak_is_heavy_and_the_night_is_calm() -> None:
    flow = PowerFlow(GRID).solve(np.concatenate([peak_va(), peak_va(0.25)]), exact=True)
    low, calm = flow.voltage_pu
    assert 0.90 < low[GRID.node("MV-11")] < 0.95, "the tap changer is there to be moved"
    assert calm.min() > 0.95
    assert calm.max() < 1.05
    feeder = GRID.branch("L-1-2")
    assert flow.loading_pct[0, feeder] == pytest.approx(98, abs=4)
    assert flow.loading_pct[1].max() < 40


def test_a_step_of_the_changer_is_167_hundredths_of_a_percent() -> None:
    """Nine steps down raise the low side by 17.7 %: 1 / (1 - 9 × 0.0167)."""
    transformers = GRID.network["transformer"]
    assert (transformers["tap_min"][:2].tolist(), transformers["tap_max"][:2].tolist()) == (
        [-9, -9], [9, 9],
    )  # fmt: skip
    assert transformers["tap_size"][0] / transformers["u1"][0] == pytest.approx(0.0167)
    assert {GRID.branches[means.branch].name for means in GRID.taps} == {"TR-1", "TR-2"}


def test_three_lines_are_kept_open_and_can_be_closed() -> None:
    switches = {branch.name for branch in GRID.branches if branch.switch}
    opened = {GRID.branches[n].name for n in np.flatnonzero(~GRID.closed)}
    assert switches == opened == {"L-6-7", "L-4-11", "L-8-14"}


def test_twenty_houses_stand_one_at_each_load_node_of_four_networks() -> None:
    houses = [GRID.connections[GRID.pod(f"IT002E{n:08}")] for n in range(20)]
    loads = ("R11", "R15", "R16", "R17", "R18")
    places = [f"LV-{above}-{node}" for above in (3, 5, 6, 8) for node in loads]
    assert [GRID.nodes[house.node].name for house in houses] == places
    assert {house.profile for house in houses} == {"household"}
    assert Counter(house.phases for house in houses)["abc"] == 10


def test_other_customers_are_numbered_from_a_thousand() -> None:
    others = sorted(pod for pod in GRID.pods if int(pod[-8:]) >= 20)
    assert others == [f"IT002E{1000 + n:08}" for n in range(len(others))]
    profiles = {connection.profile for connection in GRID.connections}
    assert profiles == {
        "household", "business", "industry", "pv", "wind", "storage", "cogeneration",
    }  # fmt: skip


def test_single_phase_households_are_spread_over_the_phases() -> None:
    counts = Counter(one.phases for one in GRID.connections if one.phases != "abc")
    assert set(counts) == {"a", "b", "c"}
    assert max(counts.values()) - min(counts.values()) <= 3
    assert sum(counts.values()) > 150


def test_nobody_peaks_above_his_contract() -> None:
    contract_w = np.array([one.contract_w for one in GRID.connections])
    assert (np.abs(building.peak_w(GRID)) <= contract_w).all()


def test_bands_are_tighter_at_medium_voltage() -> None:
    bands = {node.name[:2]: (node.low_pu, node.high_pu) for node in GRID.nodes}
    assert bands == {"HV": (0.90, 1.10), "MV": (0.95, 1.05), "LV": (0.90, 1.10)}


def asymmetric(grid: Grid, power_w: Floats) -> Any:  # noqa: ANN401 -- what the engine returns
    """Return the nodes with every customer on its own phases."""
    on = {"abc": (1 / 3, 1 / 3, 1 / 3), "a": (1, 0, 0), "b": (0, 1, 0), "c": (0, 0, 1)}
    shares = np.array([on[one.phases] for one in grid.connections])
    loads = component(
        "asym_load", id=9000 + np.arange(len(grid.pods)), node=grid.node_ids[grid.pod_node],
        status=1, type=LoadGenType.const_power,
        p_specified=shares * power_w[:, None],
        q_specified=shares * (power_w * grid.tan_phi)[:, None],
    )  # fmt: skip
    model = PowerGridModel({**grid.network, "asym_load": loads})
    return model.calculate_power_flow(symmetric=False)["node"]


def test_single_phases_can_be_told_apart() -> None:
    """Zero sequence is there: unbalance shows at the houses, and not at the primary substation."""
    nodes = asymmetric(GRID, building.peak_w(GRID).clip(0.0) * 0.6)
    spread = np.ptp(nodes["u_pu"], axis=1)
    assert np.isfinite(nodes["u_pu"]).all()
    assert spread[GRID.node("LV-3-R15")] > 2e-3
    assert spread[GRID.node("MV-1")] < 1e-3
    balanced = PowerFlow(GRID).solve(peak_va(0.6), exact=True)
    mean = nodes["u_pu"].mean(axis=1)
    assert mean == pytest.approx(balanced.voltage_pu[0], abs=3e-3)


def test_field_sensors_stand_where_the_field_has_them() -> None:
    kinds = Counter(sensor.kind for sensor in GRID.sensors)
    assert kinds == {"voltage": 1, "breaker": 3, "power": 11}
    for sensor in GRID.sensors:
        if sensor.kind == "power" and sensor.name.startswith("VC"):
            start = GRID.branch_from[sensor.branch]
            assert sensor.name == f"VC-{GRID.nodes[start].name}", "at the from side"
