"""Sums over feeders: residuals added up, not their quantiles."""

import numpy as np
import pytest

from central.dso.forecast.feeders import FeederResiduals
from central.dso.forecast.history import Booleans
from ledger.errors import Rejected

PODS = tuple(f"IT002E0000000{n}" for n in range(4))
FEEDERS = {"north": PODS[:3], "all": PODS}
DICE = np.random.default_rng(5)
RESIDUAL_W = DICE.standard_normal((4, 6, 8)).astype(np.float32)
SCALE_W = np.array([1.0, 2.0, 3.0, 4.0])


def added(counted: Booleans | None) -> FeederResiduals:
    sums = FeederResiduals.of(FEEDERS, PODS, (6, 8))
    residual_w = RESIDUAL_W if counted is None else RESIDUAL_W * counted
    for block in (np.array([1, 3]), np.array([0, 2])):
        of_block = None if counted is None else counted[block]
        sums.add(block, residual_w[block], of_block, SCALE_W[block])
    return sums


def test_residuals_add_up_row_by_row() -> None:
    found, counted = added(None).residuals(SCALE_W)
    assert counted.all()
    assert np.allclose(found[0], RESIDUAL_W[:3].sum(axis=0), atol=1e-5)
    assert np.allclose(found[1], RESIDUAL_W.sum(axis=0), atol=1e-5)


def test_all_counted_is_the_same_as_no_mask() -> None:
    masked = added(np.ones(RESIDUAL_W.shape, np.bool_)).residuals(SCALE_W)
    assert all(
        np.allclose(*two) for two in zip(masked, added(None).residuals(SCALE_W), strict=True)
    )


def test_who_is_not_there_errs_like_the_rest() -> None:
    counted = np.ones(RESIDUAL_W.shape, np.bool_)
    counted[1, 2] = False
    found, there = added(counted).residuals(SCALE_W)
    assert there.all()
    assert np.allclose(found[0, 2], (RESIDUAL_W[0, 2] + RESIDUAL_W[2, 2]) * 6 / 4, atol=1e-5)


def test_a_row_with_less_than_half_does_not_count() -> None:
    counted = np.ones(RESIDUAL_W.shape, np.bool_)
    counted[2:, 4] = False
    found, there = added(counted).residuals(SCALE_W)
    assert not there[1, 4].any()
    assert not found[1, 4].any()
    assert there[:, :4].all()


def test_powers_add_up() -> None:
    power_w = DICE.standard_normal((4, 5))
    found = FeederResiduals.of(FEEDERS, PODS, (1, 1)).sums_w(power_w)
    assert np.allclose(found, [power_w[:3].sum(axis=0), power_w.sum(axis=0)])


def test_a_feeder_of_nothing_but_zero_is_no_trouble() -> None:
    found, counted = FeederResiduals.of(FEEDERS, PODS, (2, 3)).residuals(np.zeros(4))
    assert not found.any()
    assert not counted.any()


@pytest.mark.parametrize(
    ("members", "told"),
    [((*PODS, "IT002E99999999"), "feeder south: unknown POD IT002E99999999"), ((), "no POD")],
)
def test_a_feeder_has_pods_of_the_history(members: tuple[str, ...], told: str) -> None:
    with pytest.raises(Rejected, match=told):
        FeederResiduals.of({"south": members}, PODS, (1, 1))
