"""Routes about all nodes and the log: fleet, windows, checkpoint, change feed, sums."""

from collections.abc import Iterable
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from central.api import documents
from central.api.access import Asker, Asking
from central.api.instants import cursor, place_of
from central.api.pages import As, Asked, Cursor, From, Limit, To, answer, table_from, time_field
from central.api.problems import Problem
from central.scd.ingest import read_anchor
from central.scd.quarters import MeteredQuarter
from central.scd.roles import Resource
from central.scd.stored import Arrival, StoredRegistration, StoredWindow
from ledger.codec import decode_registration, decode_window_entry
from ledger.facts.interval import QUARTER_MS, SLOT_MS

router = APIRouter(prefix="/v1", tags=["fleet and log"])

Since = Annotated[int, Query(ge=0, le=(1 << 53) - 1, description="the last arrival seen")]
First = Annotated[int, Query(alias="from", ge=0, le=(1 << 48) - 1, description="first window")]

_FEWEST_PODS = 3

_NODES = pa.schema(
    [
        ("node_index", pa.int32()),
        ("pod", pa.string()),
        ("meter", pa.string()),
        ("next_sequence", pa.int64()),
        ("end_sequence", pa.int64()),
        time_field("covered_until", nullable=True),
        time_field("arrived", nullable=True),
        ("conflict_count", pa.int32()),
    ]
)
_WINDOWS = pa.schema(
    [
        ("window", pa.int64()),
        time_field("closed"),
        ("node_count", pa.int64()),
        ("root", pa.string()),
        ("registry_root", pa.string()),
        ("entry", pa.string()),
        ("state", pa.string()),
    ]
)
_CHANGES = pa.schema(
    [
        ("arrival", pa.int64()),
        ("kind", pa.string()),
        ("node_index", pa.int32()),
        ("reference", pa.int64()),
        time_field("arrived"),
        ("header_hash", pa.string()),
        time_field("start", nullable=True),
        time_field("end", nullable=True),
    ]
)
_SUMS = pa.schema(
    [
        time_field("start"),
        time_field("end"),
        ("pod_count", pa.int32()),
        ("import_wh", pa.float64()),
        ("export_wh", pa.float64()),
        ("covered_s", pa.int64()),
    ]
)


@router.get("/nodes", responses=documents.table_of(documents.Nodes))
def nodes(
    request: Request, *, ask: Asking, limit: Limit = 1_000, after: Cursor = None, told_as: As = None
) -> Response:
    """Return the light nodes, and how far the evidence of each reaches."""
    visible = ask.visible_nodes(Resource.NODES)
    start = place_of(after, 1)[0] if after else -1
    found = [
        stored
        for index, stored in sorted(ask.services.directory.nodes().items())
        if index > start and (visible is None or index in visible)
    ]
    rows = [_node_row(ask, stored) for stored in found[:limit]]
    following = cursor(rows[-1]["node_index"]) if len(found) > limit else None
    document = {"schema": "certiflex/nodes/v1"}
    return answer(request, told_as, table_from(rows, _NODES), document, following=following)


@router.get("/windows", responses=documents.table_of(documents.Windows))
def windows(
    request: Request,
    *,
    ask: Asking,
    first: First = 0,
    limit: Limit = 1_000,
    after: Cursor = None,
    told_as: As = None,
) -> Response:
    """Return the windows of the log from one on, dense."""
    ask.need(Resource.LOG)
    start = place_of(after, 1)[0] + 1 if after else first
    found = ask.services.evidence.windows(max(start, 0), limit + 1)
    anchored_count = ask.services.inquiry.anchored_count()
    rows = [_window_row(window, anchored_count) for window in found[:limit]]
    following = cursor(rows[-1]["window"]) if len(found) > limit else None
    document = {"schema": "certiflex/windows/v1"}
    return answer(request, told_as, table_from(rows, _WINDOWS), document, following=following)


@router.get(
    "/log/checkpoint",
    response_class=PlainTextResponse,
    responses={
        200: {
            "description": "The anchored head of the log (C2SP tlog-checkpoint).",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **documents.refusals(401, 403, 404),
    },
)
def checkpoint(ask: Asking) -> Response:
    """Return the latest anchored checkpoint of the log, as a signed note."""
    ask.need(Resource.LOG)
    anchor = ask.services.evidence.latest_anchor()
    if anchor is None:
        raise Problem(404, "no-checkpoint", "no window is anchored yet")
    return PlainTextResponse(read_anchor(anchor.body)[0])


@router.get("/changes", responses=documents.table_of(documents.Changes))
def changes(
    request: Request, *, ask: Asking, since: Since = 0, limit: Limit = 1_000, told_as: As = None
) -> Response:
    """Return what arrived after an arrival, in the order of arrival; corrections are seen."""
    visible = ask.visible_nodes(Resource.HASHES)
    found = ask.services.evidence.changes(since, limit + 1, visible)
    rows = list(map(_change_row, found[:limit]))
    document = {"schema": "certiflex/changes/v1"}
    more = str(rows[-1]["arrival"]) if len(found) > limit else None
    page = answer(request, told_as, table_from(rows, _CHANGES), document, following=more)
    if more is not None:
        url = request.url.include_query_params(since=more)
        page.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return page


@router.get("/quarter-sums", responses=documents.table_of(documents.QuarterSums))
def quarter_sums(
    request: Request, *, ask: Asking, start: From, to: To, told_as: As = None
) -> Response:
    """Return the quarter-hours in [from, to) summed over the PODs of the token (I-01).

    A transmission operator's token names the PODs behind one primary substation; no single POD
    can be read from the sum, which is refused for fewer than three.
    """
    asked = Asked.of(start, to)
    visible = ask.visible_nodes(Resource.QUARTER_SUMS)
    directory = ask.services.directory.nodes()
    wanted = sorted(directory if visible is None else visible)
    if len({directory[index].pod for index in wanted}) < _FEWEST_PODS:
        raise Problem(403, "too-few-pods", f"a sum is told for {_FEWEST_PODS} PODs or more")
    energies = [
        (directory[index].pod, stated.energy)
        for index in wanted
        for stated in ask.services.inquiry.quarters(index, asked.span)
    ]
    document = {"schema": "certiflex/quarter-sums/v1", "ii": "I-01"}
    return answer(request, told_as, table_from(_sums(energies), _SUMS), document)


def _sums(energies: Iterable[tuple[str, MeteredQuarter]]) -> list[dict[str, Any]]:
    by_start: dict[int, list[tuple[str, MeteredQuarter]]] = {}
    for pod, energy in energies:
        by_start.setdefault(energy.interval.start_ms, []).append((pod, energy))
    return [
        {
            "start": start_ms,
            "end": start_ms + QUARTER_MS,
            "pod_count": len({pod for pod, energy in found if energy.covered_s}),
            "import_wh": round(sum(energy.import_wh for _, energy in found), 3),
            "export_wh": round(sum(energy.export_wh for _, energy in found), 3),
            "covered_s": sum(energy.covered_s for _, energy in found),
        }
        for start_ms, found in sorted(by_start.items())
    ]


def _node_row(ask: Asker, stored: StoredRegistration) -> dict[str, Any]:
    evidence = ask.services.evidence
    mark = evidence.watermark(stored.node_index)
    return {
        "node_index": stored.node_index,
        "pod": stored.pod,
        "meter": decode_registration(stored.body).meter,
        "next_sequence": mark.next_sequence if mark else 0,
        "end_sequence": mark.end_sequence if mark else 0,
        "covered_until": mark.end_slot * SLOT_MS if mark else None,
        "arrived": mark.arrived_ms if mark else None,
        "conflict_count": len(evidence.equivocations(stored.node_index)),
    }


def _window_row(window: StoredWindow, anchored_count: int) -> dict[str, Any]:
    entry = decode_window_entry(window.entry)
    return {
        "window": window.window,
        "closed": window.closed_ms,
        "node_count": entry.node_count,
        "root": entry.root.hex(),
        "registry_root": entry.registry_root.hex(),
        "entry": window.entry.hex(),
        "state": "anchored" if window.window < anchored_count else "received",
    }


def _change_row(change: Arrival) -> dict[str, Any]:
    return {
        "arrival": change.arrival,
        "kind": change.kind.name.lower(),
        "node_index": change.node_index,
        "reference": change.reference,
        "arrived": change.arrived_ms,
        "header_hash": change.header_hash.hex() if change.header_hash else None,
        "start": _slot_ms(change.first_slot),
        "end": _slot_ms(change.end_slot),
    }


def _slot_ms(slot: int | None) -> int | None:
    return None if slot is None else slot * SLOT_MS
