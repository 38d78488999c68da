"""Documents and pictures printed, and written to a folder."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from central.documents.encoding import to_json
from central.documents.header import Document
from ledger.command import show
from ledger.errors import Unavailable


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
