"""What each engine of the compute port does of its own; what all promise is in `tests/ports`."""

import sys

import pytest

from central.computing import here, on_ray, pool
from ledger.errors import Rejected


def test_here_nothing_is_done_before_it_is_asked_for() -> None:
    seen: list[int] = []

    def noted(task: int) -> int:
        seen.append(task)
        return task

    with here.opened() as compute:
        answers = compute.each(noted, [1, 2])
        assert seen == []
        assert next(answers) == 1
        assert seen == [1]


def test_a_pool_ends_with_its_block() -> None:
    with pool.opened(1) as compute:
        assert list(compute.each(abs, [-3])) == [3]
    with pytest.raises(RuntimeError, match="shutdown"):
        list(compute.each(abs, [-3]))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Rejected, match=r"certiflex\[ray\]"), on_ray.opened():
        pass
