"""The API over real evidence: formats, intervals, pages, states, problems, proofs."""

import base64
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from central.__main__ import main
from central.api.instants import cursor, instant_ms, place_of, told_instant
from central.api.problems import Problem
from central.scd.roles import Grant, Role
from ledger.codec import encode_record
from ledger.codec.cbor import decode, encode
from ledger.facts.interval import Interval
from ledger.facts.record import GapCause
from ledger.proving import Status, verify
from tests.scd import HOUR_MS, World, lived_in, world
from tests.segments import FIRST_MS, TestNode

POD = "IT002E00000001"
HOUR = {"from": "2026-06-21T00:00:00Z", "to": "2026-06-21T01:00:00Z"}
CBOR = {"content-type": "application/cbor"}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with lived_in(tmp_path_factory.mktemp("scd")) as made:
        yield made


@pytest.fixture
def dso(lived: World) -> httpx.Client:
    return lived.dso()


def rows(client: httpx.Client, path: str, **parameters: str) -> list[dict[str, Any]]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


# ── readings ────────────────────────────────────────────────────────────────────────────────


def test_an_hour_of_readings_is_whole_and_says_how_far_each_came(dso: httpx.Client) -> None:
    readings = rows(dso, f"/v1/pods/{POD}/readings", **HOUR)
    assert len(readings) == 900
    assert [reading["sequence"] for reading in readings] == list(range(900))
    assert readings[0]["time"] == "2026-06-21T00:00:00.012Z"
    assert [reading["state"] for reading in readings] == ["anchored"] * 825 + ["received"] * 75
    assert readings[0]["voltage_l3_mv"] == 230_100


def test_the_end_of_an_interval_is_not_in_it(dso: httpx.Client) -> None:
    start = {"from": "2026-06-21T00:00:00.012Z", "to": "2026-06-21T00:00:04.012Z"}
    assert [reading["sequence"] for reading in rows(dso, f"/v1/pods/{POD}/readings", **start)] == [
        0
    ]


def test_an_offset_names_the_same_instant(dso: httpx.Client) -> None:
    rome = {"from": "2026-06-21T02:00:00+02:00", "to": "2026-06-21T03:00:00+02:00"}
    utc = rows(dso, f"/v1/pods/{POD}/readings", **HOUR)
    assert rows(dso, f"/v1/pods/{POD}/readings", **rome) == utc


def test_pages_give_each_reading_once(dso: httpx.Client) -> None:
    seen, url = [], f"/v1/pods/{POD}/readings?from={HOUR['from']}&to={HOUR['to']}&limit=250"
    while url:
        answer = dso.get(url)
        seen += [reading["sequence"] for reading in answer.json()["rows"]]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == list(range(900))


def test_formats_hold_the_same_rows(dso: httpx.Client) -> None:
    path = f"/v1/pods/{POD}/readings"
    expected = rows(dso, path, **HOUR)
    parquet = dso.get(path, params=HOUR, headers={"Accept": "application/vnd.apache.parquet"})
    arrow = dso.get(path, params={**HOUR, "format": "arrow"})
    table = pq.read_table(io.BytesIO(parquet.content))
    assert table.equals(pa.ipc.open_stream(arrow.content).read_all())
    assert table.column("power_w").to_pylist() == [row["power_w"] for row in expected]
    assert table.schema.field("power_w").metadata == {b"unit": b"W"}
    text = dso.get(path, params=HOUR, headers={"Accept": "text/csv;q=0.9, image/png"}).text
    told = list(csv.DictReader(io.StringIO(text)))
    assert [row["power_w [W]"] for row in told] == [str(row["power_w"]) for row in expected]
    assert told[0]["time"] == expected[0]["time"]


def test_what_cannot_be_told_is_refused(dso: httpx.Client) -> None:
    answer = dso.get(f"/v1/pods/{POD}/readings", params=HOUR, headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2026-06-21T00:00:00", "2026-06-21T01:00:00Z", "naive-time"),
        ("yesterday", "2026-06-21T01:00:00Z", "bad-time"),
        ("2026-06-21", "2026-06-21T01:00:00Z", "bad-time"),
        ("0001-01-01T00:00:00Z", "2026-06-21T01:00:00Z", "bad-time"),
        ("2026-06-21T01:00:00Z", "2026-06-21T01:00:00Z", "bad-interval"),
        ("2020-06-21T01:00:00Z", "2026-06-21T01:00:00Z", "bad-interval"),
    ],
)
def test_bad_intervals_are_named(dso: httpx.Client, start: str, end: str, code: str) -> None:
    answer = dso.get(f"/v1/pods/{POD}/readings", params={"from": start, "to": end})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_plus_that_became_a_space_is_explained(dso: httpx.Client) -> None:
    answer = dso.get(
        f"/v1/pods/{POD}/readings?from=2026-06-21T00:00:00+00:00&to=2026-06-21T01:00:00Z"
    )
    assert "%2B" in answer.json()["detail"]


_DEEP = base64.urlsafe_b64encode(b"[" * 30_000).decode()


@pytest.mark.parametrize("bad", ["", "x", "e30", "WzEsMl0x", cursor(1), cursor(1, 2, 3), _DEEP])
def test_a_foreign_cursor_is_refused(bad: str) -> None:
    with pytest.raises(Problem):
        place_of(bad, 2)


def test_cursors_and_instants_come_back() -> None:
    assert place_of(cursor(5, 7), 2) == [5, 7]
    assert instant_ms(told_instant(FIRST_MS), "at") == FIRST_MS


# ── latest, quarters, gaps ──────────────────────────────────────────────────────────────────


def test_latest_is_the_last_stored_until_a_live_one_comes(tmp_path: Path) -> None:
    with lived_in(tmp_path, minutes=2) as made:
        client, gateway = made.dso(), made.client(Role.GATEWAY)
        path = f"/v1/pods/{POD}/latest"
        assert client.get(path).json()["state"] == "received"
        made.anchor()
        assert client.get(path).json()["state"] == "anchored"
        record = made.nodes[1]._reading(made.nodes[1].slot)
        live = encode([[1, encode_record(record)]])
        assert gateway.post("/v1/ingest/live", content=live, headers=CBOR).status_code == 204
        latest = client.get(path).json()
        assert (latest["state"], latest["sequence"]) == ("live", 30)


def test_quarters_state_seconds_registers_and_state(dso: httpx.Client) -> None:
    quarters = rows(dso, f"/v1/pods/{POD}/quarters", **HOUR)
    assert len(quarters) == 4
    assert {quarter["covered_s"] for quarter in quarters} == {900}
    assert {quarter["register_check"] for quarter in quarters} == {"agrees"}
    assert [quarter["state"] for quarter in quarters] == ["anchored"] * 3 + ["received"]
    first = quarters[0]
    assert abs(first["import_wh"] - first["register_import_wh"]) <= 1


def test_gaps_say_why_and_what_the_registers_counted(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.enrol()
        made.minutes(1)
        made.minutes(1, gaps={4: GapCause.METER_TIMEOUT, 5: GapCause.METER_CRC})
        made.nodes[1].segment()  # never sent
        made.services.ingest.segments([made.nodes[1].segment()])
        gaps = rows(made.dso(), f"/v1/pods/{POD}/gaps", **HOUR)
        told = [(gap["cause"], gap["start"][14:19], gap["end"][14:19]) for gap in gaps]
        assert told[:3] == [
            ("METER_TIMEOUT", "01:16", "01:20"),
            ("METER_CRC", "01:20", "01:24"),
            ("NOT_RECEIVED", "02:00", "03:00"),
        ]
        assert gaps[0]["outage_start"] == gaps[1]["outage_start"]
        assert gaps[0]["outage_import_wh"] is not None
        assert gaps[2]["state"] is None
        assert told[3] == ("NOT_RECEIVED", "04:00", "00:00")
        assert gaps[3]["outage_import_wh"] is None
        quarters = rows(made.dso(), f"/v1/pods/{POD}/quarters", **HOUR)
        assert quarters[0]["covered_s"] == 3 * 60 - 8
        assert "METER_CRC=4 METER_TIMEOUT=4" in quarters[0]["gaps"]
        assert (quarters[1]["covered_s"], quarters[1]["gaps"]) == (0, "NOT_RECEIVED=900")


def test_hashes_of_segments_are_told_without_values(lived: World) -> None:
    auditor = lived.client(Role.AUDITOR)
    segments = rows(auditor, f"/v1/pods/{POD}/segments", **HOUR)
    assert len(segments) == 60
    assert segments[1]["previous_hash"] == segments[0]["header_hash"]
    assert auditor.get(f"/v1/pods/{POD}/readings", params=HOUR).status_code == 403


# ── proofs ──────────────────────────────────────────────────────────────────────────────────


def test_a_proof_of_an_anchored_reading_verifies(lived: World, dso: httpx.Client) -> None:
    answer = dso.get(f"/v1/pods/{POD}/proof", params={"at": "2026-06-21T00:10:02Z"})
    assert answer.headers["content-type"] == "application/cbor"
    verdict = verify(answer.content, lived.trust)
    assert verdict.status is Status.VALID, verdict.reason
    assert verdict.record is not None
    assert verdict.record.slot * 4_000 == FIRST_MS + 600_000
    assert len(answer.content) <= 4_096


def test_a_proof_of_what_is_not_anchored_says_so(lived: World, dso: httpx.Client) -> None:
    answer = dso.get(f"/v1/pods/{POD}/proof", params={"at": "2026-06-21T00:59:00Z"})
    verdict = verify(answer.content, lived.trust)
    assert verdict.status is Status.INDETERMINATE


def test_a_bundle_accounts_for_every_slot(lived: World, dso: httpx.Client) -> None:
    span = {"from": "2026-06-21T00:00:00Z", "to": "2026-06-21T00:50:00Z"}
    verdict = verify(dso.get(f"/v1/pods/{POD}/bundle", params=span).content, lived.trust)
    assert verdict.status is Status.VALID, verdict.reason
    assert (verdict.reading_slots, verdict.gap_slots) == (750, 0)


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("proof", {"at": "2026-06-21T03:00:00Z"}, "no-record"),
        ("bundle", {"from": HOUR["from"], "to": "2026-06-21T02:00:00Z"}, "span-incomplete"),
    ],
)
def test_what_has_no_evidence_has_no_proof(
    dso: httpx.Client, path: str, parameters: dict[str, str], code: str
) -> None:
    answer = dso.get(f"/v1/pods/{POD}/{path}", params=parameters)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


# ── fleet and log ───────────────────────────────────────────────────────────────────────────


def test_the_fleet_tells_how_far_each_node_reaches(dso: httpx.Client) -> None:
    nodes = rows(dso, "/v1/nodes")
    assert [node["node_index"] for node in nodes] == [0, 1, 2, 3]
    assert {node["next_sequence"] for node in nodes} == {900}
    assert nodes[0]["covered_until"] == "2026-06-21T01:00:00.000Z"


def test_lists_of_nodes_and_pods_have_pages(dso: httpx.Client) -> None:
    for path in ("/v1/nodes", "/v1/pods"):
        seen, url = [], f"{path}?limit=3"
        while url:
            answer = dso.get(url)
            seen += [row["node_index"] for row in answer.json()["rows"]]
            url = answer.links.get("next", {}).get("url", "")
        assert seen == [0, 1, 2, 3]


def test_windows_and_checkpoint_are_the_logs(lived: World, dso: httpx.Client) -> None:
    windows = rows(dso, "/v1/windows", limit="100")
    assert [window["window"] for window in windows] == list(range(60))
    assert windows[54]["state"] == "anchored"
    assert windows[55]["state"] == "received"
    page = dso.get("/v1/windows", params={"from": "58", "limit": "1"})
    assert [row["window"] for row in dso.get(page.links["next"]["url"]).json()["rows"]] == [59]
    note = dso.get("/v1/log/checkpoint").text
    assert note.splitlines()[:2] == [lived.log.origin, "55"]


def test_the_feed_goes_on_where_it_was_left(dso: httpx.Client) -> None:
    first = dso.get("/v1/changes", params={"limit": "5"})
    assert [row["kind"] for row in first.json()["rows"]] == ["registration"] * 4 + ["segment"]
    following = dso.get(first.links["next"]["url"]).json()["rows"]
    assert [row["arrival"] for row in following] == [6, 7, 8, 9, 10]
    assert rows(dso, "/v1/changes", since="100000") == []


def test_no_checkpoint_before_the_first_anchor(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        answer = made.dso().get("/v1/log/checkpoint")
        assert (answer.status_code, answer.json()["code"]) == (404, "no-checkpoint")


# ── the gateway's way in ────────────────────────────────────────────────────────────────────


def test_a_gateway_hands_in_over_http(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        gateway = made.client(Role.GATEWAY)

        def post(what: str, body: bytes) -> Any:  # noqa: ANN401
            return gateway.post(f"/v1/ingest/{what}", content=body, headers=CBOR)

        assert post("registry", encode(made.log.registry())).status_code == 204
        bodies = [node.segment() for node in made.nodes]
        answer = post("segments", encode([*bodies, b"nonsense"]))
        told = decode(answer.content)
        assert [each[1] for each in told] == ["stored"] * 4 + ["rejected"]
        assert told[4][0] == b""
        window = made.log.close(bodies)
        assert post("windows", window).status_code == 204
        assert post("windows", window).status_code == 204, "the answer may have been lost"
        made.log.close([])
        late = post("windows", made.log.close([]))
        assert (late.status_code, late.json()["expected"]) == (409, 1)
        assert post("anchors", made.log.anchor(1)).status_code == 204
        early = post("anchors", made.log.anchor(3))
        assert (early.status_code, early.json()["code"]) == (422, "windows-missing")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("segments", b"\x80", {}, 415, "not-cbor"),
        ("segments", b"\xff", CBOR, 422, "not-canonical"),
        ("segments", b"\xa0", CBOR, 422, "wrong-shape"),
        ("segments", b"\x81\x01", CBOR, 422, "wrong-shape"),
        ("live", b"\x81\x01", CBOR, 422, "wrong-shape"),
        ("windows", b"\x80", CBOR, 422, "wrong-shape"),
        ("anchors", b"\x80", CBOR, 422, "wrong-shape"),
        ("registry", b"\x81\x40", CBOR, 422, "not-canonical"),
    ],
)
def test_what_is_not_as_agreed_is_refused(
    lived: World, path: str, body: bytes, headers: dict[str, str], *, status: int, code: str
) -> None:
    answer = lived.client(Role.GATEWAY).post(f"/v1/ingest/{path}", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_too_much_at_once_is_refused(lived: World) -> None:
    body = b"\x00" * (lived.services.max_body_bytes + 1)
    answer = lived.client(Role.GATEWAY).post("/v1/ingest/segments", content=body, headers=CBOR)
    assert answer.status_code == 413


def test_a_stranger_to_the_registry_is_rejected(lived: World) -> None:
    body = encode([TestNode(77).segment()])
    answer = lived.client(Role.GATEWAY).post("/v1/ingest/segments", content=body, headers=CBOR)
    assert b"unknown_node" in answer.content


# ── operations, description ─────────────────────────────────────────────────────────────────


def test_health_version_and_metrics_need_no_token(lived: World) -> None:
    client = lived.client()
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}
    assert client.get("/version").json()["name"] == "certiflex"
    client.get(f"/v1/pods/{POD}/latest")
    metrics = client.get("/metrics").text
    assert "certiflex_scd_readings 3600" in metrics
    assert "certiflex_scd_anchored 55" in metrics
    assert 'route="/v1/pods/{pod}/latest",status="401"' in metrics
    assert POD not in metrics


def test_unknown_routes_and_methods_are_problems(dso: httpx.Client) -> None:
    assert dso.get("/v2/pods").json()["code"] == "no-such-route"
    answer = dso.delete("/v1/pods")
    assert (answer.status_code, answer.json()["code"]) == (405, "no-such-method")
    assert answer.headers["allow"] == "GET"


def test_the_committed_description_is_the_served_one(
    dso: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    committed = json.loads(Path("docs/openapi.json").read_text())
    assert main(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out) == committed, (
        "the API changed: type certiflex central openapi > docs/openapi.json and tell its users"
    )
    assert dso.get("/openapi.json").json() == committed
    assert committed["openapi"].startswith("3.1")


def test_no_page_of_the_description_loads_anything_from_elsewhere(lived: World) -> None:
    assert [lived.client().get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]


# ── readings of 4-second profiles are written down ──────────────────────────────────────────


def test_an_owner_sees_who_read_the_profile(tmp_path: Path) -> None:
    with lived_in(tmp_path, minutes=2) as made:
        made.dso().get(f"/v1/pods/{POD}/readings", params=HOUR)
        owner = made.client(Role.DER_OWNER, Grant(POD))
        day = {"from": "2026-06-21T00:00:00Z", "to": "2026-06-22T00:00:00Z"}
        (seen,) = rows(owner, f"/v1/pods/{POD}/disclosures", **day)
        assert (seen["role"], seen["what"]) == ("dso", "readings")
        assert seen["start"] == "2026-06-21T00:00:00.000Z"


def test_a_sum_is_told_for_three_pods_or_more(lived: World) -> None:
    pods = [Grant(f"IT002E0000000{i}") for i in range(3)]
    answer = lived.client(Role.TSO, *pods).get("/v1/quarter-sums", params=HOUR)
    (first, *_) = answer.json()["rows"]
    singles = [rows(lived.dso(), f"/v1/pods/{grant.pod}/quarters", **HOUR)[0] for grant in pods]
    assert first["import_wh"] == pytest.approx(sum(each["import_wh"] for each in singles), abs=0.01)
    assert first["pod_count"] == 3
    refused = lived.client(Role.TSO, *pods[:2]).get("/v1/quarter-sums", params=HOUR)
    assert (refused.status_code, refused.json()["code"]) == (403, "too-few-pods")


def test_awards_open_their_slots_only(lived: World) -> None:
    award = Interval(FIRST_MS, FIRST_MS + HOUR_MS // 2)
    operator = lived.client(Role.MARKET_OPERATOR, Grant(POD, award))
    path = f"/v1/pods/{POD}/readings"
    inside = {"from": HOUR["from"], "to": "2026-06-21T00:30:00Z"}
    assert operator.get(path, params=inside).status_code == 200
    assert operator.get(path, params=HOUR).status_code == 404
    always = lived.client(Role.MARKET_OPERATOR, Grant(POD))
    assert always.get(path, params=inside).status_code == 404
