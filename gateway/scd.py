"""The Shared Customer Database over HTTP: CBOR in, an outcome out, foreign errors translated."""

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from gateway.errors import CentralAway, OtherWindow
from gateway.ports import Outcome, StagedWindow
from ledger import codec
from ledger.errors import Refused, Rejected

_CBOR = {"content-type": "application/cbor"}
_OUTCOMES = {"stored", "duplicate", "conflict", "rejected"}
_TRY_LATER = {408, 425, 429}
_MAX_TOLD = 300

log = logging.getLogger("gateway")


class CentralHttp:
    """The port `Central` over HTTP, with one kept connection pool."""

    def __init__(self, url: str, *, token: str | None, timeout_s: float) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(
            base_url=self._url, headers=headers, timeout=httpx.Timeout(timeout_s)
        )

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._client.__aexit__(kind, error, trace)

    async def registry(self, registrations: Sequence[bytes]) -> None:
        """Hand over registrations, dense by index; known ones are replaced."""
        await self._post("/v1/ingest/registry", list(registrations))

    async def segments(self, segments: Sequence[bytes]) -> list[Outcome]:
        """Hand over segments and return one outcome for each, in order."""
        path = "/v1/ingest/segments"
        answer = await self._post(path, list(segments))
        outcomes = _outcomes(answer.content, self._url + path)
        if len(outcomes) != len(segments):
            raise Refused(
                f"answered {len(outcomes)} outcomes for {len(segments)} segments",
                where=self._url + path,
                reason="strange_answer",
            )
        return outcomes

    async def live(self, records: Sequence[tuple[int, bytes]]) -> None:
        """Hand over unsigned live records, each with its node: best effort."""
        await self._post("/v1/ingest/live", [list(record) for record in records])

    async def window(self, window: StagedWindow) -> None:
        """Hand over a window and its members."""
        members = [[node, list(hashes)] for node, hashes in window.members]
        await self._post("/v1/ingest/windows", [window.entry, members])

    async def anchor(self, checkpoint: str, chain_part: bytes) -> None:
        """Tell that all windows below the checkpoint's size are final on the ledger."""
        await self._post("/v1/ingest/anchors", [checkpoint, chain_part])

    async def reach(self) -> None:
        """Return if the other side answers at all.

        Raises:
            Unavailable: it does not.
        """
        await self._send("GET", "/health/live", b"")

    async def _post(self, path: str, body: list[Any]) -> httpx.Response:
        answer = await self._send("POST", path, codec.encode(body))
        if not answer.is_success:
            self._refuse(answer, self._url + path)
        return answer

    async def _send(self, method: str, path: str, body: bytes) -> httpx.Response:
        try:
            return await self._client.request(method, path, content=body, headers=_CBOR)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            what = str(error) or type(error).__name__
            raise CentralAway(
                f"the Shared Customer Database does not answer ({what})",
                where=self._url,
                remedy="check central.url and that certiflex central runs",
            ) from error

    def _refuse(self, answer: httpx.Response, where: str) -> NoReturn:
        problem = _problem(answer)
        told = str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
        told = f"{answer.status_code} {told[:_MAX_TOLD]}"
        if answer.is_server_error or answer.status_code in _TRY_LATER:
            raise CentralAway(
                f"the Shared Customer Database cannot answer now ({told})", where=where
            )
        expected = problem.get("expected")
        if answer.status_code == httpx.codes.CONFLICT and type(expected) is int:
            raise OtherWindow(told, where=where, expected=expected)
        remedy = ""
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            remedy = "check central.token_file: it must hold a token of the role gateway"
        code = problem.get("code") or problem.get("type") or f"http_{answer.status_code}"
        raise Refused(told, where=where, remedy=remedy, reason=str(code))


def _outcomes(encoded: bytes, where: str) -> list[Outcome]:
    try:
        answer = codec.decode(encoded)
    except Rejected as error:
        raise Refused(f"answered no CBOR: {error}", where=where, reason="strange_answer") from error
    match answer:
        case [*rows]:
            return [_outcome(row, where) for row in rows]
        case _:
            raise Refused("answered no array of outcomes", where=where, reason="strange_answer")


def _outcome(row: Any, where: str) -> Outcome:  # noqa: ANN401 -- checks what it is given
    match row:
        case [bytes(header_hash), str(outcome), str() | None as reason] if outcome in _OUTCOMES:
            return Outcome(header_hash, outcome, reason or "")
        case _:
            raise Refused("answered an unknown outcome", where=where, reason="strange_answer")


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        problem = answer.json()
    except ValueError:
        return {"detail": answer.text}
    return problem if isinstance(problem, dict) else {"detail": answer.text}
