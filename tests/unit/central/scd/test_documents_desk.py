"""The desk: what a failed call leaves behind, and that it can always be made again."""

from dataclasses import replace

import pytest

from central.documents.encoding import encode, sign
from central.errors import NotAllowed, OtherContent, StoreAway
from central.scd.documents import DocumentQuery
from central.scd.documents_access import may_create, scope_of
from central.scd.documents_desk import DocumentDesk
from central.scd.roles import EVERY_POD, Grant, Holder, Role
from central.scd.stored import Outcome
from ledger.errors import Rejected
from ledger.signing import SigningKey
from tests.documents import DSO, MEASUREMENTS, POD, REQUEST, SENSORS
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_doorkeeper import FakeDoorkeeper
from tests.fakes.scd_evidence import Failure
from tests.scd import HandClock

KEY = SigningKey.generate("EdDSA")
HOLDER = Holder(token_id="t", role=Role.DSO, party=DSO)
SENSOR = Holder(token_id="s", role=Role.FIELD_SENSOR, party=SENSORS)


def desk(store: FakeDocuments, doorkeeper: FakeDoorkeeper | None = None) -> DocumentDesk:
    keys = {DSO: KEY.public, SENSORS: KEY.public}
    return DocumentDesk(store, keys, HandClock(), doorkeeper or FakeDoorkeeper())


@pytest.mark.parametrize("failure", Failure)
def test_a_call_that_failed_can_always_be_made_again(failure: Failure) -> None:
    store = FakeDocuments()
    store.fail_next(failure)
    with pytest.raises(StoreAway):
        desk(store).file(sign(REQUEST, KEY), HOLDER, "k")
    _, outcome = desk(store).file(sign(REQUEST, KEY), HOLDER, "k")
    assert outcome is (Outcome.STORED if failure is Failure.LOST else Outcome.DUPLICATE)
    assert len(store.documents(DocumentQuery(conflicts=True))) == 1


@pytest.mark.parametrize("failure", Failure)
def test_a_bulk_call_that_failed_can_always_be_made_again(failure: Failure) -> None:
    store = FakeDocuments()
    bodies = [sign(MEASUREMENTS, KEY), b"noise"]
    store.fail_next(failure)
    with pytest.raises(StoreAway):
        desk(store).file_all(bodies, SENSOR, "I-19")
    first, second = desk(store).file_all(bodies, SENSOR, "I-19")
    assert first.outcome is (Outcome.STORED if failure is Failure.LOST else Outcome.DUPLICATE)
    assert (second.outcome, second.document_hash) == (Outcome.REJECTED, b"")


def test_two_contents_are_told_from_one_another() -> None:
    made = desk(FakeDocuments())
    made.file(sign(REQUEST, KEY), HOLDER)
    with pytest.raises(OtherContent) as caught:
        made.file(sign(replace(REQUEST, reliability_permille=1), KEY), HOLDER)
    assert caught.value.reason == "other_content"


def test_what_a_session_would_refuse_leaves_a_line_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, door = FakeDocuments(), FakeDoorkeeper(Rejected("x", where="$", reason="gate_closed"))
    with pytest.raises(Rejected) as caught:
        desk(store, door).file(sign(REQUEST, KEY), HOLDER, "k")
    assert caught.value.reason == "gate_closed"
    assert not store.documents(DocumentQuery(conflicts=True))
    (line,) = caplog.records
    assert line.message == "central.document_refused"
    told = {key: getattr(line, key) for key in ("reason", "where", "ii", "mrid", "sender")}
    assert told == {
        "reason": "gate_closed", "where": "$", "ii": "I-06", "mrid": REQUEST.mrid, "sender": DSO,
    }  # fmt: skip
    assert door.seen == [(REQUEST, HandClock().at_ms)]


def test_what_is_stored_is_told_again_though_the_gate_has_closed_since() -> None:
    store = FakeDocuments()
    desk(store).file(sign(REQUEST, KEY), HOLDER)
    door = FakeDoorkeeper(Rejected("x", reason="gate_closed"))
    assert desk(store, door).file(sign(REQUEST, KEY), HOLDER)[1] is Outcome.DUPLICATE


def test_a_signature_in_another_context_is_none() -> None:
    with pytest.raises(Rejected) as caught:
        desk(FakeDocuments()).file(KEY.sign(encode(REQUEST), b"certiflex/receipt/v1"), HOLDER)
    assert caught.value.reason == "bad_signature"


def test_rights_are_the_roles() -> None:
    assert may_create(Role.DSO, "I-06")
    assert not may_create(Role.DSO, "I-05")
    assert not may_create(Role.DSO, "I-99")
    with pytest.raises(NotAllowed):
        desk(FakeDocuments()).file_all([], HOLDER, "I-19")


def test_a_scope_holds_the_tokens_pods_and_party() -> None:
    every = replace(HOLDER, grants=(Grant(EVERY_POD), Grant(POD.code)))
    assert scope_of(every, 5).pods is None
    scope = scope_of(replace(HOLDER, grants=(Grant(POD.code),)), 5)
    assert (scope.pods, scope.party, scope.now_ms) == (frozenset({POD.code}), DSO, 5)
    assert scope_of(Holder(token_id="g", role=Role.GATEWAY), 5).sights == {}
