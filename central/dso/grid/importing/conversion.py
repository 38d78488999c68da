"""A net of pandapower as a grid of ours, with a report of everything that is not the same."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from power_grid_model import ComponentType, DatasetType, initialize_array

from central.dso.grid.importing import transformers as windings
from central.dso.grid.importing.customers import TABLES as CUSTOMER_TABLES
from central.dso.grid.importing.customers import Customer, customers
from central.dso.grid.importing.report import ImportReport
from central.dso.grid.importing.tables import Net, Record, is_on, names, number, records, text
from central.dso.grid.model import (
    BRANCH_KINDS,
    FREQUENCY_HZ,
    Branch,
    CapacitorMeans,
    Grid,
    Node,
    Phasors,
    PrimarySubstation,
    TapMeans,
)
from ledger.errors import Rejected

# An ideal source as pandapower has it, as far as the engine can tell.
_IDEAL_VA = 1e18
_BAND_PU, _NO_BAND_PU = (0.90, 1.10), (0.5, 1.5)
_READ = {
    "bus", "ext_grid", "line", "trafo", "trafo3w", "impedance", "shunt", "ward", "switch",
    *CUSTOMER_TABLES,
}  # fmt: skip
_ADDITIONS = {
    "controller": "does not regulate here: own means are planned instead",
    "measurement": "name field sensors in the grid file",
    "loadcases": "cases belong to forecasts",
    "substation": "primary substations are found by their transformers",
    "group": "groups of elements", "poly_cost": "costs", "pwl_cost": "costs",
    "bus_geodata": "coordinates", "line_geodata": "coordinates",
}  # fmt: skip
_Buses = tuple[int, int]
_TABLES_OF_VALUES = ("characteristic", "_table", "_capability_curve")


@dataclass(frozen=True, slots=True)
class Imported:
    """A grid that came from elsewhere.

    Args:
        grid: may still have faults: ask `checking`.
        report: what was lost.
        origin: what each POD was called.
        drawn_va: what each POD draws in the origin's own state, shape (pods).
    """

    grid: Grid
    report: ImportReport
    origin: Mapping[str, str]
    drawn_va: Phasors


def converted(net: Net, *, name: str, source: str, pod_prefix: str) -> Imported:
    """Return a net of pandapower as a grid.

    Raises:
        Rejected: `refused_import`: with everything that cannot be had and cannot be left out.
    """
    report = ImportReport()
    build = _Building(net, report)
    build.collect()
    found = list(customers(net, build.node_of, pod_prefix, report))
    _leftovers(net, report)
    if report.is_refused:
        raise RefusedImport(report, name)
    return Imported(
        build.grid(name, source, found),
        report,
        {one.connection.pod: one.origin for one in found},
        np.array([one.drawn_va for one in found], dtype=complex),
    )


class RefusedImport(Rejected):
    """A grid that cannot be had here, with the report that says why."""

    def __init__(self, report: ImportReport, where: str) -> None:
        refused = [loss for loss in report.losses if loss.effect == "refused"]
        super().__init__(
            "; ".join(map(str, refused)),
            where=where,
            remedy="replace these elements in the origin",
            reason="refused_import",
        )
        self.report = report


def _leftovers(net: Net, report: ImportReport) -> None:
    """Tell of every table that nothing above has read."""
    if net.f_hz != FREQUENCY_HZ:
        report.refused("net", str(net.name or "net"), f"{net.f_hz:g} Hz: only 50 Hz can be had")
    if net.get("profiles"):
        report.dropped("profiles", ", ".join(net.profiles), "series in time belong to forecasts")
    for table in sorted(key for key in net if not key.startswith(("_", "res_"))):
        if table in _READ or not hasattr(net[table], "columns"):
            continue
        called = names(net, table)
        for index, record in records(net, table):
            if table in _ADDITIONS or table.endswith(_TABLES_OF_VALUES):
                report.dropped(table, called[index], _ADDITIONS.get(table, "values by table"))
            elif is_on(record):
                report.refused(table, called[index], "is not modelled here")
            else:
                report.dropped(table, called[index], "is out of service")


@dataclass(frozen=True, slots=True)
class _Place:
    """A branch of the origin: its table and name, its two buses, and its state at each."""

    table: str
    name: str
    ends: _Buses
    states: tuple[bool, bool]
    switch: bool = False


@dataclass(slots=True)
class _Building:
    net: Net
    report: ImportReport
    node_of: dict[int, int] = field(default_factory=dict)
    nodes: list[tuple[Node, float]] = field(default_factory=list)
    branches: dict[str, list[tuple[Branch, dict[str, Any]]]] = field(
        default_factory=lambda: {kind: [] for kind in BRANCH_KINDS}
    )
    shunts: list[dict[str, Any]] = field(default_factory=list)
    capacitors: list[CapacitorMeans] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    open_at: set[tuple[str, int, int]] = field(default_factory=set)
    switched: set[tuple[str, int]] = field(default_factory=set)

    def collect(self) -> None:
        self._buses()
        self._switches()
        self._lines()
        self._impedances()
        self._transformers()
        self._shunts()
        self._sources()

    def grid(self, name: str, source: str, found: list[Customer]) -> Grid:
        placed = [pair for kind in BRANCH_KINDS for pair in self.branches[kind]]
        network = self._network()
        stations, taps = self._means(network)
        return Grid(
            name=name,
            source=source,
            network=network,
            nodes=tuple(node for node, _ in self.nodes),
            branches=tuple(branch for branch, _ in placed),
            connections=tuple(one.connection for one in found),
            substations=stations,
            taps=taps,
            capacitors=tuple(self.capacitors),
        )

    # ── nodes and what is at them ───────────────────────────────────────────────────────────

    def _buses(self) -> None:
        called = names(self.net, "bus")
        for index, record in records(self.net, "bus"):
            name = called[index]
            if not is_on(record):
                self.report.dropped("bus", name, "is out of service")
                continue
            low_pu, high_pu = (number(record, f"{end}_vm_pu") for end in ("min", "max"))
            if math.isnan(low_pu) or math.isnan(high_pu):
                what = f"no band of voltage: {_BAND_PU[0]} … {_BAND_PU[1]} pu (EN 50160)"
                self.report.approximated("bus", name, what)
                low_pu, high_pu = _BAND_PU
            if text(record, "geo"):
                self.report.dropped("bus", name, "its coordinates")
            self.node_of[index] = len(self.nodes)
            node = Node(name, text(record, "zone"), low_pu, high_pu)
            self.nodes.append((node, number(record, "vn_kv") * 1e3))

    def _sources(self) -> None:
        called = names(self.net, "ext_grid")
        for index, record in records(self.net, "ext_grid"):
            node = self.node_of.get(int(number(record, "bus")))
            if node is None:
                self.report.dropped("ext_grid", called[index], "its bus is out of service")
                continue
            if not math.isnan(number(record, "s_sc_max_mva")):
                what = "its short-circuit power: the source is ideal, as in its own power flow"
                self.report.dropped("ext_grid", called[index], what)
            self.sources.append({
                "node": node, "status": is_on(record), "u_ref": number(record, "vm_pu", 1.0),
                "u_ref_angle": math.radians(number(record, "va_degree", 0.0)), "sk": _IDEAL_VA,
            })  # fmt: skip

    def _shunts(self) -> None:
        called = names(self.net, "shunt")
        for index, record in records(self.net, "shunt"):
            node = self.node_of.get(int(number(record, "bus")))
            if node is None:
                self.report.dropped("shunt", called[index], "its bus is out of service")
                continue
            rated_v, steps = number(record, "vn_kv") * 1e3, number(record, "step", 1.0)
            step_va = complex(number(record, "p_mw", 0.0), number(record, "q_mvar", 0.0)) * 1e6
            most = round(number(record, "max_step", 1.0))
            if number(record, "step_dependency_table", 0.0):
                self.report.refused("shunt", called[index], "steps by table cannot be had")
            elif most > 1 and step_va.real == 0 and is_on(record):
                step_var = -step_va.imag * (self.nodes[node][1] / rated_v) ** 2
                means = CapacitorMeans(called[index], len(self.shunts), most, step_var)
                self.capacitors.append(means)
            self._shunt(node, step_va * steps / rated_v**2, status=is_on(record))
        for _, record in records(self.net, "ward"):
            node = self.node_of.get(int(number(record, "bus")))
            constant_va = (
                complex(number(record, "pz_mw", 0.0), number(record, "qz_mvar", 0.0)) * 1e6
            )
            if node is not None and is_on(record) and constant_va:
                self._shunt(node, constant_va / self.nodes[node][1] ** 2, status=True)

    def _shunt(self, node: int, drawn_s: complex, *, status: bool) -> None:
        self.shunts.append(
            {"node": node, "status": status, "g1": drawn_s.real, "b1": -drawn_s.imag}
        )

    # ── branches ────────────────────────────────────────────────────────────────────────────

    def _switches(self) -> None:
        called = names(self.net, "switch")
        for index, record in records(self.net, "switch"):
            kind, element = text(record, "et"), int(number(record, "element"))
            bus, closed = int(number(record, "bus")), bool(number(record, "closed", 1.0))
            if number(record, "z_ohm", 0.0):
                self.report.approximated("switch", called[index], "its impedance is taken as none")
            if kind == "b":
                ends, states = (bus, element), (closed, closed)
                self._add("link", _Place("switch", called[index], ends, states, switch=True), {})
                continue
            self.switched.add((kind, element))
            if not closed:
                self.open_at.add((kind, element, bus))

    def _lines(self) -> None:
        called = names(self.net, "line")
        for index, record in records(self.net, "line"):
            name, parallel = called[index], number(record, "parallel", 1.0)
            length_km = number(record, "length_km")
            series, across = length_km / parallel, length_km * parallel
            c1 = number(record, "c_nf_per_km", 0.0) * 1e-9 * across
            g1 = number(record, "g_us_per_km", 0.0) * 1e-6 * across
            if g1 and not c1:
                self.report.approximated("line", name, "leaks though it does not charge: no leak")
            if math.isnan(number(record, "r0_ohm_per_km")):
                self.report.dropped("line", name, "no zero sequence: symmetric calculations only")
            if number(record, "max_loading_percent", 100.0) != 100:  # noqa: PLR2004 -- percent
                self.report.approximated("line", name, "max_loading_percent: limited at 100 %")
            found = {
                "r1": number(record, "r_ohm_per_km") * series,
                "x1": number(record, "x_ohm_per_km") * series,
                "c1": c1,
                "tan1": g1 / (2 * math.pi * FREQUENCY_HZ * c1) if c1 else 0.0,
                "r0": number(record, "r0_ohm_per_km") * series,
                "x0": number(record, "x0_ohm_per_km") * series,
                "c0": number(record, "c0_nf_per_km") * 1e-9 * across,
                "tan0": 0.0,
                "i_n": number(record, "max_i_ka") * 1e3 * number(record, "df", 1.0) * parallel,
            }
            ends = _ends(record, "from_bus", "to_bus")
            self._add("line", self._place("line", "l", index, record, name=name, ends=ends), found)

    def _impedances(self) -> None:
        """Take impedances as lines without length, where they are such."""
        called = names(self.net, "impedance")
        for index, record in records(self.net, "impedance"):
            name, ends = called[index], _ends(record, "from_bus", "to_bus")
            there, back = (
                complex(number(record, f"r{way}_pu"), number(record, f"x{way}_pu"))
                for way in ("ft", "tf")
            )
            across = any(number(record, f"{part}_pu", 0.0) for part in ("gf", "bf", "gt", "bt"))
            levels_v = {self.nodes[self.node_of[e]][1] for e in ends if e in self.node_of}
            if there != back or across or len(levels_v) > 1:
                what = "is not the same both ways, or joins two levels, or has a shunt"
                self.report.refused("impedance", name, what)
                continue
            sn_va, rated_v = number(record, "sn_mva") * 1e6, max(levels_v, default=1.0)
            z_ohm, i_n = there * rated_v**2 / sn_va, sn_va / rated_v / math.sqrt(3)
            self._add(
                "line",
                _Place("impedance", name, ends, (is_on(record), is_on(record))),
                {"r1": z_ohm.real, "x1": z_ohm.imag, "c1": 0.0, "tan1": 0.0, "i_n": i_n},
            )
            self.report.approximated("impedance", name, "its rating is taken as sn_mva")

    def _transformers(self) -> None:
        called = names(self.net, "trafo")
        for index, record in records(self.net, "trafo"):
            if not windings.leakage_is_even(record):
                what = "its leakage is not the same at both sides: taken as if it were"
                self.report.approximated("trafo", called[index], what)
            made = windings.two_windings(record, called[index])
            ends = _ends(record, "hv_bus", "lv_bus")
            place = self._place("trafo", "t", index, record, name=made.name, ends=ends)
            self._transformer(place, made)
        called = names(self.net, "trafo3w")
        for index, record in records(self.net, "trafo3w"):
            star = -1 - index  # no bus of the origin has a negative number
            self.node_of[star] = len(self.nodes)
            node = Node(f"{called[index]}.star", "", *_NO_BAND_PU)
            self.nodes.append((node, number(record, "vn_hv_kv") * 1e3))
            self.report.approximated("trafo3w", called[index], "three windings as a star of three")
            for side, made in windings.three_windings(record, called[index]):
                bus = int(number(record, f"{side}_bus"))
                ends = (bus, star) if side == "hv" else (star, bus)
                place = self._place("trafo3w", "t3", index, record, name=made.name, ends=ends)
                self._transformer(place, made)

    def _transformer(self, place: "_Place", made: windings.Windings) -> None:
        as_drawn = windings.as_pi(made) if windings.is_t(self.net) else made
        if found := windings.columns(as_drawn, self.report, place.table):
            self._add("transformer", place, found)

    def _place(
        self, table: str, kind: str, index: int, record: Record, *, name: str, ends: _Buses
    ) -> "_Place":
        """Return where a branch lies, and whether it is closed at each end."""
        start, end = ((kind, index, bus) not in self.open_at for bus in ends)
        states = start and is_on(record), end and is_on(record)
        return _Place(table, name, ends, states, switch=(kind, index) in self.switched)

    def _add(self, kind: str, place: "_Place", found: dict[str, Any]) -> None:
        start, end = (self.node_of.get(bus) for bus in place.ends)
        if start is None and end is None:
            self.report.dropped(place.table, place.name, "its buses are out of service")
            return
        if start is None or end is None:
            what = "a bus of it is out of service: it is left out, and what it would charge"
            self.report.approximated(place.table, place.name, what)
            return
        from_status, to_status = place.states
        at = {
            "from_node": start,
            "to_node": end,
            "from_status": from_status,
            "to_status": to_status,
        }
        self.branches[kind].append((Branch(place.name, place.switch), at | found))

    # ── the whole ───────────────────────────────────────────────────────────────────────────

    def _network(self) -> dict[str, Any]:
        rated = [{"u_rated": rated_v} for _, rated_v in self.nodes]
        rows = {"node": rated}
        rows |= {kind: [found for _, found in self.branches[kind]] for kind in BRANCH_KINDS}
        rows |= {"shunt": self.shunts, "source": self.sources}
        network, first = {}, 0
        for kind, of_kind in rows.items():
            if of_kind:
                network[kind] = _component(kind, of_kind, first)
                first += len(of_kind)
        return network

    def _means(
        self, network: dict[str, Any]
    ) -> tuple[tuple[PrimarySubstation, ...], tuple[TapMeans, ...]]:
        """Return the primary substations, behind the sources, and the changers of theirs."""
        start = len(self.branches["line"])
        made = network.get("transformer", ())
        fed = self._linked([source["node"] for source in self.sources])
        stations: dict[int, list[int]] = defaultdict(list)
        for position, row in enumerate(made):
            if int(row["from_node"]) in fed:
                stations[int(row["from_node"])].append(start + position)
        taps = tuple(
            TapMeans(branch)
            for of_station in stations.values()
            for branch in of_station
            if made[branch - start]["tap_min"] != made[branch - start]["tap_max"]
        )
        for means in taps:
            name = self.branches["transformer"][means.branch - start][0].name
            self.report.approximated("trafo", name, "its tap changer is taken as one on load")
        return tuple(
            PrimarySubstation(f"PS {self.nodes[node][0].name}", tuple(of_station))
            for node, of_station in stations.items()
        ), taps

    def _linked(self, nodes: list[int]) -> set[int]:
        """Return the nodes that lines and links join to some nodes: their voltage level."""
        neighbours: dict[int, list[int]] = defaultdict(list)
        for kind in ("line", "link"):
            for _, row in self.branches[kind]:
                neighbours[row["from_node"]].append(row["to_node"])
                neighbours[row["to_node"]].append(row["from_node"])
        found, ahead = set(nodes), list(nodes)
        while ahead:
            for node in neighbours[ahead.pop()]:
                if node not in found:
                    found.add(node)
                    ahead.append(node)
        return found


def _ends(record: Record, start: str, end: str) -> _Buses:
    return int(number(record, start)), int(number(record, end))


def _component(kind: str, rows: list[dict[str, Any]], first: int) -> Any:  # noqa: ANN401 -- a structured array
    """Return input data of one kind, numbered from `first` on."""
    made = initialize_array(DatasetType.input, ComponentType[kind], len(rows))
    made["id"] = first + np.arange(len(rows))
    for column in {column: None for row in rows for column in row}:
        made[column] = [row.get(column, math.nan) for row in rows]
    return made
