"""Scenarios: each feeder at the quantile of its sum, whatever its customers could do alone."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso.forecast.result import Band, Forecast, Provenance
from central.dso.grid.model import Grid, Node
from central.dso.scenarios import confidence_of, feeders_of, scenario_expectation
from ledger.errors import Rejected
from tests.grids import feeder

LEVELS = (0.05, 0.5, 0.95)
QUARTERS = 4


def two_areas() -> Grid:
    grid = feeder(12)
    nodes = tuple(
        Node(node.name, area="west" if k % 2 else "east") for k, node in enumerate(grid.nodes)
    )
    return replace(grid, nodes=nodes)


GRID = two_areas()


def forecast(seed: int = 1, *, pods: tuple[str, ...] = GRID.pods) -> Forecast:
    """Return a forecast whose customers are far less certain than the sums they make up."""
    draw = np.random.default_rng(seed)
    mean_w = draw.uniform(1e3, 5e3, (len(pods), QUARTERS))
    spread_w = draw.uniform(100, 2e3, mean_w.shape)
    quantile_w = np.stack([mean_w - spread_w, mean_w, mean_w + 2 * spread_w])
    member = {area: [pods.index(pod) for pod in of] for area, of in feeders_of(GRID).items()}
    sums_w = np.stack([mean_w[rows].sum(axis=0) for rows in member.values()])
    return Forecast(
        start_ms=900_000, known_until_ms=0, levels=LEVELS,
        of_pods=Band(pods, mean_w, quantile_w),
        of_feeders=Band(
            tuple(member), sums_w, np.stack([sums_w - 900, sums_w, sums_w + 1500])
        ),
        provenance=Provenance(0, 0, 0, 0), trained_days=28, covered_pct=None,
        weather_issued_ms=None, notes=(),
    )  # fmt: skip


def test_each_feeder_stands_at_the_quantile_of_its_sum() -> None:
    found = scenario_expectation(GRID, forecast())
    assert found.scenarios == ("mean", "p05", "p95")
    areas = np.array([node.area for node in GRID.nodes])
    for area in ("east", "west"):
        sums_w = found.drawn_va[:, :, areas == area].real.sum(axis=2)
        assert np.allclose(sums_w[1] - sums_w[0], -900)
        assert np.allclose(sums_w[2] - sums_w[0], 1500)


def test_who_is_less_certain_deviates_more_and_nobody_beyond_his_own_quantile() -> None:
    made = forecast()
    found = scenario_expectation(GRID, made)
    apart_w = (found.drawn_va[2] - found.drawn_va[0]).real[:, GRID.pod_node].T
    own_w = made.quantile_w[-1] - made.mean_w
    assert (apart_w > 0).all()
    assert (apart_w < own_w).all()
    east = [k for k, node in enumerate(GRID.pod_node) if GRID.nodes[node].area == "east"]
    shares = apart_w[east] / own_w[east]
    assert np.allclose(shares, shares[0])


def test_the_order_of_the_pods_does_not_matter() -> None:
    turned = forecast()
    order = list(range(len(GRID.pods)))[::-1]
    pods = replace(
        turned.of_pods, names=tuple(GRID.pods[k] for k in order),
        mean_w=turned.mean_w[order], quantile_w=turned.quantile_w[:, order],
    )  # fmt: skip
    other = scenario_expectation(GRID, replace(turned, of_pods=pods))
    assert np.allclose(other.drawn_va, scenario_expectation(GRID, turned).drawn_va)


def test_without_quantiles_there_is_the_mean() -> None:
    made = forecast()
    none = np.zeros((0, len(GRID.pods), QUARTERS))
    sums = replace(made.of_feeders, quantile_w=np.zeros((0, 2, QUARTERS)))
    plain = replace(
        made, levels=(), of_pods=replace(made.of_pods, quantile_w=none), of_feeders=sums
    )
    assert scenario_expectation(GRID, plain).scenarios == ("mean",)
    assert (confidence_of(plain), confidence_of(made)) == (0.5, 0.95)


def test_a_forecast_of_others_is_refused() -> None:
    made = forecast()
    other = replace(made.of_pods, names=("IT002E00000001", *GRID.pods[1:]))
    with pytest.raises(Rejected, match="do not agree on POD IT002E00000001"):
        scenario_expectation(GRID, replace(made, of_pods=other))
    one = Band(("east",), made.of_feeders.mean_w[:1], made.of_feeders.quantile_w[:, :1])
    with pytest.raises(Rejected, match="feeder 'west'"):
        scenario_expectation(GRID, replace(made, of_feeders=one))
