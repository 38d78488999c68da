"""What a bench file says of the plant: its network, mechanisms, sensors, and what happens to it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Action(StrEnum):
    """What can be done to the plant, by an event or by hand; nobody asks whether it is wise."""

    OUT = "out"  # a line or transformer fails
    BACK = "back"  # and is repaired
    OPEN = "open"  # a switch
    CLOSE = "close"
    TAP = "tap"  # a changer stands at a position
    CAPACITOR = "capacitor"  # a bank has so many steps in


DEFAULT_SIZE_PCT = 10.0
COUNTED = frozenset({Action.TAP, Action.CAPACITOR})


@dataclass(frozen=True, slots=True)
class EventSettings:
    """Something that happens, *at_s* after the clock's origin, or else after the start.

    What is earlier than the start, as where *at_s* is below 0, has happened at the start.
    """

    at_s: float
    action: Action
    device: str
    position: int | None = None

    def __post_init__(self) -> None:
        if (self.position is None) == (self.action in COUNTED):
            raise ValueError(f"{self.action}: a position is for {' and '.join(sorted(COUNTED))}")


class SensorFaultKind(StrEnum):
    """How a field sensor lies."""

    STUCK = "stuck"  # the same values again and again
    BIAS = "bias"  # voltages and currents too great by size_pct
    SIGN_FLIP = "sign_flip"  # the current transformer the wrong way round
    SILENT = "silent"  # nothing at all
    NOISE = "noise"  # each value off by up to size_pct, either way


@dataclass(frozen=True, slots=True)
class SensorFaultSettings:
    """One fault of one sensor; seconds count as those of events."""

    sensor: str
    kind: SensorFaultKind
    from_s: float = 0.0
    until_s: float | None = None
    size_pct: float = DEFAULT_SIZE_PCT

    def __post_init__(self) -> None:
        if self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError("a fault must end after it starts")


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """Where and how often the field sensors tell what they measure.

    Args:
        url: the Shared Customer Database they tell it to; without it the sensors only measure.
        token: file with the bearer token.
        key: file with the key that signs their documents, as `hil plant key` makes it.
        sender: the party that the documents come from, whom token and key stand for.
        receiver: the party that they are for.
        every_s: pause between two samples of each sensor.
        class_pct: accuracy class of voltages; currents have twice that.
        fault: their faults.
    """

    url: str | None = None
    token: Path | None = None
    key: Path | None = None
    sender: str = "field"
    receiver: str = "dso"
    every_s: float = 60.0
    class_pct: float = 0.5
    fault: tuple[SensorFaultSettings, ...] = ()

    def __post_init__(self) -> None:
        if self.every_s <= 0:
            raise ValueError(f"every_s must be above 0, not {self.every_s}")
        if self.class_pct < 0:
            raise ValueError(f"class_pct must be 0 or more, not {self.class_pct}")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"expected url as http://HOST:PORT, found {self.url!r}")
        if self.url is not None and (self.token is None or self.key is None):
            raise ValueError("who has a url needs a token and a key as well")


@dataclass(frozen=True, slots=True)
class Growth:
    """A scenario: heat pumps and electric cars have come to homes, of every hour alike.

    Args:
        pct: how much more the homes take [%].
        at: nodes, or beginnings of their names (`LV-5`), whose homes it is; all by default.
    """

    pct: float = 0.0
    at: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pct <= -100:  # noqa: PLR2004 -- nothing would be left
            raise ValueError(f"growth.pct must be above -100, not {self.pct}")

    def factor_at(self, node: str) -> float:
        """Return what the homes at a node take now, of what they took."""
        here = not self.at or any(node == one or node.startswith(f"{one}-") for one in self.at)
        return 1.0 + self.pct / 100.0 if here else 1.0


@dataclass(frozen=True, slots=True)
class PlantSettings:
    """The electrical network behind the meters.

    Args:
        network: a network file; by default the CIGRE feeders that come with the bench.
        seed: decides the customers without a meter, and the sensors' errors.
        every_s: pause between two power flows.
        source_wander_pct: how far the transmission network's voltage drifts, either way.
        scada: `HOST:PORT` where grid configurations are taken.
        tap_s: how long a tap changer needs for one step, and a capacitor bank for one.
        switch_s: how long a switch needs.
        event: what happens.
        sensors: the field sensors.
        growth: of what homes take.
    """

    network: Path | None = None
    seed: int = 0
    every_s: float = 4.0
    source_wander_pct: float = 0.5
    scada: str | None = None
    tap_s: float = 5.0
    switch_s: float = 2.0
    event: tuple[EventSettings, ...] = ()
    sensors: SensorSettings = SensorSettings()
    growth: Growth = Growth()

    def __post_init__(self) -> None:
        if self.every_s <= 0:
            raise ValueError(f"every_s must be above 0, not {self.every_s}")
        if min(self.tap_s, self.switch_s, self.source_wander_pct) < 0:
            raise ValueError("tap_s, switch_s and source_wander_pct must be 0 or more")
