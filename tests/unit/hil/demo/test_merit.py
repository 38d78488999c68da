"""The merit order, read from an outcome as the market itself makes it."""

import io
from typing import Any

import pytest
from rich.console import Console

from central.documents.elements import Bound
from central.documents.encoding import to_json
from central.documents.header import Direction, Envelope
from central.documents.outcome import Stage
from central.market.clearing import clear
from central.market.outcome import market_outcome
from central.market.rules import Rules
from hil.demo.merit import CUT, LEFT, REFUSED, RESERVE, TAKEN, Place, cuts_of, merit_order, table_of
from tests.markets import book, mrid, need_of_tso, offer, pod, request

PLACES = {number: f"N{number % 2}" for number in range(1, 8)}
NODES = {pod(number).code: node for number, node in PLACES.items()}
OFFERS = [
    offer(1, {0: 4}, 30.0),
    offer(2, {0: 4}, 20.0),
    offer(3, {0: 5}, 900.0),
    offer(4, {1: 2}, 10.0),
    offer(5, {0: 3}, 40.0),
    offer(6, {0: 3}, 5.0, direction=Direction.DOWN),
    offer(7, {0: 9}, 60.0),
]


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    effects = [{"N0": 0.5, "N1": 1.0}]
    asked = [request(20, {(0, 0): 8}, effects, bounds=[Bound.LINE]), need_of_tso(21, {1: 1})]
    cleared = clear(book(OFFERS, asked, PLACES), Rules())
    envelope = Envelope(mrid=mrid(30), created_ms=1, sender="market", receiver="dso")
    return to_json(market_outcome(cleared, envelope, Stage.FINAL))


def places(outcome: dict[str, Any], cuts: dict[str, str] | None = None) -> tuple[Place, ...]:
    offers = {each.mrid: to_json(each) for each in OFFERS}
    return merit_order(outcome, offers, NODES, cuts or {})


def test_everybody_has_a_place_with_the_figures_that_decided(outcome: dict[str, Any]) -> None:
    found = places(outcome)
    assert [each.rank for each in found] == list(range(1, len(found) + 1))
    assert {each.pod for each in found} == set(NODES)
    first = found[0]
    assert (first.pod, first.node, first.buyer, first.became) == (pod(1).code, "N1", "dso", TAKEN)
    assert (first.price_eur_per_mwh, first.counts, first.over_effect_eur_per_mwh) == (30, 1, 30)
    second = next(each for each in found if each.pod == pod(2).code)
    assert (second.price_eur_per_mwh, second.counts) == (20, 0.5)
    assert second.over_effect_eur_per_mwh == 40
    assert second.energy_kwh == pytest.approx(0.25 * second_power_kw(outcome))
    volume = next(each for each in found if each.buyer == "tso")
    assert (volume.pod, volume.counts, volume.over_effect_eur_per_mwh) == (pod(4).code, 1, 10)
    assert {RESERVE, LEFT} <= {each.became for each in found}
    dear = next(each for each in found if each.pod == pod(3).code and not each.buyer)
    assert dear.price_eur_per_mwh == dear.over_effect_eur_per_mwh == 900


def second_power_kw(outcome: dict[str, Any]) -> float:
    (award,) = (
        each for each in outcome["awards"]
        if each["pod"] == pod(2).code and each["kind"] == "firm"
    )  # fmt: skip
    return float(sum(each["power_w"] for each in award["quarters"]) / 1000)


def test_what_the_grid_did_not_bear_is_cut_or_refused_and_says_why(outcome: dict[str, Any]) -> None:
    verdict = {
        "verdict": "cut", "quarters": [],
        "binding": {"position": 1, "scenario": "rebound of 1.1"},
    }  # fmt: skip
    validation = {
        "elements": [{}, {"element": "L-1", "bound": "line"}],
        "verdicts": [
            {**verdict, "offer": {"mrid": mrid(1)}},
            {**verdict, "offer": {"mrid": mrid(6)}, "verdict": "refused"},
            {"offer": {"mrid": mrid(2)}, "verdict": "approved", "binding": None},
        ],
    }
    cuts = cuts_of([validation])
    assert cuts == dict.fromkeys([mrid(1), mrid(6)], "rebound of 1.1 would break L-1 (line)")
    became = {each.pod: (each.became, each.because) for each in places(outcome, cuts)}
    assert became[pod(1).code] == (CUT, "rebound of 1.1 would break L-1 (line)")
    assert became[pod(6).code][0] == REFUSED


@pytest.mark.parametrize("color", [True, False])
def test_the_table_fits_a_hundred_columns_and_needs_no_color(
    outcome: dict[str, Any], *, color: bool
) -> None:
    console = Console(
        width=100, file=io.StringIO(), force_terminal=color, no_color=not color, record=True
    )
    console.print(table_of("day-ahead 2026-10-25", places(outcome)))
    text = console.export_text()
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("merit order, day-ahead 2026-10-25")
    assert lines[1].split() == [
        "#", "by", "POD,", "node", "for", "kWh", "EUR/MWh", "effect", "÷", "eff.", "why",
    ]  # fmt: skip
    for word in ("taken", "reserve", "not taken", "line 0 (line)", "nothing is asked down"):
        assert word in text
    assert "1  1 00001 N1" in lines[2]
