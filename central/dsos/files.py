"""Documents and pictures read from files, printed, and written to a folder."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from central.documents.encoding import from_json, parsed, to_json
from central.documents.header import Document
from ledger.command import show
from ledger.errors import Rejected, Unavailable

Kind = TypeVar("Kind", bound=Document)


def one(file: Path, kind: type[Kind]) -> Kind:
    """Return the only document of a JSON file.

    Raises:
        Rejected: there is none, or more than one; or as `many`.
        Unavailable: it cannot be read.
    """
    documents = many(file, kind)
    if len(documents) != 1:
        raise Rejected(
            f"holds {len(documents)} documents, expected one {kind.ii}",
            where=str(file),
            reason="not_one",
        )
    return documents[0]


def many(file: Path, kind: type[Kind]) -> list[Kind]:
    """Return the documents of one kind in a JSON file: one of them, or a list.

    Raises:
        Rejected: what is there is no such document; its place in the file is told.
        Unavailable: it cannot be read.
    """
    try:
        given = parsed(file.read_bytes())
    except OSError as error:
        raise Unavailable(error.strerror or "cannot be read", where=str(file)) from error
    made: list[Kind] = []
    for number, value in enumerate(given if isinstance(given, list) else [given]):
        document = from_json(value)
        if not isinstance(document, kind):
            raise Rejected(
                f"document {number + 1} is {document.ii}, expected {kind.ii}",
                where=str(file),
                reason="other_kind",
            )
        made.append(document)
    return made


def tell(
    arguments: argparse.Namespace,
    schema: str,
    documents: Sequence[Document],
    steps: Sequence[str],
    besides: Mapping[str, object] | None = None,
) -> None:
    """Print documents, and what is told besides, if asked for as JSON; write them where asked."""
    as_json = [to_json(each) for each in documents]
    if arguments.json:
        show(
            {"steps": dict.fromkeys(steps, "ok"), "documents": as_json} | dict(besides or {}),
            schema,
        )
    for each, value in zip(documents, as_json, strict=True):
        _write(arguments, _name(each), json.dumps(value, indent=1) + "\n")


def keep(folder: Path, document: Document) -> Path:
    """Return the file in which a document is kept; it survives a power cut.

    Raises:
        Unavailable: it cannot be written.
    """
    file = folder / _name(document)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8") as opened:
            opened.write(json.dumps(to_json(document), indent=1) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise Unavailable(error.strerror or "cannot be written", where=str(file)) from error
    return file


def _name(document: Document) -> str:
    return f"{document.ii}-{document.mrid}.json"


def draw(arguments: argparse.Namespace, pictures: Mapping[str, str]) -> None:
    """Write pictures where asked to, by the names of their files."""
    for name, svg in pictures.items():
        _write(arguments, name, svg)


def _write(arguments: argparse.Namespace, name: str, content: str) -> None:
    folder: Path | None = arguments.to
    if folder is None or arguments.dry_run:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Unavailable(
            error.strerror or "cannot be written", where=str(folder / name)
        ) from error
    if not arguments.json:
        print(f"written {folder / name}", file=sys.stderr)
