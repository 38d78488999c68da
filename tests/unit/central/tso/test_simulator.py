"""The TSO asks for what its limits need, and no more; orders what it won; and looks again."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from central.calendar import gate_ms
from central.documents.encoding import decode, encode
from central.documents.header import Buyer, Direction, Envelope, Horizon, QuarterPower
from central.documents.outcome import AwardedQuarter, AwardKind, MarketOutcome, Stage
from central.documents.substation import ProfileStage, SubstationProfile, TransformerQuarter
from central.tso.simulator import Asking, Need, breaches, need, orders, requests
from central.tso.transmission import Transmission
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from tests.admissions import DAY as DATE
from tests.documents import DAY, MARKET, OUTCOME, PROFILE, T0, T1, TSO, reference

GRID = Transmission.read()
TWO = Interval(T0, T0 + 2 * QUARTER_MS)
ASKING = Asking(
    session="day-ahead 2026-10-25", horizon=Horizon.DAY_AHEAD, interval=DAY, expires_ms=DAY.end_ms,
    maximum_price_ueur_per_mwh=300_000_000,
)  # fmt: skip


def envelope(mrid: str) -> Envelope:
    return Envelope(mrid=mrid, created_ms=gate_ms(DATE) - 1, sender=TSO, receiver=MARKET)


def profile(
    name: str,
    *powers_w: int,
    stage: ProfileStage = ProfileStage.BEFORE_TSO_REQUEST,
    transformers: int = 2,
) -> SubstationProfile:
    """Return a profile of the powers of a substation, shared by its transformers."""
    told = tuple(
        TransformerQuarter(
            transformer=f"TR{number}", start_ms=T0 + at * QUARTER_MS,
            power_w=power_w // transformers, reactive_power_var=0,
        )
        for number in range(transformers)
        for at, power_w in enumerate(powers_w)
    )  # fmt: skip
    return replace(PROFILE, primary_substation=name, stage=stage, transformers=told)


def needed(*powers_w: int) -> Need:
    return need(GRID, [profile("CP Roma Nord", *powers_w)], TWO)


def test_within_the_limits_nothing_is_needed() -> None:
    found = needed(10_000_000, 20_000_000)
    assert (found.breaches, found.left, found.unknown_ms) == ((), (), ())
    assert not found.power_w.any()
    assert requests(found, ASKING, envelope) == ()


def test_an_overload_is_asked_for_to_the_watt_and_goes_away() -> None:
    found = needed(10_000_000, 90_000_000)
    assert {each.start_ms for each in found.breaches} == {T1}
    (request,) = requests(found, ASKING, envelope)
    assert decode(encode(request)) == request
    assert (request.buyer, request.direction) == (Buyer.TSO, Direction.UP)
    assert (request.elements, request.nodes, request.sensitivities) == ((), (), ())
    (quarter,) = request.quarters
    assert quarter.start_ms == T1
    assert 0 <= quarter.power_w - found.power_w[0, 1] < 1
    after = ProfileStage.AFTER_VALIDATION
    helped = 90_000_000 - quarter.power_w
    kept = breaches(GRID, [profile("CP Roma Nord", 10_000_000, helped - 2, stage=after)], TWO)
    assert kept == ()
    short = profile("CP Roma Nord", 10_000_000, helped + 1_000, stage=after)
    (left,) = breaches(GRID, [short], TWO)
    assert left.line == "150 kV Roma Ovest - Nord A"
    assert 0 < left.excess_w < 1_000


def test_too_much_that_is_given_is_asked_down() -> None:
    found = needed(0, -150_000_000)
    (request,) = requests(found, ASKING, envelope)
    assert request.direction is Direction.DOWN


def test_what_no_substation_can_help_is_left_and_told() -> None:
    with_more = replace(GRID, loads_w=GRID.loads_w * 4)
    far = need(with_more, [], TWO)
    assert [(each.start_ms, each.line) for each in far.left] == [
        (each.start_ms, each.line) for each in far.breaches
    ]
    assert far.left
    near = need(with_more, [profile("CP Roma Nord", 0, 0)], TWO)
    assert sum(each.excess_w for each in near.left) < sum(each.excess_w for each in far.left)


def test_several_substations_share_what_is_needed() -> None:
    profiles = [
        profile(name, 40_000_000, 45_000_000)
        for name in ("CP Roma Sud", "CP Roma Nord", "CP Roma Est")
    ]
    found = need(GRID, profiles, TWO)
    assert found.substations == ("CP Roma Est", "CP Roma Nord", "CP Roma Sud")
    assert found.power_w.any()
    moved = {
        each.primary_substation: np.array([sum(t.power_w for t in each.transformers
                                               if t.start_ms == ms) for ms in (T0, T1)])
        for each in profiles
    }  # fmt: skip
    for row, name in enumerate(found.substations):
        moved[name] = moved[name] - found.power_w[row]
    assert (np.abs(GRID.flows_w([T0, T1], moved)) <= GRID.limit_w[:, None] + 1e-3).all()
    again = need(GRID, profiles[::-1], TWO)
    assert np.array_equal(again.power_w, found.power_w)
    assert requests(again, ASKING, envelope) == requests(found, ASKING, envelope)


def test_quarters_that_a_profile_does_not_know_are_named() -> None:
    found = need(GRID, [profile("CP Roma Nord", 90_000_000)], TWO)
    assert found.unknown_ms == (T1,)
    lame = profile("CP Roma Nord", 90_000_000, 90_000_000)
    lame = replace(lame, transformers=lame.transformers[:-1])
    assert need(GRID, [lame], TWO).unknown_ms == (T1,)
    with pytest.raises(Rejected) as caught:
        breaches(GRID, [replace(lame, stage=ProfileStage.AFTER_VALIDATION)], TWO)
    assert caught.value.reason == "quarters_missing"


@pytest.mark.parametrize(
    ("profiles", "reason"),
    [
        ([profile("CP Roma Nord", 1, stage=ProfileStage.AFTER_VALIDATION)], "wrong_stage"),
        ([profile("CP Roma Nord", 1), profile("CP Roma Nord", 2)], "profile_twice"),
        ([profile("CP Napoli", 1)], "unknown_substation"),
    ],
    ids=["stage", "twice", "unknown"],
)
def test_profiles_that_do_not_fit_are_refused(
    profiles: list[SubstationProfile], reason: str
) -> None:
    with pytest.raises(Rejected) as caught:
        need(GRID, profiles, TWO)
    assert caught.value.reason == reason


def final(*changes: dict[str, Any]) -> MarketOutcome:
    (award,) = OUTCOME.awards
    awards = tuple(replace(award, buyer=Buyer.TSO, **each) for each in changes)
    return replace(OUTCOME, stage=Stage.FINAL, awards=awards)


def test_what_was_won_is_ordered_by_direction_and_offer() -> None:
    one, other = (AwardedQuarter(start_ms=ms, power_w=500, price_ueur_per_mwh=1) for ms in (T0, T1))
    outcome = final(
        {"quarters": (other,), "offer": reference(51)},
        {"quarters": (one,), "offer": reference(51)},
        {"quarters": (one,), "offer": reference(5)},
        {"quarters": (one,), "offer": reference(6), "direction": Direction.DOWN},
        {"quarters": (one,), "offer": reference(7), "kind": AwardKind.RESERVE},
    )
    up, down = orders(outcome, T1, envelope)
    assert [each.offer for each in up.orders] == [reference(5), reference(51)]
    assert up.orders[1].quarters == (
        QuarterPower(start_ms=T0, power_w=500), QuarterPower(start_ms=T1, power_w=500),
    )  # fmt: skip
    assert (down.direction, down.orders[0].offer) == (Direction.DOWN, reference(6))
    assert up.outcome == reference(8)
    assert decode(encode(up)) == up


def test_what_the_dso_won_and_what_is_preliminary_are_not_ordered() -> None:
    assert orders(replace(OUTCOME, stage=Stage.FINAL), T1, envelope) == ()
    with pytest.raises(Rejected) as caught:
        orders(OUTCOME, T1, envelope)
    assert caught.value.reason == "not_final"
