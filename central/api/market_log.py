"""Routes of the market log: its newest head, the proof of one document, and that it only grew."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import StringConstraints
from starlette.responses import JSONResponse, PlainTextResponse, Response

from central.api import documents
from central.api.access import Asker, Asking
from central.api.problems import Problem
from central.scd.documents import DocumentQuery
from central.scd.documents_access import scope_of
from central.scd.documents_entries import Seal
from central.scd.documents_log import MarketLog
from central.scd.documents_proofs import DocumentProver, need_logged
from central.scd.roles import Resource

router = APIRouter(prefix="/v1/market-log", tags=["market log"])

_MOST = (1 << 48) - 1
_UNSEALED = "nothing is sealed yet"
_NO_STORE = {"Cache-Control": "private, no-store", "Vary": "Authorization"}

Hash = Annotated[
    str,
    StringConstraints(pattern="^[0-9a-f]{64}$"),
    Query(description="of the document's canonical bytes, as /v1/documents tells it"),
]
FromSize = Annotated[int, Query(alias="from", ge=1, le=_MOST, description="size of the older head")]
ToSize = Annotated[
    int | None, Query(alias="to", ge=1, le=_MOST, description="of the newer; the newest by default")
]
Anchored = Annotated[bool, Query(description="the newest that is final on the ledger")]


@router.get(
    "/checkpoint",
    response_class=PlainTextResponse,
    responses={
        200: {
            "description": "A sealed head of the log (C2SP tlog-checkpoint).",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **documents.refusals(400, 401, 403, 404),
    },
)
def checkpoint(ask: Asking, *, anchored: Anchored = False) -> Response:
    """Return the newest checkpoint of the log of market documents, as a signed note."""
    log, prover = _need(ask)
    if not anchored:
        return PlainTextResponse(_need_sealed(log.latest()).note, headers=_NO_STORE)
    final = prover.final()
    if final is None:
        raise Problem(404, "no-checkpoint", "nothing is anchored yet")
    return PlainTextResponse(final.seal.note, headers=_NO_STORE)


@router.get(
    "/proof",
    responses={
        200: {"model": documents.MarketLogProof, "description": "The way to a checkpoint."},
        **documents.refusals(400, 401, 403, 404),
    },
)
def proof(ask: Asking, digest: Annotated[Hash, Query(alias="hash")]) -> Response:
    """Return the proof that a document is in the log, if the token may know that there is one.

    It says nothing of other documents, and nothing of what this one says.
    """
    log, prover = _need(ask)
    document_hash = bytes.fromhex(digest)
    query = DocumentQuery(hashes=(document_hash,), limit=1, conflicts=True, bodies=False)
    scope = scope_of(ask.holder, ask.services.clock.now_ms())
    if not (known := ask.services.documents.documents(query, scope)):
        raise Problem(404, "document-unknown", "there is no such document among those you may see")
    need_logged(known[0])
    logged = log.logged(document_hash)
    ground = prover.ground(logged.index) if logged else None
    found = log.inclusion(document_hash, ground.seal) if ground else None
    if ground is None or found is None:
        raise Problem(404, "not-sealed", "the document is under no checkpoint yet")
    return _told({
        "schema": "certiflex/market-log-proof/v1", "hash": digest, "index": found.index,
        "entry": found.entry.hex(), "path": [each.hex() for each in found.path],
        "size": ground.seal.size, "checkpoint": ground.seal.note, "anchored": ground.is_final,
    })  # fmt: skip


@router.get(
    "/consistency",
    responses={
        200: {"model": documents.MarketLogConsistency, "description": "That the log only grew."},
        **documents.refusals(400, 401, 403, 404),
    },
)
def consistency(ask: Asking, older: FromSize, newer: ToSize = None) -> Response:
    """Return the proof (RFC 9162) that a sealed head of the log continues an older one."""
    log, _ = _need(ask)
    latest = _need_sealed(log.latest())
    to_size = latest.size if newer is None else newer
    if not older <= to_size <= latest.size:
        raise Problem(
            400, "bad-parameter", f"expected from ≤ to ≤ {latest.size}, the size that is sealed"
        )
    return _told({
        "schema": "certiflex/market-log-consistency/v1", "from": older, "to": to_size,
        "from_root": log.root(older).hex(), "to_root": log.root(to_size).hex(),
        "path": [each.hex() for each in log.consistency(older, to_size)],
    })  # fmt: skip


def _need(ask: Asker) -> tuple[MarketLog, DocumentProver]:
    """Return the log and what proves by it.

    Raises:
        Problem: 403 for the role; 404, no log is kept here.
    """
    ask.need(Resource.LOG)
    services = ask.services
    if services.market_log is None or services.document_prover is None:
        raise Problem(404, "no-market-log", "no log of market documents is kept here")
    return services.market_log, services.document_prover


def _need_sealed(seal: Seal | None) -> Seal:
    if seal is None:
        raise Problem(404, "no-checkpoint", _UNSEALED)
    return seal


def _told(document: dict[str, Any]) -> Response:
    return JSONResponse(document, headers=_NO_STORE)
