"""Faults in pairs: the n-th call of all is lost, or done and then reported failed."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import Unavailable


@dataclass
class FaultPlan:
    """Counts the calls that pass and fails one of them; `point` 0 fails none."""

    point: int = 0
    keeps: bool = False
    calls: list[str] = field(default_factory=list)
    failed: str = ""

    def before(self, name: str) -> bool:
        """Count a call; raise if it is the one to be lost, return whether it is to be kept."""
        self.calls.append(name)
        if len(self.calls) != self.point:
            return False
        self.failed = name
        if not self.keeps:
            raise Unavailable(f"{name} was lost", where="fault plan")
        return True


class Faulty:
    """Any port in front of its real adapter or fake: what is named goes through the plan."""

    def __init__(self, target: Any, plan: FaultPlan, *names: str) -> None:  # noqa: ANN401 -- any port
        self._target = target
        self._plan = plan
        self._names = names

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever the port has
        found = getattr(self._target, name)
        if name not in self._names:
            return found
        if name == "batch":
            return lambda: _failing_batch(found, self._plan)
        return _failing(found, name, self._plan)


def _failing(call: Callable[..., Any], name: str, plan: FaultPlan) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 -- any port's call
        is_kept = plan.before(name)
        outcome = call(*arguments, **named)
        if isinstance(outcome, Awaitable):
            return _failing_await(outcome, name, is_kept=is_kept)
        if is_kept:
            raise Unavailable(f"{name} was done, and failed", where="fault plan")
        return outcome

    return run


async def _failing_await(outcome: Awaitable[Any], name: str, *, is_kept: bool) -> Any:  # noqa: ANN401 -- any port's answer
    answer = await outcome
    if is_kept:
        raise Unavailable(f"{name} was done, and failed", where="fault plan")
    return answer


@contextmanager
def _failing_batch(
    batch: Callable[[], AbstractContextManager[Any]], plan: FaultPlan
) -> Iterator[Any]:
    is_kept = plan.before("batch")
    with batch() as opened:
        yield opened
    if is_kept:
        raise Unavailable("batch was done, and failed", where="fault plan")
