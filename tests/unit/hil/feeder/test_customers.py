"""Who hangs where: names that operator and plant share."""

import pytest

from hil.demo.stage import House
from hil.feeder.customers import CustomerKind, customers_of, phases_of_house
from hil.feeder.description import read_description

CUSTOMERS = customers_of(read_description())


def test_every_customer_has_a_pod_of_its_own_without_gaps() -> None:
    pods = [one.pod for one in CUSTOMERS]
    assert len(set(pods)) == len(pods)
    synthetic = sorted(int(one.pod[6:]) for one in CUSTOMERS if not one.metered)
    assert synthetic == list(range(1000, 1000 + len(synthetic)))


def test_the_metered_houses_stand_at_the_load_nodes_in_turn() -> None:
    houses = {one.pod: one.node for one in CUSTOMERS if one.metered}
    assert list(houses) == [f"IT002E{number:08}" for number in range(20)]
    assert houses["IT002E00000000"] == "LV-3-R11"
    assert houses["IT002E00000004"] == "LV-3-R18"
    assert houses["IT002E00000005"] == "LV-5-R11"
    assert houses["IT002E00000019"] == "LV-8-R18"


def test_the_demos_houses_are_among_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("nodes")
    pods = {House(number, folder, 0).pod for number in range(20)}
    assert pods == {one.pod for one in CUSTOMERS if one.metered}


def test_the_loads_of_the_publication_are_all_there() -> None:
    description = read_description()
    published_va = sum(at.peak_va for many in description.load for at in many.at)
    consuming = {CustomerKind.HOME, CustomerKind.DISTRICT, CustomerKind.BUSINESS}
    ours_va = sum(one.peak_w / one.power_factor for one in CUSTOMERS if one.kind in consuming)
    assert ours_va == pytest.approx(published_va)


def test_nobody_contracts_less_than_the_peak() -> None:
    assert all(one.contract_w >= one.peak_w for one in CUSTOMERS)


def test_single_phase_homes_share_the_phases() -> None:
    counts = [sum(one.phases == (phase,) for one in CUSTOMERS) for phase in range(3)]
    assert max(counts) - min(counts) < 10
    assert min(counts) > 50


def test_a_house_takes_all_phases_or_one_in_turn() -> None:
    assert phases_of_house("IT002E00000007", 3) == (0, 1, 2)
    assert phases_of_house("IT002E00000007", 1) == (1,)
