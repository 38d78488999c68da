"""The linearised measurements, against differences of the exact ones; and their variances."""

import numpy as np
import pytest

from central.dso.estimation.measuring import Measurement
from central.dso.estimation.residuals import Linearised
from central.dso.grid.admittance import Admittance
from central.dso.grid.model import Phasors
from central.dso.powerflow import PowerFlow
from tests.grids import feeder, loads_va

GRID = feeder(10, seed=4)
DRAWN_VA = loads_va(GRID, situations=1)
U_PU: Phasors = PowerFlow(GRID).solve(DRAWN_VA, exact=True).u_pu[0]
ADMITTANCE = Admittance.of(GRID)
ALL = np.ones(1, dtype=bool)


def injected() -> list[Measurement]:
    return [
        Measurement(f"N{node}", "injection", int(node), complex(DRAWN_VA[0, node]), 2e3, "forecast")
        for node in GRID.pod_node
    ]


def exact(kind: str, element: int, u_pu: Phasors) -> complex:
    if kind == "voltage":
        return complex(abs(u_pu[element]))
    if kind == "current":
        return complex(abs(ADMITTANCE.currents_a(u_pu)[0][element]))
    if kind == "flow":
        return complex(ADMITTANCE.flows_va(u_pu)[0][element])
    return complex(-ADMITTANCE.injected_va(u_pu)[element])


@pytest.mark.parametrize("kind", ["voltage", "current", "flow", "injection"])
@pytest.mark.parametrize("element", [2, 5, 8])
def test_what_the_state_says_is_what_the_matrices_say(kind: str, element: int) -> None:
    one = Measurement("X", kind, element, 0j, 1.0, "sensor")  # type: ignore[arg-type]
    found = Linearised(ADMITTANCE, U_PU, [one]).estimated[0]
    assert found == pytest.approx(exact(kind, element, U_PU), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("kind", ["voltage", "current", "flow", "injection"])
@pytest.mark.parametrize("element", [2, 5, 8])
def test_the_rows_are_the_derivatives(kind: str, element: int) -> None:
    """A step along a random direction changes the exact value as the rows say."""
    one = Measurement("X", kind, element, exact(kind, element, U_PU), 1.0, "sensor")  # type: ignore[arg-type]
    draw, count = np.random.default_rng(element), len(U_PU)
    direction = draw.normal(0, 1, count) + 1j * draw.normal(0, 1, count)
    direction[0] = direction[0].real
    step = 1e-6
    rise = (
        exact(kind, element, U_PU + step * direction)
        - exact(kind, element, U_PU - step * direction)
    ) / (2 * step)
    jacobian = Linearised(ADMITTANCE, U_PU, [one])._jacobian.toarray()
    state = np.concatenate([direction.real, np.delete(direction.imag, 0)])
    parts = [rise.real] if kind in {"voltage", "current"} else [rise.real, rise.imag]
    unit = {"voltage": 1.0, "current": ADMITTANCE.base_from_a[element]}.get(kind, 1e6)
    rows = (jacobian @ state)[: len(parts)] * unit
    assert np.allclose(rows, parts, rtol=1e-5, atol=1e-4)


def test_the_variance_of_an_estimate_is_what_repetition_shows() -> None:
    """Monte Carlo: the same customers measured again and again with the same sigma."""
    measured = [*injected(), Measurement("V", "voltage", 1, complex(abs(U_PU[1])), 0.003, "sensor")]
    told = Linearised(ADMITTANCE, U_PU, measured).voltage_sigma_pu(np.array([5, 9]))
    draw, flow = np.random.default_rng(0), PowerFlow(GRID)
    noise = draw.normal(0, 2e3, (2, 400, len(GRID.pod_node)))
    drawn = np.repeat(DRAWN_VA, 400, axis=0)
    drawn[:, GRID.pod_node] += noise[0] + 1j * noise[1]
    source = np.abs(flow.solve(drawn, exact=True).u_pu)
    # The source's voltage is known by the sensor only; customers add what the flow spreads.
    seen = np.sqrt(0.003**2 + (source[:, [5, 9]] - source[:, [1]]).std(axis=0) ** 2)
    assert np.allclose(told, seen, rtol=0.15)


def test_a_residual_is_measured_by_its_own_deviation() -> None:
    voltage = complex(abs(U_PU[1]))
    twins = [
        Measurement(f"V{k}", "voltage", 1, voltage + k * 0.03, 0.003, "sensor") for k in (0, 1)
    ]
    measured = [*twins, *injected()]
    asked = np.array([one.origin == "sensor" for one in measured])
    found = Linearised(ADMITTANCE, U_PU, measured).residuals(asked)
    # Two sensors of one voltage: each one's residual has half of its variance.
    assert found.weighted[1] == pytest.approx(10.0)
    assert found.normalised[1] == pytest.approx(10.0 * np.sqrt(2), rel=1e-3)
    assert found.checkable.all()


def test_what_nothing_contradicts_is_not_checkable() -> None:
    alone = Measurement("V", "voltage", 1, complex(abs(U_PU[1])), 0.003, "sensor")
    measured = [alone, *injected()]
    asked = np.array([one.origin == "sensor" for one in measured])
    found = Linearised(ADMITTANCE, U_PU, measured).residuals(asked)
    assert not found.checkable[0]
    assert found.normalised[0] == 0
    assert found.checkable[1:].all()
