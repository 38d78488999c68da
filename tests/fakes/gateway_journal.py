"""A journal in memory: whole transactions, lost or kept though reported failed on demand."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gateway.errors import JournalBlocked
from gateway.ports import (
    Equivocation,
    Examined,
    Lane,
    Link,
    LinkState,
    Member,
    Neighbours,
    Outgoing,
    Refusal,
    SplitView,
    StagedWindow,
)
from ledger.chain.values import Anchor, Attempt, Final, Order, RegistryRoot, Submission
from ledger.codec import decode_registration, encode_registration
from ledger.errors import InvariantBroken, Rejected
from ledger.facts.registry import Registration

Place = tuple[int, int]
_STATES = {
    "stored": LinkState.STORED,
    "duplicate": LinkState.STORED,
    "conflict": LinkState.CONFLICT,
    "rejected": LinkState.REFUSED,
}


@dataclass
class Window:
    """One window as the journal knows it."""

    entry: bytes
    closed_ms: int
    members: list[Member]
    told: bool = False
    certified: bool = False


@dataclass
class Kept:
    """Everything that survives a crash."""

    links: dict[Place, Link] = field(default_factory=dict)
    placed: dict[Place, int] = field(default_factory=dict)
    outgoing: dict[int, tuple[Lane, Outgoing]] = field(default_factory=dict)
    quarantine: dict[tuple[int | None, bytes], Refusal] = field(default_factory=dict)
    evidence: dict[bytes, Equivocation] = field(default_factory=dict)
    split_views: dict[tuple[int, bytes], SplitView] = field(default_factory=dict)
    registrations: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    offered: dict[int, bytes] = field(default_factory=dict)
    delivered: dict[int, bytes] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    anchors: dict[int, Anchor] = field(default_factory=dict)
    void: set[int] = field(default_factory=set)
    certified: set[int] = field(default_factory=set)
    numbers: int = 0


class FakeJournal:
    """All the gateway's journal ports over one `Kept`.

    `lose` counts transactions that fail before anything is written, `keep` such that are written
    and then reported failed; `after` lets that many pass first.
    """

    def __init__(self) -> None:
        self.kept = Kept()
        self.lose = 0
        self.keep = 0
        self.after = 0
        self.commits = 0

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Kept]:
        staged = copy.deepcopy(self.kept)
        yield staged
        if self.after:
            self.after -= 1
        elif self.lose:
            self.lose -= 1
            raise JournalBlocked("lost", where="fake")
        elif self.keep:
            self.keep -= 1
            self.kept = staged
            raise JournalBlocked("kept, though reported failed", where="fake")
        self.kept = staged
        self.commits += 1

    # ── admission and delivery ──────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def batch(self) -> Iterator["FakeBatch"]:
        with self._writing() as kept:
            yield FakeBatch(kept)

    def backlog_bytes(self) -> int:
        return sum(len(one.payload) for _, one in self.kept.outgoing.values())

    def backlog(self) -> int:
        return len(self.kept.outgoing)

    def outgoing(self, most: int) -> list[Outgoing]:
        waiting = sorted(self.kept.outgoing.values(), key=lambda one: (one[0], one[1].number))
        return [one for _, one in waiting[:most]]

    def settle(self, outcomes: Sequence[tuple[Outgoing, str, str]], now_ms: int) -> None:
        assert now_ms >= 0
        with self._writing() as kept:
            for sent, outcome, _ in outcomes:
                kept.outgoing.pop(sent.number, None)
                place = (sent.node_index, sent.first_sequence)
                link = kept.links.get(place)
                if not sent.is_evidence and link and link.header_hash == sent.header_hash:
                    kept.links[place] = replace(link, state=_STATES[outcome])

    # ── registry ────────────────────────────────────────────────────────────────────────────

    def registry_version(self) -> int:
        return max((version for version, _ in self.kept.registrations.values()), default=0)

    def registrations_since(self, version: int) -> list[bytes]:
        return [
            encoded
            for _, (changed, encoded) in sorted(self.kept.registrations.items())
            if changed > version
        ]

    def enrol(self, make: Callable[[Sequence[Registration]], Registration]) -> Registration:
        made = make([decode_registration(one) for one in self.registrations_since(-1)])
        self.put(encode_registration(made))
        return made

    def change(self, node_index: int, make: Callable[[Registration], Registration]) -> Registration:
        if node_index not in self.kept.registrations:
            raise Rejected(f"node {node_index} is not enrolled", reason="unknown_node")
        made = make(decode_registration(self.kept.registrations[node_index][1]))
        self.put(encode_registration(made))
        return made

    def put(self, registration: bytes) -> None:
        """Write down a registration, as a command would."""
        index = decode_registration(registration).node_index
        with self._writing() as kept:
            kept.registrations[index] = (self.registry_version() + 1, registration)

    def undelivered_registrations(self) -> list[tuple[int, bytes]]:
        return [
            (index, encoded)
            for index, (_, encoded) in sorted(self.kept.registrations.items())
            if self.kept.delivered.get(index) != encoded
        ]

    def registrations_offered(self, offered: Sequence[tuple[int, bytes]]) -> None:
        with self._writing() as kept:
            kept.offered.update(offered)

    def registrations_delivered(self, delivered: Sequence[tuple[int, bytes]]) -> None:
        with self._writing() as kept:
            kept.delivered.update(delivered)

    # ── windows ─────────────────────────────────────────────────────────────────────────────

    def next_window(self) -> int:
        return len(self.kept.windows)

    def unwindowed(self) -> list[Member]:
        return [
            Member(link.node_index, link.first_sequence, link.header_hash)
            for place, link in sorted(self.kept.links.items())
            if link.state is LinkState.STORED and place not in self.kept.placed
        ]

    def delivered_registrations(self) -> list[bytes] | None:
        if self.kept.offered != self.kept.delivered:
            return None
        return [encoded for _, encoded in sorted(self.kept.delivered.items())]

    def stage(self, number: int, entry: bytes, closed_ms: int, members: Sequence[Member]) -> None:
        with self._writing() as kept:
            if number != len(kept.windows):
                raise InvariantBroken(f"window {number} is not the next one")
            for member in members:
                place = (member.node_index, member.first_sequence)
                if place in kept.placed or kept.links[place].header_hash != member.header_hash:
                    raise InvariantBroken("a segment is in a window already")
                kept.placed[place] = number
            kept.windows.append(Window(entry, closed_ms, list(members)))

    def staged_from(self, number: int) -> list[tuple[int, bytes]]:
        staged = enumerate(self.kept.windows)
        return [(index, window.entry) for index, window in staged if index >= number]

    def first_untold_window(self) -> StagedWindow | None:
        for number, window in enumerate(self.kept.windows):
            if not window.told:
                members: dict[int, tuple[bytes, ...]] = {}
                for one in sorted(window.members):
                    members[one.node_index] = (*members.get(one.node_index, ()), one.header_hash)
                return StagedWindow(
                    number=number, entry=window.entry, closed_ms=window.closed_ms,
                    members=tuple(members.items()),
                )  # fmt: skip
        return None

    def window_told(self, number: int, *, told: bool = True) -> None:
        with self._writing() as kept:
            for index, window in enumerate(kept.windows):
                if index == number or (not told and index > number):
                    window.told = told

    # ── anchors ─────────────────────────────────────────────────────────────────────────────

    def anchor_under_way(self) -> Anchor | None:
        under_way = [
            one
            for number, one in self.kept.anchors.items()
            if not one.is_final and number not in self.kept.void
        ]
        assert len(under_way) <= 1
        return under_way[0] if under_way else None

    def anchored_size(self) -> int:
        final = (one.order for one in self.kept.anchors.values() if one.is_final)
        return max((order.size for order in final if isinstance(order, Submission)), default=0)

    def void_anchor(self, number: int) -> None:
        with self._writing() as kept:
            kept.void.add(number)

    def begin_anchor(self, order: Order, attempt: Attempt) -> None:
        with self._writing() as kept:
            number = _add_anchor(kept, order)
            kept.anchors[number] = replace(kept.anchors[number], attempts=(attempt,))

    def keep_attempt(self, number: int, attempt: Attempt) -> None:
        with self._writing() as kept:
            anchor = kept.anchors[number]
            kept.anchors[number] = replace(anchor, attempts=(*anchor.attempts, attempt))

    def next_nonce(self) -> int | None:
        nonces = [
            attempt.nonce
            for number, anchor in self.kept.anchors.items()
            for attempt in anchor.attempts
            if number not in self.kept.void
        ]
        return max(nonces) + 1 if nonces else None

    def end_anchor(self, number: int | None, order: Order, final: Final, part: bytes) -> None:
        with self._writing() as kept:
            if number is None:
                number = _add_anchor(kept, order)
            if isinstance(order, RegistryRoot):
                kept.certified.add(number)
            kept.anchors[number] = replace(
                kept.anchors[number], is_final=True, chain_part=part, gas=final.gas_used
            )

    def uncertified_anchors(self) -> list[Anchor]:
        return [
            one
            for number, one in sorted(self.kept.anchors.items())
            if one.is_final and number not in self.kept.certified
        ]

    def certified(self, anchor: Anchor) -> None:
        assert isinstance(anchor.order, Submission)
        with self._writing() as kept:
            kept.certified.add(anchor.number)
            for window in kept.windows[: anchor.order.size]:
                window.certified = True

    # ── forgetting ──────────────────────────────────────────────────────────────────────────

    def prune(self, cutoff_ms: int, *, most: int) -> int:
        assert cutoff_ms <= most or most > 0
        return 0

    def prune_windows(self, cutoff_ms: int) -> None:
        assert cutoff_ms is not None


class FakeBatch:
    """One transaction's admissions."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def neighbours(self, node_index: int, first_sequence: int, next_sequence: int) -> Neighbours:
        links = [link for place, link in sorted(self._kept.links.items()) if place[0] == node_index]
        return Neighbours(
            overlapping=tuple(
                link
                for link in links
                if link.first_sequence < next_sequence and link.next_sequence > first_sequence
            ),
            before=next((one for one in links if one.next_sequence == first_sequence), None),
            after=next((one for one in links if one.first_sequence == next_sequence), None),
        )

    def admit(self, segment: Examined, lane: Lane, now_ms: int) -> None:
        assert now_ms >= 0
        header = segment.header
        place = (header.node_index, header.first_sequence)
        assert place not in self._kept.links, "admitted twice"
        self._kept.links[place] = Link(
            node_index=header.node_index, first_sequence=header.first_sequence,
            next_sequence=header.next_sequence, header_hash=segment.header_hash,
            previous_hash=header.previous_hash, first_slot=header.first_slot,
            end_slot=header.end_slot, state=LinkState.ADMITTED,
        )  # fmt: skip
        self._queue(segment, lane, is_evidence=False)

    def deliver_again(self, segment: Examined, lane: Lane) -> None:
        place = (segment.header.node_index, segment.header.first_sequence)
        self._kept.links[place] = replace(self._kept.links[place], state=LinkState.ADMITTED)
        self._queue(segment, lane, is_evidence=False)

    def keep_evidence(self, evidence: Equivocation) -> bool:
        digest = evidence.other.header_hash
        if digest in self._kept.evidence:
            return False
        self._kept.evidence[digest] = evidence
        self._queue(evidence.other, Lane.BACKFILL, is_evidence=True)
        return True

    def keep_split_view(self, view: SplitView) -> bool:
        claim = view.segment.header.checkpoint
        assert claim is not None
        key = (view.segment.header.node_index, claim[1])
        is_new = key not in self._kept.split_views
        self._kept.split_views.setdefault(key, view)
        return is_new

    def quarantine(self, refusal: Refusal) -> bool:
        key = (refusal.node_index, refusal.payload)
        is_new = key not in self._kept.quarantine
        self._kept.quarantine[key] = refusal
        return is_new

    def _queue(self, segment: Examined, lane: Lane, *, is_evidence: bool) -> None:
        self._kept.numbers += 1
        header = segment.header
        self._kept.outgoing[self._kept.numbers] = (
            lane,
            Outgoing(
                number=self._kept.numbers, node_index=header.node_index,
                first_sequence=header.first_sequence, count=header.count,
                header_hash=segment.header_hash, payload=segment.payload, is_evidence=is_evidence,
            ),
        )  # fmt: skip


def _add_anchor(kept: Kept, order: Order) -> int:
    if any(not one.is_final and n not in kept.void for n, one in kept.anchors.items()):
        raise InvariantBroken("an anchor is under way already")
    number = len(kept.anchors) + 1
    kept.anchors[number] = Anchor(number=number, order=order, attempts=())
    return number
