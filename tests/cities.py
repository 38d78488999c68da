"""Cities for tests and benchmarks: primary substations of a town, each drawn from a number.

One zone is one primary substation: two transformers, open rings of cable at medium voltage, a
secondary substation at every node of them, and low voltage behind these as far as it is asked for.

```
 HV ─┬─TR-1─ BUS-1 ─┬─ MV ─ MV ─ … ─ MV ┄┄┐ open
     │              └─ MV ─ MV ─ … ─ MV ┄┄┘
     └─TR-2─ BUS-2 ─┬─ …                        MV ─TS─ LV ─┬─ LV ─ …
```

Its customers are drawn from one neighbourhood of two hundred, each at a size of its own, beside
plants of the sun at medium voltage; so a zone costs what one of 23,000 strangers would.

Cables and transformers are the usual ones of Europe's towns, by the types that pandapower's
standard-type library tells of; lengths and counts are like those of SimBench's urban and
semi-urban networks (Meinecke et al., Energies 13 (2020), 3290). No data of theirs is used.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray
from power_grid_model import BranchSide, WindingType

from central.dso.estimation.measuring import Measurement, Metered, injections
from central.dso.forecast.history import Customers, History, Origin
from central.dso.forecast.weather import Weather
from central.dso.grid.model import (
    Branch,
    Connection,
    Grid,
    Network,
    Node,
    Phasors,
    PrimarySubstation,
    Sensor,
    TapMeans,
)
from central.dso.powerflow import PowerFlow, Setting
from ledger.facts.interval import QUARTER_MS
from tests.grids import component
from tests.neighbourhood import Town, horizontal_w_m2, town

SUBSTATIONS = 190
CUSTOMERS = 23_000
PLANT = "plant"
"""Of a zone of Rome: 70 primary and 13,419 secondary substations, 1.6 million customers."""

DAY = date(2027, 5, 29)
"""The market day that a city with a past is looked at before."""

_DRAWN_FROM, _PAST_DAYS, _GROWTH = 200, 40, (0.7, 1.8)
_MV_KM, _LV_KM = (0.25, 0.9), (0.03, 0.09)
_STUB = 0.15
_LV_FEEDERS = 4
_ON_A_FEEDER = 19
_TRUNK_A, _RING_A, _LV_A = 421.0, 319.0, 270.0
_SIGMA_VOLTAGE_PCT, _SIGMA_POWER_PCT = 0.5, 2.0
_EVERY = 8
_MEAN_W, _POD_ERROR, _SHARED_ERROR, _ABOVE_PU, _METER = 800.0, 0.7, 0.05, 0.01, 0.005


@dataclass(frozen=True, slots=True)
class _Cable:
    """A type of cable: ohm, ohm and farad per kilometre, and what it may carry [A]."""

    r_ohm: float
    x_ohm: float
    c_f: float
    most_a: float


_TRUNK = _Cable(0.122, 0.112, 304e-9, _TRUNK_A)  # NA2XS2Y 1x240 RM/25 12/20 kV
_RING = _Cable(0.206, 0.116, 250e-9, _RING_A)  # NA2XS2Y 1x150 RM/25 12/20 kV
_STREET = _Cable(0.208, 0.080, 261e-9, _LV_A)  # NAYY 4x150 SE


@dataclass
class _Site:
    """A zone while it is built: each list grows in the order in which things are put up."""

    dice: np.random.Generator
    nodes: list[tuple[Node, float]] = field(default_factory=list)
    lines: list[tuple[str, int, int, _Cable, float, bool]] = field(default_factory=list)
    stations: list[tuple[str, int, int]] = field(default_factory=list)

    def node(self, name: str, area: str, rated_v: float, band_pu: tuple[float, float]) -> int:
        self.nodes.append((Node(name, area, *band_pu), rated_v))
        return len(self.nodes) - 1

    def line(self, start: int, end: int, cable: _Cable, *, closed: bool = True) -> None:
        low_km, high_km = _LV_KM if cable is _STREET else _MV_KM
        name = f"{self.nodes[start][0].name} to {self.nodes[end][0].name}"
        length_km = float(self.dice.uniform(low_km, high_km))
        self.lines.append((name, start, end, cable, length_km, closed))


def zone(
    number: int = 0,
    *,
    substations: int = SUBSTATIONS,
    low_nodes: int = 1,
    customers: int = CUSTOMERS,
    plants: int = 0,
) -> Grid:
    """Return the grid of one primary substation.

    Args:
        number: what it is drawn from; two zones of a city share no point of delivery.
        substations: secondary ones, each at a node of the open rings.
        low_nodes: nodes at low voltage behind each, its bus bar first; 0 leaves out the
            transformers as well, and customers hang at medium voltage.
        customers: points of delivery, spread over the places where they can be.
        plants: of the sun, one to fourteen megawatts each, at medium voltage; the last PODs.
    """
    site = _Site(np.random.default_rng([2_027, number]))
    high = site.node("HV", "HV", 110e3, (0.9, 1.1))
    bars = [site.node(f"BUS-{n}", "MV", 20e3, (0.95, 1.05)) for n in (1, 2)]
    heads = _rings(site, bars, substations)
    medium = range(len(bars) + 1, len(site.nodes))
    places = [place for node in medium for place in _behind(site, node, low_nodes)]
    connections = _connected(site.dice, number, places, customers)
    connections += _planted(site.dice, number, medium, plants)
    return _built(f"PS-{number:02}", site, [high, *bars], heads, connections)


def _rings(site: _Site, bars: list[int], substations: int) -> list[int]:
    """Put up feeders, two and two tied at their ends; return the lines that leave the bus bars."""
    feeders = max(2, round(substations / _ON_A_FEEDER))
    heads, ends, numbers = [], [], count(1)
    for feeder, share in enumerate(np.array_split(np.arange(substations), feeders)):
        heads.append(len(site.lines))
        before = last = bars[feeder % len(bars)]
        for position in range(len(share)):
            node = site.node(f"MV-{next(numbers)}", f"F-{feeder + 1}", 20e3, (0.95, 1.05))
            on_a_stub = position > 1 and site.dice.random() < _STUB
            start = before if on_a_stub else last
            site.line(start, node, _TRUNK if position < len(share) // 3 else _RING)
            if not on_a_stub:
                before, last = last, node
        ends.append(last)
    for one, other in list(pairwise(ends))[::2]:
        site.line(one, other, _RING, closed=False)
    return heads


def _behind(site: _Site, node: int, low_nodes: int) -> list[int]:
    """Put up what hangs on a node at medium voltage; return where customers can be."""
    if not low_nodes:
        return [node]
    name = site.nodes[node][0].name.removeprefix("MV-")
    area = f"LV-{name}" if low_nodes > 1 else site.nodes[node][0].area
    first = site.node(f"LV-{name}", area, 400.0, (0.9, 1.1))
    site.stations.append((f"TS-{name}", node, first))
    ends = [first] * _LV_FEEDERS
    for at in range(low_nodes - 1):
        low = site.node(f"LV-{name}-{at + 1}", area, 400.0, (0.9, 1.1))
        site.line(ends[at % _LV_FEEDERS], low, _STREET)
        ends[at % _LV_FEEDERS] = low
    return list(range(first + 1, len(site.nodes))) or [first]


def _connected(
    dice: np.random.Generator, number: int, places: list[int], customers: int
) -> tuple[Connection, ...]:
    """Return the points of delivery, every place with at least one where there are enough."""
    at = np.concatenate([places, dice.choice(places, max(0, customers - len(places)))])
    contract_w = dice.choice([3_000, 4_500, 6_000, 10_000], customers)
    return tuple(
        Connection(f"IT002E{number * 100_000 + k:08}", int(at[k]), int(contract_w[k]), "abc", 0.25)
        for k in range(customers)
    )


def _planted(
    dice: np.random.Generator, number: int, places: range, plants: int
) -> tuple[Connection, ...]:
    """Return plants at some of the nodes at medium voltage."""
    contract_w = dice.uniform(1e6, 14e6, plants)
    return tuple(
        Connection(
            f"IT002E{number * 100_000 + 99_999 - k:08}", int(at), int(contract_w[k]), "abc", 0.0,
            PLANT,
        )
        for k, at in enumerate(dice.choice(places, plants, replace=False))
    )  # fmt: skip


def _built(
    name: str,
    site: _Site,
    primary: list[int],
    heads: list[int],
    connections: tuple[Connection, ...],
) -> Grid:
    lines, stations = site.lines, site.stations
    made = len(lines), len(lines) + 1
    return Grid(
        name=name,
        source="tests/cities.py",
        network=_network(site, primary),
        nodes=tuple(node for node, _ in site.nodes),
        branches=(
            *(Branch(one[0], switch=one[3] is not _STREET) for one in lines),
            Branch("TR-1"),
            Branch("TR-2"),
            *(Branch(one[0]) for one in stations),
        ),
        connections=connections,
        substations=(PrimarySubstation(name, made),),
        taps=tuple(TapMeans(branch) for branch in made),
        sensors=tuple(_sensors(site, primary, heads)),
    )


def _network(site: _Site, primary: list[int]) -> Network:
    nodes, lines, stations = site.nodes, site.lines, site.stations
    cables = [cable for _, _, _, cable, _, _ in lines]
    length_km = np.array([one[4] for one in lines])
    closed = [one[5] for one in lines]

    def of(name: str) -> NDArray[np.float64]:
        return np.array([getattr(cable, name) for cable in cables])

    high, *bars = primary
    below = len(stations)
    return {
        "node": component("node", id=np.arange(len(nodes)), u_rated=[v for _, v in nodes]),
        "line": component(
            "line", id=100_000 + np.arange(len(lines)), from_node=[one[1] for one in lines],
            to_node=[one[2] for one in lines], from_status=closed, to_status=closed,
            r1=of("r_ohm") * length_km, x1=of("x_ohm") * length_km, c1=of("c_f") * length_km,
            tan1=0.0, i_n=of("most_a"),
        ),
        "transformer": component(
            "transformer", id=200_000 + np.arange(2 + below),
            from_node=[high, high, *(one[1] for one in stations)],
            to_node=[*bars, *(one[2] for one in stations)], from_status=1, to_status=1,
            u1=[110e3] * 2 + [20e3] * below, u2=[20e3] * 2 + [400.0] * below,
            sn=[40e6] * 2 + [630e3] * below, uk=[0.162] * 2 + [0.06] * below,
            pk=[0.0034 * 40e6] * 2 + [0.01206 * 630e3] * below,
            i0=[0.0005] * 2 + [0.00262] * below, p0=[18e3] * 2 + [1.65e3] * below,
            winding_from=[WindingType.wye_n] * 2 + [WindingType.delta] * below,
            winding_to=[WindingType.delta] * 2 + [WindingType.wye_n] * below, clock=5,
            tap_side=BranchSide.from_side, tap_pos=0, tap_min=[-9] * 2 + [-2] * below,
            tap_max=[9] * 2 + [2] * below, tap_nom=0, tap_size=[1650.0] * 2 + [500.0] * below,
        ),
        "source": component("source", id=[300_000], node=high, status=1, u_ref=1.02, sk=1e15),
    }  # fmt: skip


def _sensors(site: _Site, primary: list[int], heads: list[int]) -> list[Sensor]:
    """Return voltage at the bus bars and at one node in eight, power at the head of each feeder."""
    medium = [at for at, (node, _) in enumerate(site.nodes) if node.name.startswith("MV-")]
    seen = [*primary[1:], *medium[_EVERY - 1 :: _EVERY]]
    voltages = [
        Sensor(f"V {site.nodes[at][0].name}", "voltage", node=at, sigma_pct=_SIGMA_VOLTAGE_PCT)
        for at in seen
    ]
    powers = [
        Sensor(f"P {site.lines[at][0]}", "power", branch=at, sigma_pct=_SIGMA_POWER_PCT)
        for at in heads
    ]
    return [*voltages, *powers]


@dataclass(frozen=True)
class Quarter:
    """A state that is known, what is seen of it, and what the forecast alone makes of it."""

    of: Grid
    u_pu: Phasors
    forecast_u_pu: Phasors
    measured: tuple[Measurement, ...]

    def error_pu(self, u_pu: Phasors, low: float = 0.0) -> float:
        """Return the rms error of the voltage magnitudes, of nodes rated above `low` [V]."""
        judged = self.of.rated_v > low
        error = (np.abs(u_pu) - np.abs(self.u_pu))[judged]
        return float(np.sqrt(np.mean(error**2)))


def quarter(of: Grid, seed: int, *, metered: float = 0.1) -> Quarter:
    """Return a quarter as it may come.

    The forecast misses each household by 70 % and, together, those of one feeder or street by 5 %
    more; the voltage of the grid above wanders by 1 %. Seen are what the grid has sensors for,
    and a share of the households by their certified meters.
    """
    draw = np.random.default_rng(seed)
    pods = len(of.pods)
    drawn_va: Phasors = draw.gamma(1.5, _MEAN_W / 1.5, pods) * (1 + 1j * of.tan_phi)
    areas, area = np.unique([node.area for node in of.nodes], return_inverse=True)
    together = draw.normal(1, _SHARED_ERROR, len(areas))[area[of.pod_node]]
    missed = together * draw.normal(1, _POD_ERROR, pods)
    expected_va = drawn_va * missed.astype(complex)
    power_flow, as_told = PowerFlow(of), float(of.network["source"]["u_ref"][0])
    above_pu = np.array([as_told, draw.normal(as_told, _ABOVE_PU)])
    at_nodes = [of.at_nodes(va.real) + 1j * of.at_nodes(va.imag) for va in (expected_va, drawn_va)]
    flow = power_flow.solve(np.stack(at_nodes), Setting(source_pu=above_pu), exact=True)
    known = {
        of.pods[at]: Metered(float(drawn_va[at].real * draw.normal(1, _METER)),
                             float(drawn_va[at].imag))
        for at in draw.choice(pods, round(metered * pods), replace=False)
    }  # fmt: skip
    sigma_va = np.full(pods, _POD_ERROR * _MEAN_W)
    seen = _seen(of, flow.u_pu[1], flow.from_va[1], draw)
    said = injections(of, expected_va, sigma_va, known)
    return Quarter(of, flow.u_pu[1], flow.u_pu[0], (*seen, *said))


def _seen(
    of: Grid, u_pu: Phasors, from_va: Phasors, draw: np.random.Generator
) -> list[Measurement]:
    found = []
    for one in of.sensors:
        share = one.sigma_pct / 100
        if one.node is not None:
            value = abs(u_pu[one.node]) * draw.normal(1, share)
            found.append(Measurement(one.name, "voltage", one.node, value, share, "sensor"))
        elif one.branch is not None:
            power = complex(from_va[one.branch])
            sigma = abs(power) * share
            value = power + complex(*draw.normal(0, sigma, 2))
            found.append(Measurement(one.name, "flow", one.branch, value, sigma, "sensor"))
    return found


@dataclass(frozen=True)
class Lived:
    """A zone with its past up to the gate of `DAY`, and what the weather service said."""

    grid: Grid
    history: History
    customers: Customers
    weather: Weather


@cache
def _neighbourhood() -> Town:
    return town(_DRAWN_FROM, DAY - timedelta(days=_PAST_DAYS), _PAST_DAYS, seed=70)


def lived(number: int, **sizes: int) -> Lived:
    """Return a zone with its past; `sizes` are those of `zone`."""
    of, drawn_from = zone(number, **sizes), _neighbourhood()
    draw, past = np.random.default_rng([2_028, number]), drawn_from.history
    plants = sum(one.profile == PLANT for one in of.connections)
    households = len(of.pods) - plants
    like = draw.integers(0, _DRAWN_FROM, households)
    size = draw.uniform(0.6, 1.4, households) * draw.uniform(*_GROWTH)
    power_w = np.empty((len(of.pods), past.power_w.shape[1]))
    origin = np.full(power_w.shape, Origin.CERTIFIED, np.uint8)
    np.multiply(past.power_w[like], size[:, None], out=power_w[:households])
    origin[:households] = past.origin[like]
    contract_w = np.array([float(one.contract_w) for one in of.connections])
    times_ms = past.start_ms + QUARTER_MS * np.arange(power_w.shape[1])
    power_w[households:] = -contract_w[households:, None] * _sun_share(times_ms, draw)
    history = History(of.pods, past.start_ms, power_w, origin)
    group = tuple(one.profile for one in of.connections)
    return Lived(of, history, Customers(contract_w, group), drawn_from.weather)


def _sun_share(times_ms: NDArray[np.int64], draw: np.random.Generator) -> NDArray[np.float64]:
    """Return what a plant gives of its rated power: clear sky by a clearness of the day."""
    day = (times_ms - times_ms[0]) // 86_400_000
    clear = draw.beta(4, 1.5, int(day[-1]) + 1)[day]
    share: NDArray[np.float64] = np.minimum(horizontal_w_m2(times_ms) / 1_000 * clear, 1.0)
    return share
