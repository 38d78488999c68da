"""What an offer costs: what it takes from its owner, and the aggregator's fee.

UP     fee + burden + what comes back, bought at retail, less what was not taken, at its worth
DOWN   fee + burden + what was taken, at its worth, less what is saved later, at feed-in price

Energy taken from the grid is worth its retail price, energy given to it the price of feed-in: so
the price rises where a movement crosses zero. Without the fee, nothing is ever offered below zero.
"""

from dataclasses import dataclass

import numpy as np

from central.aggregator.history import Floats, Integers
from central.documents.header import FULL_PERMILLE, Direction
from ledger.errors import Rejected

_QUARTER_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms the aggregator offers.

    Args:
        retail_ueur_per_mwh: what customers pay for energy, with all that hangs on it.
        feed_in_ueur_per_mwh: what they get for it, never more than that.
        fee_ueur_per_mwh: what the aggregator takes, 0 or more.
        least_w: the least that is offered in a quarter-hour, 1 or more.
        lasting_s: how long batteries can be called at the least, whole quarters: a congestion
            lasts for hours, and the market is spared the choice between many short offers.

    Raises:
        Rejected: `bad_terms`.
    """

    retail_ueur_per_mwh: int
    feed_in_ueur_per_mwh: int
    fee_ueur_per_mwh: int
    least_w: int = 100
    lasting_s: int = 7_200

    def __post_init__(self) -> None:
        """Refuse terms at which nobody could offer."""
        prices = (0, self.feed_in_ueur_per_mwh, self.retail_ueur_per_mwh)
        least = (self.fee_ueur_per_mwh, self.least_w - 1, self.lasting_s - _QUARTER_S)
        if list(prices) != sorted(prices) or min(least) < 0 or self.lasting_s % _QUARTER_S:
            raise Rejected(
                "expected 0 ≤ feed-in ≤ retail, a fee of 0 or more, 1 W or more, whole quarters",
                where="terms of the aggregator",
                remedy="check the prices of the contract",
                reason="bad_terms",
            )


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a movement before and after it crosses zero, and where it does.

    Args:
        near_ueur_per_mwh, far_ueur_per_mwh: before and after, never falling, shape (devices).
        near_w: how much is before, from 0 to all of it, shape (devices, quarters).
    """

    near_ueur_per_mwh: Integers
    far_ueur_per_mwh: Integers
    near_w: Floats


def priced(
    terms: Terms,
    direction: Direction,
    baseline_w: Floats,
    power_w: Floats,
    *,
    back_permille: Integers,
    burden_ueur_per_mwh: Integers,
) -> Prices:
    """Return the prices of a movement; fractions of a micro-euro go to the owner.

    Args:
        terms: of the aggregator.
        direction: UP or DOWN.
        baseline_w: what is taken without it, shape (devices, quarters).
        power_w: what is moved at most, same shape.
        back_permille: share of the energy that comes back, shape (devices).
        burden_ueur_per_mwh: wear or comfort, shape (devices).
    """
    retail, feed_in = terms.retail_ueur_per_mwh, terms.feed_in_ueur_per_mwh
    if direction is Direction.UP:
        spent = burden_ueur_per_mwh - (-back_permille * retail // FULL_PERMILLE)
        near, far, until_w = spent - retail, spent - feed_in, baseline_w
    else:
        spent = burden_ueur_per_mwh - back_permille * feed_in // FULL_PERMILLE
        near, far, until_w = spent + feed_in, spent + retail, -baseline_w
    return Prices(
        terms.fee_ueur_per_mwh + np.maximum(near, 0),
        terms.fee_ueur_per_mwh + np.maximum(far, 0),
        np.floor(np.clip(until_w, 0.0, power_w)),
    )
