"""I-02: a list names each customer once, with a consent that says something of its days."""

import json
from dataclasses import replace
from typing import Any

import pytest

from central.documents.availability import Resource
from central.documents.encoding import from_json, parsed, to_json
from ledger.errors import Rejected
from ledger.facts.interval import Interval
from ledger.facts.pod import Pod
from tests.documents import CUSTOMERS, DAY, T0

(CUSTOMER,) = CUSTOMERS.customers
FIRST = replace(CUSTOMER, pod=Pod("IT002E00000000"))


def told(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 -- any JSON
    """Return the JSON of the list with fields of its one customer changed; None takes one away."""
    document = to_json(CUSTOMERS)
    customer = document["customers"][0] | changes
    document["customers"] = [{k: v for k, v in customer.items() if v is not None}]
    return document


def refused(document: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(Rejected) as caught:
        from_json(parsed(json.dumps(document)))
    return caught.value.where, caught.value.reason


def test_a_list_may_name_nobody() -> None:
    nobody = replace(CUSTOMERS, revision=2, customers=())
    assert from_json(to_json(nobody)) == nobody


@pytest.mark.parametrize(
    ("changes", "where", "reason"),
    [
        ({"contract_kw": 6, "contract_w": None}, "contract_kw", "wrong_unit"),
        ({"phone": "06 1234"}, "phone", "unknown_field"),
        ({"contract_w": 0}, "contract_w", "out_of_range"),
        ({"feed_in_w": -1}, "feed_in_w", "out_of_range"),
        ({"feed_in_w": None}, "feed_in_w", "missing_field"),
        ({"resources": []}, "resources", "out_of_range"),
        ({"resources": ["battery", "battery"]}, "resources[1]", "duplicate_entry"),
        ({"resources": ["generation", "battery"]}, "resources[1]", "not_in_order"),
        ({"resources": ["boiler"]}, "resources[0]", "wrong_type"),
        ({"consent_start_at": "2026-10-25T00:00:00"}, "consent_start_at", "naive_time"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    changes: dict[str, Any], where: str, reason: str
) -> None:
    assert refused(told(**changes)) == (f"$.customers[0].{where}", reason)


def test_a_consent_that_ends_before_it_starts_is_refused() -> None:
    ends = {"consent_end_at": told()["customers"][0]["consent_start_at"]}
    assert refused(told(**ends)) == ("$.customers[0]", "contradiction")


@pytest.mark.parametrize("consent", [Interval(T0 - 9, T0), Interval(DAY.end_ms, DAY.end_ms + 9)])
def test_nobody_is_named_without_a_consent_for_these_days(consent: Interval) -> None:
    outside = replace(CUSTOMER, consent_start_ms=consent.start_ms, consent_end_ms=consent.end_ms)
    with pytest.raises(ValueError, match="the consent of IT002E00000001 lies outside"):
        replace(CUSTOMERS, customers=(outside,))


def test_customers_stand_in_order_and_once() -> None:
    document = to_json(replace(CUSTOMERS, customers=(FIRST, CUSTOMER)))
    first, second = document["customers"]
    for order, reason in (([second, first], "not_in_order"), ([first, first], "duplicate_entry")):
        assert refused(document | {"customers": order}) == ("$.customers[1]", reason)


def test_a_customer_tells_its_consent_as_an_interval() -> None:
    assert CUSTOMER.consent == Interval(T0 - 7, DAY.end_ms)
    assert Resource.BATTERY in CUSTOMER.resources
