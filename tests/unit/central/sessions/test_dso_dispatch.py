"""AC-3a: from orders to set-points, with what was sent before."""

from dataclasses import replace

import numpy as np
import pytest

from central.documents.encoding import sign
from central.documents.header import Direction, Horizon
from central.documents.offer import Rebound
from central.documents.order import SetPoint
from central.dso.grid.model import Floats
from central.dso.powerflow import AS_BUILT
from central.dso.telling.set_points import Silence
from central.dsos.screen import short_figures, tell_dispatched
from central.scd.documents import checked
from central.sessions.desk import Desk, Expected
from central.sessions.dso_dispatch import (
    Called,
    Dispatched,
    admitted,
    dso_dispatch,
    held_set_points,
)
from ledger.errors import Rejected
from ledger.facts.interval import Interval
from ledger.signing import SigningKey
from tests.activations import called
from tests.desks import DAY, desk
from tests.fakes.scd_documents import FakeDocuments

HALF_AN_HOUR = Rebound(share_permille=1_000, delay_s=0, duration_s=1_800)


@pytest.fixture(scope="module")
def made() -> Desk:
    return desk(0.8)


@pytest.fixture(scope="module")
def expected(made: Desk) -> Expected:
    return made.expected(made.forecast_day(DAY), Horizon.DAY_AHEAD)


def span(expected: Expected) -> Interval:
    return expected.forecast.interval


def dispatched(
    made: Desk, expected: Expected, given: Called, held: dict[str, list[SetPoint]] | None = None
) -> Dispatched:
    orders = admitted(made, span(expected), given, held or {})
    return dso_dispatch(made, expected, AS_BUILT, orders, silence=Silence())


def test_every_pod_is_told_and_the_row_has_ended(made: Desk, expected: Expected) -> None:
    one, other = made.grid.pods[:2]
    found = dispatched(made, expected, called(span(expected), {one: {48: 200}, other: {49: 300}}))
    assert found.steps == ["AC-3a"]
    assert found.dispatch.cuts == ()
    assert {each.pod.code: each.difference_w for each in found.documents} == {
        one: -200, other: -300
    }  # fmt: skip
    assert {each.sender for each in found.documents} == {made.parties.dso}


def test_what_a_contract_leaves_no_room_for_is_told(
    made: Desk, expected: Expected, capsys: pytest.CaptureFixture[str]
) -> None:
    pod = made.grid.pods[0]
    contract_w = int(made.grid.connections[0].contract_w)
    wanted_w, room_w = contract_w + 3_500, contract_w + 3_048  # it draws 3 kW and 48 W then
    given = called(span(expected), {pod: {48: wanted_w}})
    found = dispatched(made, expected, given)
    order, offer = given.orders[0].mrid, given.offers[0].mrid
    assert short_figures(made, found) == {"cuts": [{
        "order": order, "offer": offer, "pod": pod, "start_at": "2026-06-18T12:00:00+02:00",
        "asked_w": wanted_w, "accepted_w": room_w, "limit": "contract", "element": pod,
    }]}  # fmt: skip
    tell_dispatched(made, found)
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{pod} gets {room_w} of {wanted_w} W at 18 12:00: contract of {pod} "
        f"(order {order}, offer {offer})"
    )


def test_without_orders_nobody_is_told(made: Desk, expected: Expected) -> None:
    found = dispatched(made, expected, called(span(expected), {}))
    assert (found.steps, found.documents) == (["AC-3a"], ())


def test_a_pod_that_is_sold_twice_is_named(made: Desk, expected: Expected) -> None:
    one, other = made.grid.pods[:2]
    given = called(span(expected), {one: {48: 200}, other: {48: 200}})
    first, second = given.offers
    (outcome,) = given.outcomes
    offers = [first, replace(second, pod=first.pod)]
    awards = tuple(replace(each, pod=first.pod) for each in outcome.awards)
    twice = replace(given, offers=offers, outcomes=[replace(outcome, awards=awards)])
    with pytest.raises(Rejected, match=f"{one} is ordered twice"):
        dispatched(made, expected, twice)


def test_an_offer_of_a_pod_that_the_grid_does_not_know_is_named(
    made: Desk, expected: Expected
) -> None:
    with pytest.raises(Rejected, match="IT999E99999999"):
        dispatched(made, expected, called(span(expected), {"IT999E99999999": {48: 200}}))


def test_what_was_sent_before_is_read_back_and_numbers_go_on(
    made: Desk, expected: Expected
) -> None:
    one, other = made.grid.pods[:2]
    store, key = FakeDocuments(), SigningKey.generate("EdDSA")
    first = dispatched(made, expected, called(span(expected), {one: {48: 200}, other: {1: 10}}))
    order = called(span(expected), {one: {48: 200}}).orders[0]
    signed = [checked(sign(each, key))[0] for each in (*first.documents, order)]
    store.commit_documents(signed, arrived_ms=1)
    held = held_set_points(store, frozenset({one}))
    assert {pod: [each.sequence for each in given] for pod, given in held.items()} == {one: [0]}
    again = dispatched(made, expected, called(span(expected), {one: {48: 150}}), held=held)
    (only,) = again.documents
    assert (only.sequence, only.supersedes) == (1, held[one][0].mrid)


@pytest.mark.parametrize(("direction", "sign_"), [(Direction.UP, 1), (Direction.DOWN, -1)])
def test_what_comes_back_of_what_was_sent_before_is_in_what_is_checked(
    made: Desk, expected: Expected, direction: Direction, sign_: int
) -> None:
    one, other = made.grid.pods[:2]
    first = dispatched(
        made, expected,
        called(span(expected), {one: {48: 200}}, rebound=HALF_AN_HOUR, direction=direction),
    )  # fmt: skip
    assert [each.difference_w for each in first.documents] == [sign_ * -200, 0, 0]
    standing_w = standing(made, expected, first, other)
    assert standing_w[47:52].tolist() == [0, sign_ * -200, sign_ * 100, sign_ * 100, 0]


def test_no_more_comes_back_than_the_contract_lets_in(made: Desk, expected: Expected) -> None:
    one, other = made.grid.pods[:2]
    near_w = int(made.grid.connections[0].contract_w) - 80  # a watt more in each quarter
    first = dispatched(
        made, expected,
        called(span(expected), {one: {48: 200}}, rebound=HALF_AN_HOUR, baseline_w=near_w),
    )  # fmt: skip
    assert standing(made, expected, first, other)[47:52].tolist() == [0, -200, 31, 30, 0]


def standing(made: Desk, expected: Expected, first: Dispatched, other: str) -> Floats:
    """Return what set-points make their node draw more when another POD is ordered [W]."""
    (pod,) = {each.pod.code for each in first.documents}
    held = {pod: list(first.documents)}
    given = called(span(expected), {other: {49: 300}})
    standing_va = admitted(made, span(expected), given, held).standing_va
    assert np.count_nonzero(standing_va.any(axis=0)) == 1
    return standing_va[:, made.grid.pod_node[made.grid.pod(pod)]].real
