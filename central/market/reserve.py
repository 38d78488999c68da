"""How much is taken beyond the need, so that it is met although somebody does not deliver."""

from statistics import NormalDist

import numpy as np

from central.market.limits import Floats
from central.market.rules import ReserveRule

_LEAST_TARGET, _MOST_TARGET = 0.5, 0.9999


def reserve_need_w(
    rule: ReserveRule, need_w: float, contributions_w: Floats, delivered: Floats, target: float
) -> float:
    """Return what reserve must be able to bring to a row [W].

    `LARGEST_OFFER`: what is met stays met when the offer that brings most brings nothing.
    `DELIVERY_HISTORY`: it is met with a probability, each offer delivering all or nothing by
    itself; their sum is taken to be normal, as the more it is the more they are.

    Args:
        rule: of the market.
        need_w: of the row.
        contributions_w: what each offer taken brings to it, shape (offers).
        delivered: how often each has delivered, 0 … 1, shape (offers).
        target: the probability asked for, 0 … 1.
    """
    brought_w = float(contributions_w.sum())
    met_w = min(need_w, brought_w)
    if rule is ReserveRule.NONE or met_w <= 0 or not len(contributions_w):
        return 0.0
    if rule is ReserveRule.LARGEST_OFFER:
        sure_w = brought_w - float(contributions_w.max())
    else:
        spread_w = float(np.sqrt((delivered * (1 - delivered) * contributions_w**2).sum()))
        deviations = NormalDist().inv_cdf(min(max(target, _LEAST_TARGET), _MOST_TARGET))
        sure_w = float((delivered * contributions_w).sum()) - deviations * spread_w
    return max(0.0, met_w - sure_w)
