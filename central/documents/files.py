"""Documents as they lie in files: JSON, one of them or a list."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from central.documents.encoding import from_json, parsed
from central.documents.header import Document
from ledger.errors import Rejected, unreadable

Kind = TypeVar("Kind", bound=Document)


def one(file: Path, kind: type[Kind]) -> Kind:
    """Return the only document of a JSON file.

    Raises:
        Rejected: there is none, or more than one; or as `many`.
        Unavailable: as `many`.
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
        Rejected: what is there is no such document, and its place in the file is told; or it is
            not there to be read.
        Unavailable: the disk does not give it.
    """
    try:
        with _placed(str(file)):
            given = parsed(file.read_bytes())
    except OSError as error:
        raise unreadable(file, error) from error
    made: list[Kind] = []
    for number, value in enumerate(given if isinstance(given, list) else [given]):
        with _placed(f"{file}, document {number + 1}"):
            document = from_json(value)
        if not isinstance(document, kind):
            raise Rejected(
                f"document {number + 1} is {document.ii}, expected {kind.ii}",
                where=str(file),
                reason="other_kind",
            )
        made.append(document)
    return made


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Let a fault that is told by its path say where that path begins."""
    try:
        yield
    except Rejected as error:
        raise Rejected(
            error.what, where=f"{where}, {error.where}", remedy=error.remedy, reason=error.reason
        ) from error
