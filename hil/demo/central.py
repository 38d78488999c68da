"""What the demo asks the Shared Customer Database and the gateway, over their HTTP."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from hil.demo.stage import Stage
from ledger.errors import Refused, Unavailable
from ledger.facts.interval import Interval

_TIMEOUT_S = 20.0
_PAGE_ROWS = 10_000
_AT_ONCE = 4
_GAUGE = re.compile(r"^certiflex_scd_(\w+)(?:\{cause=\"(\w+)\"\})? (\d+)$", re.MULTILINE)

Row = Mapping[str, Any]


class Central:
    """The database as an operator with a token sees it."""

    def __init__(self, stage: Stage, role: str) -> None:
        self._base_url = stage.central_url
        self._client = httpx.AsyncClient(
            base_url=stage.central_url,
            headers={"Authorization": f"Bearer {stage.token(role)}", "Accept": "application/json"},
            timeout=_TIMEOUT_S,
        )

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.aclose()

    async def rows(self, pod: str, what: str, span: Interval) -> Sequence[Row]:
        """Return all rows of readings, gaps or segments of a POD in a span.

        Raises:
            Unavailable: the database does not answer.
            Refused: it answers that it will not.
        """
        path: str | None = f"/v1/pods/{pod}/{what}"
        asked: dict[str, str] | None = _span(span) | (
            {"limit": str(_PAGE_ROWS)} if what == "readings" else {}
        )
        rows: list[Row] = []
        while path is not None:
            answer = await self._get(path, asked)
            rows += answer.json()["rows"]
            path, asked = answer.links.get("next", {}).get("url"), None
        return rows

    async def proof(self, pod: str, at_ms: int) -> bytes:
        """Return the proof bundle of the record of a POD at an instant.

        Raises:
            Unavailable: the database does not answer.
            Refused: it answers that it will not.
        """
        return (await self._get(f"/v1/pods/{pod}/proof", {"at": told(at_ms)})).content

    async def bundle(self, pod: str, span: Interval) -> bytes:
        """Return the proof bundle that every slot of a POD in a span is accounted for.

        Raises:
            Unavailable: the database does not answer.
            Refused: it answers that it will not.
        """
        return (await self._get(f"/v1/pods/{pod}/bundle", _span(span))).content

    async def document(self, mrid: str) -> Row:
        """Return the newest revision of a document of the market, as JSON.

        Raises:
            Unavailable: the database does not answer.
            Refused: it answers that it will not.
        """
        answer: Row = (await self._get(f"/v1/documents/{mrid}", None)).json()
        document: Row = answer["document"]
        return document

    async def documents(self, mrids: Iterable[str]) -> list[Row]:
        """Return documents of the market by their names, in their order; see `document`.

        Raises:
            Unavailable: the database does not answer.
            Refused: it answers that it will not.
        """
        turn = asyncio.Semaphore(_AT_ONCE)

        async def read(mrid: str) -> Row:
            async with turn:
                return await self.document(mrid)

        return list(await asyncio.gather(*map(read, mrids)))

    async def nodes(self) -> Sequence[Row]:
        """Return the light nodes and how far the evidence of each reaches.

        Raises:
            Unavailable: the database does not answer.
            Refused: it answers that it will not.
        """
        nodes: Sequence[Row] = (await self._get("/v1/nodes", None)).json()["rows"]
        return nodes

    async def figures(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Return the counters of the database, and the slots in gaps by cause.

        Raises:
            Unavailable: the database does not answer.
            Refused: it answers that it will not.
        """
        found = _GAUGE.findall((await self._get("/metrics", None)).text)
        counters = {name: int(value) for name, cause, value in found if not cause}
        gaps = {cause: int(value) for _, cause, value in found if cause and int(value)}
        return counters, gaps

    async def _get(self, path: str, asked: Mapping[str, str] | None) -> httpx.Response:
        try:
            answer = await self._client.get(path, params=asked)
        except httpx.HTTPError as error:
            raise Unavailable(f"does not answer ({error})", where=self._base_url) from error
        if answer.is_client_error:
            raise Refused(f"answered {answer.status_code}: {answer.text[:300]}", where=path)
        if answer.is_error:
            raise Unavailable(f"answered {answer.status_code}: {answer.text[:300]}", where=path)
        return answer


async def gateway_status(stage: Stage) -> Mapping[str, Any]:
    """Return what the gateway says of itself.

    Raises:
        Unavailable: it does not answer.
    """
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            status: Mapping[str, Any] = (await client.get(stage.status_url)).json()
            return status
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"does not answer ({error})", where=stage.status_url) from error


def told(unix_ms: int) -> str:
    """Return an instant as the API takes it (RFC 3339, UTC)."""
    instant = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant_ms(text: str) -> int:
    """Return the instant [ms since 1970, UTC] that the API told."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _span(span: Interval) -> dict[str, str]:
    return {"from": told(span.start_ms), "to": told(span.end_ms)}
