"""Routes of the market's documents: hand one in, list them, read one; congestion alerts."""

import base64
import binascii
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import anyio.to_thread
import pyarrow as pa
from fastapi import APIRouter, Path, Query
from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from central.api import documents
from central.api.access import Asker, Asking, holder_of, services_of
from central.api.bodies import CBOR, COSE, JSON, body_of
from central.api.instants import cursor, place_of, told_instant
from central.api.pages import As, Asked, Cursor, From, Limit, To, answer, table_from, time_field
from central.api.problems import Problem
from central.documents.catalogue import KINDS
from central.documents.congestion import CongestionAlert
from central.documents.elements import Violation
from central.documents.encoding import decode, encode, from_json, parsed, schema, to_json
from central.documents.header import Document
from central.scd.documents import DocumentQuery, Scope, StoredDocument
from central.scd.documents_access import scope_of
from central.scd.stored import LATEST, Outcome
from ledger.codec.cbor import encode as encode_cbor
from ledger.codec.cbor import loads_plain
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.signing import payload_of

router = APIRouter(prefix="/v1", tags=["documents"])

SCHEMAS = {kind.__name__: schema(kind) for kind in KINDS.values()}
"""The JSON Schema of every kind of document, for the description of the API."""

_MAX_KEY = 200
_PAGE_OF_ALERTS = 100
_NO_STORE = {"Cache-Control": "private, no-store", "Vary": "Accept, Authorization"}


class DocumentFormat(StrEnum):
    """The forms of one document; a bundle is the signed one with its proof."""

    JSON = "json"
    COSE = "cose"
    BUNDLE = "bundle"


Ii = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^I-\d\d$")]] | None,
    Query(description="information objects, as I-06"),
]
Sender = Annotated[str | None, Query(max_length=64, description="who signed")]
Mrid = Annotated[str, Path(max_length=36, description="a UUID")]
Revision = Annotated[
    int | None, Query(ge=1, le=(1 << 48) - 1, description="the latest you may see by default")
]
Since = Annotated[int, Query(ge=0, le=(1 << 53) - 1, description="the last arrival seen")]
OptionalFrom = Annotated[str | None, Query(alias="from", description="RFC 3339 with offset")]
OptionalTo = Annotated[str | None, Query(description="RFC 3339 with offset")]
Latest = Annotated[bool, Query(description="only the last revision of each")]
Signed = Annotated[bool, Query(description="with the signed bytes, in Base64")]
AsDocument = Annotated[
    DocumentFormat, Query(alias="format", description="JSON, as signed, or with its proof")
]

_DOCUMENTS = pa.schema(
    [
        ("arrival", pa.int64()),
        ("mrid", pa.string()),
        ("revision", pa.int64()),
        ("ii", pa.string()),
        ("kind", pa.string()),
        ("sender", pa.string()),
        ("receiver", pa.string()),
        time_field("start"),
        time_field("end"),
        time_field("created"),
        time_field("arrived"),
        ("conflict", pa.bool_()),
        ("hash", pa.string()),
        ("signed", pa.string()),
    ]
)
_ALERTS = pa.schema(
    [
        time_field("start"),
        time_field("end"),
        ("primary_substation", pa.string()),
        ("element", pa.string()),
        ("bound", pa.string()),
        ("side", pa.string()),
        ("phase", pa.string()),
        ("rated_milli", pa.int64()),
        ("limit_milli", pa.int64()),
        ("margin_milli", pa.int64()),
        ("excess_milli", pa.int64()),
        ("cause", pa.string()),
        ("scenario", pa.string()),
        ("confidence_permille", pa.int64()),
        ("horizon", pa.string()),
        ("mrid", pa.string()),
        ("revision", pa.int64()),
        time_field("created"),
    ]
)
_REFERENCES = [{"$ref": f"#/components/schemas/{name}"} for name in SCHEMAS]
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_BINARY = {"type": "string", "format": "binary"}
_HANDED_IN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "document": {"oneOf": _REFERENCES},
        "signed": {**_BASE64, "description": "the sender's COSE_Sign1 over the canonical bytes"},
    },
    "required": ["document", "signed"],
    "additionalProperties": False,
}
_READ: dict[str, Any] = {
    "type": "object",
    "properties": {
        "schema": {"const": "certiflex/document/v1"},
        "ii": {"type": "string"},
        "arrival": {"type": "integer"},
        "arrived": {"type": "string", "format": "date-time"},
        "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        **_HANDED_IN["properties"],
    },
    "required": ["schema", "ii", "arrival", "arrived", "hash", "document", "signed"],
    "additionalProperties": False,
}
_FILED: documents.Responses = {
    200: {"model": documents.FiledDocument, "description": "It was stored before."},
    201: {"model": documents.FiledDocument, "description": "It is durable."},
    **documents.refusals(400, 401, 403, 409, 413, 415, 422),
}
_KEY_HEADER = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": _MAX_KEY},
    "description": "the client's own name of this request; a document is its own name too",
}  # fmt: skip


@router.post(
    "/documents",
    status_code=201,
    responses=_FILED,
    openapi_extra={
        "parameters": [_KEY_HEADER],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": _HANDED_IN}, COSE: {"schema": _BINARY}},
        },
    },
)
async def file(request: Request) -> Response:
    """Store a document: as JSON with its signature, or as signed (COSE_Sign1)."""
    services = services_of(request)
    holder = await anyio.to_thread.run_sync(holder_of, request)
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _MAX_KEY:
        raise Problem(400, "bad-parameter", f"Idempotency-Key has 1 … {_MAX_KEY} characters")
    media_type, body = await body_of(request, JSON, COSE)

    def store() -> Response:
        signed = _signed_of(body) if media_type == JSON else body
        document, outcome = services.desk.file(signed, holder, key)
        told = {
            "schema": "certiflex/filed-document/v1", "ii": document.ii, "mrid": document.mrid,
            "revision": document.revision, "hash": document.document_hash.hex(),
            "outcome": outcome.value,
        }  # fmt: skip
        place = f"/v1/documents/{document.mrid}?revision={document.revision}"
        status = 201 if outcome is Outcome.STORED else 200
        return JSONResponse(told, status, {**_NO_STORE, "Location": place})

    return await anyio.to_thread.run_sync(store)


@router.post(
    "/field-measurements",
    responses={
        200: {
            "description": "An array of [hash, outcome, reason], one for each document; "
            "`stored` and `duplicate` ones are durable.",
            "content": {CBOR: {"schema": _BINARY}},
        },
        **documents.refusals(401, 403, 413, 415, 422),
    },
    response_class=Response,
    openapi_extra={"requestBody": {"required": True, "content": {CBOR: {"schema": _BINARY}}}},
)
async def field_measurements(request: Request) -> Response:
    """Store measurements of field sensors (I-19): a CBOR array of signed documents."""
    services = services_of(request)
    holder = await anyio.to_thread.run_sync(holder_of, request)
    _, body = await body_of(request, CBOR)

    def store() -> bytes:
        bodies = loads_plain(body)
        if type(bodies) is not list or not all(type(each) is bytes for each in bodies):
            raise Rejected("expected an array of byte strings", reason="wrong_shape")
        told = services.desk.file_all(bodies, holder, "I-19")
        return encode_cbor([[each.document_hash, each.outcome.value, each.reason] for each in told])

    return Response(await anyio.to_thread.run_sync(store), 200, media_type=CBOR)


@router.get("/documents", responses=documents.table_of(documents.Documents))
def filed(
    request: Request,
    *,
    ask: Asking,
    ii: Ii = None,
    sender: Sender = None,
    start: OptionalFrom = None,
    to: OptionalTo = None,
    since: Since = 0,
    latest: Latest = False,
    conflicts: Latest = False,
    signed: Signed = False,
    limit: Limit = 1_000,
    told_as: As = None,
) -> Response:
    """Return the documents that the token may see, in order of arrival; `since` follows them.

    Those whose validity touches [from, to) if it is given. `conflict` marks a second content for a
    revision that is stored: evidence against its sender, never the document.
    """
    scope = _scope(ask)
    if (start is None) != (to is None):
        raise Problem(400, "bad-interval", "from and to go together")
    span = Asked.of(start, to).span if start is not None and to is not None else None
    query = DocumentQuery(
        ii=tuple(ii or ()), sender=sender, span=span, since=since, limit=limit + 1, latest=latest,
        conflicts=conflicts, bodies=signed,
    )  # fmt: skip
    found = ask.services.documents.documents(query, scope)
    rows = [_row(each, scope) for each in found[:limit]]
    more = str(rows[-1]["arrival"]) if len(found) > limit else None
    document = {"schema": "certiflex/documents/v1"}
    page = answer(request, told_as, table_from(rows, _DOCUMENTS), document, following=more)
    if more is not None:
        url = request.url.include_query_params(since=more)
        page.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return page


@router.get(
    "/documents/{mrid}",
    response_class=Response,
    responses={
        200: {
            "description": "The document.",
            "content": {
                JSON: {"schema": _READ},
                COSE: {"schema": _BINARY},
                CBOR: {"schema": _BINARY},
            },
        },
        **documents.refusals(400, 401, 403, 404),
    },
)
def read(
    mrid: Mrid, ask: Asking, revision: Revision = None, told_as: AsDocument = DocumentFormat.JSON
) -> Response:
    """Return a revision of a document, the latest by default: in JSON, or as it was signed.

    As a bundle, with its place in the market log, it can be verified offline.
    """
    scope = _scope(ask)
    found = [
        each
        for each in ask.services.documents.documents(
            DocumentQuery(mrid=mrid, revision=revision, limit=LATEST), scope
        )
        if scope.opens(each)
    ]
    if not found:
        raise Problem(404, "document-unknown", "there is no such document among those you may read")
    stored = max(found, key=lambda each: each.revision)
    if told_as is DocumentFormat.COSE:
        return Response(stored.signed, 200, _NO_STORE, COSE)
    if told_as is DocumentFormat.BUNDLE:
        return Response(_bundle(ask, stored), 200, _NO_STORE, CBOR)
    told = {
        "schema": "certiflex/document/v1", "ii": stored.ii, "arrival": stored.arrival,
        "arrived": told_instant(stored.arrived_ms), "hash": stored.document_hash.hex(),
        "document": to_json(_content(stored)), "signed": base64.b64encode(stored.signed).decode(),
    }  # fmt: skip
    return JSONResponse(told, 200, _NO_STORE)


@router.get("/alerts", responses=documents.table_of(documents.Alerts))
def alerts(
    request: Request,
    *,
    ask: Asking,
    start: From,
    to: To,
    limit: Limit = 1_000,
    after: Cursor = None,
    told_as: As = None,
) -> Response:
    """Return what congestion alerts (I-10) say of quarter-hours that begin in [from, to).

    Of each alert its latest revision counts. A page ends with an alert's last row: it may be longer
    than the limit.
    """
    scope = _scope(ask, "I-10")
    asked = Asked.of(start, to)
    since = place_of(after, 1)[0] if after else 0
    rows: list[dict[str, Any]] = []
    following = None
    for stored in _each_alert(ask, asked.span, scope, since):
        if len(rows) >= limit:
            following = cursor(since)
            break
        since = stored.arrival
        rows += [row for row in _alert_rows(stored) if row["start"] in asked.span]
    document = {"schema": "certiflex/alerts/v1", "ii": "I-10"}
    return answer(request, told_as, table_from(rows, _ALERTS), document, following=following)


def _scope(ask: Asker, ii: str | None = None) -> Scope:
    """Return what the asker may see.

    Raises:
        Problem: 403, nothing, whatever there is.
    """
    scope = scope_of(ask.holder, ask.services.clock.now_ms())
    if not scope.sights or (ii is not None and ii not in scope.sights):
        raise Problem(403, "role-denied", f"the role {ask.holder.role} may not read documents")
    return scope


def _signed_of(body: bytes) -> bytes:
    """Return the signed bytes of a document handed in as JSON: they say what the JSON says."""
    match parsed(body):
        case {"document": document, "signed": str(encoded), **more} if not more:
            pass
        case _:
            raise Rejected("expected document and signed", where="$", reason="wrong_shape")
    try:
        signed = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("no Base64", where="$.signed", reason="wrong_shape") from error
    told = encode(from_json(document))
    if payload_of(signed)[1] != told:
        raise Rejected(
            "the signature is over another document", where="$.signed",
            remedy="sign the canonical bytes of this very document", reason="signed_another",
        )  # fmt: skip
    return signed


def _bundle(ask: Asker, stored: StoredDocument) -> bytes:
    prover = ask.services.document_prover
    if prover is None:
        raise Problem(404, "no-market-log", "no log of market documents is kept here")
    return prover.bundle(stored)


def _content(stored: StoredDocument) -> Document:
    return decode(payload_of(stored.signed)[1])


def _row(stored: StoredDocument, scope: Scope) -> dict[str, Any]:
    signed = stored.signed if scope.opens(stored) else b""
    return {
        "arrival": stored.arrival,
        "mrid": stored.mrid,
        "revision": stored.revision,
        "ii": stored.ii,
        "kind": stored.kind,
        "sender": stored.sender,
        "receiver": stored.receiver,
        "start": stored.validity.start_ms,
        "end": stored.validity.end_ms,
        "created": stored.created_ms,
        "arrived": stored.arrived_ms,
        "conflict": stored.is_conflict,
        "hash": stored.document_hash.hex(),
        "signed": base64.b64encode(signed).decode() if signed else None,
    }


def _each_alert(ask: Asker, span: Interval, scope: Scope, since: int) -> Iterator[StoredDocument]:
    while True:
        query = DocumentQuery(
            ii=("I-10",), span=span, since=since, latest=True, limit=_PAGE_OF_ALERTS
        )
        page = ask.services.documents.documents(query, scope)
        yield from page
        if len(page) < _PAGE_OF_ALERTS:
            return
        since = page[-1].arrival


def _alert_rows(stored: StoredDocument) -> list[dict[str, Any]]:
    alert = _content(stored)
    assert isinstance(alert, CongestionAlert)  # noqa: S101 -- it was asked for by its kind
    return [_alert_row(alert, violation) for violation in alert.violations]


def _alert_row(alert: CongestionAlert, violation: Violation) -> dict[str, Any]:
    element = alert.elements[violation.position]
    return {
        "start": violation.start_ms,
        "end": violation.start_ms + QUARTER_MS,
        "primary_substation": alert.primary_substation,
        "element": element.element,
        "bound": element.bound.value,
        "side": element.side.value if element.side else None,
        "phase": element.phase.value if element.phase else None,
        "rated_milli": element.rated_milli,
        "limit_milli": element.limit_milli,
        "margin_milli": element.margin_milli,
        "excess_milli": violation.excess_milli,
        "cause": violation.cause,
        "scenario": violation.scenario,
        "confidence_permille": alert.confidence_permille,
        "horizon": alert.horizon.value,
        "mrid": alert.mrid,
        "revision": alert.revision,
        "created": alert.created_ms,
    }
