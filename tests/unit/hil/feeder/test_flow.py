"""The plant's power flow: against physics, and against another program."""

import math

import numpy as np
import pytest

from hil.feeder.customers import CustomerKind, customers_of
from hil.feeder.description import read_description
from hil.feeder.elements import Complexes
from hil.feeder.flow import Unsolvable, Wiring
from hil.feeder.network import Network, State, built
from tests.hil.networks import (
    loads_va,
    pandapower_phases,
    pandapower_symmetric,
    per_unit,
    ring,
    two_levels,
    two_nodes,
)

AGREEMENT_PU = 1e-6


def published_loads(network: Network) -> Complexes:
    """Return the greatest loads of the published network, and its resources at rated power."""
    loads = np.zeros((len(network.nodes), 3), dtype=complex)
    consuming = {CustomerKind.HOME, CustomerKind.DISTRICT, CustomerKind.BUSINESS}
    for one in customers_of(read_description()):
        var_per_w = math.tan(math.acos(one.power_factor))
        power_va = one.peak_w * (1 + 1j * var_per_w if one.kind in consuming else -1)
        loads[network.nodes.index(one.node)] += power_va / 3
    return loads


def cigre_states() -> dict[str, State]:
    normal = built(read_description()).normal_state()
    tapped = normal.tapped("TR-1", -4).tapped("TS-5", 2).tapped("TR-2", 9)
    meshed = normal.switched("S2", closed=True).switched("S3", closed=True)
    return {
        "radial": normal,
        "tapped": tapped,
        "meshed": meshed,
        "both transformers in one ring": meshed.switched("S1", closed=True).tapped("TR-2", 3),
    }


@pytest.mark.parametrize("name", cigre_states())
def test_it_agrees_with_pandapower_on_the_published_network(name: str) -> None:
    network, state = built(read_description()), cigre_states()[name]
    loads = published_loads(network)
    flow = Wiring(network, state).solve(loads)
    ours = per_unit(network, flow.voltages_v)[:, 0]
    theirs = pandapower_symmetric(network, state, loads)
    assert np.abs(ours - theirs).max() < AGREEMENT_PU
    assert flow.mismatch_va() < 1e-3


def test_it_agrees_with_pandapower_phase_by_phase() -> None:
    network = built(two_levels())
    state = network.normal_state().tapped("TS", -1)
    loads = loads_va(network, E=(20e3 + 5e3j, 4e3 + 1e3j, -6e3 + 0j), M=90e3 + 30e3j)
    flow = Wiring(network, state).solve(loads)
    ours, theirs = per_unit(network, flow.voltages_v), pandapower_phases(network, state, loads)
    assert np.abs(ours - theirs).max() < AGREEMENT_PU
    assert np.ptp(np.abs(ours[-1])) > 0.05, "the case is not asymmetric"


def test_two_nodes_are_what_the_formula_says() -> None:
    """Compare with the closed solution of one line and one load.

    Source: V² is the greater root of V⁴ + (2(RP + XQ) - E²) V² + |Z|² |S|² = 0 per phase.
    """
    network = built(two_nodes())
    (line,) = network.lines
    for power_va in (9e3 + 3e3j, -6e3 + 0j, 30e3 + 0j):
        flow = Wiring(network, network.normal_state()).solve(loads_va(network, E=power_va))
        phase_va, source_v = power_va / 3, 400 / math.sqrt(3)
        b = 2 * (line.z1_ohm.conjugate() * phase_va).real - source_v**2
        c = abs(line.z1_ohm * phase_va) ** 2
        wanted_v = math.sqrt((-b + math.sqrt(b * b - 4 * c)) / 2)
        assert np.abs(flow.voltage_v("E")) == pytest.approx(wanted_v, rel=1e-9)
        current_a = abs(phase_va) / wanted_v
        assert flow.losses_w() == pytest.approx(3 * line.z1_ohm.real * current_a**2, rel=1e-6)


def test_what_flows_back_lifts_the_voltage() -> None:
    network = built(two_nodes())
    wiring = Wiring(network, network.normal_state())
    taken, idle, given = (
        abs(wiring.solve(loads_va(network, E=power_va)).voltage_v("E")[0])
        for power_va in (10e3, 0, -10e3)
    )
    assert taken < idle < given


def test_current_of_one_phase_comes_back_by_the_neutral_and_lifts_the_others() -> None:
    network = built(two_levels())
    wiring = Wiring(network, network.normal_state())
    balanced = wiring.solve(loads_va(network, E=9e3)).voltage_v("E")
    lone = wiring.solve(loads_va(network, E=(9e3, 0, 0))).voltage_v("E")
    assert abs(lone[0]) < abs(balanced[0])
    assert max(abs(lone[1:])) > abs(balanced[0])


def test_powers_along_the_way_add_up() -> None:
    network = built(two_levels())
    flow = Wiring(network, network.normal_state()).solve(loads_va(network, E=30e3 + 10e3j))
    into = flow.branch_power_va("L-L-E", "L").sum()
    out = flow.branch_power_va("L-L-E", "E").sum()
    assert out == pytest.approx(-30e3 - 10e3j)
    assert (into + out).real > 0
    through = flow.branch_power_va("TS", "L").sum()
    assert through == pytest.approx(-into)
    assert flow.supplied_va().real == pytest.approx(30e3 + flow.losses_w())


def test_an_open_switch_leaves_the_end_of_its_line_charged() -> None:
    network = built(ring())
    wiring = Wiring(network, network.normal_state())
    flow = wiring.solve(loads_va(network, A=1e6, B=1e6, C=1e6))
    assert not wiring.unsupplied()
    assert flow.branch_current_a("L-B-C", "C") == pytest.approx(0)
    assert 0.1 < abs(flow.branch_current_a("L-B-C", "B")[0]) < 10


def test_a_capacitor_lifts_the_voltage_and_gives_reactive_power() -> None:
    network = built(ring())
    loads = loads_va(network, A=1e6, B=1e6, C=1e6)
    bare, lifted = (
        Wiring(network, network.normal_state().stepped("CB", steps)).solve(loads)
        for steps in (0, 3)
    )
    assert abs(lifted.voltage_v("B")[0]) > abs(bare.voltage_v("B")[0])
    saved_var = (bare.supplied_va() - lifted.supplied_va()).imag
    assert saved_var == pytest.approx(300e3, rel=0.05)


def test_who_is_cut_off_is_dark_and_takes_nothing() -> None:
    network = built(ring())
    wiring = Wiring(network, network.normal_state().without("L-S-A"))
    assert wiring.unsupplied() == {"A", "B"}
    flow = wiring.solve(loads_va(network, A=1e6, B=1e6, C=1e6))
    assert np.abs(flow.voltage_v("B")).max() == 0
    assert flow.supplied_va().real == pytest.approx(1e6, rel=0.01)
    assert flow.mismatch_va() < 1e-3


def test_a_branch_back_in_service_carries_a_start_over() -> None:
    network = built(ring())
    loads = loads_va(network, A=1e6, B=1e6, C=1e6)
    dark = Wiring(network, network.normal_state().without("L-S-A")).solve(loads)
    fresh = Wiring(network, network.normal_state()).solve(loads)
    again = Wiring(network, network.normal_state()).solve(loads, start=dark)
    assert again.voltages_v == pytest.approx(fresh.voltages_v)


def test_more_than_the_line_can_carry_is_told_with_its_place() -> None:
    network = built(two_nodes())
    wiring = Wiring(network, network.normal_state())
    with pytest.raises(Unsolvable, match="the worst place is E"):
        wiring.solve(loads_va(network, E=500e3))


def test_the_mismatch_sees_a_wrong_voltage() -> None:
    network = built(two_nodes())
    flow = Wiring(network, network.normal_state()).solve(loads_va(network, E=10e3))
    flow.voltages_v[1] *= 1.0001
    assert flow.mismatch_va() > 1
