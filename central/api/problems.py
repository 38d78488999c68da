"""Refusals as problem+json (RFC 9457), each with a stable code."""

import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from central.errors import NotAllowed, NotTheNext, OtherContent
from central.scd.proofs import NotProvable
from ledger.errors import CertiflexError, InvariantBroken, Rejected, Unavailable

log = logging.getLogger("central")

MEDIA_TYPE = "application/problem+json"
_TYPE = "https://certiflex.example/problems/"
_RETRY_S = "5"
_STATUSES: dict[type[Rejected], int] = {NotAllowed: 403, NotProvable: 404, OtherContent: 409}


class Problem(Exception):
    """A request that is refused, and why.

    Args:
        status: the HTTP status.
        code: stable, for machines: ``naive-time``.
        detail: what was expected and found, and what to do.
        headers: response headers that go with it.
        more: further members of the problem document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.more = more

    def response(self) -> JSONResponse:
        """Return the problem document."""
        document: dict[str, Any] = {
            "type": f"{_TYPE}{self.code}",
            "title": self.code.replace("-", " "),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.more,
        }
        return JSONResponse(document, self.status, self.headers, MEDIA_TYPE)


ENDING = Problem(
    503, "ending", "the database is being stopped; ask again", headers={"Retry-After": _RETRY_S}
)


def problem_of(error: CertiflexError) -> Problem:
    """Return how an error of ours is told over HTTP."""
    match error:
        case NotTheNext():
            return Problem(409, "not-the-next-window", str(error), expected=error.expected)
        case Rejected():
            status = _STATUSES.get(type(error), 422)
            return Problem(status, error.reason.replace("_", "-"), str(error))
        case Unavailable():
            return Problem(503, "store-away", error.what, headers={"Retry-After": _RETRY_S})
        case InvariantBroken():
            return Problem(503, "store-damaged", error.what, headers={"Retry-After": "60"})
        case _:
            return Problem(503, "unavailable", error.what, headers={"Retry-After": _RETRY_S})


def install(app: FastAPI) -> None:
    """Tell every refusal of an application as problem+json."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(CertiflexError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_parameters)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 -- registered for nothing else
    return error.response()


async def _on_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CertiflexError)  # noqa: S101 -- registered for nothing else
    if not isinstance(error, Rejected):
        log.error("central.request_failed", extra={"path": request.url.path, "why": str(error)})
    return problem_of(error).response()


async def _on_parameters(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- registered for nothing else
    told = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
    return Problem(400, "bad-parameter", told).response()


async def _on_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for nothing else
    code = {404: "no-such-route", 405: "no-such-method"}.get(error.status_code, "refused")
    headers = dict(error.headers) if error.headers else None
    return Problem(error.status_code, code, str(error.detail), headers=headers).response()
