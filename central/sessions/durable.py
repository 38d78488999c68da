"""A session that survives a kill at any row: what has ended is read back, never done again.

```
 row("DA-9a", work)    ended before?  yes → its documents, from the store
                                      no  → work → sign → one transaction: documents and row
```

Between rows nothing is kept but documents. What a row works out on the way (a forecast, a power
flow) is worked out again when somebody after a kill asks for it.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from central.documents.encoding import document_hash, encode, opened, sign
from central.documents.header import Document, Envelope
from central.scd.documents import CheckedDocument, DocumentQuery, checked
from central.scd.documents_desk import warn_of_congestion
from central.scd.ports import DocumentStore, SessionStore
from central.scd.sessions import RowState, SessionRow
from ledger.errors import CertiflexError, InvariantBroken, Rejected
from ledger.facts.clock import Clock
from ledger.signing import SigningKey

Kind = TypeVar("Kind", bound=Document)

log = logging.getLogger("central")

_NAMES = uuid.UUID("6b0f2f1e-6f6e-5c6e-9d0b-0c6f1c1a5b11")
_HASHES_AT_ONCE = 500
STOPPED = "stopped"
MISSED = "missed"
"""The row of a session whose time was over before its outcome was there."""
TOO_LATE = "its hours began before it was published"
_FOREVER_MS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Ended:
    """What a row came to.

    Args:
        made: new documents; they are signed and filed with the row.
        taken: documents that are in the store already and that the row goes on with.
        state: whether there was something to do.
        told: what an operator should know, in words.
    """

    made: Sequence[Document] = ()
    taken: Sequence[Document] = ()
    state: RowState = RowState.OK
    told: str = ""


class Interrupted(Exception):
    """The process was told to end: no further row begins here; the session goes on next time."""


class SessionStopped(Rejected):
    """An operator has stopped the session: no row of it is gone through any more."""


class SessionMissed(Rejected):
    """The time of the session is over: nothing more of it is filed, and nothing was published."""


@dataclass
class DurableSession:
    """Goes through the rows of one session, each once.

    Args:
        name: of the session; the names of its documents follow from it.
        store: where rows are noted.
        documents: where documents are read back from.
        keys: of the parties that are played here.
        clock: stamps rows and documents.
        progress: told each row that begins.
        is_ending: whether the process was told to end.
        until_ms: from then on no row begins, and none that is under way is filed: the session is
            missed, unless whoever goes through it has put this off.
    """

    name: str
    store: SessionStore
    documents: DocumentStore
    keys: Mapping[str, SigningKey]
    clock: Clock
    progress: Callable[[str], None] = lambda _: None
    is_ending: Callable[[], bool] = lambda: False
    until_ms: int = _FOREVER_MS
    _ended: dict[str, SessionRow] = field(init=False)

    def __post_init__(self) -> None:
        """Read back what has ended."""
        self._ended = {row.row: row for row in self.store.rows(self.name) if row.has_ended}

    @property
    def rows(self) -> list[SessionRow]:
        """Return the rows that have ended, in their order."""
        return list(self._ended.values())

    def has_ended(self, number: str) -> bool:
        """Tell whether a row has ended."""
        return number in self._ended

    def row(self, number: str, work: Callable[[], Ended]) -> tuple[Document, ...]:
        """Return the documents of a row: as they were filed, or made now and filed.

        Raises:
            SessionStopped: somebody stopped the session.
            SessionMissed: its time is over; that is noted, and nothing of the row is.
            Interrupted: the process was told to end.
            CertiflexError: the row failed; that is noted, and it may be gone through again.
        """
        known = self._ended.get(number)
        if known is not None:
            return tuple(self._read_back(known))
        self._need_going(number)
        self.progress(number)
        log.info("session.step", extra={"step": number, "session": self.name})
        try:
            return self._file(number, work())
        except SessionMissed:
            raise
        except Exception as error:
            told = str(error) if isinstance(error, CertiflexError) else f"broke: {error!r}"
            log.warning("session.step_failed", extra={
                "step": number, "session": self.name, "why": told,
            })  # fmt: skip
            self._note_failed(number, told)
            raise

    def take(self, kind: type[Kind], number: str, work: Callable[[], Ended]) -> tuple[Kind, ...]:
        """Return the documents of a row, all of one kind; see `row`.

        Raises:
            InvariantBroken: one is of another kind.
        """
        documents = self.row(number, work)
        for each in documents:
            if not isinstance(each, kind):
                raise InvariantBroken(
                    f"row {number} has {each.ii} {each.mrid}, expected {kind.ii}", where=self.name
                )
        return tuple(each for each in documents if isinstance(each, kind))

    def note(self, number: str, told: str, state: RowState = RowState.OK) -> None:
        """Note a row that files nothing, if it has not ended."""
        self.row(number, lambda: Ended(state=state, told=told))

    def stop(self, why: str) -> None:
        """Let no further row begin, here or in another process."""
        self._end(STOPPED, why)

    def miss(self, why: str) -> None:
        """Let no further row begin, since the session's time is over."""
        self._end(MISSED, why)

    def envelopes(self, number: str, sender: str) -> Callable[[str], Envelope]:
        """Return what makes the headers of a row's documents for their receivers, in order.

        The n-th document of a row has the same name however often the row is begun.
        """
        names = self._names(number, sender)

        def addressed_to(receiver: str) -> Envelope:
            return Envelope(
                mrid=next(names), created_ms=self.clock.now_ms(), sender=sender, receiver=receiver
            )

        return addressed_to

    def _names(self, number: str, sender: str) -> Iterator[str]:
        place = 0
        while True:
            yield str(uuid.uuid5(_NAMES, f"{self.name}/{number}/{sender}/{place}"))
            place += 1

    def _need_going(self, number: str) -> None:
        if self.is_ending():
            raise Interrupted(self.name)
        for row in self.store.rows(self.name):
            if row.row in {STOPPED, MISSED}:
                error = SessionStopped if row.row == STOPPED else SessionMissed
                raise error(
                    f"the session was {row.row}: {row.told}",
                    where=self.name,
                    remedy="its rows stand as they are; run another session",
                    reason=row.row,
                )
        self._need_time(self.clock.now_ms(), number)

    def _need_time(self, at_ms: int, number: str) -> None:
        """Note that the session is missed if its time is over: nobody is told half of it."""
        if at_ms < self.until_ms:
            return
        why = f"{TOO_LATE}: it had come as far as row {number}"
        log.warning("session.missed", extra={"step": number, "session": self.name})
        self.miss(why)
        raise SessionMissed(
            why, where=self.name, remedy="later sessions trade its hours again", reason=MISSED
        )

    def _file(self, number: str, ended: Ended) -> tuple[Document, ...]:
        filed = [self._signed(each) for each in ended.made]
        taken = (document_hash(encode(each)) for each in ended.taken)
        hashes = (*(each.document_hash for each in filed), *taken)
        row = self._row(number, ended.state, ended.told, hashes)
        self._need_time(row.ended_ms, number)
        self._commit(row, filed)
        for document, content in zip(filed, ended.made, strict=True):
            warn_of_congestion(document, content)
        return (*ended.made, *ended.taken)

    def _signed(self, document: Document) -> CheckedDocument:
        key = self.keys.get(document.sender)
        if key is None:
            raise Rejected(
                f"no key is here to sign for {document.sender}",
                where=f"{document.ii} of session {self.name}",
                remedy="set key_file of that party under [[parties]]",
                reason="no_key",
            )
        return checked(sign(document, key))[0]

    def _note_failed(self, number: str, told: str) -> None:
        try:
            self.store.commit_row(self._row(number, RowState.FAILED, told))
        except CertiflexError as away:
            log.warning("session.not_noted", extra={"session": self.name, "why": str(away)})

    def _end(self, number: str, why: str) -> None:
        if not self.has_ended(number):
            self._commit(self._row(number, RowState.OK, why), [])

    def _commit(self, row: SessionRow, documents: Sequence[CheckedDocument]) -> None:
        self.store.commit_row(row, documents)
        self._ended[row.row] = row

    def _row(
        self, number: str, state: RowState, told: str, hashes: tuple[bytes, ...] = ()
    ) -> SessionRow:
        return SessionRow(
            session=self.name, row=number, state=state, told=told,
            ended_ms=self.clock.now_ms(), documents=hashes,
        )  # fmt: skip

    def _read_back(self, row: SessionRow) -> list[Document]:
        found: dict[bytes, Document] = {}
        for at in range(0, len(row.documents), _HASHES_AT_ONCE):
            wanted = row.documents[at : at + _HASHES_AT_ONCE]
            query = DocumentQuery(hashes=wanted, limit=len(wanted), conflicts=True)
            for stored in self.documents.documents(query):
                found[stored.document_hash], _ = opened(stored.signed)
        missing = [each for each in row.documents if each not in found]
        if missing:
            raise InvariantBroken(
                f"row {row.row} filed document {missing[0].hex()}, which is not there",
                where=self.name,
                remedy="restore the evidence database from its backup",
            )
        return [found[each] for each in row.documents]
