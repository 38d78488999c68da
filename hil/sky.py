"""Sun and clouds over Rome: how much of its peak power a roof gives at an instant."""

import math
from array import array
from dataclasses import dataclass
from functools import lru_cache

from hil.noise import Dice

LATITUDE_DEG = 41.9
LONGITUDE_DEG = 12.5
TILT_DEG = 30.0
MINUTES_PER_DAY = 1440
MS_PER_DAY = 86_400_000
_MS_PER_MINUTE = 60_000

_DAYS_PER_YEAR = 365.2425
_SIN_GROUND, _COS_GROUND = (f(math.radians(LATITUDE_DEG)) for f in (math.sin, math.cos))
_SIN_ROOF, _COS_ROOF = (f(math.radians(LATITUDE_DEG - TILT_DEG)) for f in (math.sin, math.cos))

_DIFFUSE_SHARE = 0.15
_STANDARD_IRRADIANCE_W_M2 = 1000.0
_PERFORMANCE = 0.86


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands: cosine of its zenith angle, and of its angle to a south roof."""

    cos_zenith: float
    cos_incidence: float


@dataclass(frozen=True, slots=True)
class Season:
    """What the sun keeps through a day: its declination, and its lead over the clock."""

    declination_rad: float
    lead_min: float


def season_of(unix_ms: int) -> Season:
    """Return declination and equation of time.

    Source: Spencer, "Fourier series representation of the position of the sun" (1971);
    good to about a quarter of a degree.
    """
    angle_rad = 2.0 * math.pi * (unix_ms / MS_PER_DAY % _DAYS_PER_YEAR) / _DAYS_PER_YEAR
    sin1, cos1 = math.sin(angle_rad), math.cos(angle_rad)
    sin2, cos2 = math.sin(2 * angle_rad), math.cos(2 * angle_rad)
    sin3, cos3 = math.sin(3 * angle_rad), math.cos(3 * angle_rad)
    declination_rad = 0.006918 - 0.399912 * cos1 + 0.070257 * sin1
    declination_rad += 0.000907 * sin2 - 0.006758 * cos2 + 0.00148 * sin3 - 0.002697 * cos3
    lead = 0.000075 + 0.001868 * cos1 - 0.032077 * sin1 - 0.014615 * cos2 - 0.040849 * sin2
    return Season(declination_rad, 229.18 * lead)


def sun_at(unix_ms: int, season: Season) -> Sun:
    """Return the position of the sun over Rome at an instant of that season."""
    solar_min = unix_ms % MS_PER_DAY / _MS_PER_MINUTE + season.lead_min + 4.0 * LONGITUDE_DEG
    cos_hour = math.cos(math.radians(solar_min / 4.0 - 180.0))
    sin_down, cos_down = math.sin(season.declination_rad), math.cos(season.declination_rad)
    # A south roof tilted by β sees the sun as flat ground at latitude φ - β does.
    return Sun(
        cos_zenith=_SIN_GROUND * sin_down + _COS_GROUND * cos_down * cos_hour,
        cos_incidence=_SIN_ROOF * sin_down + _COS_ROOF * cos_down * cos_hour,
    )


def clear_sky_share(sun: Sun) -> float:
    """Return the share of its peak power that a south roof gives under a cloudless sky.

    Source: Haurwitz, "Insolation in relation to cloudiness and cloud density" (1945), as
    G = 1098 cos z exp(-0.059 / cos z) [W/m²]; the direct part is turned to the roof.
    """
    if sun.cos_zenith <= 0.0:
        return 0.0
    ground_w_m2 = 1098.0 * sun.cos_zenith * math.exp(-0.059 / sun.cos_zenith)
    turned = max(0.0, sun.cos_incidence) / max(sun.cos_zenith, 0.1)
    roof_w_m2 = ground_w_m2 * ((1.0 - _DIFFUSE_SHARE) * turned + _DIFFUSE_SHARE)
    return min(1.0, _PERFORMANCE * roof_w_m2 / _STANDARD_IRRADIANCE_W_M2)


@lru_cache(maxsize=64)
def roof_shares(weather_seed: int, day: int) -> "array[float]":
    """Return the share of its peak power that a roof gives in each minute of the UTC *day*.

    One sky for the whole district: households with the same weather seed share it.
    """
    day_ms = day * MS_PER_DAY
    season = season_of(day_ms + MS_PER_DAY // 2)
    return array(
        "d",
        (
            through * clear_sky_share(sun_at(day_ms + minute * _MS_PER_MINUTE, season))
            for minute, through in enumerate(clouds(weather_seed, day))
        ),
    )


def clouds(weather_seed: int, day: int) -> tuple[float, ...]:
    """Return the share of the clear sky that gets through, for each minute of the UTC *day*."""
    dice = Dice("sky", weather_seed, day)
    summer = 0.5 - 0.5 * math.cos(2.0 * math.pi * (day % _DAYS_PER_YEAR) / _DAYS_PER_YEAR)
    kind = dice.fraction()
    if kind < 0.35 + 0.25 * summer:
        return _drifting(dice, 0.92, 1.0, 30, 90)
    if kind < 0.80 + 0.12 * summer:
        return _drifting(dice, 0.25, 1.0, 3, 14)
    return _drifting(dice, 0.10, 0.35, 20, 60)


def _drifting(
    dice: Dice, low: float, high: float, shortest_min: int, longest_min: int
) -> tuple[float, ...]:
    minutes: list[float] = []
    here = dice.between(low, high)
    while len(minutes) < MINUTES_PER_DAY:
        length_min = int(dice.between(shortest_min, longest_min))
        there = dice.between(low, high)
        minutes += [here + (there - here) * step / length_min for step in range(length_min)]
        here = there
    return tuple(minutes[:MINUTES_PER_DAY])
