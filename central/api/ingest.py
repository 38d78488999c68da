"""The gateway's way in: CBOR bodies, plain routes, an answer only after the durable commit."""

from collections.abc import Callable
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from central.api.access import holder_of, services_of
from central.api.bodies import CBOR, body_of
from central.api.problems import Problem
from central.api.services import Services
from central.scd.roles import Resource
from ledger.codec.cbor import encode, loads_plain
from ledger.errors import Rejected

PREFIX = "/v1/ingest"


async def segments(request: Request) -> Response:
    """Store segments; answer [header hash, outcome, reason] for each."""
    services, body = await _taken(request)
    bodies = _array_of_bytes(body)
    told = await anyio.to_thread.run_sync(services.ingest.segments, bodies)
    answer = [[each.header_hash, each.outcome.value, each.reason] for each in told]
    return Response(encode(answer), 200, media_type=CBOR)


async def registry(request: Request) -> Response:
    """Store registrations."""
    services, body = await _taken(request)
    return await _done(services.ingest.registry, _array_of_bytes(body))


async def live(request: Request) -> Response:
    """Show live records; those that are none are left out, the others are shown."""
    services, body = await _taken(request)
    for each in _array(body):
        match each:
            case [int(node_index), bytes(record)] if node_index >= 0:
                services.ingest.live(node_index, record)
            case _:
                raise _shape("expected [[node index, record], …]")
    return Response(status_code=204)


async def windows(request: Request) -> Response:
    """Store the next window."""
    services, body = await _taken(request)
    return await _done(services.ingest.window, body)


async def anchors(request: Request) -> Response:
    """Store a checkpoint that the ledger has accepted."""
    services, body = await _taken(request)
    return await _done(services.ingest.anchor, body)


async def _done(store: Callable[[Any], object], body: object) -> Response:
    await anyio.to_thread.run_sync(store, body)
    return Response(status_code=204)


async def _taken(request: Request) -> tuple[Services, bytes]:
    """Return the services and the body of a request that may hand something in.

    Raises:
        Problem: 401, 403, 413 or 415.
    """
    services = services_of(request)
    holder = await anyio.to_thread.run_sync(holder_of, request)
    if holder.reach(Resource.INGEST) is None:
        raise Problem(403, "role-denied", f"the role {holder.role} may not hand anything in")
    _, body = await body_of(request, CBOR)
    return services, body


def _array(body: bytes) -> list[Any]:
    value = loads_plain(body)
    if not isinstance(value, list):
        raise _shape("expected an array")
    return value


def _array_of_bytes(body: bytes) -> list[bytes]:
    value = _array(body)
    if not all(isinstance(each, bytes) for each in value):
        raise _shape("expected an array of byte strings")
    return value


def _shape(what: str) -> Rejected:
    return Rejected(what, reason="wrong_shape")


ROUTES = [
    Route(f"{PREFIX}/{endpoint.__name__}", endpoint, methods=["POST"])
    for endpoint in (segments, registry, live, windows, anchors)
]
