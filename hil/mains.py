"""The mains a household hangs on: one frequency for all, a voltage for each phase."""

import math

from hil.noise import seed_of, wander

NOMINAL_V = 230.0
NOMINAL_HZ = 50.0
_FREQUENCY_SEED = seed_of("frequency")
_LINE_OHM = 0.22
_DAY_MS = 86_400_000


def frequency_hz(unix_ms: int) -> float:
    """Return the frequency of the synchronous area [Hz]; it is the same at every meter."""
    slow = wander(_FREQUENCY_SEED, unix_ms, 300_000)
    quick = wander(_FREQUENCY_SEED + 1, unix_ms, 5_000)
    return NOMINAL_HZ + 0.030 * slow + 0.008 * quick


def voltage_v(feeder_seed: int, phase: int, unix_ms: int, power_w: float) -> float:
    """Return the voltage of one phase at the meter [V].

    It follows the load of the day, drifts, and gives way to what the household itself
    takes: positive *power_w* (from the grid) lowers it, feeding in raises it.
    """
    of_day = 2.0 * math.pi * (unix_ms % _DAY_MS) / _DAY_MS
    profile_v = 1.5 * math.cos(of_day) - 1.0 * math.sin(2.0 * of_day)
    slow_v = 2.5 * wander(feeder_seed + phase, unix_ms, 1_200_000)
    quick_v = 0.4 * wander(feeder_seed + phase + 7, unix_ms, 3_000)
    return NOMINAL_V + 1.0 + profile_v + slow_v + quick_v - _LINE_OHM * power_w / NOMINAL_V
