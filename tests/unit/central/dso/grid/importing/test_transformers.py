"""Transformers: the same state whichever way they are described, or a refusal."""

from typing import Any

import numpy as np
import pandapower
import pytest

from central.dso.grid.importing.conversion import RefusedImport
from tests.foreign_nets import AGREED_PU, brought, compared, losses, town

# pandapower and pandas tell their developers many things, by warnings.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_t_is_not_a_pi() -> None:
    """Trap: taken for each other they differ by more than the agreement, at heavy magnetising."""
    net = town(i0_percent=5.0, pfe_kw=200.0)
    assert compared(net).agrees
    as_t_pu = net.res_bus.vm_pu.copy()
    net.user_pf_options = {"trafo_model": "pi"}
    assert compared(net, trafo_model="pi").agrees
    assert np.abs(net.res_bus.vm_pu - as_t_pu).max() > 100 * AGREED_PU


@pytest.mark.parametrize("side", ["hv", "lv"])
@pytest.mark.parametrize("step_pct", [1.5, -1.5])
@pytest.mark.parametrize("position", [-9, 0, 5])
def test_taps_at_either_side_and_either_way(side: str, step_pct: float, position: int) -> None:
    net = town(tap_side=side, tap_step_percent=step_pct, tap_pos=position, tap_neutral=-1)
    assert compared(net).agrees


def test_a_tap_position_counts_though_its_changer_has_no_type() -> None:
    """Trap: pandapower from 3 on passes over it and says nothing, 1.4e-2 pu or more."""
    net = town(tap_changer_type=None, tap_pos=5)
    typed = town(tap_pos=5)
    there = compared(typed)
    here = compared(net)
    assert there.agrees
    assert here.voltage_pu > 1.4e-2, "the origin passes over it"
    assert here.flow.u_pu == pytest.approx(there.flow.u_pu), "ours does not"
    assert "no tap_changer_type" in losses(here.imported)["approximated", "trafo"]
    at_neutral = compared(town(tap_changer_type=None, tap_pos=0))
    assert at_neutral.agrees
    assert "tap_changer_type" not in losses(at_neutral.imported)["approximated", "trafo"]


def test_units_in_parallel_and_a_factor_on_the_rating() -> None:
    net = town()
    net.trafo["parallel"], net.trafo["df"] = 2, 0.8
    found = compared(net)
    assert found.agrees
    assert found.imported.grid.rating_a[1][2] == pytest.approx(2 * 0.8 * 25e6 / 20e3 / 3**0.5)


def test_loading_is_current_over_rated_current() -> None:
    """Trap: a share of apparent power is another figure wherever the voltage is not 1 pu."""
    net = town()
    net.ext_grid["vm_pu"] = 1.08
    found = compared(net)
    by_current_pct = net.res_trafo.loading_percent[0]
    pandapower.runpp(net, trafo_loading="power", numba=False)
    branch = found.imported.grid.branch("TR")
    assert found.flow.loading_pct[0, branch] == pytest.approx(by_current_pct, abs=1e-6)
    assert abs(net.res_trafo.loading_percent[0] - by_current_pct) > 0.5


@pytest.mark.parametrize(
    ("shift", "group", "clock"), [(0.0, "YNyn0", 0), (30.0, "Dyn1", 1), (-30.0, "YNd11", 11)]
)
def test_shift_and_vector_group_are_kept(shift: float, group: str, clock: int) -> None:
    net = town(shift_degree=shift, vector_group=group)
    found = compared(net, calculate_voltage_angles=True)
    assert found.agrees
    assert found.imported.grid.network["transformer"]["clock"].tolist() == [clock]
    angle_deg = np.degrees(np.angle(found.flow.u_pu[0]))
    assert angle_deg == pytest.approx(net.res_bus.va_degree.to_numpy(), abs=1e-6)
    assert "vector group" not in str(losses(found.imported))


def test_without_vector_group_it_is_told_what_was_taken() -> None:
    net = town(vector_group=None)
    assert "no vector group" in losses(brought(net))["approximated", "trafo"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"shift_degree": 10.0}, "turns by 10°"),
        ({"tap_step_degree": 60.0}, "turns the phase cannot be had, and it is in use"),
        ({"tap_pos": 0.5}, "a position between two taps"),
        ({"vk_percent": 0.01, "vkr_percent": 0.0}, "short-circuit voltage of 0.01 %"),
    ],
    ids=["shift", "phase", "half", "short"],
)
def test_what_cannot_be_had_is_refused(changed: dict[str, Any], told: str) -> None:
    net = town()
    for column, value in changed.items():
        net.trafo[column] = value
    with pytest.raises(RefusedImport) as refused:
        brought(net)
    assert told in str(refused.value)
    assert "trafo TR" in str(refused.value)
    assert refused.value.report.is_refused


def test_a_phase_shifter_that_is_not_in_use_is_dropped() -> None:
    net = town(tap_step_degree=60.0, tap_pos=0)
    found = compared(net)
    assert found.agrees
    assert "turns the phase; it is not in use" in losses(found.imported)["dropped", "trafo"]


def test_a_second_changer_and_values_by_table_are_refused_when_in_use() -> None:
    net = town(tap2_side="lv", tap2_neutral=0, tap2_min=-1, tap2_max=1, tap2_step_percent=1.0,
               tap2_step_degree=0.0, tap2_pos=1, tap2_changer_type="Ratio")  # fmt: skip
    with pytest.raises(RefusedImport, match="a second tap changer"):
        brought(net)
    net = town()
    net.trafo["tap_dependency_table"] = True
    with pytest.raises(RefusedImport, match="impedance and ratio by table"):
        brought(net)


def test_leakage_that_is_not_even_is_told() -> None:
    net = town()
    net.trafo["leakage_reactance_ratio_hv"] = 0.9
    assert "leakage" in losses(brought(net))["approximated", "trafo"]


def three_windings(**changed: Any) -> Any:
    net = town()
    tertiary = pandapower.create_bus(net, 10.0, name="tertiary", min_vm_pu=0.9, max_vm_pu=1.1)
    middle = pandapower.create_bus(net, 20.0, name="middle", min_vm_pu=0.9, max_vm_pu=1.1)
    given = {
        "sn_hv_mva": 40.0, "sn_mv_mva": 25.0, "sn_lv_mva": 15.0, "vn_hv_kv": 110.0,
        "vn_mv_kv": 20.0, "vn_lv_kv": 10.0, "vk_hv_percent": 10.0, "vk_mv_percent": 11.0,
        "vk_lv_percent": 12.0, "vkr_hv_percent": 0.3, "vkr_mv_percent": 0.31,
        "vkr_lv_percent": 0.32, "pfe_kw": 30.0, "i0_percent": 0.1, "tap_side": "hv",
        "tap_neutral": 0, "tap_min": -9, "tap_max": 9, "tap_pos": -3, "tap_step_percent": 1.5,
        "tap_step_degree": 0.0, "tap_changer_type": "Ratio",
    }  # fmt: skip
    pandapower.create_transformer3w_from_parameters(
        net, hv_bus=0, mv_bus=middle, lv_bus=tertiary, name="T3", **(given | changed)
    )
    pandapower.create_load(net, middle, p_mw=8.0, q_mvar=2.0, name="m", sn_mva=9.0, type="H0")
    pandapower.create_load(net, tertiary, p_mw=5.0, q_mvar=1.0, name="t", sn_mva=6.0, type="H0")
    return net


@pytest.mark.parametrize("side", ["hv", "mv", "lv"])
def test_three_windings_are_a_star_of_three(side: str) -> None:
    net = three_windings(tap_side=side)
    found = compared(net)
    assert found.agrees
    assert "as a star of three" in losses(found.imported)["approximated", "trafo3w"]
    grid = found.imported.grid
    star = grid.nodes[grid.node("T3.star")]
    assert (star.low_pu, star.high_pu) == (0.5, 1.5), "no customer is there"
    windings = [grid.branch(f"T3.{each}") for each in ("hv", "mv", "lv")]
    assert found.flow.loading_pct[0, windings].max() == pytest.approx(
        net.res_trafo3w.loading_percent[0], abs=1e-4
    )


def test_a_winding_opened_by_its_switch_is_dark() -> None:
    net = three_windings()
    net.load.loc[net.load.name == "t", "in_service"] = False
    pandapower.create_switch(net, net.trafo3w.lv_bus[0], 0, et="t3", closed=False)
    imported = brought(net)
    assert not imported.grid.closed[imported.grid.branch("T3.lv")]
    assert imported.grid.closed[imported.grid.branch("T3.mv")]


def test_a_star_with_a_negative_branch_is_refused() -> None:
    net = three_windings(vk_hv_percent=5.0, vk_mv_percent=20.0, vk_lv_percent=5.0)
    with pytest.raises(RefusedImport, match=r"T3\.hv: a short-circuit voltage of -"):
        brought(net)
