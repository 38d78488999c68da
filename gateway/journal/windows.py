"""Windows and anchors in the journal: each step is durable before the next one begins."""

import sqlite3
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from gateway.journal.store import Store
from gateway.ports import Member, StagedWindow
from ledger.chain.orders import decode_order, encode_order
from ledger.chain.values import Anchor, Attempt, Final, Order, RegistryRoot, Submission
from ledger.errors import InvariantBroken, Rejected


class WindowJournal:
    """Windows and anchors; see the port of the same name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ── windows ─────────────────────────────────────────────────────────────────────────────

    def next_window(self) -> int:
        """Return the number that the next window gets."""
        with self._store.reading() as connection:
            return _next_window(connection)

    def unwindowed(self) -> list[Member]:
        """Return the delivered segments that are in no window, by node and sequence."""
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT node_index, first_sequence, header_hash FROM links"
                " WHERE state = 1 AND window IS NULL ORDER BY node_index, first_sequence"
            ).fetchall()
        return [Member(*row) for row in rows]

    def delivered_registrations(self) -> list[bytes] | None:
        """Return the registry as the Shared Customer Database has it, by node index.

        None while a registration was offered and nobody knows whether it arrived.
        """
        with self._store.reading() as connection:
            (unsure,) = connection.execute(
                "SELECT count(*) FROM nodes WHERE offered IS NOT delivered"
            ).fetchone()
            if unsure:
                return None
            rows = connection.execute(
                "SELECT delivered FROM nodes WHERE delivered IS NOT NULL ORDER BY node_index"
            ).fetchall()
        return [row[0] for row in rows]

    def stage(self, number: int, entry: bytes, closed_ms: int, members: Sequence[Member]) -> None:
        """Write down a closed window and its members, durably."""
        with self._store.writing() as connection:
            if (expected := _next_window(connection)) != number:
                raise InvariantBroken(f"window {number} is not the next one, {expected} is")
            placed = connection.executemany(
                "UPDATE links SET window = ? WHERE node_index = ? AND first_sequence = ?"
                " AND header_hash = ? AND state = 1 AND window IS NULL",
                [(number, m.node_index, m.first_sequence, m.header_hash) for m in members],
            )
            if members and placed.rowcount != len(members):
                raise InvariantBroken(
                    f"{len(members) - placed.rowcount} of the segments of window {number} are in "
                    "a window already"
                )
            connection.execute(
                "INSERT INTO windows (number, entry, closed_ms, segments) VALUES (?, ?, ?, ?)",
                (number, entry, closed_ms, len(members)),
            )

    def staged_from(self, number: int) -> list[tuple[int, bytes]]:
        """Return number and entry of the staged windows from `number` on, in order."""
        with self._store.reading() as connection:
            return connection.execute(
                "SELECT number, entry FROM windows WHERE number >= ? ORDER BY number", (number,)
            ).fetchall()

    def first_untold_window(self) -> StagedWindow | None:
        """Return the oldest window that the Shared Customer Database has not confirmed."""
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT number, entry, closed_ms, segments FROM windows WHERE told = 0"
                " ORDER BY number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            number, entry, closed_ms, segments = row
            placed = connection.execute(
                "SELECT node_index, header_hash FROM links WHERE window = ?"
                " ORDER BY node_index, first_sequence",
                (number,),
            ).fetchall()
        if len(placed) != segments:
            raise InvariantBroken(
                f"window {number} has {segments} segments, the journal knows {len(placed)}"
            )
        return StagedWindow(
            number=number, entry=entry, closed_ms=closed_ms, members=_grouped(placed)
        )

    def window_told(self, number: int, *, told: bool = True) -> None:
        """Write down that the Shared Customer Database has, or lost, window `number`.

        Raises:
            Rejected: it lost windows whose members the journal has forgotten.
        """
        with self._store.writing() as connection:
            if told:
                connection.execute(
                    "UPDATE windows SET told = 1 WHERE number = ? AND told = 0", (number,)
                )
                return
            _refuse_forgotten(connection, number)
            connection.execute("UPDATE windows SET told = 0 WHERE number >= ?", (number,))

    def prune_windows(self, cutoff_ms: int) -> None:
        """Forget certified windows closed before `cutoff_ms` that no segment points to."""
        with self._store.writing() as connection:
            connection.execute(
                "DELETE FROM windows WHERE closed_ms < ? AND told = 1 AND certified = 1"
                " AND number < (SELECT max(number) FROM windows)"
                " AND NOT EXISTS (SELECT 1 FROM links WHERE window = windows.number)",
                (cutoff_ms,),
            )

    # ── anchors ─────────────────────────────────────────────────────────────────────────────

    def anchor_under_way(self) -> Anchor | None:
        """Return the anchor that is not final yet."""
        with self._store.reading() as connection:
            anchors = _anchors(connection, "is_final = 0")
        if len(anchors) > 1:
            raise InvariantBroken(f"{len(anchors)} anchors are under way at once")
        return anchors[0] if anchors else None

    def anchored_size(self) -> int:
        """Return how many windows final submissions cover."""
        with self._store.reading() as connection:
            (size,) = connection.execute(
                "SELECT coalesce(max(size), 0) FROM anchors WHERE is_final = 1"
            ).fetchone()
        return int(size)

    def void_anchor(self, number: int) -> None:
        """Give up an anchor that the ledger will never take: another one took its place."""
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE anchors SET is_final = 2, certified = 1 WHERE number = ?", (number,)
            )

    def begin_anchor(self, order: Order, attempt: Attempt) -> None:
        """Write down, durably, an order together with its first attempt."""
        with self._store.writing() as connection:
            number = _insert_anchor(connection, order)
            _insert_attempt(connection, number, attempt)

    def keep_attempt(self, number: int, attempt: Attempt) -> None:
        """Write down, durably, one more attempt of an anchor."""
        with self._store.writing() as connection:
            _insert_attempt(connection, number, attempt)

    def next_nonce(self) -> int | None:
        """Return the nonce after the highest ever kept; None when none was."""
        with self._store.reading() as connection:
            (highest,) = connection.execute(
                "SELECT max(nonce) FROM attempts JOIN anchors ON anchors.number = anchor"
                " WHERE is_final <> 2"
            ).fetchone()
        return None if highest is None else int(highest) + 1

    def end_anchor(self, number: int | None, order: Order, final: Final, part: bytes) -> None:
        """Write down, durably, that an order is final; `number` is None if it had no attempt."""
        with self._store.writing() as connection:
            if number is None:
                number = _insert_anchor(connection, order)
            needs_no_telling = isinstance(order, RegistryRoot)
            connection.execute(
                "UPDATE anchors SET is_final = 1, certified = ?, chain_part = ?, gas = ?"
                " WHERE number = ?",
                (needs_no_telling, part, final.gas_used, number),
            )

    def uncertified_anchors(self) -> list[Anchor]:
        """Return the final submissions not yet told to the Shared Customer Database, in order."""
        with self._store.reading() as connection:
            return _anchors(connection, "is_final = 1 AND certified = 0")

    def certified(self, anchor: Anchor) -> None:
        """Drop the stage of the windows that an anchor covers: everybody has them."""
        if not isinstance(anchor.order, Submission):
            raise InvariantBroken("only submissions certify windows")
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE windows SET certified = 1 WHERE number < ? AND certified = 0",
                (anchor.order.size,),
            )
            connection.execute(
                "UPDATE anchors SET certified = 1, chain_part = NULL WHERE number = ?",
                (anchor.number,),
            )

    def tally(self) -> dict[str, int]:
        """Return windows closed, told and certified, anchors, and their gas, for the status."""
        with self._store.reading() as connection:
            closed = _next_window(connection)
            (untold,) = connection.execute("SELECT count(*) FROM windows WHERE told = 0").fetchone()
            (uncertified,) = connection.execute(
                "SELECT count(*) FROM windows WHERE certified = 0"
            ).fetchone()
            submissions, gas, anchored, last_gas = connection.execute(
                "SELECT count(*), coalesce(sum(gas), 0), coalesce(max(size), 0),"
                " (SELECT gas FROM anchors WHERE size IS NOT NULL AND is_final = 1"
                "  ORDER BY number DESC LIMIT 1)"
                " FROM anchors WHERE size IS NOT NULL AND is_final = 1"
            ).fetchone()
        return {
            "windows_closed": closed,
            "windows_told": closed - untold,
            "windows_anchored": anchored,
            "windows_certified": closed - uncertified,
            "submissions": submissions,
            "gas_total": gas,
            "gas_last_submission": last_gas or 0,
        }


def _next_window(connection: sqlite3.Connection) -> int:
    (highest,) = connection.execute("SELECT max(number) FROM windows").fetchone()
    return 0 if highest is None else int(highest) + 1


def _refuse_forgotten(connection: sqlite3.Connection, number: int) -> None:
    (known,) = connection.execute(
        "SELECT count(*) FROM windows WHERE number >= ? AND segments ="
        " (SELECT count(*) FROM links WHERE window = windows.number)",
        (number,),
    ).fetchone()
    if known != _next_window(connection) - number:
        raise Rejected(
            f"the Shared Customer Database lost windows from {number} on, and the journal has "
            "forgotten some of their members",
            where=f"window {number}",
            remedy="restore the Shared Customer Database from a newer backup",
            reason="windows_forgotten",
        )


def _grouped(rows: list[tuple[int, bytes]]) -> tuple[tuple[int, tuple[bytes, ...]], ...]:
    return tuple(
        (node, tuple(digest for _, digest in members))
        for node, members in groupby(rows, key=itemgetter(0))
    )


def _insert_anchor(connection: sqlite3.Connection, order: Order) -> int:
    (open_anchors,) = connection.execute(
        "SELECT count(*) FROM anchors WHERE is_final = 0"
    ).fetchone()
    if open_anchors:
        raise InvariantBroken("an anchor is under way already")
    size = order.size if isinstance(order, Submission) else None
    kept = connection.execute(
        "INSERT INTO anchors (body, size) VALUES (?, ?)", (encode_order(order), size)
    )
    if kept.lastrowid is None:
        raise InvariantBroken("the anchor got no number")
    return kept.lastrowid


def _insert_attempt(connection: sqlite3.Connection, number: int, attempt: Attempt) -> None:
    connection.execute(
        "INSERT INTO attempts (anchor, nonce, tx_hash, raw, max_fee_wei, priority_fee_wei,"
        " prepared_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            number, attempt.nonce, attempt.tx_hash, attempt.raw, str(attempt.max_fee_wei),
            str(attempt.priority_fee_wei), attempt.prepared_ms,
        ),
    )  # fmt: skip


def _anchors(connection: sqlite3.Connection, which: str) -> list[Anchor]:
    rows = connection.execute(
        f"SELECT number, body, is_final, chain_part, gas FROM anchors WHERE {which}"  # noqa: S608 -- our own text
        " ORDER BY number"
    ).fetchall()
    return [
        Anchor(
            number=number,
            order=decode_order(body),
            attempts=_attempts(connection, number),
            is_final=bool(is_final),
            chain_part=chain_part,
            gas=gas,
        )
        for number, body, is_final, chain_part, gas in rows
    ]


def _attempts(connection: sqlite3.Connection, number: int) -> tuple[Attempt, ...]:
    rows = connection.execute(
        "SELECT tx_hash, raw, nonce, max_fee_wei, priority_fee_wei, prepared_ms FROM attempts"
        " WHERE anchor = ? ORDER BY prepared_ms, nonce, length(max_fee_wei), max_fee_wei",
        (number,),
    ).fetchall()
    return tuple(
        Attempt(
            tx_hash=tx_hash,
            raw=raw,
            nonce=nonce,
            max_fee_wei=int(max_fee),
            priority_fee_wei=int(priority_fee),
            prepared_ms=prepared_ms,
        )
        for tx_hash, raw, nonce, max_fee, priority_fee, prepared_ms in rows
    )
