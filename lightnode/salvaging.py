"""A damaged outbox: everything sound in it goes into a new one, and the old one is put aside.

```
 outbox.db (damaged)  ──sound rows──►  outbox.part.db  ──complete──►  outbox.saved.db
                                                                            │
 outbox.damaged-N.db  ◄──renamed──  outbox.db   ◄──renamed────────────────┘
```

Each arrow can be interrupted: a complete outbox.saved.db is used at the next start, a part begun
again.
"""

import contextlib
import logging
import sqlite3
from pathlib import Path
from typing import Any

from ledger import codec
from ledger.errors import Rejected
from ledger.signing import payload_of
from lightnode.ports import Tail
from lightnode.sealing import after
from lightnode.storing import (
    DAMAGED_CODES,
    Damaged,
    Row,
    compare,
    is_sound,
    keep_reserve,
    prepared,
    put,
    read_tail,
    sound_text,
    stored_tail,
    sync_folder,
    tail_of,
    tail_text,
    transaction,
    write_tail,
)

_JOURNALS = ("-wal", "-shm")
_KEPT_STATE = frozenset({"boot_id", "checkpoint"})

log = logging.getLogger("lightnode")


def open_database(folder: Path, *, check: bool) -> sqlite3.Connection:
    """Return the database in a folder, or a new one with all that is sound in a damaged one.

    The copy of its tail is brought up to it, so that no segment is offered that the copy does
    not know of.

    Raises:
        sqlite3.Error: the disk does not do what it should.
        OSError: likewise.
        Rejected: it is of a newer format, or too damaged to go on from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "outbox.saved.db").exists():
        _put_in_place(folder)
    why = _damage(folder, check=check)
    if why:
        _salvage(folder, why)
        _put_in_place(folder)
    database = prepared(folder / "outbox.db")
    try:
        tail, copy = stored_tail(database), read_tail(folder)
        if tail.next_sequence > (copy.next_sequence if copy else 0):
            write_tail(folder, tail)
        sync_folder(folder)
    except BaseException:
        database.close()
        raise
    with contextlib.suppress(OSError):
        keep_reserve(folder)
    return database


def _damage(folder: Path, *, check: bool) -> str:
    """Return what is wrong with the database, or an empty text."""
    file = folder / "outbox.db"
    if not file.exists():
        return "the file is gone" if (folder / "outbox.tail").exists() else ""
    if not check:
        return ""
    try:
        with contextlib.closing(prepared(file)) as database:
            compare(database, folder)
    except Damaged as damage:
        return str(damage)
    except UnicodeDecodeError as error:
        # SQLite quotes its damaged schema in the message, as it stands there.
        return str(error)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "") not in DAMAGED_CODES:
            raise
        return str(error)
    return ""


def _salvage(folder: Path, why: str) -> None:
    """Write all that is sound into a new database.

    The sequence goes on after the last one that anybody may have seen: the greatest of the
    database's own tail, its copy, and the segments that are still here.

    Raises:
        Rejected: none of these is left.
    """
    file, part = folder / "outbox.db", folder / "outbox.part.db"
    segments, records, state = _sound_rows(file) if file.exists() else ([], [], {})
    tails = [*map(_tail_after, segments)]
    if "tail" in state:
        tails.append(tail_of(state["tail"]))
    if copy := read_tail(folder):
        tails.append(copy)
    if not tails and not records:
        raise Rejected(
            f"the outbox is damaged ({why}), and nothing in it can be saved",
            where=str(file),
            remedy="enrol this node again, with a new key and an empty folder",
            reason="outbox_damaged",
        )
    tail = max(tails, key=lambda tail: tail.next_sequence, default=Tail())
    records = _following(tail, records)
    for leftover in (part, *(part.with_name(part.name + ending) for ending in _JOURNALS)):
        leftover.unlink(missing_ok=True)
    with contextlib.closing(prepared(part)) as database, transaction(database):
        database.executemany("INSERT INTO segment VALUES (?, ?, ?, ?, ?)", segments)
        database.executemany("INSERT INTO record VALUES (?, ?, ?)", records)
        kept = {key: value for key, value in state.items() if key in _KEPT_STATE}
        for key, value in {**kept, "tail": tail_text(tail)}.items():
            put(database, key, value)
    part.rename(folder / "outbox.saved.db")
    sync_folder(folder)
    told = {"why": why, "next_sequence": tail.next_sequence}
    saved = {"segments_saved": len(segments), "records_saved": len(records)}
    log.error("lightnode.outbox_damaged", extra=told | saved)


def _put_in_place(folder: Path) -> None:
    """Put the damaged database aside, journal first, and the saved one in its place."""
    file = folder / "outbox.db"
    number = len(list(folder.glob("outbox.damaged-*.db"))) + 1
    aside = folder / f"outbox.damaged-{number}.db"
    for ending in (*_JOURNALS, ""):
        part = file.with_name(file.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    (folder / "outbox.saved.db").rename(file)
    sync_folder(folder)


def _sound_rows(file: Path) -> tuple[list[Row], list[Row], dict[str, str]]:
    """Return the sound segments, records and state of a damaged database, in order."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.text_factory = lambda text: text.decode(errors="replace")
        segments = _readable(database, "segment", "first_sequence")
        records = _readable(database, "record", "sequence")
        state = _readable(database, "state", "key")
    sound = [row for row in segments if is_sound(row) and _is_segment(row)]
    texts = {key: text for key, value in state if (text := sound_text(value)) is not None}
    return sound, [row for row in records if is_sound(row)], texts


def _readable(database: sqlite3.Connection, table: str, key: str) -> list[Row]:
    """Return the rows that can be read, from either end up to where reading fails."""
    found: dict[Any, Row] = {}
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
            for row in database.execute(f"SELECT * FROM {table} ORDER BY {key} {order}"):  # noqa: S608 -- our own names
                found[row[0]] = row
    return sorted(found.values(), key=lambda row: str(row[0]).zfill(20))


def _is_segment(row: Row) -> bool:
    try:
        header = payload_of(codec.decode_segment(row[3]).signed_header)[1]
    except Rejected:
        return False
    return bool(codec.header_hash(header) == row[2])


def _tail_after(segment_row: Row) -> Tail:
    segment = codec.decode_segment(segment_row[3])
    header = codec.decode_header(payload_of(segment.signed_header)[1])
    before = Tail(next_slot=header.first_slot, previous_hash=segment_row[2])
    return after(before, codec.read_rows(segment.records))


def _following(tail: Tail, records: list[Row]) -> list[Row]:
    """Return the records that follow on a tail without a hole."""
    following: list[Row] = []
    for row in records:
        if row[0] == tail.next_sequence + len(following):
            following.append(row)
    return following
