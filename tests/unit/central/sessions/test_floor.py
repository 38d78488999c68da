"""The floor: who sits there, and what each may see."""

from dataclasses import replace

import numpy as np

from central.aggregator.portfolio import Portfolio
from central.documents.availability import Resource
from central.documents.configuration import GridConfiguration
from central.documents.encoding import decode, encode
from central.documents.header import Envelope
from central.dso.forecast.history import History, Origin
from central.sessions.floor import history_of
from central.sessions.scada import Standing
from ledger.facts.interval import QUARTER_MS, Interval
from tests.books import mrid
from tests.desks import demo
from tests.documents import CONFIGURATION
from tests.floors import Scene, seat
from tests.scd import HandClock

DAY = Interval(1_780_005_600_000, 1_780_092_000_000)
ENVELOPE = Envelope(mrid=mrid("list"), created_ms=1, sender="aggregator-1", receiver="scd")


def test_a_list_names_those_who_have_something_and_consent() -> None:
    made = seat("aggregator-1", 0, 8)
    first, second, third, *rest = made.portfolio.customers
    others = [
        replace(first, devices=()),
        replace(second, consent=Interval(0, DAY.start_ms)),
        replace(third, consent=Interval(0, DAY.start_ms + 1), feed_in_w=0),
    ]
    changed = replace(made, portfolio=Portfolio.of("aggregator-1", [*others, *rest]))
    told = changed.portfolio.listing(changed.brp, ENVELOPE, DAY)
    assert decode(encode(told)) == told
    listed = {each.pod: each for each in told.customers}
    assert first.pod not in listed
    assert second.pod not in listed
    assert (listed[third.pod].feed_in_w, listed[third.pod].consent_end_ms) == (0, DAY.start_ms + 1)
    assert {each.balance_party for each in told.customers} == {"brp"}
    assert set(Resource) == {kind for each in told.customers for kind in each.resources}


def test_every_pod_and_node_of_the_grid_has_its_place() -> None:
    floor = Scene(clock=HandClock(0)).floor()
    assert set(floor.nodes) == set(demo().pods)
    assert set(floor.nodes.values()) <= set(floor.zones)
    assert set(floor.zones.values()) == {", ".join(each.name for each in demo().substations)}


def test_an_aggregator_sees_its_own_customers_past_and_what_is_not_known_is_a_gap() -> None:
    own = seat("aggregator-1", 0, 8).portfolio
    pods = (own.pods[1], "IT002E99999999", own.pods[0])
    origin = np.full((3, 2), Origin.CERTIFIED, dtype=np.uint8)
    origin[0, 1] = Origin.MISSING
    power_w = np.array([[3.0, 0.0], [2.0, 2.0], [4.0, 5.0]])
    seen = history_of(own, History(pods, DAY.start_ms, power_w, origin))
    assert seen.pods == (own.pods[1], own.pods[0])
    assert np.array_equal(seen.power_w, [[3.0, np.nan], [4.0, 5.0]], equal_nan=True)


def test_own_means_are_handed_over_once_however_often_the_session_is_read_back() -> None:
    scene = Scene(clock=HandClock(0))
    taken: list[str] = []

    class Counting:
        """A SCADA that notes what it was given."""

        def standing(self) -> Standing:
            return Standing({}, {})

        def configure(self, configuration: GridConfiguration) -> int:
            taken.append(configuration.mrid)
            return 0

    for _ in range(2):
        floor = replace(scene.floor(), scada=Counting())
        floor.configure(floor.begun("s"), "DA-6a", CONFIGURATION)
    assert taken == [CONFIGURATION.mrid]


def test_a_quarter_in_which_flexibility_was_called_for_is_a_gap() -> None:
    own = seat("aggregator-1", 0, 8).portfolio
    origin = np.full((2, 3), Origin.CERTIFIED, dtype=np.uint8)
    history = History(own.pods[:2], DAY.start_ms, np.arange(6.0).reshape(2, 3), origin)
    called = [
        (own.pods[1], DAY.start_ms + QUARTER_MS), (own.pods[0], DAY.start_ms - QUARTER_MS),
        (own.pods[0], DAY.start_ms + 3 * QUARTER_MS), ("IT002E99999999", DAY.start_ms),
    ]  # fmt: skip
    seen = history_of(own, history, called)
    assert np.array_equal(seen.power_w, [[0.0, 1.0, 2.0], [3.0, np.nan, 5.0]], equal_nan=True)
    assert not np.isnan(history.power_w).any()
