"""Ridge regression of many points of delivery at once: one set of normal equations each.

Columns that all share (weather) and rows that all have enter the equations once; only a point of
delivery with gaps has a Gram matrix of its own throughout.
"""

from dataclasses import dataclass

import numpy as np

from central.dso.forecast.history import Floats


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over rows of products of columns, one set for each point of delivery.

    Args:
        gram: column by column, shape (pods, columns, columns).
        right: column by target, shape (pods, columns, targets).
        count: rows counted, shape (pods), or (1) if it is the same for all.
    """

    gram: Floats
    right: Floats
    count: Floats


def solve(sums: Sums, scale: Floats, share: float) -> Floats:
    """Return coefficients, shape (pods, columns, targets).

    Args:
        sums: the normal equations.
        scale: size of each column, shape (pods, columns): in these units all are shrunk alike,
            so that a forecast in W and one in kW agree.
        share: penalty as a share of the number of rows.

    Source: Hoerl, Kennard, Ridge Regression, Technometrics 12 (1970), eq. 2.1.
    """
    gram = sums.gram / (scale[:, :, None] * scale[:, None, :])
    penalty = share * np.maximum(sums.count, 1.0)
    gram += penalty[:, None, None] * np.eye(gram.shape[1])
    return np.asarray(np.linalg.solve(gram, sums.right / scale[:, :, None])) / scale[:, :, None]
