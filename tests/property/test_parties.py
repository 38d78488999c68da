"""Laws of admission, gates, programmes and the TSO's need, over drawn cases."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise, product
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from central.brp.programme import programmes
from central.calendar import day_interval, quarter_count
from central.documents.header import Buyer, Direction, Envelope
from central.documents.measures import MeasuredQuarter, Origin, QuarterMeasures
from central.documents.offer import FlexOffer, OfferedQuarter, PriceStep
from central.documents.request import FlexRequest
from central.documents.substation import TransformerQuarter
from central.market.admission import Arrived, MarketDay, admit, check_arriving
from central.market.book import reference
from central.market.gates import RealTimePace, day_ahead, real_time
from central.market.portfolios import standing
from central.tso.simulator import need
from central.tso.transmission import Transmission
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from tests.admissions import (
    CONTRACT,
    GATES,
    ON_TIME_MS,
    PODS,
    SECOND,
    listed,
    market_day,
    offered,
    programme,
    requested,
)
from tests.documents import AGGREGATOR, BRP, PROFILE, T0, uuid

DAYS = st.dates(date(2026, 1, 2), date(2028, 12, 30)) | st.sampled_from(
    [date(2026, 10, 25), date(2027, 3, 28), date(2027, 10, 31)]
)
POWERS_W = st.integers(-8_000, 8_000)
GRID = Transmission.read()


@st.composite
def drawn_offers(draw: st.DrawFn, number: int) -> FlexOffer:
    """Draw an offer: fit, too large, of another's POD, or linked to one that may not be there."""
    name = draw(st.integers(50, 56))
    quarter = OfferedQuarter(
        start_ms=T0 + QUARTER_MS * draw(st.integers(0, 99)), minimum_w=0,
        steps=(PriceStep(up_to_w=draw(st.integers(1, 12_000)), price_ueur_per_mwh=1),),
    )  # fmt: skip
    linked = draw(st.none() | st.sampled_from([other for other in range(50, 57) if other != name]))
    return offered(
        mrid=uuid(name), revision=number + 1, sender=draw(st.sampled_from([AGGREGATOR, SECOND])),
        pod=draw(st.sampled_from(PODS)), direction=draw(st.sampled_from(Direction)),
        linked_to=None if linked is None else uuid(linked), quarters=(quarter,),
    )  # fmt: skip


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrived]:
    """Draw offers and programmes around the gate: some too large, late, loose or superseded."""
    offers = [draw(drawn_offers(number)) for number in range(draw(st.integers(0, 8)))]
    filed = [
        programme(draw(st.sampled_from(PODS)), draw(POWERS_W), GATES.interval, revision=number + 1)
        for number in range(draw(st.integers(0, 3)))
    ]
    when = st.integers(GATES.opens_ms - 2, GATES.opens_ms + 2) | st.integers(
        GATES.closes_ms - 2, GATES.closes_ms + 1
    )
    return [Arrived(each, draw(when)) for each in (*offers, *filed)]


@settings(deadline=None)
@given(arrived=arrivals(), power_w=POWERS_W, data=st.data())
def test_nothing_is_admitted_above_contract_or_room_in_whatever_order(
    arrived: list[Arrived], power_w: int, data: st.DataObject
) -> None:
    day = market_day(power_w=power_w)
    admission = admit(day, arrived)
    for offer in admission.offers:
        baseline = admission.day.baselines[offer.pod.code]
        programme_w = {each.start_ms: each.power_w for each in baseline.quarters}
        for quarter in offer.quarters:
            sign = 1 if offer.direction is Direction.DOWN else -1
            reached_w = programme_w[quarter.start_ms] + sign * quarter.maximum_w
            if sign > 0:
                assert reached_w <= CONTRACT.take_w
            else:
                assert reached_w >= -CONTRACT.give_w
        linked = {each.mrid: each.sender for each in admission.offers}
        assert offer.linked_to is None or linked[offer.linked_to] == offer.sender
    again = admit(day, data.draw(st.permutations(arrived)))
    assert (again.offers, again.requests) == (admission.offers, admission.requests)
    assert {ref: str(error) for ref, error in again.refused.items()} == {
        ref: str(error) for ref, error in admission.refused.items()
    }


BROUGHT_LATER = {"no_baseline", "not_in_portfolio", "linked_offer_missing", "superseded"}


@settings(deadline=None)
@given(
    arrived=arrivals(),
    asked=st.lists(st.sampled_from([
        {}, {"buyer": Buyer.TSO}, {"nodes": ("node 9", "node 13")}, {"session": "x"},
    ]), max_size=2),
    listing=st.sets(st.sampled_from([AGGREGATOR, SECOND])),
)  # fmt: skip
def test_what_is_refused_as_it_arrives_a_gate_that_closed_then_would_refuse_as_well(
    arrived: list[Arrived], asked: list[dict[str, Any]], listing: set[str]
) -> None:
    known = market_day()
    lists = {party: known.portfolios[party] for party in listing}
    day = replace(known, baselines={}, portfolios=lists)
    asking = [
        Arrived(requested(mrid=uuid(90 + place), **other), ON_TIME_MS)
        for place, other in enumerate(asked)
    ]
    there: list[Arrived] = []
    for one in sorted([*arrived, *asking], key=lambda each: each.at_ms):
        gate = admit(day, [*there, one]).refused.get(reference(one.document))
        error = refusal(day, one, there)
        if error is not None:
            assert gate is not None, f"stricter than the gate: {error}"
            assert (gate.reason, gate.where) == (error.reason, error.where)
            continue
        assert gate is None or gate.reason in BROUGHT_LATER
        if isinstance(one.document, FlexOffer | FlexRequest):
            assert gate is None or gate.reason != "not_in_portfolio", "one's own list is known"
        there.append(one)


def refusal(day: MarketDay, one: Arrived, there: list[Arrived]) -> Rejected | None:
    try:
        check_arriving(day, one.document, one.at_ms, there)
    except Rejected as error:
        return error
    return None


@settings(deadline=None)
@given(data=st.data())
def test_no_pod_is_two_aggregators_at_a_time_however_lists_come(data: st.DataObject) -> None:
    parties, hours = (AGGREGATOR, SECOND, "aggregator-3"), range(5)
    lists = []
    for number in range(data.draw(st.integers(1, 8))):
        consents = {
            pod: sorted(data.draw(st.sets(st.sampled_from(hours), min_size=2, max_size=2)))
            for pod in data.draw(st.sets(st.sampled_from(PODS), max_size=3))
        }
        one = listed(data.draw(st.sampled_from(parties)), *sorted(consents))
        lists.append(replace(
            one, mrid=uuid(700 + parties.index(one.sender)), revision=number + 1,
            customers=tuple(
                replace(each, consent_start_ms=T0 + start * QUARTER_MS,
                        consent_end_ms=T0 + end * QUARTER_MS)
                for each in one.customers for start, end in [consents[each.pod]]
            ),
        ))  # fmt: skip
    found = standing(lists)
    owners: dict[tuple[str, int], str] = {}
    for party, each in found.portfolios.items():
        for customer in each.customers:
            for ms in range(customer.consent_start_ms, customer.consent_end_ms, QUARTER_MS):
                assert owners.setdefault((customer.pod.code, ms), party) == party
    last = {each.sender: each for each in lists if reference(each) not in found.refused}
    assert found.portfolios == last
    offers = [
        offered(
            mrid=uuid(800 + number), sender=party, pod=pod, linked_to=None,
            quarters=tuple(
                replace(offered().quarters[1], start_ms=T0 + hour * QUARTER_MS) for hour in hours
                if hour == number % len(hours)
            ),
        )
        for number, (party, pod, _) in enumerate(product(parties, PODS, hours))
    ]  # fmt: skip
    day = replace(market_day(), portfolios=found.portfolios)
    sellers: dict[tuple[str, int], str] = {}
    for offer in admit(day, [Arrived(each, ON_TIME_MS) for each in offers]).offers:
        for quarter in offer.quarters:
            place = offer.pod.code, quarter.start_ms
            assert sellers.setdefault(place, offer.sender) == offer.sender


@given(day=DAYS, every_s=st.sampled_from([900, 3_600]))
def test_each_quarter_is_one_sessions_own_and_no_two_gates_are_open(
    day: date, every_s: int
) -> None:
    days = [day + timedelta(days=n) for n in range(2)]
    sessions = [each for one in days for each in real_time(one, RealTimePace(every_s=every_s))]
    own = [ms for each in sessions
           for ms in range(each.own.start_ms, each.own.end_ms, QUARTER_MS)]  # fmt: skip
    start_ms = day_interval(days[0]).start_ms
    assert own == [start_ms + n * QUARTER_MS for n in range(sum(map(quarter_count, days)))]
    takes = sorted(each.takes for each in sessions)
    assert not any(one.overlaps(other) for one, other in pairwise(takes))
    first, second = map(day_ahead, days)
    assert not first.takes.overlaps(second.takes)
    assert first.own.end_ms == second.own.start_ms


@settings(deadline=None, max_examples=30)
@given(
    day=DAYS,
    powers_wh=st.lists(st.integers(-900, 900), min_size=1, max_size=12),
    missing=st.sets(st.integers(0, 91), max_size=20),
    data=st.data(),
)
def test_a_programme_is_whole_within_its_past_and_the_same_in_whatever_order(
    day: date, powers_wh: list[int], missing: set[int], data: st.DataObject
) -> None:
    pod = Pod("IT002E00000001")
    measures = []
    for back, energy_wh in enumerate(powers_wh, 1):
        interval = day_interval(day - timedelta(days=back))
        quarters = tuple(
            MeasuredQuarter(
                start_ms=interval.start_ms + at * QUARTER_MS, import_wh=max(energy_wh, 0),
                export_wh=max(-energy_wh, 0), covered_s=900, flagged_s=0, origin=Origin.CERTIFIED,
            )
            for at in range(interval.duration_ms // QUARTER_MS) if at not in missing
        )  # fmt: skip
        measures.append(
            QuarterMeasures(
                mrid=uuid(back),
                revision=1,
                created_ms=interval.end_ms,
                sender="scd",
                receiver=BRP,
                validity=interval,
                pod=pod,
                quarters=quarters,
            )
        )

    def envelope(mrid: str) -> Envelope:
        return Envelope(mrid=mrid, created_ms=T0, sender=BRP, receiver="scd")

    made = programmes([pod], measures, day, envelope=envelope)
    (baseline,) = made.baselines
    assert len(baseline.quarters) == quarter_count(day)
    assert baseline.validity == day_interval(day)
    for each in baseline.quarters:
        assert 4 * min(powers_wh) <= each.power_w <= 4 * max(powers_wh)
    shuffled = data.draw(st.permutations(measures))
    assert programmes([pod], shuffled, day, envelope=envelope) == made


@settings(deadline=None)
@given(
    name=st.sampled_from(sorted(GRID.at_bus)),
    power_w=st.integers(-200_000_000, 200_000_000),
    more_w=st.integers(0, 50_000_000),
)
def test_the_need_grows_with_the_overload_and_is_nothing_without_one(
    name: str, power_w: int, more_w: int
) -> None:
    span = Interval(T0, T0 + QUARTER_MS)
    further_w = power_w + (more_w if power_w > 0 else -more_w)
    found = []
    for each_w in (power_w, further_w):
        quarter = TransformerQuarter(
            transformer="TR1", start_ms=T0, power_w=each_w, reactive_power_var=0
        )
        profile = replace(PROFILE, primary_substation=name, transformers=(quarter,))
        needed = need(GRID, [profile], span)
        assert bool(needed.breaches) == bool(np.abs(needed.power_w).sum() > 0 or needed.left)
        found.append(float(np.abs(needed.power_w).sum()))
    assert found[1] >= found[0] - 1
