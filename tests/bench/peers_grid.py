"""How a grid is calculated elsewhere: pandapower in a loop, and the engine once for each row.

Both stand in for our power flow wherever one is asked for, so that the same task is worked by
each. pandapower is used as its time series use it: matrices kept while only loads change, and
each row started from the state of the row before.
"""

from collections.abc import Sequence
from dataclasses import fields
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandapower

from central.dso.grid.model import Grid, Phasors
from central.dso.powerflow import AS_BUILT, Flow, PowerFlow, Setting

_COMPILED = find_spec("numba") is not None
_KEEP = {"bus_pq": True, "trafo": False, "gen": False}
PANDAPOWER = "pandapower, row by row"
TOLD = (
    f"pandapower {version('pandapower')} {'with' if _COMPILED else 'without'} numba keeps its "
    "matrices from row to row and starts from the state before"
)


def as_pandapower(grid: Grid) -> Any:  # noqa: ANN401 -- a net has no type
    """Return the same grid with the same parameters as a net of pandapower, one load a node."""
    line, source = grid.network["line"], grid.network["source"]
    net = pandapower.create_empty_network(f_hz=50.0)
    pandapower.create_buses(net, len(grid.nodes), vn_kv=grid.rated_v / 1e3)
    pandapower.create_lines_from_parameters(
        net, grid.positions(line["from_node"]), grid.positions(line["to_node"]), length_km=1.0,
        r_ohm_per_km=line["r1"], x_ohm_per_km=line["x1"], c_nf_per_km=line["c1"] * 1e9,
        max_i_ka=line["i_n"] / 1e3, in_service=line["from_status"] == 1,
    )  # fmt: skip
    if (transformer := grid.network.get("transformer")) is not None:
        pandapower.create_transformers_from_parameters(
            net, grid.positions(transformer["from_node"]), grid.positions(transformer["to_node"]),
            sn_mva=transformer["sn"] / 1e6, vn_hv_kv=transformer["u1"] / 1e3,
            vn_lv_kv=transformer["u2"] / 1e3, vk_percent=transformer["uk"] * 100,
            vkr_percent=transformer["pk"] / transformer["sn"] * 100,
            pfe_kw=transformer["p0"] / 1e3, i0_percent=transformer["i0"] * 100,
            shift_degree=transformer["clock"] * 30.0, tap_side="hv", tap_neutral=0, tap_pos=0,
            tap_step_percent=transformer["tap_size"] / transformer["u1"] * 100,
            tap_changer_type="Ratio",
        )  # fmt: skip
    pandapower.create_ext_grid(
        net, int(grid.source_nodes[0]), vm_pu=float(source["u_ref"][0]), va_degree=0.0
    )
    pandapower.create_loads(net, np.arange(len(grid.nodes)), p_mw=0.0, q_mvar=0.0)
    return net


class Pandapower(PowerFlow):
    """pandapower's Newton, one row after the other."""

    def __init__(self, grid: Grid) -> None:
        self.grid, self._net = grid, as_pandapower(grid)
        self._state: bytes | None = None

    def solve(
        self,
        drawn_va: Phasors,
        setting: Setting = AS_BUILT,
        *,
        exact: bool = False,
        partial: bool = False,
        powers: bool = True,
        one_thread: bool = True,
    ) -> Flow:
        """Return the state of every row; accuracy is pandapower's own, always the same."""
        del exact, powers, one_thread
        rows = [self._row(va, setting.of(row), partial) for row, va in enumerate(drawn_va)]
        return joined(rows)

    def _row(self, drawn_va: Phasors, setting: Setting, partial: bool) -> Flow:  # noqa: FBT001
        net = self._net
        kept = self._set(setting)
        net.load.p_mw, net.load.q_mvar = drawn_va.real / 1e6, drawn_va.imag / 1e6
        try:
            pandapower.runpp(
                net, trafo_model="pi", calculate_voltage_angles=True, numba=_COMPILED,
                init="results" if self._state else "auto", recycle=_KEEP if kept else None,
            )  # fmt: skip
        except pandapower.LoadflowNotConverged:
            if not partial:
                raise
            self._state = None
            return self._none()
        self._state = self._wanted(setting)
        return self._found()

    def _set(self, setting: Setting) -> bool:
        """Put taps and switches in; tell whether they are as in the row before."""
        if self._wanted(setting) == self._state:
            return True
        closed = self.grid.closed if setting.closed is None else setting.closed
        self._net.line.in_service = closed[self.grid.spans["line"]]
        if len(self._net.trafo):
            taps = self.grid.tap_pos if setting.tap_pos is None else setting.tap_pos
            self._net.trafo.tap_pos = taps
        return False

    def _wanted(self, setting: Setting) -> bytes:
        closed = self.grid.closed if setting.closed is None else setting.closed
        taps = self.grid.tap_pos if setting.tap_pos is None else setting.tap_pos
        return closed.tobytes() + taps.tobytes()

    def _found(self) -> Flow:
        bus, line, trafo = self._net.res_bus, self._net.res_line, self._net.res_trafo
        loading = [line.loading_percent.to_numpy(), trafo.loading_percent.to_numpy()]
        from_va: list[Phasors] = [
            line.p_from_mw.to_numpy() + 1j * line.q_from_mvar.to_numpy(),
            trafo.p_hv_mw.to_numpy() + 1j * trafo.q_hv_mvar.to_numpy(),
        ]
        given = self._net.res_ext_grid
        return Flow(
            bus.vm_pu.to_numpy()[None], np.radians(bus.va_degree.to_numpy())[None],
            np.concatenate(loading)[None], 1e6 * np.concatenate(from_va)[None],
            (given.p_mw.to_numpy() + 1j * given.q_mvar.to_numpy())[None] * 1e6,
            np.array([True]), np.array([True]),
        )  # fmt: skip

    def _none(self) -> Flow:
        nodes, branches = len(self.grid.nodes), len(self.grid.branches)
        voltage, nothing = np.full((1, nodes), np.nan), np.full((1, branches), np.nan)
        return Flow(
            voltage, voltage, nothing, nothing.astype(complex),
            np.full((1, 1), np.nan, complex), np.array([True]), np.array([False]),
        )  # fmt: skip


class OneByOne(PowerFlow):
    """Our own engine, asked for one row at a time."""

    def solve(
        self,
        drawn_va: Phasors,
        setting: Setting = AS_BUILT,
        *,
        exact: bool = False,
        partial: bool = False,
        powers: bool = True,
        one_thread: bool = True,
    ) -> Flow:
        """Return the state of every row."""
        return joined(
            [
                super(OneByOne, self).solve(
                    va[None],
                    setting.of(row),
                    exact=exact,
                    partial=partial,
                    powers=powers,
                    one_thread=one_thread,
                )
                for row, va in enumerate(drawn_va)
            ]
        )


def joined(rows: Sequence[Flow]) -> Flow:
    """Return flows as one."""
    return Flow(
        *(np.concatenate([getattr(row, each.name) for row in rows]) for each in fields(Flow))
    )
