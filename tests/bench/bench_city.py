"""A city: every primary substation from the forecast to the need, on one core, two, and Ray.

Each zone is what one of Rome's 70 primary substations carries: 190 secondary substations and
23,000 customers, of whom 40 days are known, and up to three plants of the sun. The past of a zone
is made where its task is worked, since in service it is read there; that time is told apart.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from central.computing import Opened, on_ray, pool
from central.dso.assessment import assess
from central.dso.expectation import Expectation
from central.dso.forecast.day_ahead import day_ahead
from central.dso.grid.model import Grid
from central.dso.limits import Margin
from central.dso.powerflow import AS_BUILT, PowerFlow
from central.dso.remedies.plan import plan_own_means
from central.dso.requesting import Resources, size_need
from central.dso.scenarios import confidence_of, feeders_of, scenario_expectation
from tests.bench.conftest import Figure, Figures
from tests.cities import CUSTOMERS, DAY, lived

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3_600)]

CORES = 2
PLANTS = (0, 1, 0, 2, 0, 3)
"""Of one zone after the other: most are quiet, some strained, few beyond what taps can do."""
STEPS = ("forecast", "scenarios", "assessment", "own means", "need")
_OFFERED, _CURTAILED = 0.3, 0.8
RUNS = (
    ("one core", 5), ("one core", 20), ("process pool", 5), ("process pool", 20),
    ("process pool", 70), ("Ray", 5), ("Ray", 70),
)  # fmt: skip
ENGINES: dict[str, Callable[[], Opened]] = {
    "one core": lambda: pool.opened(1),
    "process pool": lambda: pool.opened(CORES),
    "Ray": on_ray.opened,
}


@dataclass
class Worked:
    """What one zone took and came to."""

    step_s: dict[str, float] = field(default_factory=dict)
    congestions: int = 0
    after_own_means: int = 0
    asked_kwh: float = 0.0
    unsolved: int = 0
    process: int = 0
    peak_mib: float = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start_s = time.process_time()
        yield
        self.step_s[name] = time.process_time() - start_s


def worked(number: int) -> Worked:
    """Return what the day of one zone comes to."""
    done = Worked(process=os.getpid())
    with done.step("past made"):
        known = lived(number, plants=PLANTS[number % len(PLANTS)])
    grid = known.grid
    with done.step("forecast"):
        forecast = day_ahead(
            known.history, known.customers, DAY, weather=known.weather, feeders=feeders_of(grid)
        )
    with done.step("scenarios"):
        expectation = scenario_expectation(grid, forecast)
    power_flow = PowerFlow(grid)
    with done.step("assessment"):
        found = assess(power_flow, expectation)
    with done.step("own means"):
        plan = plan_own_means(power_flow, expectation, setting=AS_BUILT, margin=Margin())
    with done.step("need"):
        offered, confidence = offers(grid, expectation), confidence_of(forecast)
        need = size_need(power_flow, plan.after, offered, confidence=confidence)
    done.congestions, done.after_own_means = len(found.congestions), len(plan.after.congestions)
    done.asked_kwh = float((need.up_w + need.down_w).sum()) / 4_000
    done.unsolved = len(need.residual)
    done.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    return done


def offers(grid: Grid, expectation: Expectation) -> Resources:
    """Return a resource at every node with customers: a share of what it draws or gives."""
    nodes = np.unique(grid.pod_node)
    drawn_w = expectation.drawn_va[0][:, nodes].real
    share_w = _OFFERED * np.abs(drawn_w)
    return Resources.of(nodes, share_w, np.where(drawn_w < 0, _CURTAILED * -drawn_w, share_w))


TIMES_S: dict[tuple[str, int], float] = {}


@pytest.mark.parametrize(("engine", "zones"), RUNS)
def test_a_city(figures: Figures, engine: str, zones: int) -> None:
    with ENGINES[engine]() as compute:
        list(compute.each(worked, range(CORES)))  # workers have started and hold their libraries
        start_s = time.perf_counter()
        answers = list(compute.each(worked, range(zones)))
        taken_s = time.perf_counter() - start_s
    TIMES_S[engine, zones] = taken_s
    peaks = {answer.process: answer.peak_mib for answer in answers}
    subject, peer = "on two cores", "one core"
    if engine == "Ray":
        subject, peer = "on two cores by Ray", "process pool"
    if engine != "one core":
        figures.take(
            Figure(
                subject=f"DSO: a city from forecast to need, {subject}",
                size=f"{zones} zones, {zones * CUSTOMERS:,} customers, "
                f"{sum(peaks.values()):,.0f} MiB",
                unit="s", ours=taken_s, peer=TIMES_S.get((peer, zones)), peer_name=peer,
                note="96 quarters under three scenarios, 190 secondary substations a zone; the "
                "memory is the peak of all workers together. Making the past is part of the time; "
                "70 zones are not worked on one core, to spare the machine",
            )
        )  # fmt: skip
        return
    _steps(figures, zones, answers)
    assert sum(answer.congestions for answer in answers) > 0


def _steps(figures: Figures, zones: int, answers: Sequence[Worked]) -> None:
    """Take what each step took, and what the city came to."""
    strained = [answer for answer in answers if answer.congestions]
    left = [answer for answer in answers if answer.after_own_means]
    came_to = (
        f"{len(strained)} of {zones} zones strained, {len(left)} after own means, "
        f"{sum(answer.asked_kwh for answer in answers):,.0f} kWh asked for, "
        f"{sum(answer.unsolved > 0 for answer in answers)} not wholly solved"
    )
    total_s = sum(sum(answer.step_s[name] for name in STEPS) for answer in answers)
    figures.take(
        Figure(
            subject="DSO: a city from forecast to need, one core",
            size=f"{zones} zones; {came_to}", unit="s of processor time a zone",
            ours=total_s / zones, note="All steps but the making of the past: linear growth is a "
            "figure that stays",
        )
    )  # fmt: skip
    if zones == 20:
        for name in ("past made", *STEPS):
            step_s = sum(answer.step_s[name] for answer in answers) / zones
            figures.take(
                Figure(
                    subject="DSO: a city, where the time goes", size=name,
                    unit="s of processor time a zone", ours=step_s,
                    note=f"Mean of {zones} zones; own means are planned in the "
                    f"{len(strained)} that are strained",
                )
            )  # fmt: skip
