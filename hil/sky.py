"""Sun and clouds over Rome: how much of its peak power a roof gives at an instant."""

import math
from dataclasses import dataclass
from functools import lru_cache

from hil.noise import Dice

LATITUDE_RAD = math.radians(41.9)
LONGITUDE_DEG = 12.5
TILT_RAD = math.radians(30.0)
MINUTES_PER_DAY = 1440
MS_PER_DAY = 86_400_000
_MS_PER_MINUTE = 60_000

_DIFFUSE_SHARE = 0.15
_STANDARD_IRRADIANCE_W_M2 = 1000.0
_PERFORMANCE = 0.86


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands: cosine of its zenith angle, and of its angle to a south roof."""

    cos_zenith: float
    cos_incidence: float


def sun_at(unix_ms: int) -> Sun:
    """Return the position of the sun over Rome.

    Source: Spencer, "Fourier series representation of the position of the sun" (1971),
    declination and equation of time; good to about a quarter of a degree.
    """
    day_of_year = (unix_ms / MS_PER_DAY) % 365.2425
    angle_rad = 2.0 * math.pi * day_of_year / 365.2425
    declination_rad = (
        0.006918
        - 0.399912 * math.cos(angle_rad)
        + 0.070257 * math.sin(angle_rad)
        - 0.006758 * math.cos(2 * angle_rad)
        + 0.000907 * math.sin(2 * angle_rad)
        - 0.002697 * math.cos(3 * angle_rad)
        + 0.00148 * math.sin(3 * angle_rad)
    )
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * math.cos(angle_rad)
        - 0.032077 * math.sin(angle_rad)
        - 0.014615 * math.cos(2 * angle_rad)
        - 0.040849 * math.sin(2 * angle_rad)
    )
    solar_min = unix_ms % MS_PER_DAY / _MS_PER_MINUTE + equation_min + 4.0 * LONGITUDE_DEG
    hour_rad = math.radians(solar_min / 4.0 - 180.0)
    # A south roof tilted by β sees the sun as flat ground at latitude φ - β does.
    return Sun(
        cos_zenith=_cos_zenith(LATITUDE_RAD, declination_rad, hour_rad),
        cos_incidence=_cos_zenith(LATITUDE_RAD - TILT_RAD, declination_rad, hour_rad),
    )


def _cos_zenith(latitude_rad: float, declination_rad: float, hour_rad: float) -> float:
    return math.sin(latitude_rad) * math.sin(declination_rad) + math.cos(latitude_rad) * math.cos(
        declination_rad
    ) * math.cos(hour_rad)


def clear_sky_share(unix_ms: int) -> float:
    """Return the share of its peak power that a south roof gives under a cloudless sky.

    Source: Haurwitz, "Insolation in relation to cloudiness and cloud density" (1945), as
    G = 1098 cos z exp(-0.059 / cos z) [W/m²]; the direct part is turned to the roof.
    """
    sun = sun_at(unix_ms)
    if sun.cos_zenith <= 0.0:
        return 0.0
    ground_w_m2 = 1098.0 * sun.cos_zenith * math.exp(-0.059 / sun.cos_zenith)
    turned = max(0.0, sun.cos_incidence) / max(sun.cos_zenith, 0.1)
    roof_w_m2 = ground_w_m2 * ((1.0 - _DIFFUSE_SHARE) * turned + _DIFFUSE_SHARE)
    return min(1.0, _PERFORMANCE * roof_w_m2 / _STANDARD_IRRADIANCE_W_M2)


@lru_cache(maxsize=16)
def clouds(weather_seed: int, day: int) -> tuple[float, ...]:
    """Return the share of the clear sky that gets through, for each minute of the UTC *day*.

    One sky for the whole district: households with the same weather seed share it.
    """
    dice = Dice("sky", weather_seed, day)
    summer = 0.5 - 0.5 * math.cos(2.0 * math.pi * (day % 365.2425) / 365.2425)
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
