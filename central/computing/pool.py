"""The engine for one machine: a pool of processes."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from central.computing import Answer, Compute, Task
from ledger.errors import Unavailable

_TASKS_PER_WORKER = 4


class Pool:
    """Keeps `Compute` with processes that are started afresh, never forked from a busy one."""

    def __init__(self, executor: ProcessPoolExecutor, workers: int) -> None:
        self._executor = executor
        self._workers = workers

    def each(self, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[Answer]:
        """Yield the answer to each task, a few tasks at once on their way to each worker."""
        together = max(1, len(tasks) // (self._workers * _TASKS_PER_WORKER))
        try:
            yield from self._executor.map(function, tasks, chunksize=together)
        except BrokenProcessPool as error:
            raise Unavailable(
                "a worker process died before it had answered",
                where="compute pool",
                remedy="see the kernel's log for want of memory; give it fewer workers",
            ) from error


@contextmanager
def opened(workers: int | None = None) -> Iterator[Compute]:
    """Yield a pool of so many processes, one for each core by default; it ends with the block."""
    count = workers or multiprocessing.cpu_count()
    context = multiprocessing.get_context("forkserver")
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_one_thread)
    try:
        yield Pool(executor, count)
    finally:
        executor.shutdown(cancel_futures=True)


def _one_thread() -> None:
    """Give linear algebra one thread, before it is loaded: each core has a worker already."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
