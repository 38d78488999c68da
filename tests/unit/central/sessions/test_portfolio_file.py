"""An aggregator's file of customers: read whole, or refused with the place of the fault."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from central.aggregator.devices.declared import Battery, Generation, Load, Vehicle
from central.documents.offer import Rebound
from central.sessions.portfolio_file import PortfolioFile, read_portfolio
from ledger.errors import Rejected
from ledger.facts.interval import Interval

GIVEN: dict[str, Any] = {
    "schema": "certiflex/portfolio/v1",
    "aggregator": "aggregator-1",
    "brp": "brp",
    "customers": [
        {"pod": "IT002E00000002", "contract_w": 6_000, "owner": "owner-2", "devices": [
            {"resource": "battery", "power_w": 3_000, "capacity_wh": 6_000, "charge_wh": 3_000},
            {"resource": "load", "power_w": 1_500,
             "rebound": {"share_permille": 800, "delay_s": 0, "duration_s": 3_600}},
        ]},
        {"pod": "IT002E00000001", "contract_w": 10_000, "owner": "owner-1", "devices": [
            {"resource": "vehicle", "power_w": 7_400, "arrives_slot": 72, "leaves_slot": 28,
             "energy_wh": 12_000},
            {"resource": "generation", "power_w": 4_000, "burden_ueur_per_mwh": 5_000_000},
        ]},
    ],
}  # fmt: skip


def read(folder: Path, given: object) -> PortfolioFile:
    file = folder / "customers.json"
    file.write_text(given if isinstance(given, str) else json.dumps(given))
    return read_portfolio(file)


def test_customers_are_read_with_their_devices(tmp_path: Path) -> None:
    found = read(tmp_path, GIVEN)
    assert (found.brp, found.portfolio.aggregator) == ("brp", "aggregator-1")
    assert found.portfolio.pods == ("IT002E00000001", "IT002E00000002")
    vehicle, generation = found.portfolio.customers[0].devices
    assert isinstance(vehicle, Vehicle)
    assert generation == Generation(power_w=4_000, burden_ueur_per_mwh=5_000_000)
    assert found.portfolio.customers[1].devices == (
        Battery(power_w=3_000, capacity_wh=6_000, charge_wh=3_000),
        Load(power_w=1_500, rebound=Rebound(share_permille=800, delay_s=0, duration_s=3_600)),
    )


FAULTS: list[tuple[list[str | int], object, str, str]] = [
    (["schema"], "certiflex/portfolio/v2", "$.schema", "wrong_schema"),
    (["customers"], {}, "$.customers", "wrong_type"),
    (["brp"], "", "$.brp", "wrong_type"),
    (["customers", 1, "pod"], "IT2", "$.customers[1].pod", "bad_pod"),
    (["customers", 0, "contract_w"], 6_000.0, "$.customers[0].contract_w", "not_whole"),
    (["customers", 0, "contract_kw"], 6, "$.customers[0].contract_kw", "unknown_field"),
    (["customers", 0, "consent_end_ms"], 9, "consent_start_ms", "bad_consent"),
    (["customers", 0, "devices"], 3, "$.customers[0].devices", "wrong_type"),
    (["customers", 0, "devices", 0, "resource"], "wind", "devices[0]", "unknown_resource"),
    (["customers", 0, "devices", 0, "power_w"], "3000", "devices[0].power_w", "not_whole"),
    (["customers", 0, "devices", 0, "charge_wh"], 7_000, "devices[0]", "bad_device"),
    (["customers", 0, "devices", 0, "power_kw"], 3, "devices[0].power_kw", "unknown_field"),
    (["customers", 0, "devices", 1, "rebound"], 3, "devices[1].rebound", "wrong_type"),
]


@pytest.mark.parametrize(("path", "value", "where", "reason"), FAULTS)
def test_the_place_of_a_fault_is_told(
    tmp_path: Path, path: list[str | int], value: object, where: str, reason: str
) -> None:
    given = deepcopy(GIVEN)
    inner: Any = given
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(Rejected) as caught:
        read(tmp_path, given)
    assert caught.value.reason == reason
    assert where in caught.value.where


def test_what_may_be_given_and_when_is_read_where_it_is_said(tmp_path: Path) -> None:
    given = deepcopy(GIVEN)
    given["customers"][0] |= {"feed_in_w": 0, "consent_start_ms": 5, "consent_end_ms": 9}
    found = read(tmp_path, given).portfolio.customers
    assert (found[0].feed_in_w, found[0].consent) == (None, None)
    assert (found[1].feed_in_w, found[1].consent) == (0, Interval(5, 9))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    given = deepcopy(GIVEN)
    del given["customers"][0]["devices"][0]["capacity_wh"]
    with pytest.raises(Rejected, match="missing") as caught:
        read(tmp_path, given)
    assert "devices[0].capacity_wh" in caught.value.where


def test_no_json_and_no_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(Rejected):
        read(tmp_path, "{")
    with pytest.raises(Rejected, match="cannot be read"):
        read_portfolio(tmp_path / "nobody.json")
