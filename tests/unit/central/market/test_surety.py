"""How surely a need is delivered: what is counted beside all that can happen."""

import numpy as np
import pytest

from central.market.limits import Floats
from central.market.surety import Losses


def of(*pairs: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return powers [W] and shares."""
    powers_w, shares = np.array(pairs, dtype=float).reshape(-1, 2).T
    return powers_w, shares


def missing_w(
    need_w: float, held: tuple[Floats, Floats], spare: tuple[Floats, Floats], target: float
) -> float:
    """Return how much more must be held, 0 where nothing is."""
    losses = Losses.of(need_w, *held)
    return 0.0 if losses is None else losses.missing_w(*spare, target)


@pytest.mark.parametrize(
    ("held", "spare", "target", "missing"),
    [
        (((10.0, 0.95),), ((5.0, 0.9),), 0.9, 0.0),
        (((10.0, 0.8),), ((10.0, 0.5),), 0.9, 10.0),
        (((10.0, 0.8),), ((4.0, 0.5),), 0.9, 4.0),
        (((5.0, 0.9), (5.0, 0.9)), ((5.0, 0.9), (5.0, 0.9)), 0.95, 5.0),
        (((5.0, 0.9), (5.0, 0.9)), ((2.0, 0.9), (4.0, 0.9)), 0.95, 5.0),
        (((6.0, 0.5), (6.0, 0.9)), ((8.0, 1.0),), 0.9, 4.0),
        (((14.0, 0.9), (-4.0, 0.5)), ((20.0, 1.0),), 0.95, 14.0),
        (((4.0, 0.8),), ((10.0, 1.0),), 0.9, 4.0),
        ((), ((10.0, 1.0),), 0.9, 0.0),
    ],
)
def test_how_much_is_missing(
    held: tuple[tuple[float, float], ...],
    spare: tuple[tuple[float, float], ...],
    target: float,
    missing: float,
) -> None:
    """Needs of 10 W; the last but one has 4 W of them, the rest is unmet and needs no reserve."""
    assert missing_w(10.0, of(*held), of(*spare), target) == pytest.approx(missing, abs=0.02)


def test_losses_are_counted_so_that_the_true_chance_is_never_less() -> None:
    draw = np.random.default_rng(5)
    for _ in range(30):
        powers_w, shares = draw.uniform(1, 9, 8), draw.uniform(0.6, 1.0, 8)
        more_w, sure = draw.uniform(1, 9, 6), draw.uniform(0.6, 1.0, 6)
        need_w = float(powers_w.sum()) * 0.9
        missing = missing_w(need_w, (powers_w, shares), (more_w, sure), 0.95)
        parts = np.clip(missing - (np.cumsum(more_w) - more_w), 0.0, more_w)
        chance = chance_of(
            need_w, np.concatenate([powers_w, parts]), np.concatenate([shares, sure])
        )
        assert chance >= 0.95 - 1e-9 or missing == pytest.approx(more_w.sum())


def chance_of(need_w: float, powers_w: Floats, shares: Floats) -> float:
    """Return how likely a need is delivered, by all that can happen."""
    count = len(powers_w)
    happens = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    likely = np.where(happens, shares, 1 - shares).prod(axis=1)
    return float(likely[happens @ powers_w >= need_w - 1e-9].sum())


def test_what_is_held_beside_is_counted_as_if_it_had_been_held_from_the_beginning() -> None:
    draw = np.random.default_rng(7)
    for count in (1, 8, 40):
        powers_w, shares = draw.uniform(1, 9, count), draw.uniform(0.6, 1.0, count)
        more_w, sure = draw.uniform(-1, 9, 6), draw.uniform(0.6, 1.0, 6)
        need_w = float(powers_w.sum())
        firm = Losses.of(need_w, powers_w, shares)
        assert firm is not None
        both = Losses.of(need_w, *map(np.concatenate, ((powers_w, more_w), (shares, sure))))
        assert both is not None
        spare = np.full(9, 4.0), np.full(9, 0.9)
        beside = [firm.with_more(more_w, sure).missing_w(*spare, 0.99) for _ in range(2)]
        assert beside == [both.missing_w(*spare, 0.99)] * 2, "and the first are left as they were"
