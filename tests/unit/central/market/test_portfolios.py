"""Whose customer a POD is: the first list that names it stands, whatever is listed after it."""

from dataclasses import replace

import pytest

from central.documents.customers import CustomerList
from central.market.portfolios import check_list, standing
from ledger.errors import Rejected
from ledger.facts.pod import Pod
from tests.admissions import PODS, SECOND, listed
from tests.documents import AGGREGATOR, DAY, T1, uuid


def second(*pods: Pod, **other: int) -> CustomerList:
    return replace(listed(SECOND, *pods, **other), mrid=uuid(77))


def test_a_list_that_names_anothers_customer_is_refused_as_a_whole_by_name_and_place() -> None:
    first, late = listed(AGGREGATOR, *PODS[:2]), second(PODS[2], PODS[1])
    found = standing([first, late])
    assert found.portfolios == {AGGREGATOR: first}
    (error,) = found.refused.values()
    assert (error.reason, error.where) == ("listed_by_another", "$.customers[1].pod")
    assert AGGREGATOR not in str(error), "whose customers are whose is no competitor's business"
    assert standing([late, first]).portfolios == {SECOND: late}


def test_what_is_refused_changes_nothing_and_may_come_again_when_the_pod_is_free() -> None:
    first, own = listed(AGGREGATOR, *PODS[:2]), second(PODS[2])
    greedy = replace(second(*PODS[1:]), revision=2)
    dropped = replace(first, revision=2, customers=first.customers[:1])
    assert standing([first, own, greedy]).portfolios == {AGGREGATOR: first, SECOND: own}
    again = replace(greedy, revision=3)
    found = standing([first, own, greedy, dropped, again])
    assert found.portfolios == {AGGREGATOR: dropped, SECOND: again}


def test_who_revises_a_list_keeps_the_customers_that_were_on_it() -> None:
    first, late = listed(AGGREGATOR, PODS[0]), second(PODS[0])
    more = replace(listed(AGGREGATOR, *PODS), revision=2)
    assert standing([first, late, more]).portfolios == {AGGREGATOR: more}
    assert standing([more, first]).portfolios == {AGGREGATOR: more}, "an older one comes late"


def test_an_owner_may_go_from_one_aggregator_to_another_within_the_day() -> None:
    until = listed(AGGREGATOR, PODS[0], consent_end_ms=T1)
    since = second(PODS[0], consent_start_ms=T1)
    assert set(standing([until, since]).portfolios) == {AGGREGATOR, SECOND}
    over = second(PODS[0], consent_start_ms=T1 - 1)
    assert standing([until, over]).refused
    tomorrow = replace(
        second(PODS[0], consent_end_ms=DAY.end_ms + 2),
        validity=replace(DAY, start_ms=DAY.end_ms, end_ms=DAY.end_ms + 2),
    )
    assert not standing([listed(AGGREGATOR, PODS[0]), tomorrow]).refused


def test_nobody_is_in_their_own_way() -> None:
    mine = listed(AGGREGATOR, *PODS)
    check_list({AGGREGATOR: mine}, replace(mine, revision=2))
    with pytest.raises(Rejected):
        check_list({SECOND: mine}, mine)
