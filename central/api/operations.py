"""Routes for those who run it: is it alive, is it ready, which version, how much."""

from collections.abc import Iterator

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from central.api.access import services_of
from central.api.documents import refusals
from ledger.command import release
from ledger.facts.record import GapCause

router = APIRouter(tags=["operations"])

_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_TEXT = {"text/plain": {"schema": {"type": "string"}}}


class Health(BaseModel):
    """All is well."""

    status: str


class Version(BaseModel):
    """What runs."""

    name: str
    version: str


@router.get("/health/live")
def live() -> Health:
    """Return that the process answers."""
    return Health(status="live")


@router.get("/health/ready", responses=refusals())
def ready(request: Request) -> Health:
    """Return that evidence can be read; otherwise 503."""
    services_of(request).evidence.last_arrival()
    return Health(status="ready")


@router.get("/version")
def version() -> Version:
    """Return which version runs."""
    return Version(name="certiflex", version=release())


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": _TEXT, "description": "Prometheus text format."}, **refusals()},
)
def metrics(request: Request) -> Response:
    """Return counters and gauges in the Prometheus text format; no personal data is in them."""
    return PlainTextResponse("\n".join(_lines(request)) + "\n", media_type=_METRICS)


def _lines(request: Request) -> Iterator[str]:
    services = services_of(request)
    tally = services.evidence.tally()
    yield from _gauge("certiflex_scd_nodes", "Enrolled light nodes.", tally.node_count)
    yield from _gauge("certiflex_scd_segments", "Signed segments stored.", tally.segment_count)
    yield from _gauge("certiflex_scd_readings", "Readings stored.", tally.reading_count)
    yield from _gauge("certiflex_scd_conflicts", "Contradicting segments.", tally.conflict_count)
    yield from _gauge("certiflex_scd_windows", "Windows of the log.", tally.window_count)
    yield from _gauge("certiflex_scd_anchored", "Windows on the ledger.", tally.anchored_count)
    yield "# HELP certiflex_scd_gap_slots Slots without a reading, by cause."
    yield "# TYPE certiflex_scd_gap_slots gauge"
    for cause in GapCause:
        slots = tally.gap_slots_by_cause.get(cause, 0)
        yield f'certiflex_scd_gap_slots{{cause="{cause.name}"}} {slots}'
    yield "# HELP certiflex_http_requests_total Requests answered."
    yield "# TYPE certiflex_http_requests_total counter"
    for (method, route, status), count in sorted(services.answered.items()):
        labels = f'method="{method}",route="{route}",status="{status}"'
        yield f"certiflex_http_requests_total{{{labels}}} {count}"


def _gauge(name: str, meaning: str, value: int) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} gauge"
    yield f"{name} {value}"
