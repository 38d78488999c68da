"""Networks for the tests of the plant: small ones, and the same network in pandapower."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.feeder.description import (
    CapacitorEntry,
    Description,
    LineEntry,
    LineType,
    NodeGroup,
    Source,
    SwitchEntry,
    TransformerEntry,
)
from hil.feeder.elements import Complexes
from hil.feeder.network import Network, State

KIND = LineType("plain", 0.5, 0.4, 0.8, 1.6, 100.0, 60.0)
CABLE = LineType("cable", 0.3, 0.08, 1.2, 0.32)
SECONDARY = TransformerEntry("TS", "M", "L", 20_000, 400, 400_000, 4.0, 1.0, 2, 2.5, on_load=True)


def two_nodes(kind: LineType = CABLE, length_m: int = 1000) -> Description:
    """Return a source and one node at the end of a line."""
    line = LineEntry("L-S-E", ("S", "E"), kind.name, length_m)
    return Description("two", Source("S", 400), (kind,), (NodeGroup(400, ("E",)),), (line,))


def ring() -> Description:
    """Return a ring of three nodes behind the source, open at a switch, with a capacitor bank."""
    lines = tuple(
        LineEntry(f"L-{a}-{b}", (a, b), "plain", 2000) for a, b in ("SA", "AB", "BC", "SC")
    )
    return Description(
        "ring",
        Source("S", 20_000, 1.02),
        (KIND,),
        (NodeGroup(20_000, ("A", "B", "C")),),
        lines,
        switch=(SwitchEntry("Q", "L-B-C", "C", closed=False), SwitchEntry("P", "L-S-A", "A")),
        capacitor=(CapacitorEntry("CB", "B", 100_000, 3),),
    )


def two_levels() -> Description:
    """Return a source, a line, a Dyn1 transformer and a low-voltage line behind it."""
    lines = (
        LineEntry("L-S-M", ("S", "M"), "plain", 4000),
        LineEntry("L-L-E", ("L", "E"), "cable", 200),
    )
    groups = NodeGroup(20_000, ("M",)), NodeGroup(400, ("L", "E"))
    source = Source("S", 20_000, 1.02)
    return Description("levels", source, (KIND, CABLE), groups, lines, (SECONDARY,))


def loads_va(network: Network, **taken: complex | tuple[complex, complex, complex]) -> Complexes:
    """Return loads by node: one for the three phases together, or one for each."""
    loads = np.zeros((len(network.nodes), 3), dtype=complex)
    for node, power_va in taken.items():
        each = power_va if isinstance(power_va, tuple) else (power_va / 3,) * 3
        loads[network.nodes.index(node)] = each
    return loads


def per_unit(network: Network, voltages_v: Complexes) -> Complexes:
    """Return phase voltages as parts of the nominal ones."""
    nominal_v = np.array(list(network.nominal_v.values()))
    return np.asarray(voltages_v * math.sqrt(3.0) / nominal_v[:, None], dtype=np.complex128)


def pandapower_twin(network: Network, state: State) -> tuple[Any, dict[str, int]]:
    """Return a network in pandapower, and its buses by name; loads are left to the caller."""
    import pandapower as pp  # noqa: PLC0415 -- slow, and only these tests want it

    net = pp.create_empty_network(f_hz=50.0)
    buses = {name: pp.create_bus(net, volts / 1e3) for name, volts in network.nominal_v.items()}
    pp.create_ext_grid(
        net, buses[network.source], vm_pu=network.source_v / network.nominal_v[network.source],
        s_sc_max_mva=1e9, rx_max=0.1, x0x_max=1.0, r0x0_max=0.1,
    )  # fmt: skip
    per_nf = 2e-9 * math.pi * 50.0
    for line in network.lines:
        made = pp.create_line_from_parameters(
            net, buses[line.ends[0]], buses[line.ends[1]], 1.0, line.z1_ohm.real, line.z1_ohm.imag,
            line.b1_s / per_nf, 1.0, r0_ohm_per_km=line.z0_ohm.real, x0_ohm_per_km=line.z0_ohm.imag,
            c0_nf_per_km=line.b0_s / per_nf,
        )  # fmt: skip
        for switch in network.switches:
            if switch.branch == line.name:
                closed = state.closed[switch.name]
                pp.create_switch(net, buses[switch.node], made, et="l", closed=closed)
    for one in network.transformers:
        _pandapower_transformer(net, buses, network, state, one.name)
    return net, buses


def _pandapower_transformer(
    net: Any,  # noqa: ANN401 -- pandapower has no types
    buses: dict[str, int],
    network: Network,
    state: State,
    name: str,
) -> None:
    import pandapower as pp  # noqa: PLC0415 -- slow, and only these tests want it

    (one,) = (each for each in network.transformers if each.name == name)
    high_v, low_v = (network.nominal_v[end] for end in one.ends)
    rating_va = 1e6
    # What is given in ohms is told in percent of any rating.
    z_pct = 100.0 * rating_va / (one.y_s * low_v * low_v)
    pp.create_transformer_from_parameters(
        net, buses[one.ends[0]], buses[one.ends[1]], rating_va / 1e6, high_v / 1e3, low_v / 1e3,
        z_pct.real, abs(z_pct), 0.0, 0.0, shift_degree=30.0, vector_group="Dyn",
        vk0_percent=abs(z_pct), vkr0_percent=z_pct.real, mag0_percent=1e7, mag0_rx=0.0,
        si0_hv_partial=0.9, tap_side="hv", tap_neutral=0, tap_min=-20, tap_max=20,
        tap_step_percent=one.tap_step_pct, tap_pos=state.taps.get(name, 0),
        tap_changer_type="Ratio",
    )  # fmt: skip


def pandapower_loaded(
    network: Network, state: State, loads: Complexes
) -> tuple[Any, dict[str, int]]:
    """Return a network in pandapower under loads equal in all phases, and its buses."""
    import pandapower as pp  # noqa: PLC0415 -- slow, and only these tests want it

    net, buses = pandapower_twin(network, state)
    for name, phases in zip(network.nodes, loads, strict=True):
        power_va = phases.sum()
        if power_va:
            pp.create_load(net, buses[name], power_va.real / 1e6, power_va.imag / 1e6)
    return net, buses


def run_pandapower(net: Any) -> None:  # noqa: ANN401 -- pandapower has no types
    """Solve a network in pandapower, one phase for all."""
    import pandapower as pp  # noqa: PLC0415 -- slow, and only these tests want it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-9, numba=False, init="dc")


def pandapower_symmetric(
    network: Network, state: State, loads: Complexes
) -> NDArray[np.complex128]:
    """Return pandapower's voltages of phase a under loads equal in all phases [pu]."""
    net, buses = pandapower_loaded(network, state, loads)
    run_pandapower(net)
    rows = net.res_bus.loc[[buses[name] for name in network.nodes]]
    return np.asarray(rows.vm_pu * np.exp(1j * np.radians(rows.va_degree)), dtype=np.complex128)


def pandapower_phases(network: Network, state: State, loads: Complexes) -> NDArray[np.complex128]:
    """Return pandapower's phase voltages under any loads [pu]."""
    import pandapower as pp  # noqa: PLC0415 -- slow, and only these tests want it

    net, buses = pandapower_twin(network, state)
    for name, phases in zip(network.nodes, loads / 1e6, strict=True):
        if phases.any():
            pp.create_asymmetric_load(net, buses[name], *phases.real, *phases.imag)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pp.runpp_3ph(net, tolerance_mva=1e-9, numba=False, calculate_voltage_angles=True)
    rows = net.res_bus_3ph.loc[[buses[name] for name in network.nodes]]
    return np.column_stack(
        [
            np.asarray(rows[f"vm_{p}_pu"] * np.exp(1j * np.radians(rows[f"va_{p}_degree"])))
            for p in "abc"
        ]
    )
