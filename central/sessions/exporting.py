"""A session's documents in a folder, each with its proof: written, and read back checked.

```
FOLDER/manifest.json                    session, checkpoint, rows, and every file with its hash
FOLDER/documents/000017-I-05-….bundle   one document bundle each, numbered by the market log
```

Every revision is there, since who clears again must find the one that stood at the gate. With a
session of real time go the outcomes of its hours so far, and the offers of the days that they left
over. What is read back rests on the bundles alone; the manifest says nothing that is believed
without them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from central.documents.encoding import decode, document_hash
from central.documents.header import Document
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.scd.documents import DocumentQuery, StoredDocument, checked
from central.scd.documents_proofs import DocumentProver, Ground
from central.scd.ports import DocumentStore, SessionStore
from central.scd.sessions import SessionRow
from central.sessions.leftovers import days_of
from ledger.codec import decode_document_entry
from ledger.codec.jsontext import parsed
from ledger.documents import Logging, decode_document_bundle, verify_document
from ledger.errors import Rejected, Unavailable, unreadable
from ledger.facts.interval import Interval
from ledger.proving import Status, Trust, Verdict
from ledger.signing import payload_of

SCHEMA = "certiflex/market-export/v1"
OF_THE_SESSION = ("I-05", "I-06", "I-07", "I-08", "I-09", "I-14")
OF_THE_SPAN = ("I-02", "I-03", "I-12")

_MANIFEST = "manifest.json"
_FOLDER = "documents"
_PAGE = 500


class BrokenExport(Rejected):
    """An export that is not whole, or does not prove what it says; `where` is the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedDocument:
    """A document of an export: `index` is its place in the market log, so in order of arrival."""

    index: int
    arrived_ms: int
    document: Document
    document_hash: bytes
    signed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A session read back; `open` is the first verdict that is not VALID for want of something.

    The rows are the operator's word: nothing proves them but their documents.
    """

    session: str
    span: Interval
    checkpoint: str
    rows: tuple[dict[str, Any], ...]
    documents: tuple[ExportedDocument, ...]
    open: Verdict | None


@dataclass(frozen=True)
class Exporter:
    """Writes sessions out of the stores."""

    documents: DocumentStore
    sessions: SessionStore
    prover: DocumentProver

    def export(self, session: str, span: Interval, folder: Path) -> int:
        """Write a session into an empty or new folder; return the number of its documents.

        Args:
            session: its name.
            span: of the market it is about: baselines, portfolios and profiles touching it go
                along.
            folder: where to.

        Raises:
            Rejected: there is no such session, a document of it is under no checkpoint yet, or
                the folder holds something.
            Unavailable: the folder cannot be written.
        """
        rows = self.sessions.rows(session)
        found = sorted(self._found(session, span, rows), key=lambda each: each.arrival)
        if not found:
            raise Rejected(
                "there is no document of such a session",
                where=session,
                remedy="check the name of the session and its market day",
                reason="no_session",
            )
        made = self._bundled(found)
        try:
            _write(folder, _manifest(session, span, rows, made), made)
        except OSError as error:
            raise Unavailable(
                f"cannot be written ({error.strerror})", where=str(error.filename or folder)
            ) from error
        return len(made)

    def _found(
        self, session: str, span: Interval, rows: Sequence[SessionRow]
    ) -> Iterator[StoredDocument]:
        """Yield what belongs to a session, each document once."""
        filed = {digest for row in rows for digest in row.documents}
        known = [(each, checked(each.signed)[1]) for each in self._each(days_of(span))]
        cleared = {
            document.session for stored, document in known
            if isinstance(document, MarketOutcome) and stored.document_hash in filed
        }  # fmt: skip
        for stored, document in known:
            named = getattr(document, "session", None)
            if (
                (stored.ii in OF_THE_SPAN and stored.validity.overlaps(span))
                or stored.document_hash in filed
                or named == session
                or (stored.ii == FlexOffer.ii and named in cleared)
            ):
                yield stored

    def _each(self, span: Interval) -> Iterator[StoredDocument]:
        since = 0
        while True:
            query = DocumentQuery(
                ii=(*OF_THE_SESSION, *OF_THE_SPAN), span=span, since=since, limit=_PAGE
            )
            page = self.documents.documents(query)
            yield from page
            if len(page) < _PAGE:
                return
            since = page[-1].arrival

    def _bundled(
        self, found: Sequence[StoredDocument]
    ) -> "list[tuple[StoredDocument, bytes, int]]":
        """Return each document with its bundle and its place in the log, under one checkpoint."""
        ground: Ground | None = None
        made = []
        for stored in reversed(found):
            bundle = self.prover.bundle(stored, ground)
            tied = decode_document_bundle(bundle).logging
            if tied is None:
                raise Rejected(
                    f"{stored.ii} {stored.mrid}, revision {stored.revision}, is under no "
                    "checkpoint yet",
                    remedy="seal the market log: at the next gate closure or publication",
                    reason="not_sealed",
                )
            # The last to arrive is under the fewest checkpoints: all others are under its too.
            ground = ground or self.prover.ground(tied.index)
            made.append((stored, bundle, tied.index))
        return made[::-1]


def read_export(folder: Path, trust: Trust) -> Export:
    """Return a session from a folder, every hash, signature and proof of it checked.

    Raises:
        BrokenExport: a file is missing or too many, or one does not prove its document.
        Rejected: the folder, or its manifest, is not there to be read.
        Unavailable: the disk does not give it.
    """
    try:
        told = _told(folder / _MANIFEST)
        _need_just(folder, [each["file"] for each in told["documents"]])
        documents, verdicts = [], []
        for listed in told["documents"]:
            document, verdict = _read(folder / listed["file"], listed, told["checkpoint"], trust)
            documents.append(document)
            verdicts.append(verdict)
    except OSError as error:
        raise unreadable(error.filename or folder, error) from error
    _need_ordered(documents, folder)
    return Export(
        session=told["session"],
        span=Interval(told["from_ms"], told["to_ms"]),
        checkpoint=told["checkpoint"],
        rows=tuple(told["rows"]),
        documents=tuple(documents),
        open=next((each for each in verdicts if each.status is not Status.VALID), None),
    )


def _manifest(
    session: str,
    span: Interval,
    rows: Sequence[SessionRow],
    made: "Sequence[tuple[StoredDocument, bytes, int]]",
) -> dict[str, Any]:
    tied = decode_document_bundle(made[-1][1]).logging
    assert tied is not None  # noqa: S101 -- `_bundled` refuses what has none
    return {
        "schema": SCHEMA,
        "session": session,
        "from_ms": span.start_ms,
        "to_ms": span.end_ms,
        "checkpoint": tied.checkpoint,
        "rows": [
            {
                "row": row.row, "state": row.state.value, "told": row.told,
                "ended_ms": row.ended_ms, "documents": [each.hex() for each in row.documents],
            }
            for row in rows
        ],
        "documents": [
            {
                "file": f"{_FOLDER}/{index:06}-{stored.ii}-{stored.mrid}-{stored.revision}.bundle",
                "ii": stored.ii, "mrid": stored.mrid, "revision": stored.revision,
                "sender": stored.sender, "hash": stored.document_hash.hex(),
            }
            for stored, _, index in made
        ],
    }  # fmt: skip


def _write(
    folder: Path, manifest: dict[str, Any], made: "Sequence[tuple[StoredDocument, bytes, int]]"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Rejected(
            "the folder holds something; an export is never mixed with anything",
            where=str(folder),
            remedy="name a new folder",
            reason="not_empty",
        )
    (folder / _FOLDER).mkdir()
    for listed, (_, bundle, _) in zip(manifest["documents"], made, strict=True):
        (folder / listed["file"]).write_bytes(bundle)
    # Last: what has a manifest is whole.
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / _MANIFEST).write_text(f"{text}\n", encoding="utf-8")


def _told(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise BrokenExport(
            "there is no manifest: this is no whole export", where=str(path),
            remedy="check the path, or export the session again",
        )  # fmt: skip
    try:
        told = parsed(path.read_bytes())
    except Rejected as error:
        raise BrokenExport(f"no manifest ({error.what})", where=str(path)) from error
    match told:
        case {
            "schema": "certiflex/market-export/v1", "session": str(), "from_ms": int(start),
            "to_ms": int(end), "checkpoint": str(), "rows": [*rows], "documents": [*documents],
        } if start < end and all(isinstance(each, dict) for each in rows):  # fmt: skip
            for each in documents:
                _need_listed(each, path)
            return dict(told)
        case _:
            raise BrokenExport(f"no manifest of {SCHEMA}", where=str(path))


def _need_listed(listed: Any, path: Path) -> None:  # noqa: ANN401 -- checks what it is given
    match listed:
        case {"file": str(name), "hash": str()} if Path(name).parts[:-1] == (_FOLDER,):
            return
        case _:
            raise BrokenExport(f"lists what is no document: {listed!r:.80}", where=str(path))


def _need_just(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder with other files than those listed."""
    there = {f"{_FOLDER}/{each.name}" for each in (folder / _FOLDER).iterdir()}
    for name in sorted(there ^ set(names)):
        what = "is not in the manifest" if name in there else "is missing"
        raise BrokenExport(what, where=str(folder / name))
    if len(names) != len(there):
        raise BrokenExport("lists a file twice", where=str(folder / _MANIFEST))


def _read(
    path: Path, listed: dict[str, Any], checkpoint: str, trust: Trust
) -> tuple[ExportedDocument, Verdict]:
    encoded = path.read_bytes()
    verdict = verify_document(encoded, trust)
    if verdict.status is Status.INVALID:
        raise BrokenExport(
            f"INVALID at step {verdict.step}: {verdict.reason}", where=str(path), reason="invalid"
        )
    bundle = decode_document_bundle(encoded)
    content = payload_of(bundle.signed)[1]
    if document_hash(content).hex() != listed["hash"]:
        raise BrokenExport("is another document than the manifest says", where=str(path))
    try:
        tied, document = _need_tied(bundle.logging, checkpoint), decode(content)
    except Rejected as error:
        raise BrokenExport(error.what, where=f"{path} {error.where}".strip()) from error
    entry = decode_document_entry(bundle.entry)
    return ExportedDocument(
        index=tied.index, arrived_ms=entry.arrived_ms, document=document,
        document_hash=document_hash(content), signed=bundle.signed,
    ), verdict  # fmt: skip


def _need_tied(tied: Logging | None, checkpoint: str) -> Logging:
    if tied is None or tied.checkpoint != checkpoint:
        raise Rejected("does not rest on the checkpoint of the manifest")
    return tied


def _need_ordered(documents: Sequence[ExportedDocument], folder: Path) -> None:
    places = [each.index for each in documents]
    if places != sorted(set(places)):
        raise BrokenExport(
            "its documents do not stand in the order of the log", where=str(folder / _MANIFEST)
        )
