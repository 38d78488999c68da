"""Offers as documents: curves, blocks, groups, times, names, and notes on what is less sure."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from central.aggregator.devices.declared import Battery, Device, Generation, Load, Vehicle
from central.aggregator.history import History
from central.aggregator.offering import Note, Offering, Reason, offer_mrid
from central.aggregator.portfolio import Customer, Portfolio
from central.calendar import day_interval
from central.documents.availability import AvailableQuarter, DerAvailability, Resource
from central.documents.encoding import decode, encode
from central.documents.header import Direction
from central.documents.offer import Acceptance, FlexOffer, PriceStep, Rebound
from ledger.facts.interval import QUARTER_MS
from ledger.facts.pod import Pod
from tests.portfolios import SESSION, TERMS, offering

DAY = day_interval(date(2026, 6, 3))
POD = Pod("IT002E00000001")
PAST_DAYS = 20
BATTERY = Battery(
    power_w=2_000, capacity_wh=8_000, charge_wh=4_000, efficiency_permille=1_000,
    burden_ueur_per_mwh=50_000_000,
)  # fmt: skip
CAR = Vehicle(power_w=2_300, arrives_slot=72, leaves_slot=28, energy_wh=4_600)
PROCESS = Load(
    power_w=1_500, longest_s=1_800, in_one_piece=True,
    rebound=Rebound(share_permille=1_000, delay_s=0, duration_s=3_600),
)  # fmt: skip


def history(power_w: float, pod: Pod = POD) -> History:
    """Return a past in which every quarter is alike, but for a lower one at midnight."""
    past = np.full((1, PAST_DAYS * 96), power_w)
    past[:, ::96] = min(power_w, 0.0)
    return History((pod.code,), DAY.start_ms - PAST_DAYS * 96 * QUARTER_MS, past)


def portfolio(*devices: Device) -> Portfolio:
    one = Customer(pod=POD, contract_w=6_000, owner="owner", devices=devices)
    return Portfolio.of("aggregator", [one])


def allows(*resources: Resource) -> list[DerAvailability]:
    return [
        DerAvailability(
            mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1, created_ms=1, sender="owner",
            receiver="aggregator", validity=DAY, pod=POD, resource=resource, longest_s=None,
            rest_s=None, call_count=None,
            quarters=tuple(
                AvailableQuarter(start_ms=start_ms, up_w=9_000, down_w=9_000)
                for start_ms in range(DAY.start_ms, DAY.end_ms, QUARTER_MS)
            ),
        )
        for resource in resources
    ]  # fmt: skip


def made(power_w: float, *devices: Device, silent: bool = False) -> Offering:
    told = [] if silent else allows(*(device.resource for device in devices))
    return offering(portfolio(*devices), history(power_w), told, DAY)


def one(of: Offering, direction: Direction, acceptance: Acceptance | None = None) -> FlexOffer:
    (found,) = (
        offer
        for offer in of.offers
        if offer.direction is direction and acceptance in {None, offer.acceptance}
    )
    return found


def test_the_price_rises_where_an_offer_begins_to_give() -> None:
    up = one(made(700.0, BATTERY), Direction.UP)
    fee, wear, retail, feed_in = 15_000_000, 50_000_000, 280_000_000, 90_000_000
    assert up.quarters[50].steps == (
        PriceStep(up_to_w=700, price_ueur_per_mwh=fee + wear),
        PriceStep(up_to_w=2_000, price_ueur_per_mwh=fee + wear + retail - feed_in),
    )


def test_one_price_is_one_step() -> None:
    quarter = one(made(-800.0, Generation(power_w=4_000)), Direction.DOWN).quarters[50]
    assert quarter.steps == (PriceStep(up_to_w=800, price_ueur_per_mwh=90_000_000 + 15_000_000),)


def test_both_directions_of_a_device_exclude_each_other_and_alone_it_is_free() -> None:
    both = made(700.0, BATTERY)
    up, down = one(both, Direction.UP), one(both, Direction.DOWN)
    assert up.exclusive_group == down.exclusive_group == f"{SESSION} {POD} battery"
    assert up.mrid != down.mrid
    assert made(-800.0, Generation(power_w=4_000)).offers[0].exclusive_group is None


def test_a_battery_tells_how_long_how_often_and_what_comes_back() -> None:
    up = one(made(700.0, BATTERY), Direction.UP)
    # After the only call there is nothing to rest for.
    assert (up.longest_s, up.rest_s, up.call_count) == (7_200, None, 1)
    assert up.rebound == Rebound(share_permille=1_000, delay_s=0, duration_s=14_400)


def test_what_can_be_called_again_must_rest_until_all_is_back() -> None:
    told = replace(allows(Resource.BATTERY)[0], longest_s=2_700)
    up = one(offering(portfolio(BATTERY), history(700.0), [told], DAY), Direction.UP)
    assert (up.longest_s, up.rest_s, up.call_count) == (2_700, 5_400, 2)
    assert up.rebound is not None
    assert up.rest_s == up.rebound.delay_s + up.rebound.duration_s


def test_what_has_no_limit_of_time_tells_none() -> None:
    down = made(-800.0, Generation(power_w=4_000)).offers[0]
    assert (down.longest_s, down.rest_s, down.call_count, down.rebound) == (None,) * 4


def test_a_process_is_one_block_at_one_price() -> None:
    offer = one(made(1_400.0, PROCESS), Direction.UP)
    assert offer.acceptance is Acceptance.BLOCK
    assert [len(quarter.steps) for quarter in offer.quarters] == [1, 1]
    assert (offer.longest_s, offer.rest_s, offer.call_count) == (None,) * 3


def test_a_pause_is_all_or_nothing_and_throttling_is_not() -> None:
    found = made(2_500.0, CAR)
    paused = one(found, Direction.UP, Acceptance.BLOCK)
    throttled = one(found, Direction.UP, Acceptance.PER_QUARTER)
    assert {(each.minimum_w, each.maximum_w) for each in paused.quarters} == {(2_300, 2_300)}
    assert {(each.minimum_w, each.maximum_w) for each in throttled.quarters} == {(0, 920)}
    assert paused.exclusive_group == throttled.exclusive_group is not None


def test_an_offer_is_a_document_of_the_session_with_a_name_that_stays() -> None:
    up = one(made(700.0, BATTERY), Direction.UP)
    assert decode(encode(up)) == up
    assert up.mrid == offer_mrid(SESSION, POD.code, "up", "battery")
    assert (up.session, up.validity, up.expires_ms) == (SESSION, DAY, DAY.end_ms)
    assert made(700.0, BATTERY).offers == made(700.0, BATTERY).offers


def test_the_fee_is_on_every_price() -> None:
    dear = replace(TERMS, fee_ueur_per_mwh=TERMS.fee_ueur_per_mwh + 1_000)
    told = allows(Resource.BATTERY)
    cheap, costly = (
        offering(portfolio(BATTERY), history(700.0), told, DAY, terms=terms).offers
        for terms in (TERMS, dear)
    )

    def prices(offers: tuple[FlexOffer, ...]) -> list[int]:
        return [
            step.price_ueur_per_mwh
            for offer in offers
            for quarter in offer.quarters
            for step in quarter.steps
        ]

    assert [price + 1_000 for price in prices(cheap)] == prices(costly)


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (made(700.0, BATTERY, silent=True), Note(POD.code, "battery", Reason.NOT_AVAILABLE)),
        (made(700.0, Generation(power_w=9)), Note(POD.code, "generation", Reason.NOTHING_LEFT)),
        (
            offering(portfolio(BATTERY), history(700.0), allows(Resource.LOAD), DAY),
            Note(POD.code, "load", Reason.UNKNOWN_RESOURCE),
        ),
        (
            offering(portfolio(BATTERY), history(np.nan), allows(Resource.BATTERY), DAY),
            Note(POD.code, "baseline", Reason.NO_PAST),
        ),
    ],
)
def test_what_is_not_offered_is_told(found: Offering, note: Note) -> None:
    assert note in found.notes
    assert not [offer for offer in found.offers if offer.pod.code == note.pod]


def test_what_is_less_sure_is_told() -> None:
    new = Customer(pod=Pod("IT002E00000002"), contract_w=3_000, owner="o", devices=(BATTERY,))
    two = Portfolio.of("aggregator", [*portfolio(BATTERY).customers, new])
    past = history(700.0)
    past.power_w.reshape(-1, 96)[:, 40] = np.nan
    short = History(past.pods, past.start_ms, past.power_w.copy())
    short.power_w[:, : -5 * 96] = np.nan
    found = offering(two, past, allows(Resource.BATTERY), DAY)
    assert Note(POD.code, "baseline", Reason.GAPS_FILLED, 1) in found.notes
    assert Note("IT002E00000002", "baseline", Reason.LIKE_PEERS) in found.notes
    # The last five days hold two working days, a Saturday, a Sunday and 2 June.
    found = offering(two, short, allows(Resource.BATTERY), DAY)
    assert Note(POD.code, "baseline", Reason.ANY_DAYS, 5) in found.notes
