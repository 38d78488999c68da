"""What a power flow of the plant costs, beside pandapower on the same network."""

import pytest

from hil.feeder.description import read_description
from hil.feeder.flow import Wiring
from hil.feeder.network import built
from hil.plant import Plant
from tests.bench.conftest import Figure, Figures, seconds_of
from tests.hil.networks import pandapower_loaded, run_pandapower
from tests.unit.hil.feeder.test_flow import published_loads

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

NOON_MS = 1_795_435_200_000


def test_a_slot_of_the_plant(figures: Figures) -> None:
    plant = Plant(read_description(), seed=1, weather_seed=7)
    plant.solve(NOON_MS)
    instants = iter(range(NOON_MS, NOON_MS + 10_000_000, 4000))

    def ten_slots() -> None:
        for _ in range(10):
            plant.solve(next(instants))

    ours_s = seconds_of(ten_slots) / 10
    network = built(read_description())
    theirs, _ = pandapower_loaded(network, network.normal_state(), published_loads(network))
    theirs_s = seconds_of(lambda: run_pandapower(theirs))
    figures.take(
        Figure(
            subject="plant: loads and three-phase flow of one slot",
            size="105 nodes, 248 customers",
            unit="ms",
            ours=ours_s * 1000,
            peer=theirs_s * 1000,
            peer_name="pandapower, the flow alone, one phase for all",
            reach="at most 20 ms",
        )
    )
    assert ours_s < 0.020


def test_another_state_of_the_plant(figures: Figures) -> None:
    network = built(read_description())
    normal, loads = network.normal_state(), published_loads(network)
    taps = iter(range(10_000))
    ours_s = seconds_of(lambda: Wiring(network, normal.tapped("TR-1", next(taps) % 9)).solve(loads))
    figures.take(
        Figure(
            subject="plant: a tap is moved and the flow found anew",
            size="105 nodes",
            unit="ms",
            ours=ours_s * 1000,
            note="no peer: the plant alone keeps a mechanism",
        )
    )
