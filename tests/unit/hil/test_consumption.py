"""Customers without a meter: their day, and that it repeats."""

import numpy as np
import pytest

from hil.consumption import Consumption, wanders
from hil.feeder.customers import CustomerKind, customers_of
from hil.feeder.description import read_description
from hil.noise import seed_of, wander
from hil.sky import roof_shares

CUSTOMERS = customers_of(read_description())
DAY = 20_780  # a Monday in winter: local midnight is 23:00 UTC
HOUR_MS = 3_600_000
MIDNIGHT_MS = DAY * 86_400_000 - HOUR_MS


def at_va(hour: float, *, seed: int = 1, day: int = 0) -> np.ndarray:
    unix_ms = MIDNIGHT_MS + round((24 * day + hour) * HOUR_MS)
    return Consumption(CUSTOMERS, seed=seed, weather_seed=7).at_va(unix_ms)


def total_w(kind: CustomerKind, hour: float, **other: int) -> float:
    powers = at_va(hour, **other)
    return float(sum(p.real for p, c in zip(powers, CUSTOMERS, strict=True) if c.kind is kind))


def test_many_wander_as_one_does() -> None:
    seeds = [seed_of("one", number) for number in range(50)]
    for unix_ms in (0, 59_999, 1_795_392_123_456):
        alone = [wander(seed, unix_ms, 60_000) for seed in seeds]
        together = wanders(np.array(seeds, np.uint64), unix_ms, 60_000)
        assert together.tolist() == pytest.approx(alone, abs=1e-12)


def test_the_same_seed_is_the_same_district() -> None:
    assert (at_va(12.3) == at_va(12.3)).all()
    assert (at_va(12.3) != at_va(12.3, seed=2)).any()


def test_homes_peak_in_the_evening_and_rest_at_night() -> None:
    night, noon, evening = (total_w(CustomerKind.HOME, hour) for hour in (3, 12, 20))
    assert night < noon < evening
    peak_w = sum(one.peak_w for one in CUSTOMERS if one.kind is CustomerKind.HOME)
    assert evening == pytest.approx(peak_w, rel=0.1)


def test_nobody_takes_more_than_the_contract_or_gives_what_he_has_not() -> None:
    for hour in np.arange(0, 24, 0.5):
        for power_va, one in zip(at_va(float(hour)), CUSTOMERS, strict=True):
            consumes = one.kind in {
                CustomerKind.HOME,
                CustomerKind.DISTRICT,
                CustomerKind.BUSINESS,
            }
            assert (power_va.real > 0) or not consumes
            assert abs(power_va.real) <= one.contract_w * 1.15


def test_trade_rests_at_the_weekend() -> None:
    assert total_w(CustomerKind.BUSINESS, 10, day=5) < 0.6 * total_w(CustomerKind.BUSINESS, 10)


def test_the_sun_is_the_districts() -> None:
    rated_w = sum(one.peak_w for one in CUSTOMERS if one.kind is CustomerKind.SOLAR)
    share = roof_shares(7, DAY)[11 * 60]
    assert share > 0
    assert total_w(CustomerKind.SOLAR, 12) == pytest.approx(-rated_w * share)
    assert total_w(CustomerKind.SOLAR, 0) == 0


def test_batteries_take_at_night_and_give_in_the_evening() -> None:
    assert total_w(CustomerKind.BATTERY, 3) > 0 > total_w(CustomerKind.BATTERY, 20)
    assert total_w(CustomerKind.BATTERY, 12) == 0


def test_wind_blows_between_nothing_and_its_rated_power() -> None:
    seen = [total_w(CustomerKind.WIND, hour) for hour in np.arange(0, 96, 0.5)]
    assert -1_500_000 <= min(seen) < -700_000
    assert -300_000 < max(seen) <= 0


def test_loads_are_inductive_and_resources_are_not() -> None:
    for power_va, one in zip(at_va(12), CUSTOMERS, strict=True):
        assert (power_va.imag > 0) == (one.power_factor < 1)
