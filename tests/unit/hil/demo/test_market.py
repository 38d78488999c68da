"""Who takes part in the demo's market, and when it holds. The market itself: tests/e2e."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from central.documents.availability import DerAvailability
from central.documents.encoding import from_json
from central.sessions.portfolio_file import read_portfolio
from hil.demo.market import ROWS, MarketSession, Traded
from hil.demo.portfolios import availabilities, customers
from hil.demo.stage import AGGREGATORS
from tests.servers import ROOT
from tests.unit.hil.demo.test_report import AHEAD, LATER, MARKET, PLACES, PROVEN

PODS: list[dict[str, Any]] = [
    {"pod": f"IT002E{number:08}", "contract_w": contract_w, "kind": "home", "node": node}
    for node in ("LV-6-R15", "LV-60", "MV-6")
    for number, contract_w in enumerate(
        [6_000, 2_000, 15_000, 3_000, 5_000_000] * 4, len(node) * 99
    )
]


def test_the_smaller_points_of_delivery_are_shared_among_the_aggregators() -> None:
    listed = customers(PODS)
    assert set(listed) == set(AGGREGATORS)
    pods = [one["pod"] for own in listed.values() for one in own]
    assert len(pods) == len(set(pods)) == 12 + 24 / 3
    street = {each["pod"] for each in PODS if each["node"] == "LV-6-R15"}
    assert len(street & set(pods)) == 12, "all of the street that has grown take part"
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


def of(session: MarketSession, **wrong: object) -> dict[str, Any]:
    """Return what is wrong with a market if it is so with one of its sessions."""
    place = "day_ahead" if session is AHEAD else "real_time"
    return {place: replace(session, **wrong)}  # type: ignore[arg-type]


def bought(buyer: str) -> dict[str, Traded]:
    """Return what is bought where a buyer gets nothing."""
    return {**AHEAD.bought, buyer: replace(AHEAD.bought[buyer], taken_mwh=0.0)}


@pytest.mark.parametrize(
    "wrong",
    [
        of(AHEAD, state="no_offers"),
        of(LATER, state="nothing_asked"),
        of(AHEAD, steps={**AHEAD.steps, "DA-1a": "failed"}),
        of(AHEAD, steps={row: "ok" for row in AHEAD.steps if row != "DA-2c"}),
        of(LATER, steps={row: "ok" for row in LATER.steps if row != "RT-13a-profile"}),
        of(AHEAD, offers=39),
        of(AHEAD, taken=0),
        of(LATER, taken=0),
        of(AHEAD, bought=bought("dso")),
        of(AHEAD, bought=bought("tso")),
        of(AHEAD, profile=[replace(AHEAD.profile[0], after_w=36_168_000)]),
        of(AHEAD, merit=PLACES[:1]),
        {"day_ahead": replace(AHEAD, cut=0), "real_time": replace(LATER, cut=0)},
        {"anchored_size": 0},
        {"proven": {AHEAD.session: PROVEN}},
        {"proven": {**MARKET.proven, LATER.session: replace(PROVEN, verdict="different")}},
        {"proven": {**MARKET.proven, AHEAD.session: replace(PROVEN, verdict="indeterminate")}},
    ],
)
def test_it_holds_only_if_all_of_it_does(wrong: dict[str, Any]) -> None:
    assert MARKET.holds()
    assert not replace(MARKET, **wrong).holds()


def test_the_rows_are_those_of_the_use_case() -> None:
    steps = (ROOT / "docs" / "steps.md").read_text()
    told = set(re.findall(r"^\| `((?:DA|RT)-[\w-]+)` \|", steps, re.MULTILINE))
    assert told >= ROWS["day-ahead"] | ROWS["real-time"]
