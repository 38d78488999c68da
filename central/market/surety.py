"""How surely a need is delivered by those who deliver all that they sold, or nothing.

```
 loss [bins]     0     1     2     3   …          each: delivers with its share, loses its power
 likely        0.72  0.18  0.08  0.02  …          with the rest; losses are counted upwards
                └─ borne by a surplus of 2 ─┘
```
"""

import math
from collections.abc import Sequence

import numpy as np

from central.market.binding import TAKEN_W
from central.market.limits import Floats

_BINS = 1_000
"""Losses are counted upwards in thousandths of a row's need."""
_SURE = 1e-9
_ROOM = 2
_FEW = 64
_NEVER = 1e-15  # never counted as borne, so that a need is never less sure than it is told


class Losses:
    """How likely it is that so much is lost, in bins counted upwards; and what can be borne."""

    def __init__(self, bin_w: float, surplus_w: float) -> None:
        self.bin_w, self.surplus_w = bin_w, surplus_w
        self._likely = np.zeros(_ROOM * _BINS)
        self._likely[0] = 1.0
        self._count = 1

    @classmethod
    def of(cls, need_w: float, powers_w: Floats, shares: Floats) -> "Losses | None":
        """Return the losses of what is held for a need; None if nothing is.

        Where less is held than needed, what is held is the need: the rest is unmet anyhow.

        Args:
            need_w: what must be delivered, above 0.
            powers_w: of each that is sold [W]; below 0 is harm, counted as delivered for sure.
            shares: how surely each delivers, 0 … 1.
        """
        net_w = float(powers_w.sum())
        if net_w <= TAKEN_W:
            return None
        losses = cls(min(need_w, net_w) / _BINS, max(net_w - need_w, 0.0))
        losses.add_all(powers_w, shares)
        return losses

    def with_more(self, powers_w: Floats, shares: Floats) -> "Losses":
        """Return them with more that is held, all of it beyond the need."""
        more = Losses(self.bin_w, max(self.surplus_w + float(powers_w.sum()), 0.0))
        more._likely, more._count = self._likely.copy(), self._count
        more.add_all(powers_w, shares)
        return more

    def add_all(self, powers_w: Floats, shares: Floats) -> None:
        """Let each lose its power, unless it delivers."""
        there = powers_w > TAKEN_W
        bins = np.ceil(powers_w[there] / self.bin_w - _SURE).astype(np.int64).tolist()
        lost = list(zip(bins, shares[there].tolist(), strict=True))
        for first in range(0, len(lost), _FEW):
            self._add(lost[first : first + _FEW])

    def _add(self, lost: Sequence[tuple[int, float]]) -> None:
        """Let a few lose their bins; losses that are all but impossible are not counted on."""
        most, count = self._count + sum(bins for bins, _ in lost), self._count
        if most > len(self._likely):
            self._likely = np.concatenate([self._likely, np.zeros(most)])
        likely = self._likely
        for bins, share in lost:
            without = likely[:count] * (1.0 - share)
            likely[:count] *= share
            likely[bins : bins + count] += without
            count += bins
        self._count = count - int(np.searchsorted(np.cumsum(likely[:count][::-1]), _NEVER))
        likely[self._count : count] = 0.0

    def add(self, power_w: float, share: float) -> None:
        """Let somebody lose their power, unless they deliver."""
        self.add_all(np.array([power_w]), np.array([share]))

    def missing_w(self, powers_w: Floats, shares: Floats, target: float) -> float:
        """Return how much more must be held to be sure enough [W]; all there is if that is less.

        Args:
            powers_w: of each that could be added, in this order; they are [W].
            shares: how surely each delivers, 0 … 1.
            target: the probability that is asked for, 0 … 1.
        """
        added_w = 0.0
        for power_w, share in zip(powers_w.tolist(), shares.tolist(), strict=True):
            if self._borne() >= target - _SURE:
                break
            enough_w = self._enough_w(power_w, share, target)
            added_w += enough_w
            self.surplus_w += enough_w
            self.add(enough_w, share)
        return added_w

    def _borne(self, more_w: float = 0.0) -> float:
        """Return how likely it is that no more is lost than can be borne, with more to bear it."""
        bins = math.floor((self.surplus_w + more_w) / self.bin_w + _SURE)
        return float(self._likely[: min(bins + 1, self._count)].sum())

    def _enough_w(self, power_w: float, share: float, target: float) -> float:
        """Return how much of somebody's power makes it sure enough; all where none does [W]."""
        wanted = target - (1.0 - share) * self._borne() - _SURE
        if share * self._borne(power_w) < wanted:
            return power_w
        low, high = 0, math.ceil(power_w / self.bin_w - _SURE)
        while high - low > 1:
            middle = (low + high) // 2
            is_enough = share * self._borne(middle * self.bin_w) >= wanted
            low, high = (low, middle) if is_enough else (middle, high)
        return min(high * self.bin_w, power_w)
