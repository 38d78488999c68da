"""Routes about one point of delivery: latest value, readings, quarter-hours, gaps, proofs."""

from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from central.api import documents
from central.api.access import Asker, Asking
from central.api.instants import cursor, instant_ms, place_of, told_instant
from central.api.pages import (
    As,
    Asked,
    Cursor,
    From,
    Limit,
    To,
    answer,
    table_from,
    time_field,
)
from central.api.problems import Problem
from central.scd.inquiry import MeasuredGap, StatedQuarter
from central.scd.roles import Resource
from central.scd.series import SERIES
from central.scd.stored import SegmentEntry
from ledger.codec import decode_registration
from ledger.facts.interval import SLOT_MS, Interval

router = APIRouter(prefix="/v1/pods", tags=["points of delivery"])

PodCode = Annotated[str, Path(description="a POD, as IT002E00000001", max_length=20)]
Instant = Annotated[str, Query(description="RFC 3339 with offset")]

_READING_COLUMNS = list(documents.ReadingRow.model_fields)
_PODS = pa.schema([("pod", pa.string()), ("node_index", pa.int32()), ("meter", pa.string())])
_QUARTERS = pa.schema(
    [
        time_field("start"),
        time_field("end"),
        ("node_index", pa.int32()),
        ("import_wh", pa.float64()),
        ("export_wh", pa.float64()),
        ("covered_s", pa.int32()),
        ("flagged_s", pa.int32()),
        ("register_check", pa.string()),
        ("register_import_wh", pa.int64()),
        ("register_export_wh", pa.int64()),
        ("compared_import_wh", pa.float64()),
        ("compared_export_wh", pa.float64()),
        ("gaps", pa.string()),
        ("state", pa.string()),
    ]
)
_GAPS = pa.schema(
    [
        time_field("start"),
        time_field("end"),
        ("node_index", pa.int32()),
        ("cause", pa.string()),
        time_field("outage_start"),
        time_field("outage_end"),
        ("outage_import_wh", pa.int64()),
        ("outage_export_wh", pa.int64()),
        ("state", pa.string()),
    ]
)
_SEGMENTS = pa.schema(
    [
        ("node_index", pa.int32()),
        ("first_sequence", pa.int64()),
        ("record_count", pa.int32()),
        time_field("start"),
        time_field("end"),
        ("header_hash", pa.string()),
        ("previous_hash", pa.string()),
        ("window", pa.int64()),
        ("disputed", pa.bool_()),
        ("state", pa.string()),
    ]
)
_DISCLOSURES = pa.schema(
    [
        time_field("read"),
        ("role", pa.string()),
        ("token_id", pa.string()),
        ("what", pa.string()),
        time_field("start"),
        time_field("end"),
    ]
)


@router.get("", responses=documents.table_of(documents.Pods))
def pods(
    request: Request, *, ask: Asking, limit: Limit = 1_000, after: Cursor = None, told_as: As = None
) -> Response:
    """Return the PODs that the token has to do with, each with its nodes."""
    directory = ask.services.directory
    visible = _visible(ask)
    start = place_of(after, 1)[0] if after else -1
    found = [
        stored
        for index, stored in sorted(directory.nodes().items())
        if index > start and stored.pod in visible
    ]
    page = found[:limit]
    rows = [
        {"pod": s.pod, "node_index": s.node_index, "meter": decode_registration(s.body).meter}
        for s in page
    ]
    following = cursor(page[-1].node_index) if len(found) > limit else None
    document = {"schema": "certiflex/pods/v1"}
    return answer(request, told_as, table_from(rows, _PODS), document, following=following)


@router.get(
    "/{pod}/latest",
    responses={
        200: {"model": documents.Latest, "description": "The newest reading."},
        **documents.refusals(400, 401, 403, 404),
    },
)
def latest(pod: PodCode, ask: Asking) -> Response:
    """Return the newest reading of a POD, live or stored; `state` tells which (I-04)."""
    now_ms = ask.services.clock.now_ms()
    nodes = ask.nodes_of(pod, Resource.READINGS, Interval(now_ms, now_ms + 1))
    found = [each for node in nodes if (each := ask.services.inquiry.latest(node))]
    if not found:
        raise Problem(404, "no-reading", "the POD has no reading yet")
    value, state = max(found, key=lambda one: one[0].time_ms)
    ask.disclose(pod, "latest", Interval(value.time_ms, value.time_ms + 1))
    row: dict[str, Any] = {
        name: getattr(value, name) for name in _READING_COLUMNS if name not in {"time", "state"}
    }
    document = {"schema": "certiflex/latest/v1", "ii": "I-04", "pod": pod}
    row |= {"time": told_instant(value.time_ms), "state": state.value}
    return JSONResponse({**document, **row}, headers={"Cache-Control": "private, no-store"})


@router.get("/{pod}/readings", responses=documents.table_of(documents.Readings, 404))
def readings(
    request: Request,
    *,
    pod: PodCode,
    ask: Asking,
    start: From,
    to: To,
    limit: Limit = 10_000,
    after: Cursor = None,
    told_as: As = None,
) -> Response:
    """Return the 4-second readings of a POD in [from, to), by time (I-04)."""
    asked = Asked.of(start, to)
    nodes = ask.nodes_of(pod, Resource.READINGS, asked.span)
    ask.disclose(pod, "readings", asked.span)
    place = place_of(after, 2) if after else None
    page, following = _page_of_readings(ask, nodes, asked.span, place, limit)
    document = asked.document("readings", pod, "I-04")
    return answer(request, told_as, page, document, following=following)


@router.get("/{pod}/quarters", responses=documents.table_of(documents.Quarters, 404))
def quarters(
    request: Request, *, pod: PodCode, ask: Asking, start: From, to: To, told_as: As = None
) -> Response:
    """Return the quarter-hours of a POD that begin in [from, to) (I-01)."""
    asked = Asked.of(start, to)
    nodes = ask.nodes_of(pod, Resource.QUARTERS, asked.span)
    stated = [
        quarter for node in nodes for quarter in ask.services.inquiry.quarters(node, asked.span)
    ]
    rows = sorted(map(_quarter_row, stated), key=lambda row: (row["start"], row["node_index"]))
    document = asked.document("quarters", pod, "I-01")
    return answer(request, told_as, table_from(rows, _QUARTERS), document)


@router.get("/{pod}/gaps", responses=documents.table_of(documents.Gaps, 404))
def gaps(
    request: Request, *, pod: PodCode, ask: Asking, start: From, to: To, told_as: As = None
) -> Response:
    """Return the slots of a POD in [from, to) without a reading, each with its cause."""
    asked = Asked.of(start, to)
    nodes = ask.nodes_of(pod, Resource.QUARTERS, asked.span)
    rows = [
        _gap_row(node, gap) for node in nodes for gap in ask.services.inquiry.gaps(node, asked.span)
    ]
    rows.sort(key=lambda row: (row["start"], row["node_index"]))
    document = asked.document("gaps", pod, "I-01")
    return answer(request, told_as, table_from(rows, _GAPS), document)


@router.get("/{pod}/segments", responses=documents.table_of(documents.Segments, 404))
def segments(
    request: Request, *, pod: PodCode, ask: Asking, start: From, to: To, told_as: As = None
) -> Response:
    """Return what is stored about a POD in [from, to), as hashes."""
    asked = Asked.of(start, to)
    nodes = ask.nodes_of(pod, Resource.HASHES, asked.span)
    anchored_count = ask.services.inquiry.anchored_count()
    from_slot, end_slot = asked.span.start_ms // SLOT_MS, -(-asked.span.end_ms // SLOT_MS)
    rows = [
        _segment_row(entry, anchored_count)
        for node in nodes
        for entry in ask.services.evidence.segment_entries(node, from_slot, end_slot)
    ]
    document = asked.document("segments", pod, None)
    return answer(request, told_as, table_from(rows, _SEGMENTS), document)


@router.get("/{pod}/disclosures", responses=documents.table_of(documents.Disclosures, 404))
def disclosures(
    request: Request,
    *,
    pod: PodCode,
    ask: Asking,
    start: From,
    to: To,
    limit: Limit = 1_000,
    told_as: As = None,
) -> Response:
    """Return who read 4-second profiles of a POD in [from, to), latest first."""
    asked = Asked.of(start, to)
    ask.nodes_of(pod, Resource.DISCLOSURES, asked.span)
    rows = [
        {
            "read": each.read_ms, "role": each.role, "token_id": each.token_id, "what": each.what,
            "start": each.interval.start_ms, "end": each.interval.end_ms,
        }
        for each in ask.services.tokens.disclosures(pod, asked.span, limit)
    ]  # fmt: skip
    document = asked.document("disclosures", pod, None)
    return answer(request, told_as, table_from(rows, _DISCLOSURES), document)


_BUNDLE: documents.Responses = {
    200: {
        "description": "A proof bundle: `certiflex ledger verify` reads it.",
        "content": {"application/cbor": {"schema": {"type": "string", "format": "binary"}}},
    },
    **documents.refusals(400, 401, 403, 404),
}


@router.get("/{pod}/proof", responses=_BUNDLE, response_class=Response)
def proof(pod: PodCode, ask: Asking, at: Instant) -> Response:
    """Return the proof of the record of a POD that covers an instant."""
    unix_ms = instant_ms(at, "at")
    moment = Interval(unix_ms, unix_ms + 1)
    nodes = ask.nodes_of(pod, Resource.READINGS, moment)
    ask.disclose(pod, "proof", moment)
    return _bundle(ask.services.prover.record(_holding(ask, nodes, moment), unix_ms))


@router.get("/{pod}/bundle", responses=_BUNDLE, response_class=Response)
def bundle(pod: PodCode, ask: Asking, start: From, to: To) -> Response:
    """Return the proof that every slot of a POD in [from, to) is accounted for."""
    asked = Asked.of(start, to)
    nodes = ask.nodes_of(pod, Resource.READINGS, asked.span)
    ask.disclose(pod, "bundle", asked.span)
    return _bundle(ask.services.prover.span(_holding(ask, nodes, asked.span), asked.span))


def _visible(ask: Asker) -> frozenset[str]:
    known = ask.services.directory.pods()
    resources = (Resource.QUARTERS, Resource.READINGS, Resource.QUARTER_SUMS, Resource.NODES)
    return frozenset(pod for each in resources for pod in ask.holder.pods(each, known))


def _page_of_readings(
    ask: Asker, nodes: list[int], span: Interval, place: list[int] | None, limit: int
) -> tuple[pa.Table, str | None]:
    if place is not None:
        span = Interval(min(max(place[0], span.start_ms), span.end_ms), span.end_ms)
    parts: list[pa.Table] = [SERIES.empty_table()]
    missing = limit + 1
    for table in ask.services.series.scan(nodes, span, rows_at_once=limit + 1):
        part = table if place is None else _beyond(table, place)
        parts.append(part[:missing])
        missing -= parts[-1].num_rows
        if missing <= 0:
            break
    rows = pa.concat_tables(parts)
    following = None
    if rows.num_rows > limit:
        rows = rows[:limit]
        last = rows[limit - 1 : limit].to_pylist()[0]
        following = cursor(last["time_ms"], last["node_index"])
    times = rows.column("time_ms").cast(pa.timestamp("ms", "UTC"))
    rows = rows.append_column(pa.field("time", times.type), times)
    return rows.select(_READING_COLUMNS), following


def _beyond(table: pa.Table, place: list[int]) -> pa.Table:
    times, nodes = table.column("time_ms"), table.column("node_index")
    same = pc.and_(pc.equal(times, place[0]), pc.greater(nodes, place[1]))
    return table.filter(pc.or_(pc.greater(times, place[0]), same))


def _holding(ask: Asker, nodes: list[int], span: Interval) -> int:
    """Return the node of a POD that has evidence in a span; the newest if none has."""
    from_slot, end_slot = span.start_ms // SLOT_MS, -(-span.end_ms // SLOT_MS)
    for node in reversed(nodes):
        if ask.services.evidence.segment_entries(node, from_slot, end_slot):
            return node
    return nodes[-1]


def _bundle(encoded: bytes) -> Response:
    return Response(
        encoded, media_type="application/cbor", headers={"Cache-Control": "private, no-store"}
    )


def _quarter_row(stated: StatedQuarter) -> dict[str, Any]:
    energy = stated.energy
    return {
        "start": energy.interval.start_ms,
        "end": energy.interval.end_ms,
        "node_index": energy.node_index,
        "import_wh": round(energy.import_wh, 3),
        "export_wh": round(energy.export_wh, 3),
        "covered_s": energy.covered_s,
        "flagged_s": energy.flagged_s,
        "register_check": energy.register_check.value,
        "register_import_wh": energy.register_import_wh,
        "register_export_wh": energy.register_export_wh,
        "compared_import_wh": _rounded(energy.compared_import_wh),
        "compared_export_wh": _rounded(energy.compared_export_wh),
        "gaps": " ".join(f"{cause}={s}" for cause, s in sorted(stated.gaps_s.items())),
        "state": stated.state.value,
    }


def _rounded(energy_wh: float | None) -> float | None:
    return None if energy_wh is None else round(energy_wh, 3)


def _gap_row(node_index: int, gap: MeasuredGap) -> dict[str, Any]:
    return {
        "start": gap.interval.start_ms,
        "end": gap.interval.end_ms,
        "node_index": node_index,
        "cause": gap.cause,
        "outage_start": gap.outage.start_ms,
        "outage_end": gap.outage.end_ms,
        "outage_import_wh": gap.outage_import_wh,
        "outage_export_wh": gap.outage_export_wh,
        "state": gap.state.value if gap.state else None,
    }


def _segment_row(entry: SegmentEntry, anchored_count: int) -> dict[str, Any]:
    anchored = entry.window is not None and entry.window < anchored_count
    return {
        "node_index": entry.node_index,
        "first_sequence": entry.first_sequence,
        "record_count": entry.record_count,
        "start": entry.first_slot * SLOT_MS,
        "end": entry.end_slot * SLOT_MS,
        "header_hash": entry.header_hash.hex(),
        "previous_hash": entry.previous_hash.hex(),
        "window": entry.window,
        "disputed": entry.disputed,
        "state": "anchored" if anchored else "received",
    }
