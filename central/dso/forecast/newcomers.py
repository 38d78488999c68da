"""Points of delivery without a past: like their group, scaled by their contract."""

from collections.abc import Iterator

import numpy as np

from central.dso.forecast.history import Booleans, Customers, Floats
from ledger.errors import Rejected

_MOST = 500


def like_their_group(
    customers: Customers,
    new: Booleans,
    mean_w: Floats,
    quantile_w: Floats,
    levels: tuple[float, ...],
) -> None:
    """Write means and quantiles [W] of the new PODs over what stands there.

    The mean is that of the group per watt of contract. A quantile is the same quantile of the
    group's own: a new POD may be any of them, so it is as uncertain as they are diverse; of a large
    group some are asked. A group of which nobody is known takes those of everybody.

    Args:
        customers: contract and group of each POD.
        new: which PODs are new, shape (pods).
        mean_w: shape (pods, quarters).
        quantile_w: shape (levels, pods, quarters).
        levels: of the quantiles.

    Raises:
        Rejected: there is no POD with a past.
    """
    if not new.any():
        return
    if new.all():
        raise Rejected(
            "no POD has enough of a past to forecast from",
            where="history",
            remedy="import quarters of the last weeks, or wait until some are certified",
            reason="no_history",
        )
    for taken, known in _models(customers.group, new):
        given_w, own_w = customers.contract_w[known], customers.contract_w[taken][:, None]
        mean_w[taken] = own_w * (mean_w[known].sum(axis=0) / given_w.sum())
        some = np.flatnonzero(known)[:: -(-int(known.sum()) // _MOST)]
        per_watt = quantile_w[:, some] / customers.contract_w[some][:, None]
        for of_level, model, level in zip(quantile_w, per_watt, levels, strict=True):
            of_level[taken] = own_w * np.quantile(model, level, axis=0)


def _models(group: tuple[str, ...], new: Booleans) -> Iterator[tuple[Booleans, Booleans]]:
    """Yield the new PODs of each group, and the known ones that they are taken to be like."""
    groups = np.array(group)
    for name in np.unique(groups[new]):
        alike = ~new & (groups == name)
        yield new & (groups == name), alike if alike.any() else ~new
