"""Whole nets: the same state as in the origin, and every loss told; one test for each trap."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandapower
import pandapower.networks
import pytest
import simbench
from pandapower.control import DiscreteTapControl

from central.dso.grid.checking import faults
from central.dso.grid.importing.conversion import RefusedImport
from central.dso.powerflow import PowerFlow
from tests.foreign_nets import AGREED_PU, brought, compared, drawn_va, losses, town

# pandapower and pandas tell their developers many things, by warnings.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("resources", [False, "pv_wind", "all"])
def test_cigres_medium_voltage_is_the_same(resources: Any) -> None:
    found = compared(pandapower.networks.create_cigre_network_mv(with_der=resources))
    assert found.agrees
    assert found.flow.u_pu.shape == (1, 15)


@pytest.mark.parametrize("code", ["1-LV-rural1--0-no_sw", "1-MV-semiurb--0-sw"])
def test_simbench_is_the_same(code: str) -> None:
    """With every tap moved: its changers have no type, which pandapower would pass over."""
    net = simbench.get_simbench_net(code)
    net.trafo["tap_pos"] = 2
    typed = copy.deepcopy(net)
    typed.trafo["tap_changer_type"] = "Ratio"
    assert compared(typed).agrees
    untyped = compared(net)
    assert untyped.voltage_pu > 1e-2
    assert "no tap_changer_type" in losses(untyped.imported)["approximated", "trafo"]
    dropped = losses(untyped.imported)["dropped", "profiles"]
    assert "series in time belong to forecasts" in dropped
    assert ("dropped", "loadcases") in losses(untyped.imported)


def test_a_net_with_everything_given_loses_only_what_is_said() -> None:
    found = compared(town())
    assert found.agrees
    assert losses(found.imported).keys() == {("approximated", "trafo")}
    assert "taken as one on load" in losses(found.imported)["approximated", "trafo"]


def test_the_source_is_ideal_as_in_the_origin() -> None:
    """Trap: the engine's own short-circuit power of 10 GVA costs up to 3e-3 pu."""
    net = town()
    net.ext_grid["s_sc_max_mva"] = 500.0
    net.ext_grid["rx_max"] = 0.1
    found = compared(net)
    assert found.agrees
    assert "short-circuit power" in losses(found.imported)["dropped", "ext_grid"]
    grid = found.imported.grid
    source = grid.network["source"].copy()
    source["sk"] = np.nan
    lax_grid = replace(grid, network={**grid.network, "source": source})
    heavy_va = drawn_va(found.imported) * 5
    ideal, lax = (PowerFlow(each).solve(heavy_va, exact=True) for each in (grid, lax_grid))
    assert np.abs(ideal.voltage_pu - lax.voltage_pu).max() > 1e3 * AGREED_PU


def test_the_angle_of_the_source_is_kept() -> None:
    net = town(shift_degree=0.0, vector_group="YNyn0")
    net.ext_grid["va_degree"] = 20.0
    found = compared(net, calculate_voltage_angles=True)
    assert np.degrees(np.angle(found.flow.u_pu[0, 0])) == pytest.approx(20.0)


def test_without_zero_sequence_only_symmetry_is_left() -> None:
    net = town()
    grid = brought(net).grid
    assert grid.network["line"]["r0"] == pytest.approx([2.4, 2.4])
    net.line = net.line.drop(columns=["r0_ohm_per_km", "x0_ohm_per_km", "c0_nf_per_km"])
    found = compared(net)
    assert found.agrees
    assert "symmetric calculations only" in losses(found.imported)["dropped", "line"]
    assert np.isnan(found.imported.grid.network["line"]["r0"]).all()


def test_lines_in_parallel_share() -> None:
    net = town()
    net.line["parallel"], net.line["df"] = [3, 1], [0.9, 1.0]
    found = compared(net)
    assert found.agrees
    assert found.imported.grid.rating_a[0][:2] == pytest.approx([3 * 0.9 * 145, 145])


def test_a_limit_below_the_rating_is_told() -> None:
    net = town()
    net.line["max_loading_percent"] = 80.0
    assert "limited at 100 %" in losses(brought(net))["approximated", "line"]


def test_controllers_measurements_and_costs_are_dropped_and_told() -> None:
    net = town()
    DiscreteTapControl(net, 0, vm_lower_pu=0.98, vm_upper_pu=1.02)
    pandapower.create_measurement(net, "v", "bus", 1.01, 0.01, element=1, name="V at A")
    pandapower.create_poly_cost(net, 0, "ext_grid", 1.0)
    found = losses(brought(net))
    assert "own means are planned instead" in found["dropped", "controller"]
    assert "V at A: name field sensors" in found["dropped", "measurement"]
    assert ("dropped", "poly_cost") in found


# ── switches ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bus", "ends"), [(2, (0, 1)), (3, (1, 0))], ids=["from", "to"]
)  # fmt: skip
def test_a_line_opened_at_one_end_still_charges(bus: int, ends: tuple[int, int]) -> None:
    net = town()
    pandapower.create_line_from_parameters(
        net, 2, 3, length_km=8.0, r_ohm_per_km=0.5, x_ohm_per_km=0.7, c_nf_per_km=151.0,
        max_i_ka=0.145, name="spare",
    )  # fmt: skip
    pandapower.create_switch(net, bus, 2, et="l", closed=False, name="S")
    found = compared(net)
    assert found.agrees
    grid = found.imported.grid
    line = grid.network["line"][grid.branch("spare")]
    assert (line["from_status"], line["to_status"]) == ends
    assert grid.branches[grid.branch("spare")].switch
    assert not grid.branches[grid.branch("A-B")].switch


def test_a_transformer_is_opened_by_its_switch() -> None:
    net = town()
    net.trafo = net.trafo.loc[[0, 0]].reset_index(drop=True)
    net.trafo["name"] = ["TR", "TR bis"]
    pandapower.create_switch(net, 1, 1, et="t", closed=False)
    found = compared(net)
    assert found.agrees
    grid = found.imported.grid
    transformers = grid.network["transformer"]
    assert transformers["from_status"].tolist() == [1, 1]
    assert transformers["to_status"].tolist() == [1, 0]
    assert grid.branches[grid.branch("TR bis")].switch


@pytest.mark.parametrize("closed", [True, False])
def test_a_bus_tie_is_a_link(closed: bool) -> None:  # noqa: FBT001 -- a case
    net = town()
    tied = pandapower.create_bus(net, 20.0, name="bar 2", min_vm_pu=0.93, max_vm_pu=1.07)
    pandapower.create_line_from_parameters(
        net, tied, 3, length_km=2.0, r_ohm_per_km=0.5, x_ohm_per_km=0.7, c_nf_per_km=151.0,
        max_i_ka=0.145, name="second way",
    )  # fmt: skip
    pandapower.create_switch(net, 1, tied, et="b", closed=closed, name="tie")
    found = compared(net)
    assert found.agrees
    grid = found.imported.grid
    tie = grid.branch("tie")
    assert (bool(grid.closed[tie]), grid.branches[tie].switch) == (closed, True)
    assert grid.spans["link"] == slice(tie, tie + 1)


def test_a_switch_with_an_impedance_is_told() -> None:
    net = town()
    spare = pandapower.create_bus(net, 20.0, name="spare")
    pandapower.create_switch(net, 1, spare, et="b", z_ohm=0.1, name="tie")
    assert "its impedance is taken as none" in losses(brought(net))["approximated", "switch"]


# ── what is out of service ──────────────────────────────────────────────────────────────────


def test_a_branch_out_of_service_stays_and_is_open() -> None:
    net = town()
    net.line.loc[1, "in_service"] = False
    net.load.loc[1, "in_service"] = False
    imported = brought(net)
    assert imported.grid.closed.tolist() == [True, False, True]
    assert imported.grid.pods == ("IT999E00000000",)
    assert "load village: is out of service" in losses(imported)["dropped", "load"]


def test_a_bus_out_of_service_takes_with_it_what_hangs_there() -> None:
    """The line to it would still charge in the origin: 0.14 Mvar over 3 km, and it is told."""
    net = town()
    net.bus.loc[3, "in_service"] = False
    pandapower.create_shunt(net, 3, q_mvar=-0.3, name="bank")
    found = compared(net)
    assert AGREED_PU < found.voltage_pu < 1e-3
    told = losses(found.imported)
    assert told["dropped", "bus"] == "dropped: bus C: is out of service"
    assert "line B-C: a bus of it is out of service" in told["approximated", "line"]
    assert "load village" in told["dropped", "load"]
    assert ("dropped", "shunt") in told
    net.line["c_nf_per_km"] = 0.0
    net.line["g_us_per_km"] = 0.0
    assert compared(net).agrees


def test_a_branch_between_two_dead_buses_is_no_loss_to_anybody() -> None:
    net = town()
    net.bus.loc[[2, 3], "in_service"] = False
    assert "line B-C: its buses are out of service" in losses(brought(net))["dropped", "line"]


def test_a_source_at_a_bus_out_of_service_is_dropped() -> None:
    net = town()
    pandapower.create_ext_grid(net, 3, name="other")
    net.bus.loc[3, "in_service"] = False
    assert ("dropped", "ext_grid") in losses(brought(net))


# ── shunts, impedances, and what there is not ───────────────────────────────────────────────


@pytest.mark.parametrize("vn_kv", [20.0, 21.0])
def test_a_shunt_counts_its_steps_at_its_own_voltage(vn_kv: float) -> None:
    net = town()
    pandapower.create_shunt(net, 3, q_mvar=-0.3, p_mw=0.01, step=2, max_step=3, vn_kv=vn_kv)
    off = pandapower.create_shunt(net, 2, q_mvar=-5.0)
    net.shunt.loc[off, "in_service"] = False
    assert compared(net).agrees


def test_a_bank_of_capacitors_is_one_of_own_means() -> None:
    net = town()
    pandapower.create_shunt(net, 3, q_mvar=-0.3, step=2, max_step=3, name="bank")
    found = compared(net)
    assert found.agrees
    (bank,) = found.imported.grid.capacitors
    assert (bank.name, bank.steps) == ("bank", 3)
    assert bank.step_var == pytest.approx(300e3)
    assert found.imported.grid.capacitor_steps.tolist() == [2]


def test_a_shunt_by_table_is_refused() -> None:
    net = town()
    pandapower.create_shunt(net, 3, q_mvar=-0.3, name="bank")
    net.shunt["step_dependency_table"] = True
    with pytest.raises(RefusedImport, match="shunt bank: steps by table"):
        brought(net)


def test_a_ward_is_a_customer_and_a_shunt() -> None:
    net = town()
    pandapower.create_ward(net, 3, ps_mw=0.5, qs_mvar=0.1, pz_mw=0.4, qz_mvar=0.2, name="ward")
    found = compared(net)
    assert found.agrees
    assert "ward ward" in found.imported.origin.values()


def test_an_impedance_within_one_level_is_a_line() -> None:
    net = town()
    pandapower.create_impedance(net, 1, 3, rft_pu=0.05, xft_pu=0.2, sn_mva=10.0, name="Z")
    found = compared(net)
    assert found.agrees
    grid = found.imported.grid
    assert grid.rating_a[0][grid.branch("Z")] == pytest.approx(10e6 / 20e3 / 3**0.5)
    assert ("approximated", "impedance") in losses(found.imported)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda net: pandapower.create_impedance(net, 0, 3, 0.05, 0.2, 10.0, name="Z"),
         "impedance Z: is not the same both ways, or joins two levels"),
        (lambda net: pandapower.create_impedance(net, 1, 3, 0.05, 0.2, 10.0, rtf_pu=0.1,
                                                 xtf_pu=0.2, name="Z"), "impedance Z"),
        (lambda net: pandapower.create_xward(net, 3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 1.0, name="X"),
         "xward X: is not modelled here"),
        (lambda net: pandapower.create_gen(net, 3, p_mw=1.0, vm_pu=1.01, name="G"),
         "gen G: is not modelled here"),
        (lambda net: pandapower.create_dcline(net, 1, 3, 0.1, 1.0, 0.1, 1.0, 1.0, name="D"),
         "dcline D"),
        (lambda net: pandapower.create_motor(net, 3, pn_mech_mw=0.1, cos_phi=0.9, name="M"),
         "motor M"),
    ],
    ids=["levels", "both ways", "xward", "gen", "dcline", "motor"],
)  # fmt: skip
def test_what_cannot_be_left_out_is_refused(build: Any, told: str) -> None:
    net = town()
    build(net)
    with pytest.raises(RefusedImport) as refused:
        brought(net)
    assert told in str(refused.value)
    assert "town" in str(refused.value)


def test_everything_refused_is_told_at_once() -> None:
    net = town(shift_degree=10.0)
    pandapower.create_gen(net, 3, p_mw=1.0, name="G")
    net.f_hz = 60.0
    with pytest.raises(RefusedImport) as refused:
        brought(net)
    assert {loss.table for loss in refused.value.report.losses if loss.effect == "refused"} == {
        "trafo", "gen", "net",
    }  # fmt: skip


def test_a_generator_out_of_service_is_dropped() -> None:
    net = town()
    pandapower.create_gen(net, 3, p_mw=1.0, name="G", in_service=False)
    found = compared(net)
    assert found.agrees
    assert "gen G: is out of service" in losses(found.imported)["dropped", "gen"]


# ── names and means ─────────────────────────────────────────────────────────────────────────


def test_names_bands_and_areas_are_kept() -> None:
    grid = brought(town()).grid
    assert [node.name for node in grid.nodes] == ["HV", "A", "B", "C"]
    assert {(node.low_pu, node.high_pu, node.area) for node in grid.nodes} == {
        (0.93, 1.07, "north")
    }
    assert [branch.name for branch in grid.branches] == ["A-B", "B-C", "TR"]


def test_without_a_band_en_50160_is_taken_and_told() -> None:
    net = town()
    net.bus = net.bus.drop(columns=["min_vm_pu", "max_vm_pu"])
    imported = brought(net)
    assert {(node.low_pu, node.high_pu) for node in imported.grid.nodes} == {(0.90, 1.10)}
    assert "EN 50160" in losses(imported)["approximated", "bus"]


def test_transformers_behind_the_source_are_the_primary_substation() -> None:
    net = town()
    low = pandapower.create_bus(net, 0.4, name="D", min_vm_pu=0.9, max_vm_pu=1.1)
    pandapower.create_transformer_from_parameters(
        net, 3, low, sn_mva=0.4, vn_hv_kv=20.0, vn_lv_kv=0.4, vk_percent=6.0, vkr_percent=1.4,
        pfe_kw=1.0, i0_percent=0.3, shift_degree=150.0, vector_group="Dyn5", tap_side="hv",
        tap_neutral=0, tap_min=-2, tap_max=2, tap_pos=1, tap_step_percent=2.5,
        tap_step_degree=0.0, tap_changer_type="Ratio", name="TS",
    )  # fmt: skip
    upstream = pandapower.create_bus(net, 110.0, name="HV 0", min_vm_pu=0.93, max_vm_pu=1.07)
    pandapower.create_switch(net, upstream, 0, et="b", name="bay")
    net.ext_grid["bus"] = upstream
    found = compared(net)
    assert found.agrees
    grid = found.imported.grid
    (station,) = grid.substations
    assert (station.name, station.transformers) == ("PS HV", (grid.branch("TR"),))
    assert [means.branch for means in grid.taps] == [grid.branch("TR")], "TS is not on load"


def test_a_net_without_a_transformer_has_no_primary_substation() -> None:
    net = town()
    net.trafo = net.trafo.iloc[:0]
    net.ext_grid["bus"] = 1
    reasons = {fault.reason for fault in faults(brought(net).grid)}
    assert "no_substation" in reasons
