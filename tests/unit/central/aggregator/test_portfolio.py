"""Customers of an aggregator: in one order, each once, with devices that can be told apart."""

from dataclasses import replace

import pytest

from central.aggregator.devices.declared import Battery, Generation
from central.aggregator.portfolio import Customer, Portfolio
from central.documents.availability import Resource
from central.documents.customers import CustomerList, ListedCustomer
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

BATTERY = Battery(power_w=2_000, capacity_wh=4_000, charge_wh=2_000)
ROOF = Generation(power_w=3_000)


def customer(number: int, *devices: Battery | Generation, contract_w: int = 3_000) -> Customer:
    pod = Pod(f"IT002E{number:08d}")
    return Customer(pod=pod, contract_w=contract_w, owner=f"owner-{number}", devices=devices)


def test_the_order_in_which_customers_are_told_does_not_matter() -> None:
    one, two = customer(1, BATTERY, ROOF), customer(2, ROOF)
    assert Portfolio.of("agg", [two, one]) == Portfolio.of("agg", [one, two])
    assert Portfolio.of("agg", [two, one]).pods == ("IT002E00000001", "IT002E00000002")
    assert Portfolio.of("agg", [two, one]).groups == ("battery generation", "generation")
    assert Portfolio.of("agg", [one]).contract_w.tolist() == [3_000.0]


def test_consent_counts_by_whole_quarters() -> None:
    day = Interval(0, 4 * QUARTER_MS)
    half = replace(customer(2, ROOF), consent=Interval(1, 3 * QUARTER_MS + 1))
    consented = Portfolio.of("agg", [customer(1, ROOF), half]).consented(day)
    assert consented.tolist() == [[True] * 4, [False, True, True, False]]


def test_what_may_be_given_is_what_may_be_taken_unless_told_otherwise() -> None:
    other = replace(customer(2, ROOF), feed_in_w=0)
    assert Portfolio.of("agg", [customer(1, ROOF), other]).feed_in_w.tolist() == [3_000.0, 0.0]
    with pytest.raises(Rejected) as caught:
        replace(other, feed_in_w=-1)
    assert caught.value.reason == "bad_feed_in"


def a_list(*customers: ListedCustomer) -> CustomerList:
    return CustomerList(
        mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=3, created_ms=1, sender="agg",
        receiver="scd", validity=Interval(0, 96 * QUARTER_MS), customers=customers,
    )  # fmt: skip


LISTED = ListedCustomer(
    pod=Pod("IT002E00000001"), contract_w=3_000, feed_in_w=6_000, owner="owner-1",
    balance_party="brp", resources=(Resource.BATTERY,), consent_start_ms=0,
    consent_end_ms=4 * QUARTER_MS,
)  # fmt: skip


def test_a_list_of_customers_says_who_takes_part_and_with_what() -> None:
    devices = {LISTED.pod: (BATTERY, ROOF), Pod("IT002E00000009"): (ROOF,)}
    found = Portfolio.listed(a_list(LISTED), devices)
    expected = replace(
        customer(1, BATTERY), feed_in_w=6_000, consent=Interval(0, 4 * QUARTER_MS)
    )  # fmt: skip
    assert found == Portfolio.of("agg", [expected])
    assert Portfolio.listed(a_list(), devices).customers == ()


def test_what_is_listed_and_was_never_declared_is_refused() -> None:
    for devices in ({}, {LISTED.pod: (ROOF,)}):
        with pytest.raises(Rejected, match="battery") as caught:
            Portfolio.listed(a_list(LISTED), devices)
        assert caught.value.reason == "undeclared"


def test_a_pod_twice_is_refused() -> None:
    with pytest.raises(Rejected, match="IT002E00000001") as caught:
        Portfolio.of("agg", [customer(1, ROOF), customer(2, ROOF), customer(1, BATTERY)])
    assert caught.value.reason == "pod_twice"


def test_two_of_a_kind_and_no_contract_are_refused() -> None:
    with pytest.raises(Rejected) as caught:
        customer(1, BATTERY, BATTERY)
    assert caught.value.reason == "same_resource"
    with pytest.raises(Rejected) as caught:
        customer(1, ROOF, contract_w=0)
    assert caught.value.reason == "no_contract_power"
