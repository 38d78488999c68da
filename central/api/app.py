"""The application: routes, refusals, counters, and its OpenAPI description."""

import asyncio
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central.api import exchange, fleet, ingest, market_log, operations, pods, problems
from central.api.bodies import CBOR
from central.api.documents import ProblemDocument, refusals
from central.api.services import Services
from ledger.command import release

_DESCRIPTION = """Certified measures of light nodes, each with how far it has come:
`live` (shown), `received` (signed and stored), `anchored` (vouched for by the ledger, final).
Intervals are half-open, `[from, to)`; instants are RFC 3339 with an offset."""
_BINARY = {"schema": {"type": "string", "format": "binary"}}


def application(services: Services | None) -> FastAPI:
    """Return the ASGI application; without services it can only be described."""
    app = FastAPI(
        title="certiflex Shared Customer Database",
        version=release(),
        description=_DESCRIPTION,
        # The pages of FastAPI load scripts from a CDN; this API is described by docs/openapi.json.
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        openapi_url="/openapi.json",
    )
    app.state.services = services
    problems.install(app)
    for each in (pods, fleet, exchange, market_log, operations):
        app.include_router(each.router)
    app.router.routes.extend(ingest.ROUTES)
    app.openapi = lambda: description(app)  # type: ignore[method-assign]
    app.add_middleware(Ending)
    app.add_middleware(Counting)
    return app


def description(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of every route, the plain ones too."""
    if app.openapi_schema:
        return app.openapi_schema
    described = get_openapi(
        title=app.title,
        version="1",
        description=app.description,
        routes=app.routes,
        openapi_version="3.1.0",
    )
    components = described.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
    schemas.update(exchange.SCHEMAS)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for route in ingest.ROUTES:
        described["paths"][route.path] = {"post": _ingest_operation(route.name)}
    for path, operations_of in described["paths"].items():
        for operation in operations_of.values():
            _tidy(operation, is_open=not path.startswith("/v1/"))
    app.openapi_schema = described
    return described


def _ingest_operation(name: str) -> dict[str, Any]:
    endpoint = getattr(ingest, name)
    stored = {"description": "Durable.", "content": {CBOR: _BINARY}}
    done = {"200": stored} if name == "segments" else {"204": {"description": "Done."}}
    conflict = (409,) if name == "windows" else ()
    refused = refusals(400, 401, 403, 413, 415, 422, *conflict)
    return {
        "tags": ["ingest"],
        "summary": f"Ingest {name}",
        "description": endpoint.__doc__,
        "operationId": f"ingest_{name}",
        "requestBody": {"required": True, "content": {CBOR: _BINARY}},
        "responses": {**done, **{str(status): entry for status, entry in refused.items()}},
    }


def _tidy(operation: dict[str, Any], *, is_open: bool) -> None:
    """Say who may call; FastAPI's own 422 is never sent: bad parameters are a 400."""
    if not is_open:
        operation["security"] = [{"token": []}]
    if operation["responses"].get("422", {}).get("description") == "Validation Error":
        operation["responses"].pop("422")


class Ending:
    """Tells a client that was too slow for the time which a stopping server leaves it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; one that is cut off before its answer has begun is told so."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if begun or scope["type"] != "http":
                raise
            await problems.ENDING.response()(scope, receive, send)


class Counting:
    """Counts answers by method, route and status; paths with PODs in them are never a label."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            services: Services = Request(scope).app.state.services
            services.answered[scope["method"], route, status] += 1
