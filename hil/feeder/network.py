"""The network as it is built: every copy of the low voltage put up, and the state it can be in."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from hil.feeder.description import (
    Description,
    LineType,
    LowVoltage,
    SwitchEntry,
    TransformerEntry,
)

NOMINAL_HZ = 50.0
_MOST_LOW_V = 1_000
_M_PER_KM = 1000.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line: impedance along it and susceptance of its whole length, each per sequence."""

    name: str
    ends: tuple[str, str]
    z1_ohm: complex
    z0_ohm: complex
    b1_s: float
    b0_s: float


@dataclass(frozen=True, slots=True)
class Transformer:
    """A Dyn1 transformer without iron losses.

    Args:
        name: how everybody calls it.
        ends: node of the delta winding, node of the earthed star winding.
        turns: turns of a delta phase for each turn of a star phase, at tap position 0.
        y_s: leakage admittance of a phase, seen from the star.
        tap_span: greatest tap position, either way.
        tap_step_pct: what one step adds to the turns of the delta.
        on_load: whether the changer moves under load.
    """

    name: str
    ends: tuple[str, str]
    turns: float
    y_s: complex
    tap_span: int
    tap_step_pct: float
    on_load: bool

    def turns_at(self, position: int) -> float:
        """Return the turns ratio at a tap position."""
        return self.turns * (1.0 + position * self.tap_step_pct / 100.0)


@dataclass(frozen=True, slots=True)
class Capacitor:
    """A bank of earthed star capacitors in equal steps."""

    name: str
    node: str
    step_s: float
    steps: int


class SensorKind(StrEnum):
    """What a field sensor is."""

    VOLTAGE_CURRENT = "voltage_current"
    BREAKER = "breaker"  # low-voltage breaker of an outgoing line, with its device (LV3G)


class Position(StrEnum):
    """Where a breaker stands; tripped is open by its own protection."""

    OPEN = "open"
    CLOSED = "closed"
    TRIPPED = "tripped"


@dataclass(frozen=True, slots=True)
class SensorPlace:
    """Where a sensor sits: at a node, on what flows from it into a branch."""

    name: str
    kind: SensorKind
    node: str
    branch: str


@dataclass(frozen=True, slots=True)
class State:
    """How the network is switched, tapped and damaged.

    Args:
        taps: position of each tap changer.
        closed: whether each switch is closed.
        steps: steps of each capacitor bank that are in.
        out: branches that are out of service at both ends.
    """

    taps: Mapping[str, int]
    closed: Mapping[str, bool]
    steps: Mapping[str, int]
    out: frozenset[str] = frozenset()

    def position(self, breaker: str, branch: str) -> Position:
        """Return where a breaker of a branch stands; a failed branch has tripped it."""
        if branch in self.out:
            return Position.TRIPPED
        return Position.CLOSED if self.closed.get(breaker, True) else Position.OPEN

    def tapped(self, name: str, position: int) -> "State":
        """Return the state with one tap changer elsewhere."""
        return replace(self, taps={**self.taps, name: position})

    def switched(self, name: str, *, closed: bool) -> "State":
        """Return the state with one switch thrown."""
        return replace(self, closed={**self.closed, name: closed})

    def stepped(self, name: str, steps: int) -> "State":
        """Return the state with so many steps of one capacitor bank in."""
        return replace(self, steps={**self.steps, name: steps})

    def without(self, branch: str) -> "State":
        """Return the state with one branch taken out."""
        return replace(self, out=self.out | {branch})

    def restored(self, branch: str) -> "State":
        """Return the state with one branch back in service."""
        return replace(self, out=self.out - {branch})


@dataclass(frozen=True, slots=True)
class Network:
    """Everything that carries current, in the order in which it is numbered."""

    source: str
    source_v: float
    nominal_v: Mapping[str, int]
    lines: tuple[Line, ...]
    transformers: tuple[Transformer, ...]
    switches: tuple[SwitchEntry, ...]
    capacitors: tuple[Capacitor, ...]
    sensors: tuple[SensorPlace, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the nodes, the source first."""
        return tuple(self.nominal_v)

    @property
    def branches(self) -> tuple[Line | Transformer, ...]:
        """Return lines, then transformers."""
        return (*self.lines, *self.transformers)

    @property
    def busbars(self) -> tuple[str, ...]:
        """Return the nodes of medium voltage."""
        inner = (name for name in self.nodes if name != self.source)
        return tuple(name for name in inner if self.nominal_v[name] > _MOST_LOW_V)

    @property
    def breakers(self) -> Mapping[str, str]:
        """Return the branch of each breaker: of a switch, else of what is fed above low voltage.

        A branch without a switch gives its name to its breaker.
        """
        switched = {one.name: one.branch for one in self.switches}
        fed = (one for one in self.branches if self.nominal_v[one.ends[0]] > _MOST_LOW_V)
        own = {one.name: one.name for one in fed if one.name not in switched.values()}
        return switched | own

    def normal_state(self) -> State:
        """Return the state in which nothing has happened yet."""
        return State(
            taps={one.name: 0 for one in self.transformers if one.tap_span},
            closed={one.name: one.closed for one in self.switches},
            steps={one.name: 0 for one in self.capacitors},
        )


def built(description: Description) -> Network:
    """Return the network that a description stands for."""
    types = {kind.name: kind for kind in description.line_type}
    nominal_v = {description.source.node: description.source.nominal_v}
    nominal_v |= {name: group.nominal_v for group in description.node for name in group.names}
    lines = [
        _line(one.name, (one.ends[0], one.ends[1]), types[one.type], one.length_m)
        for one in description.line
    ]
    transformers = [_transformer(one) for one in description.transformer]
    switches = list(description.switch)
    sensors = [
        SensorPlace(one.name, SensorKind.VOLTAGE_CURRENT, one.node, one.branch)
        for one in description.sensor
    ]
    for low, above in _low_voltages(description):
        nominal_v |= dict.fromkeys(_low_voltage_nodes(low, above), low.nominal_v)
        lines += _low_voltage_lines(low, above, types)
        transformers.append(_transformer(_secondary(low, above, nominal_v[above])))
        busbar = low_voltage_node(above, "R1")
        breakers = [
            SwitchEntry(f"LV3G-{suffix_of(above)}{number or ''}", line.name, busbar)
            for number, line in enumerate(one for one in lines if busbar in one.ends)
        ]
        switches += breakers
        sensors += [
            SensorPlace(one.name, SensorKind.BREAKER, one.node, one.branch) for one in breakers
        ]
    return Network(
        source=description.source.node,
        source_v=description.source.voltage_pu * description.source.nominal_v,
        nominal_v=nominal_v,
        lines=tuple(lines),
        transformers=tuple(transformers),
        switches=tuple(switches),
        capacitors=tuple(
            Capacitor(one.name, one.node, one.step_var / nominal_v[one.node] ** 2, one.steps)
            for one in description.capacitor
        ),
        sensors=tuple(sensors),
    )


def _low_voltages(description: Description) -> Iterator[tuple[LowVoltage, str]]:
    low = description.low_voltage
    return ((low, above) for above in low.behind) if low is not None else iter(())


def suffix_of(node: str) -> str:
    """Return what names a medium-voltage node behind its level: `3` of `MV-3`."""
    return node.partition("-")[2]


def low_voltage_node(above: str, name: str) -> str:
    """Return the full name of a node of the low-voltage network behind a node."""
    return f"LV-{suffix_of(above)}-{name}"


def _low_voltage_nodes(low: LowVoltage, above: str) -> Iterator[str]:
    names = dict.fromkeys(
        ("R1", *(e for many in low.line for p in many.ends for e in p.split("-")))
    )
    return (low_voltage_node(above, name) for name in names)


def _low_voltage_lines(
    low: LowVoltage, above: str, types: Mapping[str, LineType]
) -> Iterator[Line]:
    for many in low.line:
        for pair in many.ends:
            first, _, second = pair.partition("-")
            ends = low_voltage_node(above, first), low_voltage_node(above, second)
            yield _line(f"L-{suffix_of(above)}-{pair}", ends, types[many.type], many.length_m)


def _secondary(low: LowVoltage, above: str, high_v: int) -> TransformerEntry:
    of = low.transformer
    return TransformerEntry(
        f"TS-{suffix_of(above)}", above, low_voltage_node(above, "R1"), high_v, low.nominal_v,
        of.rating_va, of.short_circuit_pct, of.copper_loss_pct, of.tap_span, of.tap_step_pct,
    )  # fmt: skip


def _line(name: str, ends: tuple[str, str], kind: LineType, length_m: int) -> Line:
    km = length_m / _M_PER_KM
    s_per_nf = 2.0 * math.pi * NOMINAL_HZ * 1e-9
    return Line(
        name,
        ends,
        z1_ohm=complex(kind.r_ohm_per_km, kind.x_ohm_per_km) * km,
        z0_ohm=complex(kind.r0_ohm_per_km, kind.x0_ohm_per_km) * km,
        b1_s=kind.c_nf_per_km * s_per_nf * km,
        b0_s=kind.c0_nf_per_km * s_per_nf * km,
    )


def _transformer(one: TransformerEntry) -> Transformer:
    z_pct = one.short_circuit_pct
    x_pct = math.sqrt(z_pct * z_pct - one.copper_loss_pct * one.copper_loss_pct)
    z_ohm = complex(one.copper_loss_pct, x_pct) / 100.0 * one.low_v * one.low_v / one.rating_va
    return Transformer(
        one.name,
        (one.high, one.low),
        turns=math.sqrt(3.0) * one.high_v / one.low_v,
        y_s=1.0 / z_ohm,
        tap_span=one.tap_span,
        tap_step_pct=one.tap_step_pct,
        on_load=one.on_load,
    )
