"""Sun and clouds over Rome."""

import math
from datetime import UTC, datetime

from hil.sky import MINUTES_PER_DAY, Sun, clear_sky_share, clouds, roof_shares, season_of, sun_at

QUARTER_MS = 900_000


def unix_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def sun(at_ms: int) -> Sun:
    return sun_at(at_ms, season_of(at_ms))


def noon_elevation_deg(day: str) -> float:
    start_ms = unix_ms(day)
    highest = max(sun(start_ms + quarter * QUARTER_MS).cos_zenith for quarter in range(96))
    return math.degrees(math.asin(highest))


def test_the_sun_stands_as_high_as_it_does_over_rome() -> None:
    # 90° - 41.9° ± 23.44° at the solstices, 90° - 41.9° at the equinox.
    assert abs(noon_elevation_deg("2026-06-21") - 71.5) < 0.5
    assert abs(noon_elevation_deg("2026-12-21") - 24.7) < 0.5
    assert abs(noon_elevation_deg("2026-03-20") - 48.1) < 0.6


def test_it_rises_when_the_almanac_says() -> None:
    # Rome, 2026-06-21: the sun's centre crosses the horizon some minutes after 03:35 UTC.
    assert sun(unix_ms("2026-06-21T03:20")).cos_zenith < 0.0
    assert sun(unix_ms("2026-06-21T03:55")).cos_zenith > 0.0


def test_a_roof_gives_nothing_at_night_and_never_more_than_its_peak() -> None:
    year_ms = unix_ms("2026-01-01")
    shares = [clear_sky_share(sun(year_ms + n * 7 * QUARTER_MS)) for n in range(5000)]
    assert clear_sky_share(sun(unix_ms("2026-06-21T23:00"))) == 0.0
    assert 0.75 < max(shares) <= 1.0
    assert min(shares) == 0.0


def test_a_summer_day_gives_more_than_a_winter_day() -> None:
    def day_h(day: str) -> float:
        return sum(clear_sky_share(sun(unix_ms(day) + n * QUARTER_MS)) for n in range(96)) / 4

    assert 5.0 < day_h("2026-06-21") < 8.5
    assert 2.0 < day_h("2026-12-21") < 5.0


def test_one_sky_for_a_district_and_another_each_day() -> None:
    assert len(clouds(1, 20_780)) == MINUTES_PER_DAY
    assert clouds(1, 20_780) == clouds(1, 20_780)
    assert clouds(1, 20_780) != clouds(1, 20_781)
    assert clouds(1, 20_780) != clouds(2, 20_780)
    days = [sum(clouds(1, day)) / MINUTES_PER_DAY for day in range(20_000, 20_200)]
    assert min(days) < 0.35
    assert max(days) > 0.9
    assert all(0.0 < share <= 1.0 for share in clouds(3, 20_500))


def test_a_roof_gives_what_the_clouds_let_through() -> None:
    day = unix_ms("2026-06-21") // 86_400_000
    shares, through = roof_shares(1, day), clouds(1, day)
    noon = 11 * 60
    clear = clear_sky_share(sun(day * 86_400_000 + noon * 60_000))
    assert abs(shares[noon] - clear * through[noon]) < 0.001
    assert shares[0] == 0.0
    assert len(shares) == MINUTES_PER_DAY
