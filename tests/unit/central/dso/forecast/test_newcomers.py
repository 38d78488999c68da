"""New points of delivery: like their group, scaled by their contract."""

import numpy as np
import pytest

from central.dso.forecast.history import Customers, Floats
from central.dso.forecast.newcomers import like_their_group
from ledger.errors import Rejected

LEVELS = (0.1, 0.9)
CONTRACT_W = np.array([1_000.0, 3_000.0, 2_000.0, 6_000.0, 500.0])
GROUP = ("house", "house", "house", "shop", "kiosk")
CUSTOMERS = Customers(CONTRACT_W, GROUP)


def forecast(new: list[bool]) -> tuple[Floats, Floats]:
    mean_w = np.array([[100.0, 50.0], [200.0, 250.0], [np.nan] * 2, [900.0, 90.0], [np.nan] * 2])
    quantile_w = np.stack([mean_w - 10, mean_w + 30])
    like_their_group(CUSTOMERS, np.array(new), mean_w, quantile_w, LEVELS)
    return mean_w, quantile_w


def test_the_mean_is_the_groups_per_watt_of_contract() -> None:
    mean_w, _ = forecast([False, False, True, False, True])
    assert mean_w[2].tolist() == [2_000 * 300 / 4_000, 2_000 * 300 / 4_000]


def test_a_group_of_which_nobody_is_known_is_like_everybody() -> None:
    mean_w, quantile_w = forecast([False, False, True, False, True])
    assert np.allclose(mean_w[4], [500 * 1_200 / 10_000, 500 * 390 / 10_000])
    assert np.isfinite(quantile_w).all()


def test_a_newcomer_is_as_uncertain_as_the_group_is_diverse() -> None:
    _, quantile_w = forecast([False, False, True, False, True])
    low = np.quantile([90 / 1_000, 190 / 3_000], 0.1)
    high = np.quantile([130 / 1_000, 230 / 3_000], 0.9)
    assert np.allclose(quantile_w[:, 2, 0], [2_000 * low, 2_000 * high])
    assert (quantile_w[1] >= quantile_w[0]).all()


def test_those_with_a_past_stay_as_they_are() -> None:
    mean_w, _ = forecast([False, False, True, False, True])
    assert mean_w[[0, 1, 3]].tolist() == [[100, 50], [200, 250], [900, 90]]


def test_nobody_new_changes_nothing_and_nobody_known_is_refused() -> None:
    mean_w = np.full((5, 2), 7.0)
    quantile_w = np.stack([mean_w, mean_w])
    like_their_group(CUSTOMERS, np.zeros(5, np.bool_), mean_w, quantile_w, LEVELS)
    assert (mean_w == 7).all()
    with pytest.raises(Rejected, match="no POD has enough of a past"):
        like_their_group(CUSTOMERS, np.ones(5, np.bool_), mean_w, quantile_w, LEVELS)
