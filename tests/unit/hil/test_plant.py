"""The plant: it lives with its houses, and what is done to it happens."""

import numpy as np
import pytest

from hil.feeder.description import read_description
from hil.household import Household, Kind, equipment_of
from hil.plant import Plant
from hil.plant_file import Action
from ledger.errors import Rejected
from tests.hil.benches import INSTALLED_DAY, NOON_MS
from tests.hil.networks import two_nodes

POD, NODE = "IT002E00000000", "LV-3-R11"


def plant() -> Plant:
    made = Plant(read_description(), seed=1, weather_seed=7)
    made.solve(NOON_MS)
    return made


def housed(made: Plant, pod: str = POD, *, phases: int = 3) -> Household:
    """Return a household that hangs on the plant."""
    house = Household(
        1,
        phases=phases,
        equipment=equipment_of(Kind.ELECTRIC, phases),
        installed_day=INSTALLED_DAY,
        supply=made.supply_of(pod, phases),
    )
    made.connect(pod, house, phases)
    made.solve(NOON_MS)
    return house


def test_the_whole_day_is_solved_to_the_last_milliwatt() -> None:
    made = plant()
    for hour in range(24):
        made.solve(NOON_MS + hour * 3_600_000)
        assert made.failure is None
        assert made.flow.mismatch_va() < 1e-3
        assert made.flow.losses_w() > 0


def test_a_house_sees_the_voltage_of_its_node() -> None:
    made = plant()
    house = housed(made)
    seen = [phase.voltage_v for phase in house.at(NOON_MS).phases]
    assert seen == pytest.approx(np.abs(made.flow.voltage_v(NODE)))
    made.act(Action.TAP, "TR-1", -4, NOON_MS)
    assert [phase.voltage_v for phase in house.at(NOON_MS).phases] > [volts + 5 for volts in seen]


def test_a_house_of_one_phase_hangs_on_its_own() -> None:
    made = plant()
    house = housed(made, "IT002E00000001", phases=1)
    (phase,) = house.at(NOON_MS).phases
    assert phase.voltage_v == pytest.approx(abs(made.flow.voltage_v("LV-3-R15")[1]))


def test_meter_and_plant_agree_in_power() -> None:
    made = plant()
    without_va = made.loads_va(NOON_MS)[made.network.nodes.index(NODE)]
    house = housed(made)
    with_va = made.loads_va(NOON_MS)[made.network.nodes.index(NODE)]
    seen = [complex(p.power_w, p.reactive_var) for p in house.at(NOON_MS).phases]
    # The house takes the place of the synthetic customer of that POD, on all three phases.
    replaced_va = set(np.round(without_va - with_va + np.array(seen), 6).tolist())
    assert len(replaced_va) == 1


def test_an_outage_cuts_houses_off_and_is_not_counted() -> None:
    made = plant()
    house = housed(made)
    before = house.at(NOON_MS).counters
    made.act(Action.OPEN, "LV3G-3", None, NOON_MS)
    assert not house.is_supplied
    assert house.at(NOON_MS).power_w == 0
    assert POD in {one.pod for one in made.unsupplied()}
    back_ms = NOON_MS + 6 * 3_600_000
    made.act(Action.CLOSE, "LV3G-3", None, back_ms)
    assert house.is_supplied
    assert house.at(back_ms).counters == before
    later = house.at(back_ms + 3_600_000)
    assert later.counters.import_wh + later.counters.export_wh > before.import_wh + before.export_wh


def test_a_line_out_darkens_what_is_behind_and_a_switch_brings_it_back() -> None:
    made = plant()
    made.act(Action.OUT, "L-3-4", None, NOON_MS)
    dark = {one.node for one in made.unsupplied()}
    assert {"MV-5", "MV-6", "LV-5-R15"} <= dark
    assert "MV-3" not in dark
    made.act(Action.CLOSE, "S3", None, NOON_MS)
    assert made.unsupplied() == ()
    assert made.flow.mismatch_va() < 1e-3
    made.act(Action.BACK, "L-3-4", None, NOON_MS)
    assert made.state.out == frozenset()


@pytest.mark.parametrize(
    ("action", "device", "position", "reason"),
    [
        (Action.OUT, "L-1-9", None, "unknown_device"),
        (Action.BACK, "L-3-4", None, "unknown_device"),
        (Action.OPEN, "S9", None, "unknown_device"),
        (Action.TAP, "TR-9", 1, "unknown_device"),
        (Action.TAP, "TR-1", 10, "out_of_range"),
        (Action.TAP, "TS-3", -3, "out_of_range"),
        (Action.CAPACITOR, "C", 1, "unknown_device"),
        (Action.CAPACITOR, "CB-9", 4, "out_of_range"),
    ],
)
def test_what_is_impossible_is_refused(
    action: Action, device: str, position: int | None, reason: str
) -> None:
    made = plant()
    before = made.state
    with pytest.raises(Rejected) as refused:
        made.act(action, device, position, NOON_MS)
    assert refused.value.reason == reason
    assert made.state == before


def test_without_a_solution_the_last_one_stays_and_it_is_told() -> None:
    made = plant()
    steady = made.flow
    made._wander = 0.95  # a transmission network on its knees
    for step in range(200):
        made.solve(NOON_MS + step * 1_800_000)
        if made.failure is not None:
            break
        steady = made.flow
    assert "worst place" in (made.failure or "")
    assert made.flow is steady
    made._wander = 0.0
    made.solve(NOON_MS)
    assert made.failure is None
    assert made.flow.mismatch_va() < 1e-3


def test_the_source_drifts_as_far_as_it_may() -> None:
    made = Plant(read_description(), source_wander_pct=1.0)
    seen = []
    for hour in range(48):
        made.solve(NOON_MS + hour * 3_600_000)
        seen.append(abs(made.flow.voltage_v("HV-0")[0]) * 3**0.5 / (1.03 * 110_000))
    assert 0.99 <= min(seen) < 0.996
    assert 1.004 < max(seen) <= 1.01


def test_a_pod_without_a_house_is_told() -> None:
    with pytest.raises(Rejected, match="known: IT002E00000000 to IT002E00000019"):
        plant().supply_of("IT002E00001000", 3)
    with pytest.raises(Rejected, match="known: none"):
        Plant(two_nodes()).supply_of(POD, 3)


def test_nothing_flows_before_the_first_solution() -> None:
    with pytest.raises(RuntimeError, match="before it was solved"):
        _ = Plant(two_nodes()).flow
