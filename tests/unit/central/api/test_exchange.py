"""Documents over HTTP: handed in, told again, listed, read; measurements and alerts."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from central.client import ScdClient, ScdRefused
from central.documents.encoding import document_hash, encode, from_json, opened, sign, to_json
from central.documents.header import Document
from central.documents.measures import Origin
from central.scd.documents import DocumentQuery
from central.scd.roles import Role
from ledger.codec.cbor import encode as encode_cbor
from ledger.codec.cbor import loads_plain
from ledger.facts.interval import QUARTER_MS
from ledger.signing import SigningKey
from tests.documents import (
    AGGREGATOR,
    ALERT,
    BASELINE,
    DROP,
    DSO,
    MEASUREMENTS,
    MEASURES,
    OFFER,
    ORDER,
    OVERLOAD,
    PROFILE,
    REQUEST,
    SENSORS,
    T0,
    T1,
    TSO,
    uuid,
)
from tests.exchange import KEYS, ROLES, Exchange, envelope, exchange

DAY = {"from": "2026-10-25T00:00:00+02:00", "to": "2026-10-26T00:00:00+01:00"}
COSE = {"content-type": "application/cose"}
CBOR = {"content-type": "application/cbor"}


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Exchange]:
    with exchange(tmp_path) as made:
        yield made


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_document_is_stored_once_and_told_so(market: Exchange) -> None:
    first = market.post(REQUEST)
    assert first.status_code == 201, first.text
    assert first.json() == {
        "schema": "certiflex/filed-document/v1", "ii": "I-06", "mrid": REQUEST.mrid, "revision": 1,
        "hash": document_hash(encode(REQUEST)).hex(), "outcome": "stored",
    }  # fmt: skip
    again = market.post(REQUEST)
    assert (again.status_code, again.json()["outcome"]) == (200, "duplicate")
    read = market.client(Role.DSO).get(first.headers["location"])
    assert from_json(read.json()["document"]) == REQUEST
    assert read.json()["ii"] == "I-06"


def test_it_may_come_as_it_was_signed_and_goes_out_the_same(market: Exchange) -> None:
    signed = sign(REQUEST, KEYS[DSO])
    client = market.client(Role.DSO)
    assert client.post("/v1/documents", content=signed, headers=COSE).status_code == 201
    read = client.get(f"/v1/documents/{REQUEST.mrid}", params={"format": "cose"})
    assert read.headers["content-type"] == "application/cose"
    assert read.content == signed
    told = client.get(f"/v1/documents/{REQUEST.mrid}").json()
    assert base64.b64decode(told["signed"]) == signed


def test_another_content_is_refused_and_kept(market: Exchange) -> None:
    market.post(REQUEST)
    changed = replace(REQUEST, reliability_permille=1)
    for _ in range(2):
        assert problem(market.post(changed)) == (409, "other-content")
    client = market.client(Role.DSO)
    told = client.get(f"/v1/documents/{REQUEST.mrid}").json()["document"]
    assert told["reliability_permille"] == 950
    rows = client.get("/v1/documents", params={"conflicts": True}).json()["rows"]
    assert [row["conflict"] for row in rows] == [False, True]
    assert rows[1]["hash"] == document_hash(encode(changed)).hex()
    assert len(client.get("/v1/documents").json()["rows"]) == 1


def test_the_latest_revision_is_answered_and_each_can_be_asked_for(market: Exchange) -> None:
    later = replace(REQUEST, revision=2, reliability_permille=990)
    assert [market.post(each).status_code for each in (later, REQUEST)] == [201, 201]
    client = market.client(Role.DSO)
    asked = client.get(f"/v1/documents/{REQUEST.mrid}").json()
    assert asked["document"]["revision"] == 2
    first = client.get(f"/v1/documents/{REQUEST.mrid}", params={"revision": 1}).json()
    assert first["document"] == to_json(REQUEST)
    only = client.get("/v1/documents", params={"latest": True}).json()["rows"]
    assert [row["revision"] for row in only] == [2]
    assert problem(client.get(f"/v1/documents/{REQUEST.mrid}", params={"revision": 3})) == (
        404, "document-unknown",
    )  # fmt: skip


def test_an_idempotency_key_stands_for_one_document(market: Exchange) -> None:
    key = {"Idempotency-Key": "a1"}
    assert [market.post(REQUEST, **key).status_code for _ in range(2)] == [201, 200]
    assert problem(market.post(replace(REQUEST, revision=2), **key)) == (422, "key-reused")
    assert market.post(ALERT, **{"Idempotency-Key": "a2"}).status_code == 201
    long = market.post(ALERT, **{"Idempotency-Key": "x" * 201})
    assert problem(long) == (400, "bad-parameter")


def test_a_name_is_its_first_senders(market: Exchange) -> None:
    market.post(REQUEST)
    order = replace(ORDER, mrid=REQUEST.mrid, revision=2)
    assert problem(market.post(order)) == (422, "name-taken")


def other_signature(document: Document) -> dict[str, Any]:
    return envelope(document, SigningKey.generate("EdDSA"))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (other_signature(REQUEST), 422, "wrong-key"),
        ({**envelope(REQUEST), "signed": "%%"}, 422, "wrong-shape"),
        ({**envelope(REQUEST), "signed": "aGVsbG8="}, 422, "wrong-shape"),
        ({**envelope(REQUEST), "signed": envelope(ALERT)["signed"]}, 422, "signed-another"),
        ({**envelope(REQUEST), "more": 1}, 422, "wrong-shape"),
        ({"document": to_json(REQUEST)}, 422, "wrong-shape"),
        ([], 422, "wrong-shape"),
        (envelope(OFFER), 403, "role-denied"),
        (envelope(replace(REQUEST, sender="10X-DSO-MILANO-X"), KEYS[DSO]), 403, "not-the-sender"),
        (envelope(MEASURES, KEYS[DSO]), 403, "not-the-sender"),
        (envelope(replace(MEASURES, sender=DSO)), 422, "not-certified"),
        ({**envelope(REQUEST), "document": {**to_json(REQUEST), "x": 1}}, 422, "unknown-field"),
    ],
)
def test_what_may_not_be_handed_in_is_refused_by_name(
    market: Exchange, body: object, status: int, code: str
) -> None:
    answer = market.client(Role.DSO).post("/v1/documents", json=body)
    assert problem(answer) == (status, code)
    assert answer.json()["detail"]
    assert market.world.services.documents.documents(DocumentQuery(conflicts=True)) == []


def test_imported_history_is_taken_as_such(market: Exchange) -> None:
    imported = tuple(replace(each, origin=Origin.IMPORTED) for each in MEASURES.quarters)
    assert market.post(replace(MEASURES, sender=DSO, quarters=imported)).status_code == 201


def test_a_place_in_the_body_is_told(market: Exchange) -> None:
    told = to_json(REQUEST)
    told["quarters"][1]["power_w"] = 1.5
    body = {"document": told, "signed": envelope(REQUEST)["signed"]}
    answer = market.client(Role.DSO).post("/v1/documents", json=body)
    assert problem(answer) == (422, "not-whole")
    assert "$.quarters[1].power_w" in answer.json()["detail"]


def test_a_party_without_a_key_cannot_hand_in(market: Exchange) -> None:
    stranger = replace(REQUEST, sender="10X-DSO-NAPOLI-X")
    client = market.world.client(Role.DSO, party=stranger.sender)
    body = envelope(stranger, KEYS[DSO])
    assert problem(client.post("/v1/documents", json=body)) == (422, "unknown-party")


def test_other_media_types_and_large_bodies_are_refused(market: Exchange) -> None:
    client = market.client(Role.DSO)
    text = client.post("/v1/documents", content=b"x", headers={"content-type": "text/plain"})
    assert problem(text) == (415, "not-json")
    large = client.post("/v1/documents", content=b" " * (65 << 20), headers=COSE)
    assert problem(large) == (413, "too-large")
    assert problem(client.post("/v1/documents", content=b"\xd2", headers=COSE))[0] == 422


def test_documents_are_listed_by_what_is_asked(market: Exchange) -> None:
    for each in (REQUEST, ALERT, ORDER, PROFILE):
        assert market.post(each).status_code == 201
    client = market.client(Role.DSO)

    def listed(**asked: Any) -> list[str]:  # noqa: ANN401 -- query parameters
        answer = client.get("/v1/documents", params=asked)
        assert answer.status_code == 200, answer.text
        return [row["ii"] for row in answer.json()["rows"]]

    assert listed() == ["I-06", "I-10", "I-09", "I-12"]
    assert listed(ii=["I-09", "I-12"]) == ["I-09", "I-12"]
    assert listed(sender="nobody") == []
    assert listed(since=2) == ["I-09", "I-12"]
    assert listed(**DAY) == ["I-06", "I-10", "I-09", "I-12"]
    later = {"from": "2026-10-26T00:00:00+01:00", "to": "2026-10-27T00:00:00+01:00"}
    assert listed(**later) == []
    (row,) = client.get("/v1/documents", params={"ii": "I-10", "signed": True}).json()["rows"]
    assert opened(base64.b64decode(row["signed"]))[0] == ALERT
    assert client.get("/v1/documents").json()["rows"][0]["signed"] is None
    assert problem(client.get("/v1/documents", params={"from": DAY["from"]})) == (
        400, "bad-interval",
    )  # fmt: skip
    assert problem(client.get("/v1/documents", params={"ii": "6"})) == (400, "bad-parameter")


def test_the_list_follows_what_arrives(market: Exchange) -> None:
    for number in range(5):
        market.post(replace(ALERT, mrid=uuid(100 + number)))
    client = market.client(Role.DSO)
    page = client.get("/v1/documents", params={"limit": 2})
    seen = page.json()["rows"]
    while following := page.links.get("next", {}).get("url"):
        page = client.get(following)
        seen += page.json()["rows"]
    assert [row["arrival"] for row in seen] == [1, 2, 3, 4, 5]
    assert page.json()["next"] is None
    assert client.get("/v1/documents", params={"since": 5}).json()["rows"] == []
    table = client.get("/v1/documents", params={"format": "arrow"})
    assert pa.ipc.open_stream(table.content).read_all().num_rows == 5


def test_measurements_come_in_bulk_and_each_is_told(market: Exchange) -> None:
    later = replace(MEASUREMENTS, mrid=uuid(20))
    other = replace(MEASUREMENTS, created_ms=MEASUREMENTS.created_ms + 1)
    key = KEYS[SENSORS]
    bodies = [
        sign(MEASUREMENTS, key), b"noise", sign(later, key), sign(other, key),
        sign(later, SigningKey.generate("EdDSA")), sign(replace(ALERT, sender=SENSORS), key),
    ]  # fmt: skip
    client = market.client(Role.FIELD_SENSOR)
    answer = client.post("/v1/field-measurements", content=encode_cbor(bodies), headers=CBOR)
    assert answer.status_code == 200, answer.text
    told = loads_plain(answer.content)
    assert [outcome for _, outcome, _ in told] == [
        "stored", "rejected", "stored", "conflict", "rejected", "rejected",
    ]  # fmt: skip
    assert [reason for _, _, reason in told][4:] == ["wrong_key", "wrong_ii"]
    assert told[0][0] == document_hash(encode(MEASUREMENTS))
    again = client.post("/v1/field-measurements", content=encode_cbor(bodies[:1]), headers=CBOR)
    assert loads_plain(again.content)[0][1] == "duplicate"
    seen = market.client(Role.DSO).get("/v1/documents", params={"ii": "I-19"}).json()["rows"]
    assert [row["mrid"] for row in seen] == [MEASUREMENTS.mrid, uuid(20)]


@pytest.mark.parametrize("body", [{}, ["text"], b"bytes", 7])
def test_measurements_of_another_shape_are_refused(market: Exchange, body: object) -> None:
    client = market.client(Role.FIELD_SENSOR)
    answer = client.post("/v1/field-measurements", content=encode_cbor(body), headers=CBOR)
    assert problem(answer) == (422, "wrong-shape")


def test_alerts_are_told_by_time_and_the_last_revision_counts(market: Exchange) -> None:
    worse = replace(ALERT, revision=2, violations=(replace(DROP, excess_milli=900), OVERLOAD))
    other = replace(ALERT, mrid=uuid(101), violations=(replace(OVERLOAD, excess_milli=5),))
    for each in (ALERT, worse, other):
        assert market.post(each).status_code == 201
    client = market.client(Role.DSO)
    rows = client.get("/v1/alerts", params=DAY).json()["rows"]
    assert [(row["element"], row["excess_milli"], row["revision"]) for row in rows] == [
        ("node 12", 900, 2), ("line 4-5", 12_400, 2), ("line 4-5", 5, 1),
    ]  # fmt: skip
    assert rows[0] | {"phase": "b", "bound": "undervoltage", "cause": DROP.cause} == rows[0]
    second = {"from": "2026-10-24T22:15:00Z", "to": "2026-10-24T22:30:00Z"}
    assert T1 == T0 + QUARTER_MS
    told = client.get("/v1/alerts", params=second).json()
    assert (told["ii"], [row["excess_milli"] for row in told["rows"]]) == ("I-10", [900])
    csv = client.get("/v1/alerts", params={**DAY, "format": "csv"}).text
    assert csv.count("\n") == 4


def test_pages_of_alerts_end_with_an_alert(market: Exchange) -> None:
    for number in range(4):
        market.post(replace(ALERT, mrid=uuid(100 + number)))
    client = market.client(Role.DSO)
    page = client.get("/v1/alerts", params={**DAY, "limit": 1})
    sizes = [len(page.json()["rows"])]
    while following := page.links.get("next", {}).get("url"):
        page = client.get(following)
        sizes.append(len(page.json()["rows"]))
    assert sizes == [2, 2, 2, 2]


def test_what_arrives_is_logged_without_what_it_says(
    market: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="central"):
        market.post(ALERT)
        market.post(replace(BASELINE, quarters=BASELINE.quarters))
        market.post(replace(ALERT, confidence_permille=1))
    events = [record.getMessage() for record in caplog.records if record.name == "central"]
    assert events == [
        "central.document_stored", "central.congestion", "central.document_stored",
        "central.document_conflict",
    ]  # fmt: skip
    (alert,) = (one for one in caplog.records if one.getMessage() == "central.congestion")
    assert (vars(alert)["violations"], vars(alert)["elements"]) == (2, 2)
    assert BASELINE.pod.code not in json.dumps([vars(one) for one in caplog.records], default=str)


def test_the_client_hands_in_and_reads_back_what_was_signed(market: Exchange) -> None:
    tokens = {party: market.world.token(ROLES[party], party=party) for party in (DSO, TSO)}
    signed = [sign(each, KEYS[DSO]) for each in (REQUEST, PROFILE)]
    with ScdClient(market.world.url, tokens[DSO]) as dso:
        assert [dso.hand_in(each) for each in (*signed, *signed)] == [
            "stored", "stored", "duplicate", "duplicate",
        ]  # fmt: skip
        assert list(dso.documents()) == [(1, signed[0]), (2, signed[1])]
        assert list(dso.documents("I-12")) == list(dso.documents(since=1)) == [(2, signed[1])]
        with pytest.raises(ScdRefused) as caught:
            dso.hand_in(sign(OFFER, KEYS[AGGREGATOR]))
    assert caught.value.reason == "role-denied"
    with ScdClient(market.world.url, tokens[TSO]) as tso:
        assert [arrival for arrival, _ in tso.documents()] == [2]
