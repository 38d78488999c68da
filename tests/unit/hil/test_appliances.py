"""What people switch on, and when."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hil.appliances import APPLIANCES, MS_PER_HOUR, charging_of, local_midnight_ms, runs_of

DAY = 20_780
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("day", "offset_h"),
    [
        ("2026-03-28", 1),
        ("2026-03-29", 2),
        ("2026-10-24", 2),
        ("2026-10-25", 1),
        ("2027-03-27", 1),
        ("2027-03-28", 2),
        ("2028-02-29", 1),
    ],
)
def test_local_midnight_follows_summer_time(day: str, offset_h: int) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    number = (midnight - datetime(1970, 1, 1, tzinfo=UTC)).days
    expected = midnight - timedelta(hours=offset_h)
    assert local_midnight_ms(number) == int(expected.timestamp() * 1000)


def test_runs_repeat_for_a_seed_and_differ_between_seeds() -> None:
    assert list(runs_of(1, DAY, 3, 1.0)) == list(runs_of(1, DAY, 3, 1.0))
    assert list(runs_of(1, DAY, 3, 1.0)) != list(runs_of(2, DAY, 3, 1.0))
    assert list(runs_of(1, DAY, 3, 1.0)) != list(runs_of(1, DAY + 1, 3, 1.0))


def test_runs_are_plausible() -> None:
    runs = [run for day in range(DAY, DAY + 60) for run in runs_of(4, day, 3, 1.0)]
    assert len(runs) > 60 * 5
    for run in runs:
        assert 0 < run.end_ms - run.start_ms <= 6 * MS_PER_HOUR
        assert 50_000 < run.power_mw < 2_500_000
        assert run.phase in {0, 1, 2}
        assert run.start_ms % 1000 == 0


def test_an_appliance_hangs_on_one_phase_for_ever() -> None:
    kettle = [
        run.phase
        for day in range(DAY, DAY + 40)
        for run in runs_of(4, day, 3, 9.0)
        if 1_080_000 <= run.power_mw <= 1_100_000 and run.end_ms - run.start_ms <= 6 * 60_000
    ]
    assert len(set(kettle)) == 1


def test_programmes_follow_stage_after_stage() -> None:
    washing = next(one for one in APPLIANCES if one.name == "washing machine")
    assert len(washing.stages) == 3
    runs = list(runs_of(4, DAY, 1, 100.0))
    joined = sum(one.end_ms == two.start_ms for one, two in pairwise(runs))
    assert joined >= 4


def test_a_car_charges_on_all_phases_and_only_where_there_is_a_charger() -> None:
    assert not list(charging_of(1, DAY, 3, 0))
    charged = [list(charging_of(1, day, 3, 11_000)) for day in range(DAY, DAY + 50)]
    evenings = [runs for runs in charged if runs]
    assert 20 < len(evenings) < 40
    for runs in evenings:
        assert [run.phase for run in runs] == [0, 1, 2]
        energy_wh = sum(run.power_mw / 1000 * (run.end_ms - run.start_ms) for run in runs) / 3.6e6
        assert 4_900 < energy_wh < 18_100
