"""Sums over points of delivery: errors that offset one another, so quantiles that do not add up.

The quantiles of a sum come from the residuals of the sum, added up row by row.
"""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from central.dso.forecast.history import Booleans, Floats, Integers, Singles
from ledger.errors import Rejected

_LEAST_SHARE = 0.5

Feeders = Mapping[str, Sequence[str]]
"""The PODs of each feeder, by its name."""
NO_FEEDERS: Feeders = {}


class FeederResiduals:
    """Adds up residuals of PODs over their feeders, block by block.

    A POD that has no residual in a row counts as one that erred like the rest: the sum of the
    others is scaled up by their share. Rows of which less than half is there do not count.
    """

    def __init__(self, names: tuple[str, ...], membership: Singles, shape: tuple[int, int]) -> None:
        self.names = names
        self._member = membership
        self._sums_w = np.zeros((len(names), *shape))
        self._there_w = np.zeros_like(self._sums_w)

    @classmethod
    def of(cls, feeders: Feeders, pods: tuple[str, ...], shape: tuple[int, int]) -> Self:
        """Return empty sums of residuals of a shape (days, slots).

        Raises:
            Rejected: a feeder names a POD that the history does not have, or has none.
        """
        place = {pod: number for number, pod in enumerate(pods)}
        membership = np.zeros((len(feeders), len(pods)), np.float32)
        for row, (name, members) in zip(membership, feeders.items(), strict=True):
            unknown = sorted(set(members) - place.keys())
            if unknown or not members:
                raise Rejected(
                    f"unknown POD {unknown[0]}" if unknown else "no POD",
                    where=f"feeder {name}",
                    remedy="name PODs of the history",
                    reason="feeder",
                )
            row[[place[pod] for pod in members]] = 1
        return cls(tuple(feeders), membership, shape)

    def add(
        self, pods: Integers, residual_w: Singles, counted: Booleans | None, scale_w: Floats
    ) -> None:
        """Add the residuals of a block, shape (pods, days, slots), 0 where not counted."""
        rows = np.flatnonzero(self._member[:, pods].any(axis=1))
        member = self._member[np.ix_(rows, pods)]
        self._sums_w[rows] += np.matmul(member, residual_w.swapaxes(0, 1)).swapaxes(0, 1)
        weighed = member * scale_w.astype(np.float32)
        if counted is None:
            self._there_w[rows] += weighed.sum(axis=1)[:, None, None]
        else:
            there_w = np.matmul(weighed, counted.astype(np.float32).swapaxes(0, 1))
            self._there_w[rows] += there_w.swapaxes(0, 1)

    def sums_w(self, of_pods_w: Floats) -> Floats:
        """Return the sums over feeders of powers of PODs [W], shape (feeders, quarters)."""
        return self._member.astype(np.float64) @ of_pods_w

    def residuals(self, scale_w: Floats) -> tuple[Floats, Booleans]:
        """Return residuals of the sums [W] and which count, shape (feeders, days, slots).

        Args:
            scale_w: size of every POD [W], new ones too.
        """
        whole_w = np.maximum(self._member @ scale_w, np.finfo(float).tiny)
        share = self._there_w / whole_w[:, None, None]
        counted = share >= _LEAST_SHARE
        scaled = np.where(counted, self._sums_w / np.where(counted, share, 1.0), 0.0)
        return scaled, counted
