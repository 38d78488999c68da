"""The engine for many machines: Ray, an extra of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from central.computing import Answer, Compute, Task
from ledger.errors import Rejected, Unavailable

TASKS_TOGETHER = 50
"""How many tasks travel together at most: sending one costs Ray more than a short task does."""

_PORTIONS_PER_WORKER = 4


class OnRay:
    """Keeps `Compute` on a Ray cluster."""

    def __init__(self, ray: Any, together: int) -> None:  # noqa: ANN401 -- an untyped module
        self._ray = ray
        self._together = together

    def each(self, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[Answer]:
        """Yield the answer to each task."""
        work = self._ray.remote(_worked).options(max_retries=0)
        workers = int(self._ray.cluster_resources().get("CPU", 1))
        # Long tasks in few portions would leave workers idle at the end.
        together = min(self._together, max(1, len(tasks) // (workers * _PORTIONS_PER_WORKER)))
        starts = range(0, len(tasks), together)
        waiting = [work.remote(function, list(tasks[at : at + together])) for at in starts]
        try:
            for reference in waiting:
                yield from self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise Unavailable(
                "a worker died before it had answered",
                where="Ray",
                remedy="see `ray status`, and the logs of the cluster",
            ) from error


def _worked(function: Callable[[Task], Answer], tasks: Sequence[Task]) -> list[Answer]:
    return [function(task) for task in tasks]


@contextmanager
def opened(address: str = "", *, together: int = TASKS_TOGETHER) -> Iterator[Compute]:
    """Yield the cluster at an address; "" starts one on this machine, which ends with the block.

    Raises:
        Rejected: Ray is not installed.
        Unavailable: there is no cluster at the address.
    """
    try:
        import ray  # noqa: PLC0415 -- four seconds and 100 MB, for those who asked for it
    except ImportError as error:
        raise Rejected(
            "Ray is not installed",
            where="compute",
            remedy="pip install 'certiflex[ray]', or choose the engine pool",
            reason="missing_extra",
        ) from error
    try:
        ray.init(
            address or None, log_to_driver=False, include_dashboard=False, configure_logging=False
        )
    except (ConnectionError, RuntimeError) as error:
        raise Unavailable(str(error).splitlines()[0], where=address or "Ray") from error
    try:
        yield OnRay(ray, together)
    finally:
        ray.shutdown()
