"""The orders that anchor the market log, in memory; told to fail, in both ways."""

from dataclasses import dataclass, field, replace

from central.errors import StoreAway
from central.scd.documents_entries import Anchored
from ledger.chain.values import Anchor, Attempt, Final, Order, Submission
from ledger.errors import Unavailable
from tests.fakes.scd_evidence import Failure


@dataclass
class FakeAnchors:
    """What `central.scd.ports.AnchorStore` promises.

    Writes are counted from 0; `failures` says which of them fails, and how.
    """

    failures: dict[int, Failure] = field(default_factory=dict)
    writes: int = 0
    _orders: dict[int, Anchor] = field(default_factory=dict)
    _void: set[int] = field(default_factory=set)

    def anchor_under_way(self) -> Anchor | None:
        waiting = [each for each in self._live() if not each.is_final]
        assert len(waiting) <= 1, "two orders at once"
        return waiting[0] if waiting else None

    def begin_anchor(self, order: Order, attempt: Attempt) -> None:
        failure = self._failing()
        if self.anchor_under_way() is not None:
            raise Unavailable("one is under way")
        self._kept(Anchor(number=len(self._orders) + 1, order=order, attempts=(attempt,)), failure)

    def keep_attempt(self, number: int, attempt: Attempt) -> None:
        failure = self._failing()
        known = self._orders[number]
        self._kept(replace(known, attempts=(*known.attempts, attempt)), failure)

    def next_nonce(self) -> int | None:
        nonces = [attempt.nonce for each in self._live() for attempt in each.attempts]
        return max(nonces) + 1 if nonces else None

    def end_anchor(self, number: int | None, order: Order, final: Final, part: bytes) -> None:
        failure = self._failing()
        known = number or len(self._orders) + 1
        attempts = self._orders[known].attempts if number else ()
        ended = Anchor(
            number=known, order=order, attempts=attempts, is_final=True,
            chain_part=part or None, gas=final.gas_used,
        )  # fmt: skip
        self._kept(ended, failure)

    def void_anchor(self, number: int) -> None:
        failure = self._failing()
        self._void.add(number)
        self._kept(self._orders[number], failure)

    def anchored(self) -> Anchored | None:
        found = [
            Anchored(each.order.size, each.chain_part, each.gas)
            for each in self._live()
            if each.is_final and isinstance(each.order, Submission)
        ]
        return max(found, key=lambda each: each.size, default=None)

    def _live(self) -> list[Anchor]:
        return [each for number, each in self._orders.items() if number not in self._void]

    def _failing(self) -> Failure | None:
        failure = self.failures.pop(self.writes, None)
        self.writes += 1
        if failure is Failure.LOST:
            raise StoreAway("told to lose it")
        return failure

    def _kept(self, anchor: Anchor, failure: Failure | None) -> None:
        self._orders[anchor.number] = anchor
        if failure is not None:
            raise StoreAway("told to keep it and say nothing")
