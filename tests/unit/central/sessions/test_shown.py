"""What the field shows, and the setting that the next hours are assessed with."""

from dataclasses import replace

import numpy as np
import pytest

from central.calendar import day_start_ms
from central.dso.estimation.measuring import Measurement
from central.dso.powerflow import Setting
from central.dso.telling.incoming import heard
from central.dsos.screen import seen_figures, tell_seen
from central.sessions.shown import Shown, show
from tests.desks import DAY, desk
from tests.sensors import dead_at

NOW_MS = day_start_ms(DAY) + 12 * 3_600_000
STANDING = Setting(tap_pos=np.array([1, 0, 0, 0, 0, 0, 0]))


def shown(*voltages_pu: float, opened: str = "") -> Shown:
    """Return what sensors at the busbar of the demo grid show, of which each says a voltage."""
    made = desk(1.0)
    node = made.grid.node("MV-1")
    seen = heard(made.grid, [], NOW_MS)
    closed = seen.closed.copy()
    if opened:
        closed[made.grid.branch(opened)] = False
    measured = tuple(
        Measurement(f"V{number}", "voltage", node, complex(value), 0.002, "sensor")
        for number, value in enumerate(voltages_pu)
    )
    return show(made, NOW_MS, STANDING, replace(seen, measured=measured, closed=closed), {})


def test_what_is_measured_of_the_grid_above_holds_for_the_next_hours() -> None:
    low, high = shown(0.98, 0.98), shown(1.02, 1.02)
    for each in (low, high):
        assert each.setting.source_pu is not None
        assert len(each.setting.source_pu) == 16
        assert f"the grid above is at {each.supply_pu:.4f} pu" in each.statement()
    assert (high.supply_pu or 0) - (low.supply_pu or 0) == pytest.approx(0.04, abs=4e-3)


def test_without_a_voltage_the_network_is_run_as_it_stands() -> None:
    found = shown(opened="L-8-9")
    assert found.supply_pu is None
    assert found.statement() == ""
    assert found.setting.tap_pos is STANDING.tap_pos
    assert found.setting.closed is not None
    assert not found.setting.closed[desk(1.0).grid.branch("L-8-9")]


def test_a_dead_sensor_stops_nothing_and_is_told_with_value_and_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = desk(1.0)
    found = show(made, NOW_MS, STANDING, heard(made.grid, [dead_at(NOW_MS)], NOW_MS), {})
    reason = "the phase or its sensor is dead"
    assert found.statement() == f"; put aside: VC-MV-1: voltage 0 V: {reason}"
    assert found.supply_pu is None
    tell_seen(made, found)
    assert f"put aside, sensor VC-MV-1: voltage 0 V: {reason}\n" in capsys.readouterr().out
    told = seen_figures(made, found)["seen"]
    assert told["put_aside"] == [
        {"sensor": "VC-MV-1", "kind": "voltage", "said": "0 V", "reason": reason}
    ]
    assert told["does_not_fit"] == {}
    assert told["notes"][0].startswith("no voltage is measured")
