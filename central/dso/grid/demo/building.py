"""The demo grid, put together from its figures; `write` makes the files that the package ships."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from power_grid_model import (
    BranchSide,
    ComponentType,
    DatasetType,
    WindingType,
    initialize_array,
)

from central.dso.grid.demo import FILE, cigre
from central.dso.grid.demo.customers import customers
from central.dso.grid.file import write_grid
from central.dso.grid.model import (
    Branch,
    CapacitorMeans,
    Connection,
    Grid,
    Network,
    Node,
    PrimarySubstation,
    Sensor,
    TapMeans,
)

_MV_BAND_PU, _LV_BAND_PU, _HV_BAND_PU = (0.95, 1.05), (0.90, 1.10), (0.90, 1.10)
_FIRST_LINE, _FIRST_TRANSFORMER, _SHUNT, _SOURCE = 1000, 2000, 3000, 4000
# Against the reactive power of the works there: three steps of 150 kvar, all out.
_BANK, _BANK_NODE, _BANK_STEPS, _BANK_STEP_VAR = "CB-9", "MV-9", 3, 150e3
_MOVE_EUR = 10.0  # our own: what wear and supervision of a move are taken to cost
# Voltage at a node and current into a line there.
_VOLTAGE_AND_CURRENT = (
    ("MV-1", "L-1-2"), ("MV-3", "L-3-8"), ("MV-4", "L-4-5"), ("MV-8", "L-8-9"),
    ("MV-10", "L-10-11"), ("MV-12", "L-12-13"), ("MV-14", ""),
)  # fmt: skip
_SIGMA_VOLTAGE_PCT, _SIGMA_POWER_PCT = 0.5, 2.0


def write(folder: Path) -> None:
    """Write the two files of the demo grid into a folder."""
    write_grid(built(), folder / FILE)


def built() -> Grid:
    """Return the demo grid."""
    nodes = _nodes()
    position = {node.name: place for place, (node, _) in enumerate(nodes)}
    lines, transformers = list(_lines()), list(_transformers())
    branches = {name: place for place, (name, *_) in enumerate([*lines, *transformers])}
    return Grid(
        name="PS-ROMA-DEMO",
        source=cigre.SOURCE,
        network=_network(nodes, position, lines, transformers),
        nodes=tuple(node for node, _ in nodes),
        branches=tuple(Branch(name, name in cigre.SWITCHES.values()) for name in branches),
        connections=tuple(
            Connection(
                one.pod, position[one.node], one.contract_w, one.phases, one.tan_phi, one.profile
            )
            for one in customers()
        ),
        substations=(PrimarySubstation("PS-ROMA-DEMO", (branches["TR-1"], branches["TR-2"])),),
        taps=tuple(TapMeans(branches[name], _MOVE_EUR) for name in ("TR-1", "TR-2")),
        capacitors=(CapacitorMeans(_BANK, 0, _BANK_STEPS, _BANK_STEP_VAR, _MOVE_EUR),),
        sensors=tuple(_sensors(position, branches)),
    )


def peak_w(grid: Grid) -> NDArray[np.float64]:
    """Return what each POD of the demo grid draws at the published peak [W], giving negative."""
    peaks = {one.pod: one.peak_w for one in customers()}
    return np.array([peaks[pod] for pod in grid.pods])


def _nodes() -> list[tuple[Node, float]]:
    """Return each node with its rated voltage [V]."""
    high = [(Node("HV-0", "HV", *_HV_BAND_PU), cigre.PRIMARY.high_v)]
    medium = [
        (Node(f"MV-{n}", feeder, *_MV_BAND_PU), cigre.PRIMARY.low_v)
        for feeder, numbers in cigre.FEEDERS.items()
        for n in numbers
    ]
    low = [
        (Node(f"LV-{above}-R{n}", f"LV-{above}", *_LV_BAND_PU), cigre.SECONDARY.low_v)
        for above in cigre.LV_BEHIND
        for n in range(1, 19)
    ]
    return high + medium + low


def _lines() -> list[tuple[str, str, str, tuple[cigre.LineType, float, bool]]]:
    """Return each line's name, its two nodes, and its type, length [km] and state."""
    medium = [
        (f"L-{a}-{b}", f"MV-{a}", f"MV-{b}", (kind, length_km, closed))
        for a, b, kind, length_km, closed in cigre.MV_LINES
    ]
    low = [
        (f"L-{above}-{a}-{b}", f"LV-{above}-{a}", f"LV-{above}-{b}", (kind, length_km, True))
        for above in cigre.LV_BEHIND
        for a, b, kind, length_km in cigre.LV_LINES
    ]
    return medium + low


def _transformers() -> list[tuple[str, str, str, cigre.TransformerType]]:
    primary = [
        ("TR-1", "HV-0", "MV-1", cigre.PRIMARY),
        ("TR-2", "HV-0", "MV-12", cigre.PRIMARY),
    ]
    secondary = [
        (f"TS-{above}", f"MV-{above}", f"LV-{above}-R1", cigre.SECONDARY)
        for above in cigre.LV_BEHIND
    ]
    return primary + secondary


def _network(
    nodes: list[tuple[Node, float]],
    position: dict[str, int],
    lines: list[Any],
    transformers: list[Any],
) -> Network:
    rated_v = [voltage_v for _, voltage_v in nodes]
    bank_s = _BANK_STEPS * _BANK_STEP_VAR / cigre.PRIMARY.low_v**2
    return {
        "node": _component("node", id=np.arange(len(nodes)), u_rated=rated_v),
        "line": _line_columns(position, lines),
        "transformer": _transformer_columns(position, transformers),
        "shunt": _component(
            "shunt", id=[_SHUNT], node=position[_BANK_NODE], status=0, g1=0.0, b1=bank_s,
            g0=0.0, b0=0.0,
        ),
        "source": _component(
            "source", id=[_SOURCE], node=position["HV-0"], status=1, u_ref=cigre.SOURCE_PU,
            sk=cigre.SHORT_CIRCUIT_VA, rx_ratio=cigre.SHORT_CIRCUIT_RX, z01_ratio=1.0,
        ),
    }  # fmt: skip


def _line_columns(position: dict[str, int], lines: list[Any]) -> NDArray[Any]:
    kinds = [kind for *_, (kind, _, _) in lines]
    length_km = np.array([length for *_, (_, length, _) in lines])
    closed = [state for *_, (_, _, state) in lines]

    def along(column: str) -> NDArray[np.float64]:
        """Return a value for each line's whole length, without the noise of the product."""
        per_km = np.array([getattr(kind, column) for kind in kinds])
        whole: NDArray[np.float64] = np.round(per_km * length_km, 9)
        return whole

    return _component(
        "line",
        id=_FIRST_LINE + np.arange(len(lines)),
        from_node=[position[start] for _, start, _, _ in lines],
        to_node=[position[end] for _, _, end, _ in lines],
        from_status=closed, to_status=closed,
        r1=along("r1_ohm"), x1=along("x1_ohm"), c1=along("c1_nf") * 1e-9, tan1=0.0,
        r0=along("r0_ohm"), x0=along("x0_ohm"), c0=along("c0_nf") * 1e-9, tan0=0.0,
        i_n=[kind.rating_a for kind in kinds],
    )  # fmt: skip


def _transformer_columns(position: dict[str, int], transformers: list[Any]) -> NDArray[Any]:
    kinds: list[cigre.TransformerType] = [kind for *_, kind in transformers]
    return _component(
        "transformer",
        id=_FIRST_TRANSFORMER + np.arange(len(transformers)),
        from_node=[position[start] for _, start, _, _ in transformers],
        to_node=[position[end] for _, _, end, _ in transformers],
        from_status=1, to_status=1,
        u1=[kind.high_v for kind in kinds], u2=[kind.low_v for kind in kinds],
        sn=[kind.rating_va for kind in kinds],
        uk=[round(abs(kind.z_pu), 9) for kind in kinds],
        pk=[round(kind.z_pu.real * kind.rating_va, 3) for kind in kinds],
        i0=0.0, p0=0.0,
        winding_from=WindingType.delta, winding_to=WindingType.wye_n, clock=1,
        tap_side=BranchSide.from_side, tap_pos=0, tap_nom=0,
        tap_min=[-kind.most_tap for kind in kinds], tap_max=[kind.most_tap for kind in kinds],
        tap_size=[round(kind.high_v * kind.tap_pct / 100, 3) for kind in kinds],
    )  # fmt: skip


def _sensors(position: dict[str, int], branches: dict[str, int]) -> list[Sensor]:
    """Return what is seen: V&C at medium voltage, switches, LV3G at secondary substations.

    A device at the from side of a line tells the voltage there and what flows into the line.
    """
    devices = [
        Sensor(f"VC-{node}", "power", branch=branches[line], sigma_pct=_SIGMA_POWER_PCT)
        if line
        else Sensor(f"VC-{node}", "voltage", position[node], sigma_pct=_SIGMA_VOLTAGE_PCT)
        for node, line in _VOLTAGE_AND_CURRENT
    ]
    breakers = [
        Sensor(name, "breaker", branch=branches[line], sigma_pct=0.0)
        for name, line in cigre.SWITCHES.items()
    ]
    streets = [
        Sensor(f"LV3G-{above}", "power", branch=branches[f"L-{above}-R1-R2"],
               sigma_pct=_SIGMA_POWER_PCT)
        for above in cigre.LV_BEHIND
    ]  # fmt: skip
    return [*devices, *breakers, *streets]


def _component(kind: str, **columns: Any) -> NDArray[Any]:  # noqa: ANN401 -- columns of any type
    rows: NDArray[Any] = initialize_array(
        DatasetType.input, ComponentType[kind], len(columns["id"])
    )
    for name, values in columns.items():
        rows[name] = values
    return rows
