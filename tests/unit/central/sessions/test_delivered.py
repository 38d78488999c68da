"""What was called and delivered: orders with their offers, programmes, and certified quarters."""

from dataclasses import replace

import numpy as np
import pytest

from central.documents.encoding import sign
from central.documents.header import Direction, Document, QuarterPower
from central.documents.offer import Rebound
from central.documents.order import FlexOrder, OrderedOffer
from central.dso.forecast.history import History, Origin
from central.market.delivery import Call
from central.scd.documents import checked
from central.sessions import delivered
from central.sessions.delivered import DELIVERY, NOBODY
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.signing import SigningKey
from tests.documents import BASELINE, DAY, OFFER, ORDER, POD, REQUEST, T0, T1, reference, uuid
from tests.fakes.scd_documents import FakeDocuments

KEY = SigningKey.generate("EdDSA")
LATER_MS = T0


def filed(*documents: Document) -> FakeDocuments:
    store = FakeDocuments()
    for at_ms, document in enumerate(documents, 1):
        store.commit_documents([checked(sign(document, KEY))[0]], at_ms)
    return store


def order(*powers_w: int, offer: int = 5, revision: int = 1) -> FlexOrder:
    quarters = tuple(
        QuarterPower(start_ms=T0 + place * QUARTER_MS, power_w=power_w)
        for place, power_w in enumerate(powers_w)
    )
    ordered = OrderedOffer(offer=reference(offer), quarters=quarters)
    return replace(ORDER, orders=(ordered,), revision=revision)


def past(*powers_w: float, origin: Origin = Origin.CERTIFIED) -> History:
    return History(
        (POD.code,), T0, np.array([powers_w], dtype=np.float64),
        np.full((1, len(powers_w)), origin, dtype=np.uint8),
    )  # fmt: skip


def test_what_is_called_is_what_orders_say_of_offers_that_are_there() -> None:
    down = replace(OFFER, mrid=uuid(60), direction=Direction.DOWN)
    store = filed(
        OFFER, down, REQUEST, order(400, 0, 300),
        replace(order(50, offer=60), mrid=uuid(91)),
        replace(order(70, offer=6), mrid=uuid(92)), replace(order(70, offer=77), mrid=uuid(93)),
    )  # fmt: skip
    assert sorted(delivered.calls(store, DAY, LATER_MS), key=lambda each: each.up_w) == [
        Call(pod=POD.code, start_ms=T0, up_w=-50),
        Call(pod=POD.code, start_ms=T0 + 2 * QUARTER_MS, up_w=300),
        Call(pod=POD.code, start_ms=T0, up_w=400),
    ]
    assert delivered.calls(store, DAY, 3) == [], "orders that came later are not seen"
    assert delivered.calls(store, replace(DAY, start_ms=T1, end_ms=T1 + QUARTER_MS), 99) == []


def test_what_comes_back_of_a_call_moves_the_other_way() -> None:
    back = Rebound(share_permille=600, delay_s=0, duration_s=1_800)
    up, down = replace(OFFER, rebound=back), replace(OFFER, mrid=uuid(60), rebound=back)
    store = filed(
        up, replace(down, direction=Direction.DOWN),
        order(400, 0, 300), replace(order(50, offer=60), mrid=uuid(91)),
    )  # fmt: skip

    def net_w(first: int, end: int) -> list[int]:
        span = Interval(T0 + first * QUARTER_MS, T0 + end * QUARTER_MS)
        moved_w = dict.fromkeys(range(first, end), 0)
        for each in delivered.moves(store, span, LATER_MS):
            assert each.pod == POD.code
            moved_w[(each.start_ms - T0) // QUARTER_MS] += each.up_w
        return list(moved_w.values())

    assert net_w(0, 6) == [400 - 50, -120 + 15, 300 - 120 + 15, -90, -90, 0]
    assert net_w(3, 5) == [-90, -90], "what was called before comes back all the same"
    assert delivered.moves(store, DAY, 2) == [], "orders that came later are not seen"


def test_the_newest_revision_of_an_order_counts() -> None:
    store = filed(OFFER, order(400), order(100, revision=2))
    assert [each.up_w for each in delivered.calls(store, DAY, LATER_MS)] == [100]


def test_shares_rest_on_programmes_and_certified_quarters_alone() -> None:
    store = filed(BASELINE)
    called = [Call(pod=POD.code, start_ms=ms, up_w=400) for ms in (T0, T1)]
    # The programme is 1200 and 1160 W.
    assert delivered.shares_so_far(store, called, past(800.0, 1_060.0)) == {POD.code: 0.625}
    imported = past(800.0, 1_060.0, origin=Origin.IMPORTED)
    assert delivered.shares_so_far(store, called, imported) == {}
    assert delivered.shares_so_far(filed(), called, past(800.0, 1_060.0)) == {}
    assert delivered.shares_so_far(store, [], past(800.0)) == {}
    later = replace(BASELINE, revision=2, quarters=tuple(
        replace(each, power_w=each.power_w - 400) for each in BASELINE.quarters
    ))  # fmt: skip
    filed_twice = filed(BASELINE, later)
    assert delivered.shares_so_far(filed_twice, called, past(800.0, 1_060.0)) == {POD.code: 0.0}


def test_a_row_tells_the_shares_and_gives_them_back() -> None:
    shares = {POD.code: 0.9123, "IT002E00000002": 1.0}
    assert delivered.shares_told([("gate", "5"), (DELIVERY, delivered.told(shares))]) == shares
    assert delivered.told({}) == NOBODY
    assert delivered.shares_told([(DELIVERY, NOBODY)]) == delivered.shares_told([]) == {}
    for said in ("", "[]", '{"a": "x"}', "{"):
        with pytest.raises(Rejected) as caught:
            delivered.shares_told([(DELIVERY, said)])
        assert caught.value.reason == "no_shares"
