"""What customers without a meter of the bench take at an instant: a function of their seeds.

The curves through the day are the bench's own, shaped like what households, trade and small
industry use; their peaks are those of the network file. Sun and clouds are the district's.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hil.appliances import MS_PER_HOUR, MS_PER_MINUTE, local_midnight_ms
from hil.feeder.customers import Customer, CustomerKind
from hil.noise import seed_of
from hil.plant_file import Growth
from hil.sky import MS_PER_DAY, roof_shares

Floats = NDArray[np.float64]

_MASK = (1 << 64) - 1
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
_FACTORS = np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)

# Share of the peak at each full hour of the local day.
_HOME_CURVE = (
    0.30, 0.25, 0.22, 0.20, 0.20, 0.22, 0.30, 0.45, 0.50, 0.45, 0.42, 0.42,
    0.50, 0.50, 0.45, 0.42, 0.42, 0.50, 0.65, 0.85, 1.00, 0.95, 0.75, 0.50,
)  # fmt: skip
_BUSINESS_CURVE = (
    0.30, 0.30, 0.30, 0.30, 0.30, 0.35, 0.50, 0.75, 0.95, 1.00, 1.00, 0.98,
    0.90, 0.90, 0.95, 1.00, 0.95, 0.85, 0.65, 0.50, 0.42, 0.38, 0.35, 0.32,
)  # fmt: skip
_WEEKEND_SHARE = 0.45
# How far one customer strays from the curve, over 20 minutes and over one; a crowd strays less.
_HOME_STRAY = 0.25, 0.12
_CROWD_STRAY = 0.06, 0.02
_CHARGING_H, _CHARGING_SHARE = (1.0, 5.0), 0.5
_GIVING_H, _GIVING_SHARE = (18.5, 21.5), 0.8
_WORKING_H = (6.0, 22.0)
_FUEL_CELL_SHARE = 0.9
_GROWING = CustomerKind.HOME, CustomerKind.DISTRICT


def wanders(seeds: NDArray[np.uint64], unix_ms: int, knot_ms: int) -> Floats:
    """Return `hil.noise.wander` for many seeds at once: values in [-1, 1)."""
    knot, into_ms = divmod(unix_ms, knot_ms)
    here, there = _signed(seeds, knot), _signed(seeds, knot + 1)
    return here + (there - here) * into_ms / knot_ms


def _signed(seeds: NDArray[np.uint64], index: int) -> Floats:
    bits = (seeds ^ np.uint64(index * int(_GOLDEN) & _MASK)) + _GOLDEN
    bits = (bits ^ (bits >> _SHIFTS[0])) * _FACTORS[0]
    bits = (bits ^ (bits >> _SHIFTS[1])) * _FACTORS[1]
    return (bits ^ (bits >> _SHIFTS[2])).astype(np.float64) / float(1 << 63) - 1.0


class Consumption:
    """The powers of all customers of a network.

    Args:
        customers: who they are.
        seed: decides their habits.
        weather_seed: the sky over the district.
        growth: by how much what homes take has grown, and where; nothing by default.
    """

    def __init__(
        self,
        customers: Sequence[Customer],
        *,
        seed: int,
        weather_seed: int,
        growth: Growth | None = None,
    ) -> None:
        self._weather_seed = weather_seed
        self._kinds = {
            kind: np.array([i for i, one in enumerate(customers) if one.kind is kind], dtype=int)
            for kind in CustomerKind
        }
        grown = growth or Growth()
        self._peaks_w = np.array([one.peak_w * _grown(one, grown) for one in customers])
        factors = np.array([one.power_factor for one in customers])
        self._var_per_w = np.sqrt(1.0 - factors**2) / factors
        self._seeds = np.array([seed_of("customer", seed, one.pod) for one in customers], np.uint64)

    def at_va(self, unix_ms: int) -> NDArray[np.complex128]:
        """Return what each customer takes at an instant; negative is given to the network."""
        powers_w = self._peaks_w * self._shares(unix_ms)
        powers_va: NDArray[np.complex128] = powers_w * (1.0 + 1j * self._var_per_w)
        return powers_va

    def _shares(self, unix_ms: int) -> Floats:
        day, offset_ms = divmod(unix_ms, MS_PER_DAY)
        hour = _local_hour(unix_ms)
        shares = np.zeros(len(self._peaks_w))
        home, business = _on_curve(_HOME_CURVE, hour), _on_curve(_BUSINESS_CURVE, hour)
        business *= _WEEKEND_SHARE if _is_weekend(unix_ms) else 1.0
        for kind, usual, stray in (
            (CustomerKind.HOME, home, _HOME_STRAY),
            (CustomerKind.DISTRICT, home, _CROWD_STRAY),
            (CustomerKind.BUSINESS, business, _CROWD_STRAY),
        ):
            shares[self._kinds[kind]] = usual * self._strayed(kind, unix_ms, stray)
        minute = offset_ms // MS_PER_MINUTE
        shares[self._kinds[CustomerKind.SOLAR]] = -roof_shares(self._weather_seed, day)[minute]
        shares[self._kinds[CustomerKind.WIND]] = -self._wind(unix_ms)
        shares[self._kinds[CustomerKind.BATTERY]] = _battery(hour)
        shares[self._kinds[CustomerKind.FUEL_CELL]] = -_FUEL_CELL_SHARE
        shares[self._kinds[CustomerKind.HEAT_AND_POWER]] = -float(_within(hour, _WORKING_H))
        return shares

    def _strayed(self, kind: CustomerKind, unix_ms: int, stray: tuple[float, float]) -> Floats:
        seeds = self._seeds[self._kinds[kind]]
        slow, quick = (
            wanders(seeds, unix_ms, 20 * MS_PER_MINUTE),
            wanders(seeds + np.uint64(1), unix_ms, MS_PER_MINUTE),
        )
        return 1.0 + stray[0] * slow + stray[1] * quick

    def _wind(self, unix_ms: int) -> Floats:
        seeds = self._seeds[self._kinds[CustomerKind.WIND]]
        weather = wanders(seeds, unix_ms, 3 * MS_PER_HOUR)
        gusts = wanders(seeds + np.uint64(1), unix_ms, 2 * MS_PER_MINUTE)
        return np.clip(0.35 + 0.5 * weather + 0.1 * gusts, 0.0, 1.0)


def _grown(customer: Customer, growth: Growth) -> float:
    return growth.factor_at(customer.node) if customer.kind in _GROWING else 1.0


def _local_hour(unix_ms: int) -> float:
    return (unix_ms - _local_midnight_ms(unix_ms)) / MS_PER_HOUR


def _local_midnight_ms(unix_ms: int) -> int:
    day = unix_ms // MS_PER_DAY
    return max(
        midnight_ms
        for midnight_ms in (local_midnight_ms(day), local_midnight_ms(day + 1))
        if midnight_ms <= unix_ms
    )


def _is_weekend(unix_ms: int) -> bool:
    """Tell whether it is Saturday or Sunday in Rome; day 0 of 1970 was a Thursday."""
    local_day = (_local_midnight_ms(unix_ms) + 12 * MS_PER_HOUR) // MS_PER_DAY
    return (local_day + 3) % 7 >= 5  # noqa: PLR2004 -- Monday is 0


def _on_curve(curve: Sequence[float], hour: float) -> float:
    return float(np.interp(hour, range(len(curve) + 1), [*curve, curve[0]]))


def _battery(hour: float) -> float:
    """Return what a battery takes of its rated power: charged at night, given in the evening."""
    return _CHARGING_SHARE * _within(hour, _CHARGING_H) - _GIVING_SHARE * _within(hour, _GIVING_H)


def _within(hour: float, span_h: tuple[float, float]) -> bool:
    return span_h[0] <= hour < span_h[1]
