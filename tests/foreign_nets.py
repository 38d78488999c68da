"""Nets of pandapower for tests of the importers, and the judge: both must find the same state."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandapower

from central.dso.grid.checking import faults
from central.dso.grid.importing.conversion import Imported, converted
from central.dso.grid.model import Phasors
from central.dso.powerflow import Flow, PowerFlow

AGREED_PU = 3e-8
AGREED_PCT = 1e-4


def town(**changed: Any) -> Any:
    """Return a net of two levels: 110 kV, a transformer, three nodes at 20 kV; all data given."""
    net = pandapower.create_empty_network(name="town")
    buses = [
        pandapower.create_bus(
            net, kilovolts, name=name, zone="north", min_vm_pu=0.93, max_vm_pu=1.07
        )
        for name, kilovolts in (("HV", 110.0), ("A", 20.0), ("B", 20.0), ("C", 20.0))
    ]
    pandapower.create_ext_grid(net, buses[0], vm_pu=1.02, name="upstream")
    windings = {
        "sn_mva": 25.0, "vn_hv_kv": 110.0, "vn_lv_kv": 20.0, "vk_percent": 12.0, "vkr_percent": 0.4,
        "pfe_kw": 14.0, "i0_percent": 0.7, "shift_degree": 150.0, "vector_group": "Dyn5",
        "tap_side": "hv", "tap_neutral": 0, "tap_min": -9, "tap_max": 9, "tap_pos": 2,
        "tap_step_percent": 1.5, "tap_step_degree": 0.0, "tap_changer_type": "Ratio",
    }  # fmt: skip
    pandapower.create_transformer_from_parameters(
        net, buses[0], buses[1], name="TR", **(windings | changed)
    )
    for start, end, name in ((1, 2, "A-B"), (2, 3, "B-C")):
        pandapower.create_line_from_parameters(
            net, buses[start], buses[end], length_km=3.0, r_ohm_per_km=0.5, x_ohm_per_km=0.7,
            c_nf_per_km=151.0, max_i_ka=0.145, g_us_per_km=0.1, r0_ohm_per_km=0.8,
            x0_ohm_per_km=1.6, c0_nf_per_km=151.0, name=name,
        )  # fmt: skip
    for bus, name in ((2, "mill"), (3, "village")):
        pandapower.create_load(
            net, buses[bus], p_mw=2.0, q_mvar=0.4, sn_mva=2.5, name=name, type="H0-A"
        )
    return net


@dataclass(frozen=True)
class Compared:
    """One net calculated twice, and how far the two are from each other."""

    imported: Imported
    flow: Flow
    voltage_pu: float
    loading_pct: float

    @property
    def agrees(self) -> bool:
        """Tell whether the two found the same state."""
        return self.voltage_pu <= AGREED_PU and self.loading_pct <= AGREED_PCT


def brought(net: Any, **how: Any) -> Imported:
    """Return a net as the importer has it."""
    return converted(net, **({"name": "town", "source": "tests", "pod_prefix": "IT999E"} | how))


def drawn_va(imported: Imported) -> Phasors:
    """Return what is drawn at each node in the origin's own state, shape (1, nodes)."""
    of_pods = imported.drawn_va
    grid = imported.grid
    return (grid.at_nodes(of_pods.real) + 1j * grid.at_nodes(of_pods.imag))[None]


def compared(net: Any, **options: Any) -> Compared:
    """Return a net calculated by its own library and by ours."""
    imported = brought(net)
    grid = imported.grid
    assert faults(grid) == []
    flow = PowerFlow(grid).solve(drawn_va(imported), exact=True)
    pandapower.runpp(net, tolerance_mva=1e-10, numba=False, **options)
    theirs_pu = net.res_bus.vm_pu[net.bus.in_service].to_numpy()
    theirs_pu = np.nan_to_num(theirs_pu)
    ours_pu = flow.voltage_pu[0, : len(theirs_pu)]
    loadings = [
        (_loading(net, "line"), grid.spans["line"]),
        (_loading(net, "trafo"), grid.spans["transformer"]),
    ]
    apart = [
        np.abs(theirs - flow.loading_pct[0, span][: len(theirs)]).max(initial=0.0)
        for theirs, span in loadings
    ]
    return Compared(imported, flow, float(np.abs(ours_pu - theirs_pu).max()), float(max(apart)))


def _loading(net: Any, table: str) -> Any:
    at_all = [bus for bus in ("from_bus", "to_bus", "hv_bus", "lv_bus") if bus in net[table]]
    alive = net[table][at_all].isin(net.bus.index[net.bus.in_service]).all(axis=1)
    found = net[f"res_{table}"].loading_percent[alive]
    return np.nan_to_num(found.to_numpy(dtype=float))


def losses(imported: Imported) -> dict[tuple[str, str], str]:
    """Return what was lost, by effect and table; several of one kind in one text."""
    found: dict[tuple[str, str], str] = {}
    for loss in imported.report.losses:
        key = (str(loss.effect), loss.table)
        found[key] = f"{found[key]}\n{loss}" if key in found else str(loss)
    return found
