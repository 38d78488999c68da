"""What a session admits: what the store stamped in time, held to the registry."""

from dataclasses import replace

from central.documents.encoding import sign
from central.documents.header import Buyer
from central.market.admission import admit
from central.market.book import reference
from central.market.rules import Rules
from central.scd.documents import checked
from central.sessions.admitting import (
    arrived,
    market_day,
    nodes_of,
    refused_offers,
    tan_phi_of,
    zones_of,
)
from central.sessions.day_ahead import gates_of
from central.sessions.desk import Parties
from tests.books import HOUR, SESSION, line_request, offer
from tests.desks import DAY, demo
from tests.fakes.scd_documents import FakeDocuments
from tests.floors import KEYS


def test_the_registry_is_the_grids() -> None:
    grid = demo()
    day = market_day(grid, gates_of(DAY), Rules(), [], Parties())
    assert set(day.contracts) == set(grid.pods) == set(nodes_of(grid))
    assert day.contracts[grid.pods[0]].take_w == grid.connections[0].contract_w
    assert set(nodes_of(grid).values()) <= set(zones_of(grid))
    assert tan_phi_of(grid) == dict(zip(grid.pods, grid.tan_phi, strict=True))
    assert day.buyers == {"dso": Buyer.DSO, "tso": Buyer.TSO}


def test_what_was_handed_in_comes_with_its_stamp_and_other_sessions_stay_out() -> None:
    store = FakeDocuments()
    key = KEYS["market"]
    for at_ms, document in [
        (5, offer(1)), (9, line_request({0: 1})), (7, offer(2, session="another")),
    ]:  # fmt: skip
        store.commit_documents([checked(sign(document, key))[0]], at_ms)
    found = arrived(store, SESSION, HOUR)
    assert [(each.document.ii, each.at_ms) for each in found] == [("I-05", 5), ("I-06", 9)]


def test_an_offer_that_is_refused_is_told_by_name_and_reason() -> None:
    store = FakeDocuments()
    stranger = offer(1)
    store.commit_documents([checked(sign(stranger, KEYS["market"]))[0]], 5)
    gates = replace(gates_of(DAY), session=SESSION, interval=HOUR)
    day = market_day(demo(), gates, Rules(), [], Parties())
    given = arrived(store, SESSION, HOUR)
    told = refused_offers(admit(day, given), given)
    assert told[reference(stranger)].startswith("not admitted, other_gate:")
