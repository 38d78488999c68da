"""What the journal's file adds to its guarantees: synced, bounded, alone, and told when damaged."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import JournalBlocked, JournalDamaged, JournalTaken
from gateway.journal import Journal, Store, take_alone
from gateway.journal import schema as journal_schema
from gateway.journal.schema import connect, translated
from gateway.ports import Equivocation, Examined, Lane, Refusal
from ledger.chain.values import Final, Submission
from ledger.codec import decode_registration
from ledger.errors import InvariantBroken, Rejected
from tests.fakes.gateway_forger import claiming, examine, keyring_of
from tests.segments import FIRST_MS, ORIGIN, TestNode

NOW_MS = FIRST_MS + 3_600_000


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open(tmp_path / "journal.sqlite", quarantine_bytes=20_000)
    yield made
    made.close()


def admit(journal: Journal, *segments: Examined) -> None:
    with journal.segments.batch() as batch:
        for segment in segments:
            batch.admit(segment, Lane.LIVE, NOW_MS)


def minutes(count: int, node: TestNode | None = None) -> list[Examined]:
    sender = node or TestNode(0)
    return [examined(body, sender) for body in sender.segments(count)]


def examined(body: bytes, node: TestNode) -> Examined:
    return examine(
        body, topic_node=node.index, keyring=keyring_of(node), origin=ORIGIN, now_ms=NOW_MS
    )


def settle(journal: Journal, outcome: str = "stored") -> None:
    sent = journal.segments.outgoing(10_000)
    journal.segments.settle([(one, outcome, "why") for one in sent], NOW_MS)


def windowed(journal: Journal) -> int:
    """Close, tell and certify a window; return its number."""
    number = journal.windows.next_window()
    journal.windows.stage(number, b"entry", NOW_MS, journal.windows.unwindowed())
    journal.windows.window_told(number)
    order = Submission(
        log_id=bytes(32), sequence=number + 1, root=bytes(32), size=number + 1, meta=bytes(32),
        proof=(),
    )  # fmt: skip
    final = Final(
        tx_hash=bytes(32), gas_used=5, block_number=1, block_hash=bytes(32), block_time_s=1
    )
    journal.windows.end_anchor(None, order, final, b"part")
    (anchor,) = journal.windows.uncertified_anchors()
    journal.windows.certified(anchor)
    return number


# ── the file ────────────────────────────────────────────────────────────────────────────────


def test_a_commit_is_synced_and_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(journal_schema, "sync", synced.append)
    connection = connect(tmp_path / "state" / "journal.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()
    assert synced == [tmp_path / "state" / "journal.sqlite", tmp_path / "state"]


def test_what_was_committed_is_there_after_an_opening(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    first = Journal.open(path)
    (segment,) = minutes(1)
    admit(first, segment)
    first.close()
    again = Journal.open(path)
    assert [one.payload for one in again.segments.outgoing(9)] == [segment.payload]
    again.close()


@pytest.mark.parametrize("content", [b"no database at all, and longer than a header " * 40, b""])
def test_a_file_that_is_no_journal_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.sqlite"
    if content:
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE something (else_ INTEGER)")
        other.close()
        content = path.read_bytes()
    with pytest.raises(JournalDamaged) as refused:
        Journal.open(path)
    assert str(path) in str(refused.value)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalBlocked, match="folder"):
        Journal.open(tmp_path / "file" / "journal.sqlite")


def test_a_damaged_page_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    made = Journal.open(path)
    admit(made, *minutes(30))
    made.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    made.close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="restore"):
        _read_all(path)


def _read_all(path: Path) -> None:
    journal = Journal.open(path)
    try:
        journal.segments.outgoing(100)
    finally:
        journal.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, JournalBlocked),
        (sqlite3.SQLITE_IOERR | 1 << 8, JournalBlocked),
        (sqlite3.SQLITE_BUSY, JournalBlocked),
        (sqlite3.SQLITE_CORRUPT, JournalDamaged),
        (sqlite3.SQLITE_ERROR, InvariantBroken),
    ],
)
def test_every_error_of_the_database_is_one_of_ours(code: int, kind: type[Exception]) -> None:
    error = sqlite3.OperationalError("it happened")
    error.sqlite_errorcode = code
    with pytest.raises(kind, match="it happened"), translated(Path("journal")):
        raise error


def test_one_gateway_works_on_a_journal_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.sqlite"
    lock = take_alone(path)
    with pytest.raises(JournalTaken, match="another gateway"):
        take_alone(path)
    lock.close()
    take_alone(path).close()


def test_a_full_disk_lets_the_reserve_go_and_takes_it_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "journal.sqlite", reserve_bytes=100_000)
    reserve = tmp_path / "journal.reserve"
    assert reserve.stat().st_size == 100_000
    with pytest.raises(JournalBlocked), store.writing() as connection:  # noqa: PT012 -- it must fail within
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("CREATE TABLE big (x BLOB)")
        connection.execute("INSERT INTO big VALUES (zeroblob(10000000))")
    assert not reserve.exists()
    with store.writing() as connection:
        connection.execute("DELETE FROM outgoing")
    store.take_reserve()
    assert reserve.exists()
    store.close()


def test_a_reserve_that_does_not_fit_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with caplog.at_level(logging.WARNING):
        store = Store(tmp_path / "journal.sqlite", reserve_bytes=100_000)
    assert [one.getMessage() for one in caplog.records] == ["gateway.no_reserve"]
    assert not (tmp_path / "journal.reserve").exists()
    store.close()


# ── bounds ──────────────────────────────────────────────────────────────────────────────────


def refuse(journal: Journal, number: int, node: int | None = 0, size_bytes: int = 10) -> None:
    refusal = Refusal(
        node_index=node, reason="not_canonical", detail="detail",
        payload=number.to_bytes(4, "big") * (size_bytes // 4), received_ms=NOW_MS + number,
    )  # fmt: skip
    with journal.segments.batch() as batch:
        batch.quarantine(refusal)


def test_a_node_keeps_its_newest_256_refusals_and_no_other_loses_one(journal: Journal) -> None:
    refuse(journal, 1, node=7)
    for number in range(300):
        refuse(journal, number)
    assert journal.quarantine.count() == 257
    entries = journal.quarantine.entries(1_000)
    assert entries[0].first_ms == NOW_MS + 299
    assert entries[-1].node_index == 7


def test_all_refusals_together_are_bounded_and_the_oldest_give_way(journal: Journal) -> None:
    for number in range(200):
        refuse(journal, number, node=number, size_bytes=1_000)
    entries = journal.quarantine.entries(1_000)
    assert 0 < sum(one.size_bytes for one in entries) <= 20_000
    assert entries[0].first_ms == NOW_MS + 199


def test_a_refusal_is_shown_with_its_first_bytes(journal: Journal) -> None:
    refuse(journal, 5, node=None, size_bytes=10_000)
    refuse(journal, 5, node=None, size_bytes=10_000)
    (entry,) = journal.quarantine.entries(9)
    assert (entry.node_index, entry.times, entry.size_bytes) == (None, 2, 10_000)
    found = journal.quarantine.entry(entry.number)
    assert found is not None
    assert found[1] == (5).to_bytes(4, "big") * 2_500
    assert journal.quarantine.entry(99) is None


def test_a_message_too_long_is_kept_in_part(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.sqlite")
    refuse(journal, 5, size_bytes=1_000_000)
    (entry,) = journal.quarantine.entries(9)
    found = journal.quarantine.entry(entry.number)
    assert found is not None
    assert (entry.size_bytes, len(found[1])) == (1_000_000, 65_536)
    journal.close()


def test_evidence_of_one_node_is_bounded(journal: Journal) -> None:
    node = TestNode(0)
    body = node.segment()
    held = examined(body, node)
    admit(journal, held)
    with journal.segments.batch() as batch:
        (link,) = batch.neighbours(0, 0, 15).overlapping
        kept = [
            batch.keep_evidence(
                Equivocation(
                    kind="equivocation", held=link, detected_ms=number,
                    other=examined(claiming(body, node.key, checkpoint=(number, bytes(32))), node),
                )
            )
            for number in range(103)
        ]  # fmt: skip
    assert kept == [True] * 100 + [False] * 3
    assert len(journal.segments.evidence(1_000)) == 100


def test_what_the_database_says_no_to_is_kept_for_people(journal: Journal) -> None:
    first, second = minutes(2)
    admit(journal, first)
    settle(journal, "rejected")
    (entry,) = journal.quarantine.entries(9)
    assert (entry.reason, entry.detail) == ("refused_by_central", "why")
    admit(journal, second)
    settle(journal, "conflict")
    ((_, kind, node, sequence, _, other, _),) = journal.segments.evidence(9)
    assert (kind, node, sequence, other) == ("central_conflict", 0, 15, second.header_hash)


def test_an_outcome_that_nobody_knows_is_a_fault(journal: Journal) -> None:
    admit(journal, *minutes(1))
    with pytest.raises(InvariantBroken):
        settle(journal, "perhaps")
    assert journal.segments.backlog() == 1


# ── forgetting ──────────────────────────────────────────────────────────────────────────────


def test_only_what_is_certified_is_forgotten_and_never_the_newest(journal: Journal) -> None:
    node = TestNode(0)
    journal.registry.enrol(lambda _: decode_registration(node.registration()))
    first, second, third = minutes(3, node)
    admit(journal, first, second)
    settle(journal)
    assert journal.prune(NOW_MS + 1, most=100) == 0, "in no window yet"
    windowed(journal)
    admit(journal, third)
    settle(journal)
    assert journal.prune(NOW_MS, most=100) == 0, "not old enough"
    assert journal.prune(NOW_MS + 1, most=1) == 1
    assert journal.prune(NOW_MS + 1, most=100) == 1
    with journal.segments.batch() as batch:
        assert batch.neighbours(0, 45, 60).before is not None


def test_what_was_forgotten_gets_into_no_second_window(journal: Journal) -> None:
    node = TestNode(0)
    journal.registry.enrol(lambda _: decode_registration(node.registration()))
    first, second = minutes(2, node)
    admit(journal, first, second)
    settle(journal)
    windowed(journal)
    journal.prune(NOW_MS + 1, most=100)
    admit(journal, first)
    settle(journal, "duplicate")
    assert not journal.windows.unwindowed()


def test_windows_are_forgotten_after_their_segments(journal: Journal) -> None:
    node = TestNode(0)
    journal.registry.enrol(lambda _: decode_registration(node.registration()))
    admit(journal, *minutes(2, node))
    settle(journal)
    windowed(journal)
    windowed(journal)
    journal.prune_windows(NOW_MS + 1)
    assert [number for number, _ in journal.windows.staged_from(0)] == [0, 1]
    journal.prune(NOW_MS + 1, most=100)
    journal.prune_windows(NOW_MS + 1)
    assert [number for number, _ in journal.windows.staged_from(0)] == [0, 1], "one is linked to"
    admit(journal, *[examined(node.segment(), node)])
    journal.prune(NOW_MS + 1, most=100)
    journal.prune_windows(NOW_MS + 1)
    assert [number for number, _ in journal.windows.staged_from(0)] == [1]
    assert journal.windows.next_window() == 2
    with pytest.raises(Rejected, match="forgotten"):
        journal.windows.window_told(0, told=False)


def test_a_window_whose_members_are_gone_is_a_fault(journal: Journal) -> None:
    admit(journal, *minutes(1))
    settle(journal)
    journal.windows.stage(0, b"entry", NOW_MS, journal.windows.unwindowed())
    with journal.store.writing() as connection:
        connection.execute("DELETE FROM links")
    with pytest.raises(InvariantBroken, match="knows 0"):
        journal.windows.first_untold_window()


def test_the_tally_counts_what_happened(journal: Journal) -> None:
    windowed(journal)
    journal.windows.stage(1, b"entry", NOW_MS, [])
    assert journal.windows.tally() == {
        "windows_closed": 2, "windows_told": 1, "windows_anchored": 1, "windows_certified": 1,
        "submissions": 1, "gas_total": 5, "gas_last_submission": 5,
    }  # fmt: skip


def test_registrations_are_dense(journal: Journal) -> None:
    made = decode_registration(TestNode(1).registration())
    with pytest.raises(InvariantBroken):
        journal.registry.enrol(lambda _: made)
    with pytest.raises(Rejected, match="not enrolled"):
        journal.registry.change(0, lambda known: known)
    assert journal.registry.registrations() == []


def test_another_process_sees_what_was_committed(journal: Journal, tmp_path: Path) -> None:
    other = Journal.open(tmp_path / "journal.sqlite")
    other.registry.enrol(lambda _: decode_registration(TestNode(0).registration()))
    assert journal.registry.registry_version() == 1
    other.close()
