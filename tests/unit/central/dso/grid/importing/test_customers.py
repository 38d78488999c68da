"""Loads, generators and storages as points of delivery."""

import pandapower
import pytest

from ledger.errors import Rejected
from tests.foreign_nets import brought, compared, losses, town

# pandapower and pandas tell their developers many things, by warnings.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_codes_are_made_up_from_a_stated_prefix_and_names_are_kept() -> None:
    imported = brought(town(), pod_prefix="IT002E77")
    assert imported.grid.pods == ("IT002E77000000", "IT002E77000001")
    assert imported.origin == {
        "IT002E77000000": "load mill", "IT002E77000001": "load village",
    }  # fmt: skip


def test_a_prefix_that_no_code_begins_with_is_refused() -> None:
    for wrong in ("POD", "IT02E", "IT002E00000000", ""):
        with pytest.raises(Rejected, match="codes begin as IT002E does") as refused:
            brought(town(), pod_prefix=wrong)
        assert refused.value.reason == "bad_prefix"


def test_a_prefix_with_too_few_codes_is_refused() -> None:
    net = town()
    for n in range(10):
        pandapower.create_load(net, 2, p_mw=0.1, name=f"house {n}")
    with pytest.raises(Rejected, match="has codes for 10 customers, and there are more"):
        brought(net, pod_prefix="IT002E1234567")


def test_a_load_keeps_its_rating_its_factor_and_its_class() -> None:
    mill, _ = brought(town()).grid.connections
    assert (mill.node, mill.contract_w, mill.phases, mill.profile) == (
        2,
        2_500_000,
        "abc",
        "household",
    )
    assert mill.tan_phi == pytest.approx(0.2)


def test_what_is_given_is_drawn_with_the_other_sign() -> None:
    net = town()
    pandapower.create_sgen(net, 3, p_mw=0.4, q_mvar=0.1, sn_mva=0.5, name="roof", type="PV")
    pandapower.create_sgen(net, 3, p_mw=0.9, sn_mva=1.0, name="hill", type="WP", scaling=0.5)
    pandapower.create_storage(net, 2, p_mw=-0.2, max_e_mwh=1.0, sn_mva=0.3, name="box")
    found = compared(net)
    assert found.agrees
    roof, hill, box = found.imported.grid.connections[2:]
    assert [one.profile for one in (roof, hill, box)] == ["pv", "wind", "storage"]
    drawn_va = found.imported.drawn_va[2:]
    assert drawn_va.tolist() == pytest.approx([-0.4e6 - 0.1e6j, -0.45e6, -0.2e6])
    assert roof.tan_phi == pytest.approx(0.25)
    assert "state of charge" in losses(found.imported)["dropped", "storage"]


def test_phases_stand_apart() -> None:
    net = town()
    pandapower.create_asymmetric_load(
        net, 3, p_a_mw=0.1, q_a_mvar=0.02, p_c_mw=0.3, name="street", sn_mva=0.5, type="H0"
    )
    pandapower.create_asymmetric_sgen(net, 3, p_b_mw=0.05, name="roofs", sn_mva=0.1, type="PV")
    found = compared(net)
    assert found.agrees
    assert [one.phases for one in found.imported.grid.connections[2:]] == ["a", "c", "b"]
    assert list(found.imported.origin.values())[2:] == [
        "asymmetric_load street.a", "asymmetric_load street.c", "asymmetric_sgen roofs.b",
    ]  # fmt: skip


def test_a_load_that_follows_the_voltage_is_told() -> None:
    net = town()
    net.load["const_z_p_percent"] = [50.0, 0.0]
    assert losses(brought(net))["approximated", "load"].startswith(
        "approximated: load mill: changes with the voltage"
    )


def test_without_rating_class_or_active_power_it_is_told_what_was_taken() -> None:
    net = town()
    net.load["sn_mva"], net.load["type"] = float("nan"), None
    net.load.loc[1, "p_mw"] = 0.0
    imported = brought(net)
    told = losses(imported)["approximated", "load"]
    assert "no rating: its contract is what it draws now" in told
    assert "no class of customers: taken as household" in told
    assert "reactive power alone" in told
    assert "its contract is 100 W" in told
    assert [one.contract_w for one in imported.grid.connections] == [2_000_000, 100]


@pytest.mark.parametrize(
    ("kind", "profile"),
    [("H0-C", "household"), ("lv_urban3", "household"), ("G1-B", "business"),
     ("mv_comm", "business"), ("L2-M", "business"), ("BL-H", "industry")],
)  # fmt: skip
def test_profiles_of_simbench_have_their_class(kind: str, profile: str) -> None:
    net = town()
    net.load["type"], net.load["profile"] = None, kind
    assert {one.profile for one in brought(net).grid.connections} == {profile}
