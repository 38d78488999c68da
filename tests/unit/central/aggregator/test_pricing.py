"""What an offer costs: burden, what comes back, what the energy is worth, and the fee."""

import numpy as np
import pytest

from central.aggregator.history import Floats
from central.aggregator.pricing import Prices, Terms, priced
from central.documents.header import Direction
from ledger.errors import Rejected

TERMS = Terms(retail_ueur_per_mwh=300, feed_in_ueur_per_mwh=100, fee_ueur_per_mwh=7)


def of(direction: Direction, baseline_w: Floats, back_permille: int = 0, burden: int = 0) -> Prices:
    return priced(
        TERMS, direction, baseline_w, np.full_like(baseline_w, 400.0),
        back_permille=np.array([back_permille]), burden_ueur_per_mwh=np.array([burden]),
    )  # fmt: skip


def test_less_taken_saves_retail_and_more_given_earns_feed_in() -> None:
    prices = of(Direction.UP, np.array([[1_000.0, 150.5, -20.0]]), burden=500)
    assert prices.near_ueur_per_mwh.tolist() == [500 - 300 + 7]
    assert prices.far_ueur_per_mwh.tolist() == [500 - 100 + 7]
    assert prices.near_w.tolist() == [[400.0, 150.0, 0.0]]


def test_less_given_loses_feed_in_and_more_taken_costs_retail() -> None:
    prices = of(Direction.DOWN, np.array([[-1_000.0, -150.5, 20.0]]))
    assert prices.near_ueur_per_mwh.tolist() == [100 + 7]
    assert prices.far_ueur_per_mwh.tolist() == [300 + 7]
    assert prices.near_w.tolist() == [[400.0, 150.0, 0.0]]


def test_what_comes_back_is_bought_at_retail_and_what_is_saved_later_is_worth_feed_in() -> None:
    up = of(Direction.UP, np.array([[1_000.0]]), back_permille=1_111)
    assert up.near_ueur_per_mwh.tolist() == [334 - 300 + 7]
    down = of(Direction.DOWN, np.array([[1_000.0]]), back_permille=905)
    assert down.far_ueur_per_mwh.tolist() == [300 - 90 + 7]


def test_nobody_pays_for_being_moved_and_the_fee_stays() -> None:
    assert of(Direction.UP, np.array([[1_000.0]])).near_ueur_per_mwh.tolist() == [7]


@pytest.mark.parametrize(
    ("retail", "feed_in", "fee", "least_w", "lasting_s"),
    [
        (100, 200, 0, 1, 900),
        (100, -1, 0, 1, 900),
        (100, 50, -1, 1, 900),
        (100, 50, 0, 0, 900),
        (100, 50, 0, 1, 0),
        (100, 50, 0, 1, 1_000),
    ],
)
def test_terms_at_which_nobody_could_offer_are_refused(
    retail: int, feed_in: int, fee: int, least_w: int, lasting_s: int
) -> None:
    with pytest.raises(Rejected) as caught:
        Terms(
            retail_ueur_per_mwh=retail, feed_in_ueur_per_mwh=feed_in, fee_ueur_per_mwh=fee,
            least_w=least_w, lasting_s=lasting_s,
        )  # fmt: skip
    assert caught.value.reason == "bad_terms"
