"""The mains: frequency and voltage."""

from hil.mains import frequency_hz, voltage_v

HOURS_MS = range(0, 86_400_000 * 3, 3_777_000)


def test_frequency_stays_near_50_hz_and_moves() -> None:
    seen = [frequency_hz(unix_ms) for unix_ms in HOURS_MS]
    assert all(49.95 < hertz < 50.05 for hertz in seen)
    assert max(seen) - min(seen) > 0.01


def test_voltage_stays_within_ten_percent_at_any_household_power() -> None:
    for unix_ms in HOURS_MS:
        for power_w in (-6000.0, 0.0, 9000.0):
            assert 207.0 < voltage_v(3, 0, unix_ms, power_w) < 253.0


def test_taking_lowers_the_voltage_and_feeding_in_raises_it() -> None:
    idle_v = voltage_v(3, 1, 1000, 0.0)
    assert voltage_v(3, 1, 1000, 3000.0) < idle_v < voltage_v(3, 1, 1000, -3000.0)


def test_phases_differ() -> None:
    assert len({voltage_v(3, phase, 1000, 0.0) for phase in range(3)}) == 3
