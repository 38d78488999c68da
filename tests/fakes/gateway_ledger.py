"""A ledger in memory that keeps the contract's rules, and complains about illegal use."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger import merkle
from ledger.chain.values import (
    Attempt,
    Final,
    Head,
    Order,
    Prepared,
    RegistryRoot,
    Step,
    Submission,
    Waiting,
)
from ledger.errors import Refused, Rejected, Unavailable


@dataclass
class FakeLedger:
    """The port `Ledger` on a chain of its own.

    `lose` counts calls of `advance` that fail before anything is sent, `keep` such that send and
    then fail. A transaction is included by the call after the one that sent it, and final by the
    one after that.
    """

    heads: list[Submission] = field(default_factory=list)
    registry_roots: list[bytes] = field(default_factory=list)
    sent: dict[bytes, Attempt] = field(default_factory=dict)
    included: dict[bytes, int] = field(default_factory=dict)
    carried_out: dict[object, bytes] = field(default_factory=dict)
    handed_out: set[bytes] = field(default_factory=set)
    calls: int = 0
    lose: int = 0
    keep: int = 0
    is_away: bool = False
    has_chain_part: bool = True
    refuse: str = ""
    closed: bool = False

    def head(self, log_id: bytes) -> Head:
        self._reach()
        assert len(log_id) == 32
        if not self.heads:
            return Head(sequence=0, size=0, root=merkle.EMPTY_ROOT, block_time_s=0)
        last = self.heads[-1]
        return Head(sequence=last.sequence, size=last.size, root=last.root, block_time_s=1)

    def registry_root(self, log_id: bytes) -> bytes:
        self._reach()
        assert len(log_id) == 32
        return self.registry_roots[-1] if self.registry_roots else bytes(32)

    def account_nonce(self) -> int:
        self._reach()
        return len(self.included)

    def advance(
        self, order: Order, attempts: Sequence[Attempt], *, next_nonce: int, now_ms: int
    ) -> Step:
        self.calls += 1
        self._reach()
        if self.lose:
            self.lose -= 1
            raise Unavailable("lost", where="fake ledger")
        if self.refuse:
            raise Refused("the contract said no", reason=self.refuse)
        step = self._advance(order, attempts, next_nonce, now_ms)
        if self.keep:
            self.keep -= 1
            raise Unavailable("the answer was lost", where="fake ledger")
        return step

    def chain_part(self, tx_hash: bytes) -> bytes | None:
        self._reach()
        return b"proof of " + tx_hash if self.has_chain_part else None

    def close(self) -> None:
        self.closed = True

    def _advance(
        self, order: Order, attempts: Sequence[Attempt], next_nonce: int, now_ms: int
    ) -> Step:
        for attempt in attempts:
            assert attempt.tx_hash in self.handed_out, "an attempt that nobody prepared"
            if attempt.tx_hash in self.included:
                return _final(attempt.tx_hash)
        done = self._done(order)
        if done is not None:
            return _final(done)
        if not attempts:
            self._check(order)
            return Prepared(self._prepared(order, next_nonce, now_ms))
        newest = attempts[-1]
        if newest.tx_hash in self.sent:
            self._include(order, newest)
            return Waiting("included")
        assert newest.nonce == len(self.included), "a hole in the nonces"
        self.sent[newest.tx_hash] = newest
        return Waiting("sent")

    def _prepared(self, order: Order, nonce: int, now_ms: int) -> Attempt:
        raw = repr((order, nonce, now_ms, len(self.handed_out))).encode()
        digest = hashlib.sha256(raw).digest()
        self.handed_out.add(digest)
        return Attempt(
            tx_hash=digest, raw=raw, nonce=nonce, max_fee_wei=10**30, priority_fee_wei=1,
            prepared_ms=now_ms,
        )  # fmt: skip

    def _include(self, order: Order, attempt: Attempt) -> None:
        self._check(order)
        match order:
            case RegistryRoot():
                self.registry_roots.append(order.root)
            case Submission():
                self.heads.append(order)
        self.included[attempt.tx_hash] = len(self.included)
        self.carried_out[_key(order)] = attempt.tx_hash

    def _done(self, order: Order) -> bytes | None:
        """Return the transaction that carried out an order, whoever sent it."""
        if isinstance(order, RegistryRoot):
            is_newest = self.registry_roots[-1:] == [order.root]
            return self.carried_out.get(_key(order)) if is_newest else None
        if order.sequence <= len(self.heads) and _key(order) not in self.carried_out:
            raise Refused("another head stands there", reason="fork")
        return self.carried_out.get(_key(order))

    def _check(self, order: Order) -> None:
        """Refuse what the contract would refuse."""
        if isinstance(order, RegistryRoot):
            return
        old = self.heads[-1] if self.heads else None
        if order.sequence != (old.sequence if old else 0) + 1:
            raise Refused(f"sequence {order.sequence} is not the next", reason="sequence")
        if order.size <= (old.size if old else 0):
            raise Refused("the log did not grow", reason="not_grown")
        if old is None:
            return
        try:
            merkle.verify_consistency(old.size, old.root, order.size, order.root, order.proof)
        except Rejected as error:
            raise Refused("the log does not continue", reason="fork") from error

    def _reach(self) -> None:
        if self.is_away:
            raise Unavailable("the ledger is away", where="fake ledger")


def _key(order: Order) -> object:
    if isinstance(order, RegistryRoot):
        return order.root
    return order.sequence, order.size, order.root


def _final(tx_hash: bytes) -> Final:
    return Final(
        tx_hash=tx_hash, gas_used=40_000, block_number=7, block_hash=bytes(32), block_time_s=1
    )
