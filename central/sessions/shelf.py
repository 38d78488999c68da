"""Documents read back from the store: of one kind, each in its newest revision at an instant."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from central.documents.encoding import opened
from central.documents.header import Document
from central.scd.documents import DocumentQuery, StoredDocument
from central.scd.ports import DocumentStore
from ledger.facts.interval import Interval

Kind = TypeVar("Kind", bound=Document)

LATEST_MS = (1 << 63) - 1
_PAGE = 1_000
_HASHES_AT_ONCE = 500


def newest(
    store: DocumentStore,
    kind: type[Kind],
    span: Interval,
    *,
    arrived_by_ms: int = LATEST_MS,
    where: Callable[[Kind], bool] = lambda _: True,
) -> list[Kind]:
    """Return the documents of a kind that speak of an interval, by their names.

    Args:
        store: where they are kept.
        kind: what they are.
        span: shares an instant with their validity.
        arrived_by_ms: what came after this instant is not seen; nor is what it takes the place of
            forgotten.
        where: what else must hold of the newest revision.

    Raises:
        StoreAway: they cannot be read.
    """
    latest: dict[str, tuple[int, Kind]] = {}
    for stored in _pages(store, kind, span):
        document, _ = opened(stored.signed)
        known = latest.get(stored.mrid)
        is_newer = known is None or known[0] < stored.revision
        if isinstance(document, kind) and stored.arrived_ms <= arrived_by_ms and is_newer:
            latest[stored.mrid] = stored.revision, document
    found = (document for _, document in latest.values())
    return sorted(filter(where, found), key=lambda one: one.mrid)


def every(store: DocumentStore, kind: type[Kind], span: Interval) -> Iterator[Kind]:
    """Yield all revisions of a kind that speak of an interval, in order of arrival.

    Raises:
        StoreAway: they cannot be read.
    """
    for stored in _pages(store, kind, span):
        document, _ = opened(stored.signed)
        if isinstance(document, kind):
            yield document


def sent_to(
    store: DocumentStore, kind: type[Kind], span: Interval, receiver: str,
    known: dict[bytes, Kind],
) -> list[Kind]:  # fmt: skip
    """Return all revisions of a kind that speak of an interval and that a party was sent.

    Args:
        store: where they are kept.
        kind: what they are.
        span: shares an instant with their validity.
        receiver: the party.
        known: what was read before, by hash; what is read now is added.

    Raises:
        StoreAway: they cannot be read.
    """
    found = [
        each.document_hash
        for each in _pages(store, kind, span, bodies=False)
        if each.receiver == receiver
    ]
    new = [each for each in found if each not in known]
    for at in range(0, len(new), _HASHES_AT_ONCE):
        wanted = tuple(new[at : at + _HASHES_AT_ONCE])
        for stored in store.documents(DocumentQuery(hashes=wanted, limit=len(wanted))):
            document, _ = opened(stored.signed)
            if isinstance(document, kind):
                known[stored.document_hash] = document
    return [known[each] for each in found if each in known]


def _pages(
    store: DocumentStore, kind: type[Kind], span: Interval, *, bodies: bool = True
) -> Iterator[StoredDocument]:
    since = 0
    while True:
        page = store.documents(
            DocumentQuery(ii=(kind.ii,), span=span, since=since, limit=_PAGE, bodies=bodies)
        )
        yield from page
        if len(page) < _PAGE:
            return
        since = page[-1].arrival
