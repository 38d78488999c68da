"""A meter as data: where its numbers stand, what they mean, and how to know it is the one.

A profile is a TOML file. It cites at least two sources and carries golden vectors, words with
the values they stand for, which are checked whenever it is loaded.
"""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from ledger.configuration import Misconfigured, load
from lightnode.errors import MeterFault
from lightnode.meters.registers import (
    REGISTER_BYTES,
    NumberType,
    WordOrder,
    registers_of,
    unpacker,
    whole,
)

Space = Literal["input", "holding"]
Parity = Literal["N", "E", "O"]
Unit = Literal["V", "A", "W", "kW", "var", "kvar", "Hz", "Wh", "kWh"]
Quantity = Literal[
    "voltage_l1",
    "voltage_l2",
    "voltage_l3",
    "current_l1",
    "current_l2",
    "current_l3",
    "power",
    "reactive_power",
    "frequency",
    "import",
    "export",
]

_SHIPPED = Path(__file__).with_name("profiles")
_SUFFIX = ".toml"
_WORDS = re.compile(r"\s*([0-9A-Fa-f]{4}\s*)+")
_FEWEST_SOURCES = 2
_FEWEST_LENGTHS = 2
_THREE_PHASES = ("_l1", "_l2", "_l3")
_PER_POINT: tuple[Quantity, ...] = ("power", "reactive_power", "frequency", "import", "export")
_WIRE_UNIT = {"voltage": "mv", "current": "ma", "power": "w", "reactive_power": "var",
              "frequency": "mhz", "import": "wh", "export": "wh"}  # fmt: skip
_TO_WIRE: dict[Unit, tuple[str, int]] = {
    "V": ("mv", 1_000),
    "A": ("ma", 1_000),
    "W": ("w", 1),
    "kW": ("w", 1_000),
    "var": ("var", 1),
    "kvar": ("var", 1_000),
    "Hz": ("mhz", 1_000),
    "Wh": ("wh", 1),
    "kWh": ("wh", 1_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """How the meter's line is set when it leaves the factory, and what it can take."""

    baud: int
    parity: Parity
    stop_bits: int
    unit: int
    gap_ms: int
    quiet_ms: int
    response_ms: int
    align: int
    max_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identify:
    """Where the meter's serial number stands: which of `count` words from `address` on.

    The words are given most significant first; some makes keep them apart.
    """

    space: Space
    address: int
    count: int
    words: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.words or not all(0 <= word < self.count for word in self.words):
            raise ValueError("words: expected the places of the serial number within count")

    def serial_number(self, payload: bytes) -> int:
        """Return the serial number in the words that were read."""
        places = (word * REGISTER_BYTES for word in self.words)
        return int.from_bytes(b"".join(payload[at : at + REGISTER_BYTES] for at in places), "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Registers that are read in one request, in several lengths.

    The lengths take turns, so that the length of a reply tells which request it answers.
    """

    space: Space
    address: int
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(set(self.lengths)) < _FEWEST_LENGTHS or len(set(self.lengths)) < len(self.lengths):
            raise ValueError("lengths: expected two or more different lengths to take turns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One quantity: its address in a block, and `sign` -1 where the meter counts against us."""

    quantity: Quantity
    address: int
    type: NumberType
    order: WordOrder
    unit: Unit
    obis: str
    scale: float = 1.0
    sign: Literal[1, -1] = 1
    counter: bool = False
    space: Space = "input"

    def __post_init__(self) -> None:
        wire, expected = _TO_WIRE[self.unit][0], wire_unit(self.quantity)
        if wire != expected:
            raise ValueError(f"{self.quantity} is kept in {expected}, which {self.unit} is not")

    @property
    def factor(self) -> float:
        """Return what the register's number is multiplied with to get our integer unit."""
        return self.sign * self.scale * _TO_WIRE[self.unit][1]

    @property
    def end(self) -> int:
        """Return the address after its last register."""
        return self.address + registers_of(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanity:
    """What the meter can show at all; a value outside is no measurement."""

    voltage_v: tuple[float, ...]
    current_a: tuple[float, ...]
    frequency_hz: tuple[float, ...]
    power_w: tuple[float, ...]
    energy_step_wh: int

    def __post_init__(self) -> None:
        for name in ("voltage_v", "current_a", "frequency_hz", "power_w"):
            match getattr(self, name):
                case (least, most) if least < most:
                    pass
                case other:
                    raise ValueError(f"{name}: expected [least, most], found {list(other)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The values, in our integer units, that golden words stand for."""

    voltage_l1_mv: int | None = None
    voltage_l2_mv: int | None = None
    voltage_l3_mv: int | None = None
    current_l1_ma: int | None = None
    current_l2_ma: int | None = None
    current_l3_ma: int | None = None
    power_w: int | None = None
    reactive_power_var: int | None = None
    frequency_mhz: int | None = None
    import_wh: int | None = None
    export_wh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Words as they stand in the meter from `address` on, and what they mean."""

    address: int
    words: str
    expect: Expected
    space: Space = "input"

    def __post_init__(self) -> None:
        if not _WORDS.fullmatch(self.words):
            raise ValueError("words: expected groups of four hexadecimal digits")

    @property
    def payload(self) -> bytes:
        """Return the words as bytes."""
        return bytes.fromhex(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything there is to know about one make of meter."""

    id: str
    version: int
    title: str
    phases: Literal[1, 3]
    sources: tuple[str, ...]
    bus: Bus
    identify: Identify | None = None
    probe: Block
    block: tuple[Block, ...]
    point: tuple[Point, ...]
    sanity: Sanity
    golden: tuple[Golden, ...]

    def __post_init__(self) -> None:
        if len(self.sources) < _FEWEST_SOURCES:
            raise ValueError("sources: cite two that agree")
        if not self.golden:
            raise ValueError("golden: give at least one vector")
        self._check_points()
        self._check_reads()
        for golden in self.golden:
            self._check_golden(golden)

    @property
    def name(self) -> str:
        """Return the profile's name with its version, as boot records carry it."""
        return f"{self.id}@{self.version}"

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Return the endings of the phases' quantities."""
        return _THREE_PHASES[: self.phases]

    def points_in(self, block: Block) -> tuple[Point, ...]:
        """Return the points that the shortest read of a block covers."""
        end = block.address + min(block.lengths)
        return tuple(
            point
            for point in self.point
            if point.space == block.space and block.address <= point.address and point.end <= end
        )

    def _check_points(self) -> None:
        named = [point.quantity for point in self.point]
        needed = [f"{q}{phase}" for q in ("voltage", "current") for phase in self.phase_names]
        for quantity in [*needed, *_PER_POINT]:
            if named.count(quantity) != 1:  # type: ignore[arg-type]
                raise ValueError(f"point: expected exactly one {quantity}")
        covered = {point for block in self.block for point in self.points_in(block)}
        for point in self.point:
            if point not in covered:
                raise ValueError(f"point {point.quantity}: in no block's shortest length")

    def _check_reads(self) -> None:
        for block in (*self.block, self.probe):
            for number in (block.address, *block.lengths):
                if number % self.bus.align:
                    raise ValueError(f"{number} is not a multiple of align = {self.bus.align}")
            if max(block.lengths) > self.bus.max_read:
                raise ValueError(f"a block is longer than max_read = {self.bus.max_read}")
        if any(set(block.lengths) & set(self.probe.lengths) for block in self.block):
            raise ValueError("probe: its lengths must differ from every block's")

    def _check_golden(self, golden: Golden) -> None:
        payload = golden.payload
        for field in fields(Expected):
            expected = getattr(golden.expect, field.name)
            if expected is None:
                continue
            quantity = field.name.rpartition("_")[0]
            point = next(point for point in self.point if point.quantity == quantity)
            offset = (point.address - golden.address) * REGISTER_BYTES
            if not 0 <= offset <= len(payload) - REGISTER_BYTES * registers_of(point.type):
                raise ValueError(f"golden: {quantity} is not among the words")
            found = _golden_value(point, payload, offset)
            if found != expected:
                raise ValueError(f"golden: {quantity} is {found}, expected {expected}")


def wire_unit(quantity: str) -> str:
    """Return the integer unit that a quantity is kept in."""
    return _WIRE_UNIT[quantity.partition("_l")[0]]


def shipped_profiles() -> list[str]:
    """Return the names of the profiles that come with the light node."""
    return sorted(file.stem for file in _SHIPPED.glob(f"*{_SUFFIX}"))


def load_profile(name: str) -> Profile:
    """Return a shipped profile by name, or the one in a TOML file.

    Raises:
        Misconfigured: there is no such profile, or it contradicts itself; with every fault.
    """
    if name.endswith(_SUFFIX):
        return _load(Path(name))
    if name not in shipped_profiles():
        known = ", ".join(shipped_profiles())
        raise Misconfigured(
            [f"meter profile {name!r} is not known; expected {known}, or the path of a .toml file"]
        )
    return _load(_SHIPPED / f"{name}{_SUFFIX}")


def _load(file: Path) -> Profile:
    return load(Profile, file, program="profile", environ={}).value


def _golden_value(point: Point, payload: bytes, offset: int) -> int:
    number = unpacker(point.type, point.order)(payload, offset)
    try:
        return whole(number, point.factor, quantity=point.quantity)
    except MeterFault as fault:
        raise ValueError(f"golden: {fault}") from fault
