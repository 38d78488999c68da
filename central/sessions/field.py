"""Field measurements (I-19) as they lie in the database."""

from central.documents.encoding import opened
from central.documents.measurement import FieldMeasurements
from central.scd.documents import DocumentQuery
from central.scd.ports import DocumentStore
from ledger.facts.interval import Interval

OLDEST_MS = 900_000
_PAGE = 1_000


def field_measurements(store: DocumentStore, now_ms: int) -> list[FieldMeasurements]:
    """Return what field sensors sent of the quarters that the last 15 minutes touch, by arrival.

    Raises:
        StoreAway: the database cannot be read.
    """
    span = Interval(now_ms - OLDEST_MS, now_ms + 1)
    found: list[FieldMeasurements] = []
    since = 0
    while True:
        page = store.documents(
            DocumentQuery(ii=(FieldMeasurements.ii,), span=span, since=since, bodies=True)
        )
        for stored in page:
            document, _ = opened(stored.signed)
            if isinstance(document, FieldMeasurements):
                found.append(document)
        if len(page) < _PAGE:
            return found
        since = page[-1].arrival
