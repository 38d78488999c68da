"""Scenarios of a whole grid out of forecasts of single customers.

If every customer drew its own 95 % quantile at once, the sum would be far beyond what ever
happens: errors offset one another. So each feeder as a whole is put at the quantile of its
*sum*, and its customers share the deviation in proportion to their own.
"""

import numpy as np

from central.dso.expectation import MEAN, Expectation, expected
from central.dso.forecast.feeders import Feeders
from central.dso.forecast.result import Forecast
from central.dso.grid.model import Floats, Grid
from ledger.errors import Rejected

_PERCENT = 100
OF_THE_MEAN = 0.5
"""The quantile that is covered where the mean stands alone."""


def feeders_of(grid: Grid) -> Feeders:
    """Return the PODs of each area of a grid: the sums whose quantiles a scenario needs."""
    members: dict[str, list[str]] = {}
    for connection in grid.connections:
        members.setdefault(grid.nodes[connection.node].area, []).append(connection.pod)
    return members


def scenario_expectation(grid: Grid, forecast: Forecast) -> Expectation:
    """Return the mean and the two outer quantiles of a forecast as what the grid must carry.

    Raises:
        Rejected: as `scenario_powers_w`.
    """
    return expected(grid, forecast.start_ms, scenario_powers_w(grid, forecast))


def scenario_powers_w(grid: Grid, forecast: Forecast) -> dict[str, Floats]:
    """Return what each POD draws in the mean and the two outer quantiles of a forecast [W].

    Load convention; by name of the scenario, the mean first, shape (pods, quarters).

    Args:
        grid: tells which POD is in which feeder.
        forecast: of exactly the grid's PODs, with the sums of `feeders_of`.

    Raises:
        Rejected: `other_pods`: the forecast is of other PODs or lacks a feeder.
    """
    _need_same(grid, forecast)
    place = {pod: number for number, pod in enumerate(forecast.pods)}
    order = [place[pod] for pod in grid.pods]
    mean_w = forecast.mean_w[order]
    power_w: dict[str, Floats] = {MEAN: mean_w}
    for number in sorted({0, len(forecast.levels) - 1} if forecast.levels else ()):
        apart_w = forecast.quantile_w[number, order] - mean_w
        sums_w = forecast.of_feeders.quantile_w[number]
        name = f"p{round(forecast.levels[number] * _PERCENT):02}"
        power_w[name] = mean_w + _shared_w(grid, forecast, apart_w, sums_w)
    return power_w


def _shared_w(grid: Grid, forecast: Forecast, apart_w: Floats, of_feeders_w: Floats) -> Floats:
    """Return deviations of PODs that add up to those of their feeders, shape (pods, quarters)."""
    row = {name: number for number, name in enumerate(forecast.of_feeders.names)}
    feeder = np.array([row[grid.nodes[node].area] for node in grid.pod_node])
    wanted_w = of_feeders_w - forecast.of_feeders.mean_w
    total_w = np.zeros_like(wanted_w)
    np.add.at(total_w, feeder, np.abs(apart_w))
    share = np.divide(np.abs(apart_w), total_w[feeder], out=np.zeros_like(apart_w),
                      where=total_w[feeder] > 0)  # fmt: skip
    shared_w: Floats = share * wanted_w[feeder]
    return shared_w


def _need_same(grid: Grid, forecast: Forecast) -> None:
    strangers = set(forecast.pods) ^ set(grid.pods)
    missing = feeders_of(grid).keys() - set(forecast.of_feeders.names)
    if strangers or missing:
        what = f"POD {min(strangers)}" if strangers else f"feeder {min(missing)!r}"
        raise Rejected(
            f"forecast and grid do not agree on {what}",
            where=grid.name,
            remedy="forecast every POD of the grid, and the sums of its areas",
            reason="other_pods",
        )


def confidence_of(forecast: Forecast) -> float:
    """Return the outermost quantile that the scenarios cover, 0 … 1; `OF_THE_MEAN` if only it."""
    return max((level for level in forecast.levels), default=OF_THE_MEAN)
