"""The grid file: a table of names in JSON, and beside it a network that power-grid-model reads.

```
 rome.grid.json    names, bands, PODs, substations, own means, sensors      (`GridTable`)
 rome.pgm.json     the network, or rome.pgm.msgpack                         (power-grid-model)
```

The table names its network by a path relative to itself, and elements by the identifiers of the
network, so that either half can be read, and drawn, by itself.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from power_grid_model import DatasetType, power_grid_meta_data
from power_grid_model.errors import PowerGridError
from power_grid_model.utils import (
    json_deserialize,
    json_serialize,
    msgpack_deserialize,
    msgpack_serialize,
)

from central.dso.grid.model import (
    BRANCH_KINDS,
    Branch,
    CapacitorMeans,
    Connection,
    Grid,
    Network,
    Node,
    Phases,
    PrimarySubstation,
    Sensor,
    SensorKind,
    TapMeans,
)
from ledger.codec.jsontext import parsed
from ledger.configuration import filled
from ledger.errors import Rejected, unreadable

_MSGPACK = ".msgpack"
_KINDS = ("node", *BRANCH_KINDS, "shunt", "source")
_LOADS = ("sym_load", "asym_load", "sym_gen", "asym_gen")
_DRAWN_BY_PODS = "loads come from the points of delivery: name them in the table, not here"
_NOT_MODELLED = f"a network here is made of {', '.join(_KINDS)}"


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node by its identifier in the network."""

    id: int
    name: str
    area: str = ""
    low_pu: float = 0.90
    high_pu: float = 1.10


@dataclass(frozen=True, slots=True)
class BranchRow:
    """A branch by its identifier in the network."""

    id: int
    name: str
    switch: bool = False


@dataclass(frozen=True, slots=True)
class PodRow:
    """A point of delivery at the node with this identifier."""

    pod: str
    node: int
    contract_w: int
    phases: Phases = "abc"
    tan_phi: float = 0.0
    profile: str = "household"


@dataclass(frozen=True, slots=True)
class SubstationRow:
    """A primary substation by its transformers' identifiers."""

    name: str
    transformers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TapRow:
    """A tap changer by its transformer's identifier."""

    transformer: int
    cost_eur: float = 0.0
    most_moves: int = 12


@dataclass(frozen=True, slots=True)
class CapacitorRow:
    """A capacitor by its shunt's identifier."""

    name: str
    shunt: int
    steps: int
    step_var: float
    cost_eur: float = 0.0
    most_moves: int = 12


@dataclass(frozen=True, slots=True)
class SensorRow:
    """A field sensor by the identifier of its node or branch."""

    name: str
    kind: SensorKind
    node: int | None = None
    branch: int | None = None
    sigma_pct: float = 1.0


@dataclass(frozen=True, slots=True)
class GridTable:
    """All that the network does not say."""

    schema: Literal["certiflex/grid/v1"]
    name: str
    source: str
    network: str
    nodes: tuple[NodeRow, ...]
    branches: tuple[BranchRow, ...]
    pods: tuple[PodRow, ...]
    substations: tuple[SubstationRow, ...]
    taps: tuple[TapRow, ...] = ()
    capacitors: tuple[CapacitorRow, ...] = ()
    sensors: tuple[SensorRow, ...] = ()


def read_grid(path: Path) -> Grid:
    """Return the grid of a file; whether it makes sense is for `checking` to say.

    Raises:
        Rejected: what is there is no grid, with every fault and its place in the file.
    """
    table = filled(GridTable, _read_json(path), path)
    return _Named(table, read_network(path.parent / table.network), path).grid()


def write_grid(grid: Grid, path: Path, *, msgpack: bool = False) -> None:
    """Write the table to `path` and the network beside it; what was there is replaced.

    Raises:
        Rejected: `cannot_write`.
    """
    network = path.with_name(path.name.removesuffix(".json").removesuffix(".grid") + ".pgm.json")
    if msgpack:
        network = network.with_suffix(_MSGPACK)
    write_network(grid, network, msgpack=msgpack)
    table = asdict(table_of(grid, network.name))
    _write(path, (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode())


def write_network(grid: Grid, path: Path, *, msgpack: bool = False) -> None:
    """Write the network as power-grid-model reads it.

    Raises:
        Rejected: `cannot_write`.
    """
    dataset = {kind: grid.network[kind] for kind in _KINDS if len(grid.network.get(kind, ()))}
    if msgpack:
        _write(path, msgpack_serialize(dataset, dataset_type=DatasetType.input))
    else:
        text = json_serialize(dataset, dataset_type=DatasetType.input, indent=2)
        _write(path, text.encode())


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> Rejected:
    """Return what is told of a file that somebody named and that cannot be written."""
    match error:
        case IsADirectoryError():
            remedy = "it is a folder: name a file in it"
        case FileExistsError() | NotADirectoryError():
            remedy = "a file stands where a folder is needed: name another folder"
        case FileNotFoundError():
            remedy = "make the folder first"
        case _:
            remedy = "check the path, and that it may be written"
    what = error.strerror or "cannot be written"
    return Rejected(what, where=str(path), remedy=remedy, reason="cannot_write")


def table_of(grid: Grid, network: str) -> GridTable:
    """Return the table of a grid whose network is in the file `network`."""
    node_id, branch_id = grid.node_ids.tolist(), grid.branch_ids.tolist()
    shunt_id = grid.network["shunt"]["id"].tolist() if "shunt" in grid.network else []
    return GridTable(
        schema="certiflex/grid/v1",
        name=grid.name,
        source=grid.source,
        network=network,
        nodes=tuple(
            NodeRow(key, node.name, node.area, node.low_pu, node.high_pu)
            for key, node in zip(node_id, grid.nodes, strict=True)
        ),
        branches=tuple(
            BranchRow(key, branch.name, branch.switch)
            for key, branch in zip(branch_id, grid.branches, strict=True)
        ),
        pods=tuple(
            PodRow(c.pod, node_id[c.node], c.contract_w, c.phases, c.tan_phi, c.profile)
            for c in grid.connections
        ),
        substations=tuple(
            SubstationRow(each.name, tuple(branch_id[t] for t in each.transformers))
            for each in grid.substations
        ),
        taps=tuple(TapRow(branch_id[t.branch], t.cost_eur, t.most_moves) for t in grid.taps),
        capacitors=tuple(
            CapacitorRow(c.name, shunt_id[c.shunt], c.steps, c.step_var, c.cost_eur, c.most_moves)
            for c in grid.capacitors
        ),
        sensors=tuple(
            SensorRow(
                s.name,
                s.kind,
                None if s.node is None else node_id[s.node],
                None if s.branch is None else branch_id[s.branch],
                s.sigma_pct,
            )
            for s in grid.sensors
        ),
    )


def read_network(path: Path) -> Network:
    """Return the input data in a file of power-grid-model, JSON or msgpack.

    Raises:
        Rejected: `bad_network`: it cannot be read, or it holds what the platform does not model
            and would leave out of its own sums: loads, regulators, windings by the three;
            a column that the engine does not know and would pass over (seen in JSON alone: of
            msgpack it tells nothing); an identifier twice.
    """
    try:
        if path.suffix == _MSGPACK:
            dataset = msgpack_deserialize(path.read_bytes())
        else:
            dataset = json_deserialize(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error) from error
    except (PowerGridError, ValueError) as error:
        raise _bad_network(path, str(error).strip().splitlines()[0]) from error
    network: dict[str, Any] = {str(kind.value): values for kind, values in dataset.items()}
    network = {kind: values for kind, values in network.items() if len(values)}
    if strange := sorted(network.keys() - {*_KINDS}):
        why = _DRAWN_BY_PODS if strange[0] in _LOADS else _NOT_MODELLED
        raise _bad_network(path, f"holds {strange[0]}; {why}")
    if not all(map(_is_input, network, network.values())):
        raise _bad_network(path, "is an update, an output or a batch")
    if missing := [kind for kind in ("node", "source") if kind not in network]:
        raise _bad_network(path, f"has no {missing[0]}")
    if path.suffix != _MSGPACK:
        _need_known_columns(path)
    _need_once(path, network)
    return network


def _is_input(kind: str, values: Any) -> bool:  # noqa: ANN401 -- the engine gives a batch as dict, too
    expected = power_grid_meta_data[DatasetType.input][kind].dtype
    return isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype == expected


def _need_known_columns(path: Path) -> None:
    """Refuse what the engine would pass over: keys of rows that it has no column for."""
    for kind, rows in _read_json(path)["data"].items():
        known = power_grid_meta_data[DatasetType.input][kind].dtype.names or ()
        for row in rows:
            # A row may be a list, too; then the engine has refused columns that it does not know.
            strange = sorted(row.keys() - {*known}) if isinstance(row, dict) else ()
            if strange:
                raise _bad_network(
                    path, f"{kind} {row.get('id', '?')}: unknown column {', '.join(strange)}",
                    f"the engine would pass over it: correct or take out; "
                    f"columns of a {kind} are {', '.join(known)}",
                )  # fmt: skip


def _need_once(path: Path, network: Network) -> None:
    """Refuse identifiers that stand for two elements, of one kind or of two."""
    kinds: dict[int, list[str]] = defaultdict(list)
    for kind, values in network.items():
        for identifier in values["id"].tolist():
            kinds[identifier].append(kind)
    twice = [(key, owners) for key, owners in kinds.items() if len(owners) > 1]
    if twice:
        told = [_told_twice(*each) for each in twice[:_MOST_TOLD]]
        more = [f"and {len(twice) - _MOST_TOLD} more"] if len(twice) > _MOST_TOLD else []
        remedy = "give each element an identifier of its own"
        raise _bad_network(path, "; ".join([*told, *more]), remedy)


_MOST_TOLD = 5


def _told_twice(identifier: int, owners: Sequence[str]) -> str:
    times = {2: "twice"}.get(len(owners), f"{len(owners)} times")
    return f"identifier {identifier} is there {times}: {', '.join(owners)}"


def _bad_network(
    path: Path,
    what: str,
    remedy: str = "it must be input data of power-grid-model, as JSON or .msgpack",
) -> Rejected:
    return Rejected(what, where=str(path), remedy=remedy, reason="bad_network")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        given = parsed(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error) from error
    except Rejected as error:
        raise _bad_file(path, error.what) from error
    if not isinstance(given, dict):
        raise _bad_file(path, "expected an object")
    return given


def _bad_file(path: Path, what: str) -> Rejected:
    return Rejected(
        what,
        where=str(path),
        remedy="see docs/grid.md for the form of a grid file",
        reason="bad_grid_file",
    )


class _Named:
    """Puts the rows of a table at the positions that their identifiers have in the network."""

    def __init__(self, table: GridTable, network: Network, path: Path) -> None:
        self.table, self.network, self.path = table, network, path
        branches = [network[kind]["id"] for kind in BRANCH_KINDS if kind in network]
        self.node = self._positions("node", network["node"]["id"])
        self.branch = self._positions("branch", np.concatenate(branches) if branches else [])
        self.shunt = self._positions("shunt", network["shunt"]["id"] if "shunt" in network else [])

    def _positions(self, kind: str, ids: Iterable[Any]) -> Callable[[int, str], int]:
        known: Mapping[int, int] = {int(key): position for position, key in enumerate(ids)}

        def position(identifier: int, where: str) -> int:
            if identifier not in known:
                raise self._bad(f"no {kind} of the network has the identifier {identifier}", where)
            return known[identifier]

        return position

    def _bad(self, what: str, where: str) -> Rejected:
        return Rejected(
            what,
            where=f"{self.path}: {where}",
            remedy=f"the network is {self.table.network}",
            reason="bad_grid_file",
        )

    def _ordered(self, kind: str, rows: Iterable[Any], position: Any, count: int) -> list[Any]:  # noqa: ANN401 -- see _positions
        """Return the row for each position; each must have one."""
        placed: list[Any] = [None] * count
        for row in rows:
            place = position(row.id, f"{kind} {row.name}")
            if placed[place] is not None:
                raise self._bad(f"names {row.id} twice", f"{kind} {row.name}")
            placed[place] = row
        if None in placed:
            raise self._bad(f"{placed.count(None)} of {count} in the network have no row", kind)
        return placed

    def grid(self) -> Grid:
        """Return the grid.

        Raises:
            Rejected: `bad_grid_file`: an identifier is unknown, named twice, or has no row.
        """
        table, network = self.table, self.network
        branch_count = sum(len(network.get(kind, ())) for kind in BRANCH_KINDS)
        nodes = self._ordered("nodes", table.nodes, self.node, len(network["node"]))
        branches = self._ordered("branches", table.branches, self.branch, branch_count)
        return Grid(
            name=table.name,
            source=table.source,
            network=network,
            nodes=tuple(Node(row.name, row.area, row.low_pu, row.high_pu) for row in nodes),
            branches=tuple(Branch(row.name, row.switch) for row in branches),
            connections=tuple(
                Connection(
                    row.pod,
                    self.node(row.node, f"pods {row.pod}"),
                    row.contract_w,
                    row.phases,
                    row.tan_phi,
                    row.profile,
                )
                for row in table.pods
            ),
            substations=tuple(
                PrimarySubstation(
                    row.name,
                    tuple(self.branch(t, f"substations {row.name}") for t in row.transformers),
                )
                for row in table.substations
            ),
            taps=tuple(
                TapMeans(self.branch(row.transformer, "taps"), row.cost_eur, row.most_moves)
                for row in table.taps
            ),
            capacitors=tuple(
                CapacitorMeans(
                    row.name,
                    self.shunt(row.shunt, row.name),
                    row.steps,
                    row.step_var,
                    row.cost_eur,
                    row.most_moves,
                )
                for row in table.capacitors
            ),
            sensors=tuple(self._sensor(row) for row in table.sensors),
        )

    def _sensor(self, row: SensorRow) -> Sensor:
        where = f"sensors {row.name}"
        return Sensor(
            row.name,
            row.kind,
            None if row.node is None else self.node(row.node, where),
            None if row.branch is None else self.branch(row.branch, where),
            row.sigma_pct,
        )
