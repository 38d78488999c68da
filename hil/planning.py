"""Laying out a household's day: load, sun, battery and car become steps of power."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from hil.appliances import MS_PER_MINUTE, Run, charging_of, local_midnight_ms, runs_of
from hil.day import UJ_PER_WH, Channel, DayPlan
from hil.noise import Dice
from hil.sky import MS_PER_DAY, roof_shares

_FRIDGE_MW = 95_000
_FRIDGE_PERIOD_MS = 47 * MS_PER_MINUTE
_FRIDGE_ON_MS = 17 * MS_PER_MINUTE
_LIGHTS_MW = 160_000
_RIPPLE_MW = 18_000
# A hybrid inverter never meets zero exactly: it leaves a little to the grid.
_BATTERY_RESIDUAL_MW = 25_000
_BATTERY_EFFICIENCY_PCT = 93


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a household has behind its meter.

    Args:
        pv_peak_w: peak power of the roof [W], 0 for none.
        battery_wh: usable capacity of the battery [Wh], 0 for none.
        battery_w: greatest power of the battery, either way [W].
        charger_w: power of the car charger [W], 0 for none.

    Raises:
        ValueError: a value is negative, or a battery has capacity but no power.
    """

    pv_peak_w: int = 0
    battery_wh: int = 0
    battery_w: int = 0
    charger_w: int = 0

    def __post_init__(self) -> None:
        if min(self.pv_peak_w, self.battery_wh, self.battery_w, self.charger_w) < 0:
            raise ValueError("equipment of a household cannot be negative")
        if bool(self.battery_wh) != bool(self.battery_w):
            raise ValueError("a battery needs both battery_wh and battery_w")


@dataclass(frozen=True, slots=True)
class Dwelling:
    """All that decides a household's days."""

    seed: int
    weather_seed: int
    phases: int
    equipment: Equipment


def plan_day(dwelling: Dwelling, day: int, charge_uj: int) -> DayPlan:
    """Return the plan of one UTC *day* that begins with *charge_uj* in the battery."""
    runs = _runs_in(dwelling, day)
    edges = {edge for run in runs for edge in (run.start_ms, run.end_ms)}
    starts_ms = sorted(edges.union(range(0, MS_PER_DAY, MS_PER_MINUTE)) - {MS_PER_DAY})
    lengths_ms = [end - start for start, end in pairwise([*starts_ms, MS_PER_DAY])]
    loads_mw, reactives_mvar = _loads(dwelling, day, starts_ms, runs)
    spans = list(zip(starts_ms, lengths_ms, strict=True))
    given_mw, charge_end_uj = _inverter(dwelling, day, spans, _summed(loads_mw), charge_uj)
    powers_mw = [
        # What does not divide by the phases goes to the last of them.
        [
            load - (given + phase) // dwelling.phases
            for load, given in zip(line, given_mw, strict=True)
        ]
        for phase, line in enumerate(loads_mw)
    ]
    channels = _channels(dwelling, day, lengths_ms, powers_mw, reactives_mvar)
    return DayPlan(starts_ms, channels, charge_end_uj)


def _summed(lines: Sequence[Sequence[int]]) -> list[int]:
    return [sum(step) for step in zip(*lines, strict=True)]


def _runs_in(dwelling: Dwelling, day: int) -> list[Run]:
    """Return the runs that touch the UTC day, cut to it, with times from its start."""
    seed, phases = dwelling.seed, dwelling.phases
    vigour = Dice("vigour", seed).between(0.7, 1.25)
    days = (day - 1, day, day + 1)
    drawn = chain(
        *(runs_of(seed, local, phases, vigour) for local in days),
        *(charging_of(seed, local, phases, dwelling.equipment.charger_w) for local in days),
    )
    return list(_cut(drawn, day * MS_PER_DAY))


def _cut(runs: Iterable[Run], day_start_ms: int) -> Iterable[Run]:
    for run in runs:
        start_ms = max(0, run.start_ms - day_start_ms)
        end_ms = min(MS_PER_DAY, run.end_ms - day_start_ms)
        if start_ms < end_ms:
            yield Run(start_ms, end_ms, run.power_mw, run.reactive_mvar, run.phase)


def _loads(
    dwelling: Dwelling, day: int, starts_ms: Sequence[int], runs: Iterable[Run]
) -> tuple[list[list[int]], list[list[int]]]:
    """Return active [mW] and reactive power [mvar] of the load, for each phase and step."""
    position = {start_ms: index for index, start_ms in enumerate(starts_ms)}
    powers = [[0] * (len(starts_ms) + 1) for _ in range(dwelling.phases)]
    reactives = [[0] * (len(starts_ms) + 1) for _ in range(dwelling.phases)]
    for run in runs:
        first, after = position[run.start_ms], position.get(run.end_ms, len(starts_ms))
        powers[run.phase][first] += run.power_mw
        powers[run.phase][after] -= run.power_mw
        reactives[run.phase][first] += run.reactive_mvar
        reactives[run.phase][after] -= run.reactive_mvar
    for phase in range(dwelling.phases):
        _add_up(powers[phase], reactives[phase], _always_on(dwelling, day, phase, starts_ms))
    return powers, reactives


def _add_up(powers_mw: list[int], reactives_mvar: list[int], base: list[tuple[int, int]]) -> None:
    """Turn changes at each step into values, on top of what is always on."""
    power_mw = reactive_mvar = 0
    for index, (base_mw, base_mvar) in enumerate(base):
        power_mw += powers_mw[index]
        reactive_mvar += reactives_mvar[index]
        powers_mw[index] = power_mw + base_mw
        reactives_mvar[index] = reactive_mvar + base_mvar
    del powers_mw[len(base) :], reactives_mvar[len(base) :]


def _always_on(
    dwelling: Dwelling, day: int, phase: int, starts_ms: Sequence[int]
) -> list[tuple[int, int]]:
    """Return standby, lights and the fridge of one phase at each step [mW, mvar]."""
    fixed = Dice("standby", dwelling.seed, phase)
    standby_mw = int(fixed.between(45_000, 120_000) / dwelling.phases)
    shift_ms = int(fixed.between(0, _FRIDGE_PERIOD_MS))
    has_fridge = phase == Dice("fridge", dwelling.seed).pick(dwelling.phases)
    dice = Dice("flicker", dwelling.seed, phase, day)
    evening_ms = local_midnight_ms(day) - day * MS_PER_DAY + 17 * 60 * MS_PER_MINUTE
    base: list[tuple[int, int]] = []
    for start_ms in starts_ms:
        flicker = dice.between(0.9, 1.1)
        power_mw = int(standby_mw * flicker)
        reactive_mvar = -power_mw // 3
        if evening_ms <= start_ms < evening_ms + 6 * 60 * MS_PER_MINUTE:
            power_mw += int(_LIGHTS_MW / dwelling.phases * flicker)
        if (
            has_fridge
            and (day * MS_PER_DAY + start_ms + shift_ms) % _FRIDGE_PERIOD_MS < _FRIDGE_ON_MS
        ):
            power_mw += _FRIDGE_MW
            reactive_mvar += _FRIDGE_MW * 6 // 10
        base.append((power_mw, reactive_mvar))
    return base


def _inverter(
    dwelling: Dwelling,
    day: int,
    spans: Sequence[tuple[int, int]],
    loads_mw: Sequence[int],
    charge_uj: int,
) -> tuple[list[int], int]:
    """Return what roof and battery give at each step [mW], and the charge left [µJ]."""
    given_mw: list[int] = []
    peak_mw = dwelling.equipment.pv_peak_w * 1000
    shares = roof_shares(dwelling.weather_seed, day)
    for (start_ms, length_ms), load_mw in zip(spans, loads_mw, strict=True):
        sun_mw = int(peak_mw * shares[start_ms // MS_PER_MINUTE])
        stored_mw = _stored_mw(dwelling.equipment, sun_mw - load_mw, length_ms, charge_uj)
        kept_pct = _BATTERY_EFFICIENCY_PCT if stored_mw > 0 else 100
        charge_uj += stored_mw * length_ms * kept_pct // 100
        given_mw.append(sun_mw - stored_mw)
    return given_mw, charge_uj


def _stored_mw(equipment: Equipment, surplus_mw: int, length_ms: int, charge_uj: int) -> int:
    """Return what goes into the battery through a step [mW]; negative comes out of it."""
    if not equipment.battery_wh:
        return 0
    wanted_mw = surplus_mw + _BATTERY_RESIDUAL_MW
    if wanted_mw > 0:
        room_uj = (equipment.battery_wh * UJ_PER_WH - charge_uj) * 100 // _BATTERY_EFFICIENCY_PCT
        return max(0, min(wanted_mw, equipment.battery_w * 1000, room_uj // length_ms))
    return -min(-wanted_mw, equipment.battery_w * 1000, charge_uj // length_ms)


def _channels(
    dwelling: Dwelling,
    day: int,
    lengths_ms: Sequence[int],
    powers_mw: list[list[int]],
    reactives_mvar: list[list[int]],
) -> tuple[Channel, ...]:
    totals_mw = _summed(powers_mw)
    dice = Dice("ripple", dwelling.seed, day)
    leans = [dice.between(-1.0, 1.0) for _ in lengths_ms]
    ripples_mw = [
        [
            int(min(_RIPPLE_MW, abs(power_mw), abs(total_mw) // 3) * lean)
            for power_mw, total_mw, lean in zip(line, totals_mw, leans, strict=True)
        ]
        for line in powers_mw
    ]
    total = Channel(lengths_ms, totals_mw, _summed(ripples_mw), _summed(reactives_mvar))
    if dwelling.phases == 1:
        return (total,)
    columns = zip(powers_mw, ripples_mw, reactives_mvar, strict=True)
    return (total, *(Channel(lengths_ms, p, ripple, q) for p, ripple, q in columns))
