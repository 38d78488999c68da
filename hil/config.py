"""The bench file: which meters there are, where they listen, what goes wrong and when."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

from hil.faults import (
    DEFAULT_DELAY_MS,
    SERIAL_ONLY,
    SLAVE_DEVICE_FAILURE,
    TCP_ONLY,
    Fault,
    FaultKind,
)
from hil.household import Kind, equipment_of
from hil.planning import Equipment
from hil.plant_file import PlantSettings
from hil.registers import MODELS
from hil.sky import MS_PER_DAY
from ledger.configuration import Loaded, load
from ledger.facts.clock import ScaledClock

T = TypeVar("T")

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_HIGHEST_PORT = 65_535
_HIGHEST_UNIT = 247
_HIGHEST_SERIAL = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port; port 0 takes a free one."""

    host: str
    port: int


def address_of(text: str) -> Address:
    """Return the address written as ``HOST:PORT``.

    Raises:
        ValueError: the text is no such thing.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise ValueError(f"expected HOST:PORT, found {text!r}")
    return Address(host, int(port))


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What all meters share.

    Args:
        weather_seed: the sky over the district.
        installed_on: the first day of the registers, as ``YYYY-MM-DD``; by default the day of
            the clock's origin.
        control: ``HOST:PORT`` where faults are switched while the bench runs.
    """

    weather_seed: int = 0
    installed_on: str | None = None
    control: str | None = None

    def __post_init__(self) -> None:
        if self.installed_on is not None:
            date.fromisoformat(self.installed_on)
        if self.control is not None:
            address_of(self.control)


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """One fault of one meter.

    Seconds count on the bench's clock, from the clock's origin if one is given, else from the
    start of the bench.
    """

    kind: FaultKind
    from_s: float = 0.0
    until_s: float | None = None
    every: int = 1
    delay_ms: int = DEFAULT_DELAY_MS
    code: int = SLAVE_DEVICE_FAILURE

    def __post_init__(self) -> None:
        self.at(0)

    def at(self, origin_ms: int) -> Fault:
        """Return the fault, its seconds counted from *origin_ms*.

        Raises:
            ValueError: as `Fault` says.
        """
        until_s = self.until_s
        return Fault(
            self.kind,
            from_ms=origin_ms + round(self.from_s * 1000),
            until_ms=None if until_s is None else origin_ms + round(until_s * 1000),
            every=self.every,
            delay_ms=self.delay_ms,
            code=self.code,
        )


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """One meter, on a TCP port or on a serial line.

    Args:
        name: how people and commands call it.
        model: the make, as in `hil.registers.MODELS`.
        seed: decides its household.
        serial_number: what it shows as its serial number.
        unit: its Modbus address.
        kind: the household behind it.
        tcp: ``HOST:PORT`` it listens on; meters may share one, with different units.
        line: where its serial line appears; meters may share one, with different units.
        baud: pace replies as on a wire of this speed; 0 answers at once.
        pv_peak_w: another roof than the kind has [W].
        battery_wh: another battery than the kind has [Wh].
        battery_w: another battery power than the kind has [W].
        charger_w: another car charger than the kind has [W].
        pod: the point of delivery of the plant that it stands at; without it, its household has a
            supply of its own.
        fault: its faults.
    """

    name: str
    model: str
    seed: int
    serial_number: int
    unit: int = 1
    kind: Kind = Kind.FLAT
    tcp: str | None = None
    line: Path | None = None
    baud: int = 0
    pv_peak_w: int | None = None
    battery_wh: int | None = None
    battery_w: int | None = None
    charger_w: int | None = None
    pod: str | None = None
    fault: tuple[FaultSettings, ...] = ()

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise ValueError(f"{self.name}: " + "; ".join(faults))

    def equipment(self) -> Equipment:
        """Return what the household owns: its kind, and what the file says otherwise."""
        usual = equipment_of(self.kind, MODELS[self.model].phases)
        return Equipment(
            usual.pv_peak_w if self.pv_peak_w is None else self.pv_peak_w,
            usual.battery_wh if self.battery_wh is None else self.battery_wh,
            usual.battery_w if self.battery_w is None else self.battery_w,
            usual.charger_w if self.charger_w is None else self.charger_w,
        )

    @property
    def place(self) -> str:
        """Return the port or line it hangs on."""
        return self.tcp or str(self.line)

    def _faults(self) -> Iterator[str]:
        if self.model not in MODELS:
            yield f"model is {self.model!r}, expected one of {', '.join(MODELS)}"
        else:
            yield from _told(self.equipment)
        if (self.tcp is None) == (self.line is None):
            yield "expected either tcp or line"
        if self.tcp is not None:
            yield from _told(lambda: address_of(self.tcp or ""))
        if not 1 <= self.unit <= _HIGHEST_UNIT:
            yield f"unit is {self.unit}, expected 1 to {_HIGHEST_UNIT}"
        if not 0 <= self.serial_number <= _HIGHEST_SERIAL:
            yield f"serial_number is {self.serial_number}, expected 0 to {_HIGHEST_SERIAL}"
        if self.baud < 0 or (self.baud and self.tcp is not None):
            yield "baud is for a line, and 0 or more"
        misplaced = SERIAL_ONLY if self.tcp is not None else TCP_ONLY
        for kind in sorted({fault.kind for fault in self.fault} & misplaced):
            yield f"fault {kind} cannot happen on {'tcp' if self.tcp else 'a line'}"


def _told(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except ValueError as error:
        yield str(error)


@dataclass(frozen=True, slots=True)
class BenchFile:
    """All that a bench file says."""

    meter: tuple[MeterSettings, ...]
    bench: BenchSettings = BenchSettings()
    clock: ScaledClock | None = None
    plant: PlantSettings | None = None

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def installed_day(self) -> int:
        """Return the first day of the registers, counted from 1970 in UTC."""
        if self.bench.installed_on is not None:
            return date.fromisoformat(self.bench.installed_on).toordinal() - _EPOCH_ORDINAL
        return 0 if self.clock is None else self.clock.origin_ms // MS_PER_DAY

    def _faults(self) -> Iterator[str]:
        if not self.meter:
            yield "expected at least one [[meter]]"
        if self.bench.installed_on is None and self.clock is None:
            yield "expected bench.installed_on (YYYY-MM-DD), or a [clock] whose origin gives it"
        for name in _repeated(meter.name for meter in self.meter):
            yield f"two meters are called {name!r}"
        for pod in _repeated(meter.pod for meter in self.meter if meter.pod is not None):
            yield f"two meters stand at {pod}"
        if self.plant is None:
            lost = [meter.name for meter in self.meter if meter.pod is not None]
            yield from (f"{name} stands at a pod, and there is no [plant]" for name in lost)
        elif self.plant.scada is not None:
            yield from _told(partial(address_of, self.plant.scada))
        # Port 0 is a fresh port for each meter: nothing is shared there.
        fixed = [meter for meter in self.meter if not (meter.tcp or "").endswith(":0")]
        for place, unit in _repeated((meter.place, meter.unit) for meter in fixed):
            yield f"two meters on {place} have unit {unit}"
        paces = {(meter.line, meter.baud) for meter in self.meter if meter.line is not None}
        for line in _repeated(line for line, _ in paces):
            yield f"meters on {line} disagree on baud"


def _repeated(things: Iterable[T]) -> list[T]:
    return [thing for thing, count in Counter(things).items() if count > 1]


def read_bench_file(file: Path) -> Loaded[BenchFile]:
    """Return what a bench file says.

    Raises:
        Misconfigured: with every fault found.
    """
    return load(BenchFile, file, program="hil")
