"""Every fault that a grid can have is found, and a good grid has none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_type_hints

import numpy as np
import pytest

from central.dso.grid.checking import BadGrid, check, faults
from central.dso.grid.model import (
    CapacitorMeans,
    Grid,
    PrimarySubstation,
    Sensor,
    TapMeans,
)
from tests.grids import feeder, station

Plant = Callable[[Grid], Grid]


def column(kind: str, name: str, value: Any, row: int = 0) -> Plant:  # noqa: ANN401 -- a value of any column
    def plant(grid: Grid) -> Grid:
        changed = grid.network[kind].copy()
        changed[name][row] = value
        return replace(grid, network={**grid.network, kind: changed})

    return plant


def entry(table: str, row: int = 0, **changed: object) -> Plant:
    def plant(grid: Grid) -> Grid:
        rows = list(getattr(grid, table))
        rows[row] = replace(rows[row], **changed)
        return whole(**{table: tuple(rows)})(grid)

    return plant


def whole(**changed: Any) -> Plant:  # noqa: ANN401 -- fields of any type
    return lambda grid: replace(grid, **changed)


def lonely(grid: Grid) -> Grid:
    """Return the grid with D-E led to C instead: nothing leads to E any more."""
    return column("link", "to_node", 13)(column("node", "u_rated", 400.0, 3)(grid))


GOOD = station()
# What is planted, which reason must be found, and what the message must say.
PLANTED: dict[str, tuple[Plant, str, str]] = {
    "node twice": (entry("nodes", 1, name="B"), "doubled_node", "node B: stands 2 times"),
    "branch twice": (entry("branches", 1, name="A-B"), "doubled_branch", "branch A-B"),
    "pod twice": (entry("connections", 1, pod="IT002E00000001"), "doubled_pod", "IT002E00000001"),
    "sensor twice": (entry("sensors", 1, name="V&C A"), "doubled_sensor", "sensor V&C A"),
    "pod code": (entry("connections", pod="IT2E1"), "bad_pod", "expected the form IT002E12345678"),
    "contract of 0": (entry("connections", contract_w=0), "bad_contract", "contract_w is 0"),
    "contract in mW": (entry("connections", contract_w=10**9), "bad_contract", "28868 A at 20000"),
    "no substation": (whole(substations=()), "no_substation", "name its transformers"),
    "substation on a line": (
        whole(substations=(PrimarySubstation("PS", (0,)),)), "no_transformer", "PS: A-B is no tra"),
    "taps on a link": (whole(taps=(TapMeans(7),)), "no_transformer", "D-E is no transformer"),
    "taps without steps": (
        column("transformer", "tap_size", 0.0), "no_taps", "transformer TR: stands under taps"),
    "taps without range": (
        lambda grid: column("transformer", "tap_min", 3)(column("transformer", "tap_max", 3)(grid)),
        "no_taps", "give tap_min, tap_max and tap_size"),
    "bank without steps": (
        whole(capacitors=(CapacitorMeans("bank", 0, 0, 1e3),)), "bad_capacitor", "steps is 0"),
    "bank without var": (
        whole(capacitors=(CapacitorMeans("bank", 0, 2, 0.0),)), "bad_capacitor", "step_var is 0"),
    "bank between two steps": (
        column("shunt", "b1", 1.25e-3), "bad_capacitor", "stands at 2.5 of 2 steps"),
    "bank beyond its steps": (
        column("shunt", "b1", 1.5e-3), "bad_capacitor", "a whole number of steps"),
    "sensor nowhere": (
        whole(sensors=(Sensor("S", "voltage"),)), "bad_sensor", "exactly one of node and branch"),
    "sensor at two places": (
        whole(sensors=(Sensor("S", "voltage", 1, 1),)), "bad_sensor", "exactly one of node"),
    "voltage of a branch": (
        whole(sensors=(Sensor("S", "voltage", None, 1),)), "bad_sensor", "that needs a node"),
    "power of a node": (
        whole(sensors=(Sensor("S", "power", 1, None),)), "bad_sensor", "that needs a branch"),
    "branch astray": (
        column("line", "to_node", 99), "unknown_node", "line A-B: to_node is 99, and no node"),
    "source astray": (column("source", "node", 98), "unknown_node", "source 60: node is 98"),
    "shunt astray": (column("shunt", "node", 97, 1), "unknown_node", "shunt 51: node is 97"),
    "node alone": (lonely, "unconnected_node", "node E: no branch leads there"),
    "island": (
        column("transformer", "to_status", 0, 1), "island", "D, E: nothing feeds it with the swi"),
    "source off": (column("source", "status", 0), "island", "HV, A, B, C, D and 1 more"),
    "pod in an island": (
        column("transformer", "to_status", 0, 1), "unfed_pod", "pod IT002E00000003: its node E"),
    "pod on a lonely node": (lonely, "unfed_pod", "pod IT002E00000003"),
    "band in percent": (entry("nodes", low_pu=90.0, high_pu=110.0), "bad_band", "90.0 … 110.0 pu"),
    "band upside down": (entry("nodes", low_pu=1.1, high_pu=0.9), "bad_band", "low < high"),
    "node in kV": (column("node", "u_rated", 20.0, 2), "wrong_unit", "is it kV instead of V?"),
    "capacity in nF": (column("line", "c1", 151.0), "wrong_unit", "nF instead of F"),
    "resistance in mΩ": (column("line", "r1", 501.0), "wrong_unit", "line A-B: r1 = 501 Ω"),
    "reactance in mΩ": (column("line", "x1", 716.0), "wrong_unit", "x1 = 716 Ω is outside"),
    "rating in kA": (column("line", "i_n", 0.145), "wrong_unit", "kA instead of A"),
    "no rating of a line": (column("line", "i_n", np.nan), "missing_rating", "i_n is not given"),
    "no rating of a transformer": (
        column("transformer", "sn", np.nan), "missing_rating", "transformer TR: sn is not given"),
    "no resistance": (column("line", "r1", np.nan, 2), "missing_value", "line B-C bis: r1"),
    "winding in kV": (column("transformer", "u2", 0.4, 1), "wrong_unit", "u2 = 0.4 V"),
    "power in MVA": (column("transformer", "sn", 25.0), "wrong_unit", "kVA or MVA instead of VA"),
    "uk in percent": (column("transformer", "uk", 12.0), "wrong_unit", "percent instead of a sh"),
    "pk in mW": (column("transformer", "pk", 1e9), "wrong_unit", "kW instead of W"),
    "a step above all": (column("transformer", "tap_size", 1e6), "wrong_unit", "percent instead"),
    "source in kV": (column("source", "u_ref", 110.0), "wrong_unit", "kV instead of per unit"),
    "source in MVA": (column("source", "sk", 5e3), "wrong_unit", "MVA instead of VA"),
    "line between levels": (
        column("node", "u_rated", 10e3, 2), "two_levels", "line A-B: joins 20000 V and 10000 V"),
    "winding far from its node": (
        column("transformer", "u1", 20e3), "two_levels", "u1 is 0.18 times its node's rated"),
    "engine: number twice": (column("line", "id", 21), "engine_not_unique_error", "B-C"),
    "engine: tap beyond": (
        column("transformer", "tap_pos", 11), "engine_not_between_or_at_error", "TR: "),
    "engine: less than no loss": (
        column("transformer", "p0", -1.0, 1), "engine_not_greater_or_equal_error", "TS: "),
}  # fmt: skip


NAN, ENDLESS = float("nan"), float("inf")
# Table, column, values that nothing has, values that something has; how a fault begins.
SPANS: dict[str, tuple[str, str, tuple[float, ...], tuple[float, ...], str]] = {
    "contract": ("connections", "contract_w", (-3000, 0, 3, 99, 2 * 10**9, 10**400),
                 (100, 3000, 100 * 10**6), "bad_contract pods IT002E00000001"),
    "tan φ": ("connections", "tan_phi", (NAN, ENDLESS, -ENDLESS, 95.0, -18.2), (-10.0, 0.0, 3.0),
              "bad_tan_phi pods IT002E00000001"),
    "tap cost": ("taps", "cost_eur", (-1.0, NAN, ENDLESS, 1e9), (0.0, 500.0), "bad_cost taps TR"),
    "tap moves": ("taps", "most_moves", (-1, 10**6), (0, 96), "bad_moves taps TR"),
    "steps": ("capacitors", "steps", (-1, 0, 5000), (2, 12), "bad_capacitor capacitors bank"),
    "step": ("capacitors", "step_var", (0.0, 0.2, NAN, ENDLESS, -ENDLESS, 1e12), (200e3,),
             "bad_capacitor capacitors bank"),
    "bank cost": ("capacitors", "cost_eur", (-1.0, NAN, ENDLESS), (0.0, 10.0),
                  "bad_cost capacitors bank"),
    "bank moves": ("capacitors", "most_moves", (-1, 10**6), (0, 4), "bad_moves capacitors bank"),
    "sigma": ("sensors", "sigma_pct", (0.0, -2.0, NAN, ENDLESS, 2e4), (0.01, 0.5, 5.0),
              "bad_sigma sensors V&C A"),
    "lower limit": ("nodes", "low_pu", (NAN, -ENDLESS, -0.9, 1.2), (0.5, 0.95), "bad_band node HV"),
    "upper limit": ("nodes", "high_pu", (NAN, ENDLESS, 0.8, 11.0), (1.05, 1.5), "bad_band node HV"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "column_", "bad", "good", "told"), SPANS.values(), ids=SPANS)
def test_a_number_of_the_table_is_one_that_something_has(
    table: str, column_: str, bad: tuple[float, ...], good: tuple[float, ...], told: str
) -> None:
    for value in bad:
        (found,) = faults(entry(table, 0, **{column_: value})(GOOD))
        assert f"{found.reason} {found.where}" == told
        assert column_ in found.what
        assert str(value) in found.what
        assert " … " in found.remedy or "≤" in found.remedy or " A; " in found.remedy
    for value in good:
        assert faults(entry(table, 0, **{column_: value})(GOOD)) == []


def test_every_number_of_the_table_has_its_span() -> None:
    """A column that comes to the file must come to these tests, or point at an element."""
    known = {(table, name) for table, name, *_ in SPANS.values()}
    tables = ("nodes", "branches", "connections", "substations", "taps", "capacitors", "sensors")
    numbers = {
        (table, name)
        for table in tables
        for name, kind in get_type_hints(type(getattr(GOOD, table)[0])).items()
        if kind in {int, float} and name not in {"node", "branch", "shunt"}
    }
    assert len(numbers) > 9
    assert numbers == known


def test_a_house_with_a_contract_in_milliwatts_is_found() -> None:
    (found,) = faults(entry("connections", 2, contract_w=3_000_000)(GOOD))
    assert str(found).startswith("pods IT002E00000003: contract_w is 3000000, 4330 A at 400 V")
    assert faults(entry("connections", 2, contract_w=1_000_000)(GOOD)) == []


def test_a_breaker_is_never_unsure() -> None:
    breaker = Sensor("LV3G", "breaker", branch=6, sigma_pct=0.0)
    assert faults(whole(sensors=(breaker,))(GOOD)) == []
    (found,) = faults(whole(sensors=(replace(breaker, sigma_pct=NAN),))(GOOD))
    assert found.reason == "bad_sigma"


@pytest.mark.parametrize("clock", [0, 5, 11])
def test_a_good_grid_has_no_faults(clock: int) -> None:
    assert faults(station(clock)) == []
    check(station(clock))
    assert faults(feeder(30, rings=3)) == []


@pytest.mark.parametrize(("plant", "reason", "told"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(plant: Plant, reason: str, told: str) -> None:
    found = [fault for fault in faults(plant(GOOD)) if fault.reason == reason]
    assert found, [f"{fault.reason}: {fault}" for fault in faults(plant(GOOD))]
    lines = [str(fault) for fault in found]
    assert any(told in line for line in lines), lines
    assert all(fault.where and fault.what and fault.remedy for fault in found)
    assert not any("\n" in line for line in lines)


def test_every_reason_was_planted() -> None:
    reasons = {reason for _, reason, _ in PLANTED.values()}
    found = {fault.reason for plant, _, _ in PLANTED.values() for fault in faults(plant(GOOD))}
    assert {one for one in found if not one.startswith("engine_")} <= reasons


def test_all_faults_are_told_at_once() -> None:
    wrong = entry("connections", pod="X")(column("line", "i_n", np.nan)(whole(taps=())(GOOD)))
    with pytest.raises(BadGrid) as refused:
        check(wrong)
    assert {fault.reason for fault in refused.value.faults} == {"bad_pod", "missing_rating"}
    assert str(refused.value).count("\n") == len(refused.value.faults) - 1
    assert refused.value.reason == "bad_grid"


def test_a_source_may_leave_its_power_open() -> None:
    assert faults(column("source", "sk", np.nan)(GOOD)) == []
