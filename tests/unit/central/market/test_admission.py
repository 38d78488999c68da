"""Admission: every reason by name, with its place; what is refused changes nothing."""

from dataclasses import replace
from typing import Any

import pytest

from central.documents.customers import ListedCustomer
from central.documents.encoding import from_json, to_json
from central.documents.header import Buyer, Direction, Document, Horizon
from central.documents.offer import OfferedQuarter, PriceStep
from central.documents.request import RequestedQuarter
from central.market.admission import Arrived, Contract, MarketDay, admit, check, room_w
from central.market.gates import real_time
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from tests.admissions import (
    CAP_UEUR_PER_MWH,
    CONTRACT,
    DAY,
    GATES,
    ON_TIME_MS,
    PODS,
    SECOND,
    listed,
    market_day,
    offered,
    on_time,
    programme,
    requested,
)
from tests.documents import AGGREGATOR, ALERT, DSO, T0, T1, TSO, reference, uuid

DAY_OF = market_day()
END_MS = GATES.interval.end_ms


def refused(document: Document, day: MarketDay = DAY_OF, at_ms: int = ON_TIME_MS) -> Rejected:
    with pytest.raises(Rejected) as caught:
        check(day, document, at_ms)
    return caught.value


def quarter(
    most_w: int = 1_000, start_ms: int = T0, price_ueur_per_mwh: int = 80_000_000
) -> OfferedQuarter:
    step = PriceStep(up_to_w=most_w, price_ueur_per_mwh=price_ueur_per_mwh)
    return OfferedQuarter(start_ms=start_ms, minimum_w=0, steps=(step,))


@pytest.mark.parametrize("document", [offered(), requested()])
def test_what_fits_is_admitted(document: Document) -> None:
    check(DAY_OF, document, GATES.opens_ms)
    check(DAY_OF, document, GATES.closes_ms - 1)


@pytest.mark.parametrize(
    ("changes", "at_ms", "where", "reason"),
    [
        ({"session": "day-ahead 2026-10-26"}, ON_TIME_MS, "$.session", "other_session"),
        ({"gate_closure_ms": GATES.closes_ms - 1}, ON_TIME_MS, "$.gate_closure_at", "other_gate"),
        ({}, GATES.opens_ms - 1, "$", "gate_not_open"),
        ({}, GATES.closes_ms, "$", "gate_closed"),
        ({"expires_ms": GATES.closes_ms}, ON_TIME_MS, "$.expires_at", "expired"),
        ({"quarters": (quarter(), quarter(start_ms=END_MS))}, ON_TIME_MS,
         "$.quarters[1].start_at", "outside_market_day"),
        ({"pod": PODS[2]}, ON_TIME_MS, "$.pod", "not_in_portfolio"),
        ({"sender": "aggregator-3"}, ON_TIME_MS, "$.pod", "not_in_portfolio"),
        ({"quarters": (quarter(price_ueur_per_mwh=CAP_UEUR_PER_MWH + 1),)}, ON_TIME_MS,
         "$.quarters[0].steps[0].price_ueur_per_mwh", "above_price_cap"),
        ({"quarters": (quarter(), quarter(10_501, T1))}, ON_TIME_MS,
         "$.quarters[1].steps[0].up_to_w", "above_contract_power"),
        ({"quarters": (quarter(), quarter(5_501, T1))}, ON_TIME_MS,
         "$.quarters[1].steps[0].up_to_w", "above_baseline_room"),
        ({"direction": Direction.DOWN, "quarters": (quarter(5_001),)}, ON_TIME_MS,
         "$.quarters[0].steps[0].up_to_w", "above_baseline_room"),
    ],
)  # fmt: skip
def test_an_offer_is_refused_by_name_and_place(
    changes: dict[str, Any], at_ms: int, where: str, reason: str
) -> None:
    error = refused(offered(**changes), at_ms=at_ms)
    assert (error.where, error.reason) == (where, reason)


@pytest.mark.parametrize(("direction", "most_w"), [(Direction.UP, 5_500), (Direction.DOWN, 5_000)])
def test_room_is_used_to_the_last_watt(direction: Direction, most_w: int) -> None:
    check(DAY_OF, offered(direction=direction, quarters=(quarter(most_w),)), ON_TIME_MS)


@pytest.mark.parametrize(
    ("direction", "baseline_w", "left_w"),
    [
        (Direction.UP, 1_000, 5_500), (Direction.UP, -4_000, 500), (Direction.UP, -9_000, 0),
        (Direction.DOWN, 1_000, 5_000), (Direction.DOWN, -4_000, 10_000),
        (Direction.DOWN, 7_000, 0),
    ],
)  # fmt: skip
def test_the_room_of_a_programme(direction: Direction, baseline_w: int, left_w: int) -> None:
    assert room_w(direction, CONTRACT, baseline_w) == left_w


def test_the_tighter_of_two_contracts_counts() -> None:
    less = replace(DAY_OF, contracts={PODS[0].code: Contract(take_w=6_000, give_w=100)})
    offer = offered(quarters=(quarter(1_101),))
    assert refused(offer, less).reason == "above_baseline_room"
    told = replace(DAY_OF, portfolios={AGGREGATOR: listed(AGGREGATOR, PODS[0], feed_in_w=0)})
    assert refused(offer, told).reason == "above_baseline_room"
    check(told, offered(quarters=(quarter(1_000),)), ON_TIME_MS)


def test_a_pod_that_the_grid_does_not_know_is_refused() -> None:
    error = refused(offered(), replace(DAY_OF, contracts={}))
    assert (error.where, error.reason) == ("$.pod", "unknown_pod")
    error = refused(programme(PODS[0], 1, GATES.interval), replace(DAY_OF, contracts={}))
    assert (error.where, error.reason) == ("$.pod", "unknown_pod")


def test_without_a_programme_nothing_is_admitted() -> None:
    for baselines in ({}, {PODS[0].code: programme(PODS[0], 0, Interval(T1, END_MS))}):
        error = refused(offered(), replace(DAY_OF, baselines=baselines))
        assert (error.where, error.reason) == ("$.pod", "no_baseline")


def test_outside_the_owners_consent_nothing_is_admitted() -> None:
    short = replace(DAY_OF, portfolios={AGGREGATOR: listed(AGGREGATOR, PODS[0], consent_end_ms=T1)})
    error = refused(offered(), short)
    assert (error.where, error.reason) == ("$.quarters[1].start_at", "no_consent")
    old = replace(listed(AGGREGATOR, PODS[0]), validity=Interval(T0, T1))
    error = refused(offered(), replace(DAY_OF, portfolios={AGGREGATOR: old}))
    assert (error.where, error.reason) == ("$.quarters[1].start_at", "not_in_portfolio")


def test_real_time_takes_requests_and_no_offers_nor_programmes() -> None:
    gates = next(iter(real_time(DAY)))
    day, at_ms = market_day(gates), gates.opens_ms
    offer = offered(
        session=gates.session, gate_closure_ms=gates.closes_ms, expires_ms=gates.interval.end_ms
    )
    assert refused(offer, day, at_ms).reason == "no_new_offers"
    assert refused(programme(PODS[0], 1, gates.interval), day, at_ms).reason == "frozen"
    late = requested(session=gates.session)
    assert refused(late, day, at_ms).reason == "other_horizon"
    check(day, replace(late, horizon=Horizon.REAL_TIME), at_ms)


@pytest.mark.parametrize(
    ("changes", "at_ms", "where", "reason"),
    [
        ({"session": "x"}, ON_TIME_MS, "$.session", "other_session"),
        ({"horizon": Horizon.REAL_TIME}, ON_TIME_MS, "$.horizon", "other_horizon"),
        ({}, GATES.opens_ms - 1, "$", "gate_not_open"),
        ({}, GATES.closes_ms, "$", "gate_closed"),
        ({"expires_ms": GATES.closes_ms}, ON_TIME_MS, "$.expires_at", "expired"),
        ({"quarters": (RequestedQuarter(start_ms=T0 - QUARTER_MS, power_w=1),)}, ON_TIME_MS,
         "$.quarters[0].start_at", "outside_market_day"),
        ({"buyer": Buyer.TSO}, ON_TIME_MS, "$.buyer", "not_the_buyer"),
        ({"sender": TSO}, ON_TIME_MS, "$.buyer", "not_the_buyer"),
        ({"sender": AGGREGATOR}, ON_TIME_MS, "$.buyer", "not_the_buyer"),
        ({"primary_substation": "CP Roma Sud"}, ON_TIME_MS, "$.primary_substation",
         "unknown_substation"),
        ({"nodes": ("node 9", "node 13")}, ON_TIME_MS, "$.nodes[1]", "unknown_node"),
        ({"maximum_price_ueur_per_mwh": CAP_UEUR_PER_MWH + 1}, ON_TIME_MS,
         "$.maximum_price_ueur_per_mwh", "above_price_cap"),
    ],
)  # fmt: skip
def test_a_request_is_refused_by_name_and_place(
    changes: dict[str, Any], at_ms: int, where: str, reason: str
) -> None:
    error = refused(requested(**changes), at_ms=at_ms)
    assert (error.where, error.reason) == (where, reason)


@pytest.mark.parametrize(
    ("changes", "at_ms", "where", "reason"),
    [
        ({}, GATES.closes_ms, "$", "frozen"),
        ({"sender": DSO}, ON_TIME_MS, "$.sender", "not_the_balance_party"),
        ({"interval": Interval(T1, END_MS)}, ON_TIME_MS, "$.validity", "outside_market_day"),
    ],
)
def test_a_programme_is_refused_by_name_and_place(
    changes: dict[str, Any], at_ms: int, where: str, reason: str
) -> None:
    document = programme(PODS[0], 500, **({"interval": GATES.interval} | changes))
    error = refused(document, at_ms=at_ms)
    assert (error.where, error.reason) == (where, reason)


def test_a_programme_of_nobody_in_the_market_is_refused() -> None:
    error = refused(programme(PODS[0], 1, GATES.interval), replace(DAY_OF, portfolios={}))
    assert (error.where, error.reason) == ("$.pod", "not_in_portfolio")


def test_a_programme_may_come_before_the_gate_opens() -> None:
    check(DAY_OF, programme(PODS[0], 500, GATES.interval), 0)


def test_other_documents_are_not_admitted() -> None:
    assert refused(ALERT).reason == "wrong_ii"


@pytest.mark.parametrize(
    ("field", "told", "reason"),
    [("minimum_kw", {"minimum_kw": 1}, "wrong_unit"), ("note", {"note": "x"}, "unknown_field")],
)
def test_another_unit_and_an_unknown_field_never_come_so_far(
    field: str, told: dict[str, Any], reason: str
) -> None:
    document = to_json(offered())
    if reason == "wrong_unit":
        del document["quarters"][0]["minimum_w"]
    document["quarters"][0] |= told
    with pytest.raises(Rejected) as caught:
        from_json(document)
    assert (caught.value.where, caught.value.reason) == (f"$.quarters[0].{field}", reason)


# ── together ────────────────────────────────────────────────────────────────────────────────


def test_the_newest_revision_that_passes_counts() -> None:
    first, second = offered(), offered(revision=2, expires_ms=END_MS - 1)
    third = offered(revision=3, quarters=(quarter(9_999),))
    admission = admit(DAY_OF, on_time(third, first, second))
    assert admission.offers == (second,)
    assert {ref.revision: each.reason for ref, each in admission.refused.items()} == {
        1: "superseded", 3: "above_baseline_room",
    }  # fmt: skip


def test_the_same_revision_seen_twice_is_admitted_once() -> None:
    admission = admit(DAY_OF, on_time(offered(), offered()))
    assert (admission.offers, admission.refused) == ((offered(),), {})


def test_offers_are_held_to_the_programme_as_it_is_frozen() -> None:
    lower = programme(PODS[0], -4_000, GATES.interval, revision=2)
    admission = admit(DAY_OF, [Arrived(offered(), ON_TIME_MS), Arrived(lower, GATES.closes_ms - 1)])
    assert admission.refused[reference(5)].reason == "above_baseline_room"
    assert admission.day.baselines[PODS[0].code] == lower
    late = admit(DAY_OF, [Arrived(offered(), ON_TIME_MS), Arrived(lower, GATES.closes_ms)])
    assert late.offers == (offered(),)


def test_a_link_needs_an_admitted_offer_of_the_same_sender() -> None:
    chain = [offered(mrid=uuid(50 + n), linked_to=uuid(51 + n)) for n in range(3)]
    alone = admit(DAY_OF, on_time(*chain))
    assert not alone.offers
    assert {each.reason for each in alone.refused.values()} == {"linked_offer_missing"}
    assert {each.where for each in alone.refused.values()} == {"$.linked_to"}
    whole = admit(DAY_OF, on_time(*chain, offered(mrid=uuid(53))))
    assert len(whole.offers) == 4
    foreign = offered(mrid=uuid(53), sender=SECOND, pod=PODS[2])
    reasons = admit(DAY_OF, on_time(chain[2], foreign)).refused
    assert reasons[reference(52)].reason == "foreign_link"


def test_offers_may_be_linked_to_each_other() -> None:
    pair = [offered(mrid=uuid(50), linked_to=uuid(51)), offered(mrid=uuid(51), linked_to=uuid(50))]
    assert len(admit(DAY_OF, on_time(*pair)).offers) == 2


def test_a_group_of_the_same_name_is_another_senders_own() -> None:
    mine, theirs = offered(), offered(mrid=uuid(50), sender=SECOND, pod=PODS[2])
    assert mine.exclusive_group == theirs.exclusive_group is not None
    assert len(admit(DAY_OF, on_time(mine, theirs)).offers) == 2


def test_requests_and_what_is_refused_are_told_apart() -> None:
    admission = admit(DAY_OF, on_time(requested(), offered(pod=PODS[2])))
    assert admission.requests == (requested(),)
    assert [each.reason for each in admission.refused.values()] == ["not_in_portfolio"]
    assert isinstance(DAY_OF.customers[AGGREGATOR, PODS[0].code], ListedCustomer)
