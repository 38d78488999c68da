"""Field measurements out of the database: those of the last quarters, page by page."""

from pathlib import Path

from central.documents.encoding import sign
from central.documents.measurement import BreakerReading, BreakerState, FieldMeasurements
from central.scd.documents import checked
from central.sessions.field import field_measurements
from ledger.facts.interval import QUARTER_MS, Interval, quarter_start_ms
from ledger.signing import SigningKey
from tests.scd import lived_in

NOW_MS = 1_780_000_000_000 // QUARTER_MS * QUARTER_MS + 600_000


def signed(number: int, measured_ms: int) -> bytes:
    start_ms = quarter_start_ms(measured_ms)
    document = FieldMeasurements(
        mrid=f"{number:08d}-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1, created_ms=measured_ms,
        sender="field", receiver="dso",
        validity=Interval(start_ms, start_ms + QUARTER_MS),
        sensors=(),
        breakers=(BreakerReading(breaker="S1", measured_ms=measured_ms, state=BreakerState.OPEN),),
    )  # fmt: skip
    return sign(document, SigningKey.generate())


def test_the_quarters_that_the_last_one_touches_are_read_and_no_other(tmp_path: Path) -> None:
    ages_s = [3_600, 899, 4, 0, -900]
    with lived_in(tmp_path, node_count=1, minutes=1) as world:
        store = world.central.documents
        bodies = [signed(k, NOW_MS - age_s * 1000) for k, age_s in enumerate(ages_s)]
        store.commit_documents([checked(each)[0] for each in bodies], NOW_MS)
        found = field_measurements(store, NOW_MS)
    assert [(NOW_MS - each.breakers[0].measured_ms) // 1000 for each in found] == [899, 4, 0]


def test_more_than_a_page_is_read(tmp_path: Path) -> None:
    with lived_in(tmp_path, node_count=1, minutes=1) as world:
        store = world.central.documents
        store.commit_documents([checked(signed(k, NOW_MS))[0] for k in range(1_003)], NOW_MS)
        assert len(field_measurements(store, NOW_MS)) == 1_003
