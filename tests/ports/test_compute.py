"""The compute port: every engine keeps the same promise."""

import sys
from collections.abc import Callable, Iterator

import pytest

from central.computing import Compute, here, on_ray, pool
from central.computing import Opened as Engine
from ledger.errors import Unavailable
from tests.ports.computing_tasks import (
    killed,
    process_of,
    refused_from_three,
    squared,
    threads_for_linear_algebra,
)

ENGINES: dict[str, Callable[[], Engine]] = {
    "here": here.opened,
    "pool": lambda: pool.opened(2),
    "ray": lambda: on_ray.opened(together=2),
}
NEEDS = {"ray": sys.version_info < (3, 14)}
OTHER_PROCESSES = ("pool", "ray")


@pytest.fixture(scope="module", params=[n for n in ENGINES if NEEDS.get(n, True)])
def named(request: pytest.FixtureRequest) -> Iterator[tuple[str, Compute]]:
    with ENGINES[request.param]() as compute:
        yield request.param, compute


@pytest.fixture
def compute(named: tuple[str, Compute]) -> Compute:
    return named[1]


def test_each_task_is_answered_once_and_in_order(compute: Compute) -> None:
    assert list(compute.each(squared, range(101))) == [n * n for n in range(101)]
    assert list(compute.each(squared, [])) == []


def test_the_error_of_the_first_task_that_failed_reaches_the_caller(compute: Compute) -> None:
    with pytest.raises(ValueError, match="no 3"):
        list(compute.each(refused_from_three, range(8)))
    assert list(compute.each(squared, [2])) == [4], "and the engine works on"


def test_tasks_run_at_the_same_time(named: tuple[str, Compute]) -> None:
    name, compute = named
    processes = set(compute.each(process_of, range(8)))
    assert (len(processes) > 1) == (name in OTHER_PROCESSES)


def test_no_worker_takes_another_ones_core(named: tuple[str, Compute]) -> None:
    name, compute = named
    if name in OTHER_PROCESSES:
        assert set(compute.each(threads_for_linear_algebra, range(4))) == {1}


def test_a_worker_that_died_is_told(named: tuple[str, Compute]) -> None:
    """Stands last: a pool that lost a worker works no more."""
    name, compute = named
    if name in OTHER_PROCESSES:
        with pytest.raises(Unavailable, match="died"):
            list(compute.each(killed, range(4)))
