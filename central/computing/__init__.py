"""Work for many zones at once: one port, and three engines behind it.

One task is one zone, usually a primary substation: zones share nothing, so nothing but the task
and its answer travels.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class Compute(Protocol):
    """Every task is worked at least once, and answered exactly once, in the order of the tasks.

    Tasks may run at the same time and in any order, in other processes or on other machines: a
    function must be one that can be named from there, and must not depend on what ran before it.
    Nothing is tried again: an error of the function reaches the caller as it was raised, with the
    first task in order that failed, and a worker that died is `Unavailable`.
    """

    def each(self, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[Answer]:
        """Yield the answer to each task, as soon as it and all before it are there.

        Raises:
            Unavailable: a worker died.
        """
        ...


Opened = AbstractContextManager[Compute]
