"""What people switch on: the runs of each appliance in one local day, drawn from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from hil.noise import Dice
from hil.sky import MS_PER_DAY

MS_PER_HOUR = 3_600_000
MS_PER_MINUTE = 60_000
_MS_PER_S = 1000
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a programme: so much power for so long."""

    power_w: float
    shortest_min: float
    longest_min: float


@dataclass(frozen=True, slots=True)
class Appliance:
    """A thing people use, and their habit with it.

    Args:
        name: its name, part of the seed.
        hour_h: the usual local time of use [h].
        spread_h: how far from it on either side [h].
        probability: how often the habit is kept, per day.
        stages: the parts of its programme, one after the other.
        reactive_share: var for each W; positive is inductive.
    """

    name: str
    hour_h: float
    spread_h: float
    probability: float
    stages: tuple[Stage, ...]
    reactive_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """An appliance at work on the phases from *phase* on, in [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    power_mw: int
    reactive_mvar: int
    phase: int


_WASHING = (Stage(2050, 12, 28), Stage(220, 35, 60), Stage(480, 5, 9))
_DISHES = (Stage(1850, 14, 22), Stage(90, 25, 40), Stage(1850, 8, 14))

APPLIANCES = (
    Appliance("coffee", 7.2, 0.8, 0.9, (Stage(1150, 3, 6),)),
    Appliance("water heater, morning", 6.5, 0.7, 0.85, (Stage(1200, 20, 50),)),
    Appliance("hair dryer", 7.8, 0.7, 0.4, (Stage(1600, 4, 9),), 0.03),
    Appliance("vacuum cleaner", 10.5, 2.5, 0.3, (Stage(850, 10, 35),), 0.25),
    Appliance("washing machine", 11.0, 5.0, 0.5, _WASHING, 0.12),
    Appliance("iron", 15.5, 3.0, 0.2, (Stage(1400, 15, 40),)),
    Appliance("hob, lunch", 12.6, 0.6, 0.5, (Stage(1700, 10, 30),), -0.04),
    Appliance("oven", 18.9, 1.5, 0.35, (Stage(2200, 8, 14), Stage(1050, 20, 45))),
    Appliance("hob, dinner", 19.7, 0.7, 0.85, (Stage(1800, 15, 40),), -0.04),
    Appliance("water heater, evening", 20.5, 1.2, 0.7, (Stage(1200, 25, 60),)),
    Appliance("dishwasher", 21.4, 1.0, 0.6, _DISHES, 0.05),
    Appliance("television", 20.8, 1.0, 0.9, (Stage(120, 90, 190),), -0.30),
    Appliance("computer", 17.0, 5.0, 0.7, (Stage(110, 60, 300),), -0.25),
    Appliance("pump", 9.0, 6.0, 0.5, (Stage(370, 6, 25),), 0.62),
)


def local_midnight_ms(day: int) -> int:
    """Return the instant at which the *day* (counted from 1970) begins in Italy [ms].

    Summer time runs from the last Sunday of March to the last Sunday of October; on the
    day of a change the hour of noon decides.
    """
    return day * MS_PER_DAY - (2 if _is_summer(day) else 1) * MS_PER_HOUR


def _is_summer(day: int) -> bool:
    noon = date.fromordinal(_EPOCH_ORDINAL + day)
    return _last_sunday(noon.year, 3) <= noon < _last_sunday(noon.year, 10)


def _last_sunday(year: int, month_of_31: int) -> date:
    last = date(year, month_of_31, 31)
    return last - timedelta(days=last.isoweekday() % 7)


def runs_of(seed: int, day: int, phases: int, vigour: float) -> Iterator[Run]:
    """Yield the runs that begin in the local *day* of one household.

    *vigour* scales how often habits are kept; every appliance hangs on one fixed phase.
    """
    for appliance in APPLIANCES:
        dice = Dice("appliance", seed, appliance.name, day)
        phase = Dice("socket", seed, appliance.name).pick(phases)
        if dice.chance(min(0.97, appliance.probability * vigour)):
            yield from _programme(appliance, dice, day, phase)


def _programme(appliance: Appliance, dice: Dice, day: int, phase: int) -> Iterator[Run]:
    hour_h = appliance.hour_h + appliance.spread_h * dice.between(-1.0, 1.0)
    start_ms = local_midnight_ms(day) + _whole_seconds_ms(hour_h * MS_PER_HOUR)
    for stage in appliance.stages:
        length_min = dice.between(stage.shortest_min, stage.longest_min)
        end_ms = start_ms + _whole_seconds_ms(length_min * MS_PER_MINUTE)
        power_mw = int(stage.power_w * 1000 * dice.between(0.94, 1.06))
        yield Run(start_ms, end_ms, power_mw, int(power_mw * appliance.reactive_share), phase)
        start_ms = end_ms


def charging_of(seed: int, day: int, phases: int, charger_w: int) -> Iterator[Run]:
    """Yield the car's charging that begins in the local *day*, on all phases alike."""
    dice = Dice("car", seed, day)
    if not charger_w or not dice.chance(0.6):
        return
    start_ms = local_midnight_ms(day) + _whole_seconds_ms(dice.between(17.5, 23.0) * MS_PER_HOUR)
    energy_wh = dice.between(5_000, 18_000)
    end_ms = start_ms + _whole_seconds_ms(energy_wh / charger_w * MS_PER_HOUR)
    power_mw = charger_w * 1000 // phases
    for phase in range(phases):
        yield Run(start_ms, end_ms, power_mw, power_mw // 50, phase)


def _whole_seconds_ms(length_ms: float) -> int:
    return int(length_ms / _MS_PER_S) * _MS_PER_S
