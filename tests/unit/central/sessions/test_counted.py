"""What was sold before is counted on in the hours: delivered, and coming back, whenever it was."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central.documents.encoding import sign
from central.documents.header import Buyer, Direction, Envelope, Horizon
from central.documents.offer import FlexOffer, Rebound
from central.documents.outcome import Award, AwardedQuarter, AwardKind, MarketOutcome, Stage
from central.market.book import reference
from central.scd.documents import checked
from central.sessions.counted import counted_on, reach_of
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from ledger.signing import SigningKey
from tests.books import HOUR, START_MS, at, line_request, mrid, offer
from tests.fakes.scd_documents import FakeDocuments
from tests.villages import village

KEY = SigningKey.generate("EdDSA")
DAY_QUARTERS = 96
HOURS = Interval(START_MS, START_MS + 16 * QUARTER_MS)


def of(number: int, rebound: Rebound | None, direction: Direction = Direction.UP) -> FlexOffer:
    made = offer(
        number, 1, 50_000, quarters=range(-DAY_QUARTERS, 16), validity=reach_of(HOURS),
        rebound=rebound, direction=direction,
    )  # fmt: skip
    return replace(made, pod=Pod(village().pods[number]))


def sold(
    made: FlexOffer, quarters: dict[int, int], kind: AwardKind = AwardKind.FIRM
) -> MarketOutcome:
    """Return an outcome that takes so many watts of an offer in each quarter of the hours."""
    header = Envelope(mrid=mrid("outcome"), created_ms=9, sender="market", receiver="dso")
    award = Award(
        offer=reference(made), request=reference(line_request({0: 1})), kind=kind,
        buyer=Buyer.DSO, pod=made.pod, direction=made.direction, effect_nano_per_w=1,
        because="it helps",
        quarters=tuple(
            AwardedQuarter(start_ms=at(each), power_w=power_w, price_ueur_per_mwh=1)
            for each, power_w in sorted(quarters.items())
        ),
    )  # fmt: skip
    return MarketOutcome(
        **header.header(HOUR), session="s", horizon=Horizon.DAY_AHEAD, stage=Stage.FINAL,
        awards=(award,), not_taken=(), unmet=(),
    )  # fmt: skip


def store_of(*offers: FlexOffer) -> FakeDocuments:
    store = FakeDocuments()
    store.commit_documents([checked(sign(each, KEY))[0] for each in offers], 1)
    return store


def changed_w(made: FlexOffer, *outcomes: MarketOutcome) -> list[float]:
    """Return what is drawn more at the node of an offer's POD in each quarter of the hours [W]."""
    found = counted_on(village(), store_of(made), outcomes, HOURS).changed_va(village())
    node = village().pod_node[village().pod(made.pod.code)]
    others = np.delete(found, node, axis=1)
    assert not others.any()
    return [float(each) for each in found[:, node].real]


HALF_AN_HOUR = Rebound(share_permille=500, delay_s=900, duration_s=1_800)


@pytest.mark.parametrize(("direction", "sign_"), [(Direction.UP, -1), (Direction.DOWN, 1)])
def test_what_is_sold_is_delivered_and_comes_back_the_other_way(
    direction: Direction, sign_: int
) -> None:
    made = of(0, HALF_AN_HOUR, direction)
    found = changed_w(made, sold(made, {1: 800}))
    assert found[:6] == [0.0, sign_ * 800.0, 0.0, -sign_ * 200.0, -sign_ * 200.0, 0.0]
    assert not any(found[6:])


def test_what_comes_back_of_hours_before_is_drawn_though_it_was_sold_in_none_of_these() -> None:
    made = of(0, Rebound(share_permille=1_000, delay_s=0, duration_s=3_600))
    assert changed_w(made, sold(made, {-2: 400}))[:4] == [100.0, 100.0, 100.0, 0.0]
    late = of(0, Rebound(share_permille=1_000, delay_s=22 * 3_600, duration_s=3_600))
    assert sum(changed_w(late, sold(late, {-DAY_QUARTERS: 400}))) == 0.0, "it is over by then"
    assert sum(changed_w(late, sold(late, {-90: 400}))) == 300.0


def test_where_both_fall_together_what_is_left_of_both_is_drawn() -> None:
    made = of(0, Rebound(share_permille=1_000, delay_s=0, duration_s=900))
    assert changed_w(made, sold(made, {0: 300, 1: 500}))[:3] == [-300.0, -200.0, 500.0]


def test_reserve_is_not_counted_on_and_nothing_comes_back_of_it() -> None:
    made = of(0, HALF_AN_HOUR)
    assert not any(changed_w(made, sold(made, {0: 300}, AwardKind.RESERVE)))


def test_it_is_told_how_much() -> None:
    made = of(0, HALF_AN_HOUR)
    found = counted_on(village(), store_of(made), [sold(made, {1: 8_000})], HOURS)
    assert found.statement() == "2.0 kWh sold before are counted on, and 1.0 kWh that come back"
    nothing = counted_on(village(), store_of(), [], HOURS)
    assert nothing.statement().startswith("0.0 kWh")
    assert not nothing.changed_va(village()).any()


def test_an_offer_that_is_not_there_is_told() -> None:
    made = of(0, None)
    with pytest.raises(Rejected, match="not among those given"):
        counted_on(village(), store_of(), [sold(made, {0: 300})], HOURS)


def test_a_day_before_the_hours_is_looked_at() -> None:
    assert reach_of(HOURS) == Interval(HOURS.start_ms - 86_400_000, HOURS.end_ms)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(-8, 4), st.integers(1, 5_000), min_size=1),
    st.integers(0, 2_000), st.integers(0, 3_600), st.integers(1, 3_600),
)  # fmt: skip
def test_as_much_comes_back_as_the_offer_says(
    quarters: dict[int, int], share_permille: int, delay_s: int, duration_s: int
) -> None:
    """Whatever came back before the hours and comes back in them is its share of what was sold."""
    rebound = Rebound(share_permille=share_permille, delay_s=delay_s, duration_s=duration_s)
    made = of(0, rebound)
    found = counted_on(village(), store_of(made), [sold(made, quarters)], HOURS)
    assert found.back_w.sum() == pytest.approx(sum(quarters.values()) * share_permille / 1_000)
    again = counted_on(
        village(), store_of(made), [sold(made, {each: w}) for each, w in quarters.items()], HOURS
    )
    np.testing.assert_allclose(again.changed_va(village()), found.changed_va(village()))
