"""Field measurements (I-19) as they lie in the database."""

from central.documents.measurement import FieldMeasurements
from central.scd.ports import DocumentStore
from central.sessions.shelf import newest
from ledger.facts.interval import Interval

OLDEST_MS = 900_000


def field_measurements(store: DocumentStore, now_ms: int) -> list[FieldMeasurements]:
    """Return what field sensors sent of the quarters that the last 15 minutes touch.

    Raises:
        StoreAway: the database cannot be read.
    """
    return newest(store, FieldMeasurements, Interval(now_ms - OLDEST_MS, now_ms + 1))
