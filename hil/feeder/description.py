"""What a network file says: the parameters of a feeder as they are published, checked."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ledger.configuration import load

CIGRE = Path(__file__).with_name("cigre.toml")


class LoadKind(StrEnum):
    """Who consumes."""

    RESIDENTIAL = "residential"
    BUSINESS = "business"


class ResourceKind(StrEnum):
    """What produces or stores."""

    SOLAR = "solar"
    WIND = "wind"
    BATTERY = "battery"
    FUEL_CELL = "fuel_cell"
    HEAT_AND_POWER = "heat_and_power"


@dataclass(frozen=True, slots=True)
class Source:
    """The transmission network, seen as an ideal voltage.

    Args:
        node: where it feeds in.
        nominal_v: nominal voltage of that node, between phases.
        voltage_pu: the voltage it keeps, as a part of the nominal one.
    """

    node: str
    nominal_v: int
    voltage_pu: float = 1.0


@dataclass(frozen=True, slots=True)
class LineType:
    """Electrical constants of a conductor, positive and zero sequence."""

    name: str
    r_ohm_per_km: float
    x_ohm_per_km: float
    r0_ohm_per_km: float
    x0_ohm_per_km: float
    c_nf_per_km: float = 0.0
    c0_nf_per_km: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes of one nominal voltage, between phases."""

    nominal_v: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TransformerEntry:
    """A Dyn1 transformer whose tap changer sits on the high-voltage side.

    Args:
        name: how everybody calls it.
        high: node of the delta winding.
        low: node of the earthed star winding.
        high_v: rated voltage of the high side, between phases.
        low_v: rated voltage of the low side at no load, between phases.
        rating_va: rated power.
        short_circuit_pct: short-circuit voltage.
        copper_loss_pct: its resistive part.
        tap_span: greatest tap position, either way.
        tap_step_pct: what one step adds to the turns of the high side: up means less voltage below.
        on_load: whether the changer moves under load, and by remote control.
    """

    name: str
    high: str
    low: str
    high_v: int
    low_v: int
    rating_va: int
    short_circuit_pct: float
    copper_loss_pct: float
    tap_span: int = 0
    tap_step_pct: float = 0.0
    on_load: bool = False


@dataclass(frozen=True, slots=True)
class LineEntry:
    """A line between two nodes."""

    name: str
    ends: tuple[str, ...]
    type: str
    length_m: int


@dataclass(frozen=True, slots=True)
class SwitchEntry:
    """A switch at one end of a line or transformer."""

    name: str
    branch: str
    node: str
    closed: bool = True


@dataclass(frozen=True, slots=True)
class CapacitorEntry:
    """A bank of star-connected capacitors, switched in equal steps of rated reactive power."""

    name: str
    node: str
    step_var: int
    steps: int


@dataclass(frozen=True, slots=True)
class Peak:
    """The greatest coincident load of a node."""

    node: str
    peak_va: int


@dataclass(frozen=True, slots=True)
class LoadEntry:
    """Loads of one kind and power factor, inductive."""

    kind: LoadKind
    power_factor: float
    at: tuple[Peak, ...]


@dataclass(frozen=True, slots=True)
class Rated:
    """The rated power of a resource."""

    node: str
    rated_w: int


@dataclass(frozen=True, slots=True)
class ResourceEntry:
    """Resources of one kind."""

    kind: ResourceKind
    at: tuple[Rated, ...]


@dataclass(frozen=True, slots=True)
class SecondaryTransformer:
    """The transformer of every low-voltage network; see `TransformerEntry`."""

    rating_va: int
    short_circuit_pct: float
    copper_loss_pct: float
    tap_span: int = 0
    tap_step_pct: float = 0.0


@dataclass(frozen=True, slots=True)
class LowVoltageLines:
    """Lines of one type and length, each written as its two ends, `R1-R2`."""

    type: str
    length_m: int
    ends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LowVoltage:
    """One low-voltage network, of which a copy stands behind each of some nodes.

    Args:
        behind: nodes with such a network.
        metered_behind: those of them whose customers include the metered houses.
        nominal_v: between phases.
        power_factor: of the loads, inductive.
        customer_w: about what one customer takes at the peak; it sets how many there are.
        transformer: its secondary transformer, of which the low side is the node R1.
        line: its lines.
        at: its loads.
    """

    behind: tuple[str, ...]
    metered_behind: tuple[str, ...]
    nominal_v: int
    power_factor: float
    customer_w: int
    transformer: SecondaryTransformer
    line: tuple[LowVoltageLines, ...]
    at: tuple[Peak, ...]


@dataclass(frozen=True, slots=True)
class SensorEntry:
    """A voltage and current sensor: positive is what flows from the node into the branch."""

    name: str
    node: str
    branch: str


@dataclass(frozen=True, slots=True)
class Description:
    """A network as its file says it."""

    name: str
    source: Source
    line_type: tuple[LineType, ...]
    node: tuple[NodeGroup, ...]
    line: tuple[LineEntry, ...] = ()
    transformer: tuple[TransformerEntry, ...] = ()
    switch: tuple[SwitchEntry, ...] = ()
    capacitor: tuple[CapacitorEntry, ...] = ()
    load: tuple[LoadEntry, ...] = ()
    resource: tuple[ResourceEntry, ...] = ()
    low_voltage: LowVoltage | None = None
    sensor: tuple[SensorEntry, ...] = ()

    def __post_init__(self) -> None:
        faults = [*self._repeated(), *self._loose_ends(), *self._wrong_numbers()]
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def nodes(self) -> frozenset[str]:
        """Return the nodes of the file itself, without the low-voltage copies."""
        return frozenset({self.source.node, *(n for group in self.node for n in group.names)})

    def _repeated(self) -> Iterator[str]:
        nodes = [self.source.node, *(n for group in self.node for n in group.names)]
        devices = [line.name for line in self.line] + [one.name for one in self.transformer]
        devices += [one.name for one in self.switch] + [one.name for one in self.sensor]
        devices += [one.name for one in self.capacitor]
        for what, names in (("node", nodes), ("device", devices)):
            for name in _more_than_once(names):
                yield f"two {what}s are called {name!r}"

    def _loose_ends(self) -> Iterator[str]:
        types = {kind.name for kind in self.line_type}
        ends = {line.name: line.ends for line in self.line}
        ends |= {one.name: (one.high, one.low) for one in self.transformer}
        for line in self.line:
            if line.type not in types:
                yield f"{line.name}: no line type is called {line.type!r}"
        for name, pair in ends.items():
            if len(set(pair)) != 2:  # noqa: PLR2004 -- a branch has two ends
                yield f"{name}: expected two different ends, found {', '.join(pair)}"
            yield from (f"{name}: no node is called {n!r}" for n in pair if n not in self.nodes)
        hung = [(one.name, one.branch, one.node) for one in self.switch]
        hung += [(one.name, one.branch, one.node) for one in self.sensor]
        for device, branch, node in hung:
            if node not in ends.get(branch, ()):
                yield f"{device}: no branch {branch!r} ends at {node!r}"
        placed = [(bank.name, bank.node) for bank in self.capacitor]
        placed += [(str(many.kind), at.node) for many in self.load for at in many.at]
        placed += [(str(many.kind), at.node) for many in self.resource for at in many.at]
        for name, node in placed:
            if node not in self.nodes:
                yield f"{name}: no node is called {node!r}"
        if self.low_voltage is not None:
            yield from self._low_voltage_faults(self.low_voltage, types)

    def _low_voltage_faults(self, low: LowVoltage, types: set[str]) -> Iterator[str]:
        known = {"R1", *(end for many in low.line for pair in many.ends for end in pair.split("-"))}
        for many in low.line:
            if many.type not in types:
                yield f"low_voltage: no line type is called {many.type!r}"
        yield from (
            f"low_voltage: no node is called {n!r}" for n in low.behind if n not in self.nodes
        )
        if not set(low.metered_behind) <= set(low.behind):
            yield "low_voltage: metered_behind names a node that is not in behind"
        for peak in low.at:
            if peak.node not in known:
                yield f"low_voltage: no line ends at {peak.node!r}"

    def _wrong_numbers(self) -> Iterator[str]:
        for line in self.line:
            if line.length_m <= 0:
                yield f"{line.name}: length_m must be above 0"
        for one in self.transformer:
            if not 0 <= one.copper_loss_pct < one.short_circuit_pct:
                yield f"{one.name}: copper_loss_pct must be below short_circuit_pct"
        for many in self.load:
            if not 0 < many.power_factor <= 1:
                yield f"load: power_factor must lie in (0, 1], found {many.power_factor}"


def _more_than_once(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def read_description(file: Path = CIGRE) -> Description:
    """Return what a network file says; by default the packaged CIGRE feeders.

    Raises:
        Misconfigured: with every fault found.
    """
    return load(Description, file, program="hil", environ={}).value
