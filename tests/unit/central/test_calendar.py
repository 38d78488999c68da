"""Market days of Rome: their length, their classes, their slots."""

from datetime import date, timedelta

import numpy as np
import pytest

from central.calendar import (
    DayClass,
    day_class,
    day_interval,
    day_of,
    day_start_ms,
    easter,
    gate_ms,
    holidays,
    quarter_count,
    slots,
)

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("year", "sunday"),
    [
        (1818, date(1818, 3, 22)), (1943, date(1943, 4, 25)), (2000, date(2000, 4, 23)),
        (2024, date(2024, 3, 31)), (2026, date(2026, 4, 5)), (2038, date(2038, 4, 25)),
    ],
)  # fmt: skip
def test_easter_of_the_earliest_the_latest_and_usual_years(year: int, sunday: date) -> None:
    assert easter(year) == sunday


def test_easter_is_a_sunday_between_the_equinox_and_the_end_of_april() -> None:
    for year in range(1900, 2101):
        assert easter(year).weekday() == 6
        assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        (date(2026, 6, 10), DayClass.WORKING),
        (date(2026, 6, 13), DayClass.SATURDAY),
        (date(2026, 6, 14), DayClass.HOLIDAY),
        (date(2026, 4, 6), DayClass.HOLIDAY),  # Easter Monday
        (date(2026, 8, 15), DayClass.HOLIDAY),  # a Saturday
        (date(2026, 6, 2), DayClass.HOLIDAY),
        (date(2027, 10, 4), DayClass.HOLIDAY),  # Saint Francis, a Monday
        (date(2024, 10, 4), DayClass.WORKING),  # before the law
        (date(2026, 12, 24), DayClass.WORKING),
    ],
)
def test_days_have_a_class(day: date, kind: DayClass) -> None:
    assert day_class(day) is kind


def test_a_year_has_its_holidays() -> None:
    assert len(holidays(2025)) == 11
    assert holidays(2026) - {date(2026, 10, 4)} == {
        day.replace(year=2026) for day in holidays(2025) - {date(2025, 4, 21)}
    } | {date(2026, 4, 6)}


def test_days_have_92_96_or_100_quarters() -> None:
    assert [quarter_count(day) for day in (SPRING, date(2026, 6, 1), AUTUMN)] == [92, 96, 100]


def test_a_year_of_days_leaves_no_gap() -> None:
    day, total = date(2026, 1, 1), 0
    while day.year == 2026:
        assert day_interval(day).end_ms == day_start_ms(day + timedelta(days=1))
        assert day_of(day_start_ms(day)) == day == day_of(day_interval(day).end_ms - 1)
        total += quarter_count(day)
        day += timedelta(days=1)
    assert total == 365 * 96


def test_slots_follow_the_clock() -> None:
    assert np.array_equal(slots(date(2026, 6, 1)), np.arange(96))
    assert np.array_equal(slots(SPRING), [*range(8), *range(12, 96)])
    assert np.array_equal(slots(AUTUMN), [*range(12), *range(8, 96)])


def test_the_gate_is_ten_in_the_morning_of_the_day_before_whatever_the_clocks_do() -> None:
    assert day_start_ms(date(2026, 6, 2)) - gate_ms(date(2026, 6, 2)) == 14 * HOUR_MS
    day_after = SPRING + timedelta(days=1)
    assert gate_ms(day_after) - day_start_ms(SPRING) == 9 * HOUR_MS
    assert gate_ms(AUTUMN + timedelta(days=1)) - day_start_ms(AUTUMN) == 11 * HOUR_MS
