"""The outbox on disk against a model of it, over any sequence of calls, faults and restarts."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lightnode.errors import StoreFailed
from lightnode.outbox import Store
from lightnode.ports import SealedSegment, Tail
from tests.ports.test_lightnode_outbox import receipt, record, sealed
from tests.unit.lightnode.test_outbox import Failing, Plan

_SHARED = Path("/dev/shm")


class OutboxMachine(RuleBasedStateMachine):
    """`open_records`, `segments` and `tail` are what must be there."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory(dir=_SHARED if _SHARED.is_dir() else None)
        self.folder = Path(self.place.name)
        self.store = Store(self.folder, capacity=1_000)
        self.store.load()
        self.tail = Tail()
        self.open_records = 0
        self.segments: dict[int, SealedSegment] = {}
        self.checkpoint: tuple[int, bytes] | None = None

    def teardown(self) -> None:
        self.store.close()
        self.place.cleanup()

    @property
    def next_sequence(self) -> int:
        return self.tail.next_sequence + self.open_records

    @rule()
    def append(self) -> None:
        self.store.append(self.next_sequence, record(self.next_sequence))
        self.open_records += 1

    @precondition(lambda self: self.open_records)
    @rule(data=st.data())
    def seal(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, self.open_records))
        segment, self.tail = sealed(self.tail, count)
        self.store.seal(segment, self.tail)
        self.segments[segment.first_sequence] = segment
        self.open_records -= count

    @precondition(lambda self: self.segments)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.segments)), unique=True))
        head = data.draw(st.none() | st.just((len(chosen) + 1, b"h" * 32)))
        stored = [receipt(self.segments.pop(first)) for first in chosen]
        assert self.store.release(stored, head) == len(chosen)
        self.checkpoint = head or self.checkpoint

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store(self.folder, capacity=1_000)

    @rule(number=st.integers(1, 4), after=st.booleans())
    def append_that_fails(self, number: int, after: bool) -> None:  # noqa: FBT001 -- drawn
        """Whether it was kept is read back, and then it is so."""
        self._failing(
            lambda: self.store.append(self.next_sequence, record(self.next_sequence)),
            Plan(number, after=after),
        )
        self.open_records = len(self.store.load().open_records)

    def _failing(self, call: Callable[[], None], plan: Plan) -> None:
        self.store.load()
        database = self.store._database
        assert database
        self.store._database = Failing(database, plan)  # type: ignore[assignment]
        try:
            call()
        except StoreFailed:
            return
        finally:
            plan.left = 0

    @invariant()
    def everything_is_there(self) -> None:
        kept = self.store.load()
        expected = range(self.tail.next_sequence, self.next_sequence)
        assert kept.tail == self.tail
        assert kept.open_records == tuple(record(number) for number in expected)
        assert kept.checkpoint == self.checkpoint
        assert self.store.waiting() == len(self.segments)
        assert self.store.after(-1, 1_000) == [self.segments[n] for n in sorted(self.segments)]
        newest = self.segments[max(self.segments)] if self.segments else None
        assert self.store.newest() == newest


OutboxMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30)
TestOutbox = OutboxMachine.TestCase
