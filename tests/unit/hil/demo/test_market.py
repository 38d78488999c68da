"""Who takes part in the demo's market, and when it holds. The market itself: tests/e2e."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from central.documents.availability import DerAvailability
from central.documents.encoding import from_json
from central.sessions.portfolio_file import read_portfolio
from hil.demo.market import availabilities, customers
from hil.demo.stage import AGGREGATORS
from tests.unit.hil.demo.test_report import MARKET

PODS: list[dict[str, Any]] = [
    {"pod": f"IT002E{number:08}", "contract_w": contract_w, "kind": "home"}
    for number, contract_w in enumerate([6_000, 2_000, 15_000, 3_000, 5_000_000] * 12)
]


def test_the_smaller_points_of_delivery_are_shared_among_the_aggregators() -> None:
    listed = customers(PODS)
    assert set(listed) == set(AGGREGATORS)
    pods = [one["pod"] for own in listed.values() for one in own]
    assert len(pods) == len(set(pods)) == 12
    assert {one["contract_w"] for own in listed.values() for one in own} <= {3_000, 6_000, 15_000}
    kinds = {each["resource"] for own in listed.values() for one in own for each in one["devices"]}
    assert kinds == {"load", "battery", "vehicle"}


def test_the_central_side_can_read_what_owners_and_aggregators_say(tmp_path: Path) -> None:
    listed = customers(PODS)
    for party, own in listed.items():
        file = tmp_path / f"{party}.json"
        told = {"schema": "certiflex/portfolio/v1", "aggregator": party, "brp": "b"}
        file.write_text(json.dumps({**told, "customers": own}))
        assert len(read_portfolio(file).portfolio.customers) == len(own)


@pytest.mark.parametrize(
    ("day", "quarters"),
    [(date(2026, 3, 29), 92), (date(2026, 6, 18), 96), (date(2026, 10, 25), 100)],
)
def test_owners_speak_of_every_quarter_of_the_day(day: date, quarters: int) -> None:
    told = availabilities(customers(PODS), day)
    documents = [from_json(each) for each in told]
    assert all(isinstance(each, DerAvailability) for each in documents)
    assert {len(each["quarters"]) for each in told} == {quarters}
    assert len({each["mrid"] for each in told}) == len(told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "no_offers"},
        {"steps": {"DA-1a": "failed"}},
        {"offers": 39},
        {"awards": 0},
        {"aggregators": 1},
        {"same": False},
    ],
)
def test_it_holds_only_if_all_of_it_does(wrong: dict[str, Any]) -> None:
    assert MARKET.holds()
    assert not replace(MARKET, **wrong).holds()
    assert "same bytes" in MARKET.summary()
