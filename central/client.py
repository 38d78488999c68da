"""A thin, typed client of the Shared Customer Database, which need not believe what it is told.

```python
with ScdClient("http://127.0.0.1:8080", token) as scd:
    for reading in scd.readings(pod, start, end):
        print(reading.time, reading.power_w, reading.state)
    verdict = scd.prove(pod, start, trust)  # checked here, offline, by ledger.proving
```

It needs httpx; pyarrow only for `readings_table`.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from ledger.checkpoint import Checkpoint
from ledger.documents import verify_document
from ledger.errors import Refused, Unavailable
from ledger.merkle import verify_consistency
from ledger.proving import Trust, Verdict, verify

_PAGE_ROWS = 10_000

RowT = TypeVar("RowT")


class ScdAway(Unavailable):
    """The database does not answer, or says that it cannot for now."""


class ScdRefused(Refused):
    """The database refused; `reason` is the code of the problem, for example ``pod-unknown``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNode:
    """A point of delivery and the node that measures it."""

    pod: str
    node_index: int
    meter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredReading:
    """A reading (I-04); positive power is taken from the grid; `state` says how far it came."""

    time: datetime
    node_index: int
    sequence: int
    power_w: int
    reactive_power_var: int
    voltage_l1_mv: int
    voltage_l2_mv: int | None
    voltage_l3_mv: int | None
    current_l1_ma: int
    current_l2_ma: int | None
    current_l3_ma: int | None
    frequency_mhz: int
    import_wh: int
    export_wh: int
    quality: int
    clock_error_ms: int | None
    latency_ms: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterEnergy:
    """The energy of a quarter-hour (I-01) over the seconds covered, and the registers' word."""

    start: datetime
    end: datetime
    node_index: int
    import_wh: float
    export_wh: float
    covered_s: int
    flagged_s: int
    register_check: str
    register_import_wh: int | None
    register_export_wh: int | None
    compared_import_wh: float | None
    compared_export_wh: float | None
    gaps: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingGap:
    """Slots without a reading, and what the registers counted over the whole outage."""

    start: datetime
    end: datetime
    node_index: int
    cause: str
    outage_start: datetime
    outage_end: datetime
    outage_import_wh: int | None
    outage_export_wh: int | None
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketProof:
    """The way from the entry of a market document to a checkpoint, lowest sibling first."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]
    checkpoint: str
    anchored: bool


class ScdClient:
    """A connection to one database, with one token.

    Args:
        url: where it is served.
        token: what `certiflex central token issue` printed.
        timeout_s: the longest wait for an answer.
        transport: how requests travel; httpx's own by default.

    Raises:
        ScdAway: the address is none.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        try:
            self._client = httpx.Client(
                base_url=self._url, timeout=timeout_s, transport=transport,
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
        except httpx.InvalidURL as error:
            raise self._away(error) from error

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def pods(self) -> Iterator[PodNode]:
        """Yield the points of delivery that the token may see.

        Raises:
            ScdAway: no answer.
            ScdRefused: the token or the request is refused.
        """
        return self._rows("/v1/pods", {}, PodNode)

    def latest(self, pod: str) -> MeteredReading:
        """Return the newest reading, live or stored.

        Raises:
            ScdAway: no answer.
            ScdRefused: there is none, or the POD is none of the token's.
        """
        return _row(MeteredReading, self._get(f"/v1/pods/{pod}/latest", {}).json())

    def readings(self, pod: str, start: datetime, end: datetime) -> Iterator[MeteredReading]:
        """Yield the readings in `[start, end)`, by time, page after page.

        Raises:
            ScdAway: no answer.
            ScdRefused: the token or the request is refused.
        """
        return self._rows(f"/v1/pods/{pod}/readings", _between(start, end), MeteredReading)

    def readings_table(self, pod: str, start: datetime, end: datetime) -> Any:  # noqa: ANN401 -- pyarrow is optional
        """Return the readings in `[start, end)` as a pyarrow Table.

        Raises:
            ScdAway: no answer.
            ScdRefused: the token or the request is refused.
            ImportError: pyarrow is not installed.
        """
        import pyarrow as pa  # noqa: PLC0415 -- optional: only those who ask for tables need it

        asked = {**_between(start, end), "format": "arrow"}
        pages = self._pages(f"/v1/pods/{pod}/readings", asked)
        return pa.concat_tables([pa.ipc.open_stream(page.content).read_all() for page in pages])

    def quarters(self, pod: str, start: datetime, end: datetime) -> Iterator[QuarterEnergy]:
        """Yield the quarter-hours that begin in `[start, end)`.

        Raises:
            ScdAway: no answer.
            ScdRefused: the token or the request is refused.
        """
        return self._rows(f"/v1/pods/{pod}/quarters", _between(start, end), QuarterEnergy)

    def gaps(self, pod: str, start: datetime, end: datetime) -> Iterator[ReadingGap]:
        """Yield the slots in `[start, end)` without a reading, each with its cause.

        Raises:
            ScdAway: no answer.
            ScdRefused: the token or the request is refused.
        """
        return self._rows(f"/v1/pods/{pod}/gaps", _between(start, end), ReadingGap)

    def proof(self, pod: str, at: datetime) -> bytes:
        """Return the bundle that proves the record that covers an instant.

        Raises:
            ScdAway: no answer.
            ScdRefused: nothing covers it, or the request is refused.
        """
        return self._get(f"/v1/pods/{pod}/proof", {"at": _told(at)}).content

    def bundle(self, pod: str, start: datetime, end: datetime) -> bytes:
        """Return the bundle that accounts for every slot in `[start, end)`.

        Raises:
            ScdAway: no answer.
            ScdRefused: a slot is not accounted for, or the request is refused.
        """
        return self._get(f"/v1/pods/{pod}/bundle", _between(start, end)).content

    def prove(self, pod: str, at: datetime, trust: Trust) -> Verdict:
        """Fetch the proof of an instant and verify it here, offline.

        Raises:
            ScdAway: no answer.
            ScdRefused: nothing covers it, or the request is refused.
        """
        return verify(self.proof(pod, at), trust)

    def checkpoint(self) -> str:
        """Return the latest anchored checkpoint, as a signed note.

        Raises:
            ScdAway: no answer.
            ScdRefused: nothing is anchored yet.
        """
        return self._get("/v1/log/checkpoint", {}).text

    def market_checkpoint(self, *, anchored: bool = False) -> str:
        """Return the newest checkpoint of the market log, as a signed note.

        Args:
            anchored: the newest that is final on the ledger instead.

        Raises:
            ScdAway: no answer.
            ScdRefused: there is none yet, or no log is kept.
        """
        return self._get("/v1/market-log/checkpoint", {"anchored": str(anchored).lower()}).text

    def market_consistency(self, older: Checkpoint, newer: Checkpoint) -> None:
        """Check here that a head of the market log continues an older one.

        Raises:
            Rejected: `bad_proof`: it does not: keep both notes, they are evidence.
            ScdAway: no answer.
            ScdRefused: the log was never so large.
        """
        sizes = {"from": str(older.size), "to": str(newer.size)}
        told = self._get("/v1/market-log/consistency", sizes).json()
        path = [bytes.fromhex(each) for each in told["path"]]
        verify_consistency(older.size, older.root, newer.size, newer.root, path)

    def market_proof(self, document_hash: bytes) -> MarketProof:
        """Return the way from a document, named by its hash, to a checkpoint.

        Raises:
            ScdAway: no answer.
            ScdRefused: the token may not know of it, or it is under no checkpoint yet.
        """
        told = self._get("/v1/market-log/proof", {"hash": document_hash.hex()}).json()
        return MarketProof(
            index=told["index"], entry=bytes.fromhex(told["entry"]),
            path=tuple(bytes.fromhex(each) for each in told["path"]),
            checkpoint=told["checkpoint"], anchored=told["anchored"],
        )  # fmt: skip

    def document_bundle(self, mrid: str, revision: int | None = None) -> bytes:
        """Return a document of the market as a bundle that proves it; the latest by default.

        Raises:
            ScdAway: no answer.
            ScdRefused: there is none that the token may read.
        """
        asked = {"format": "bundle"} | ({"revision": str(revision)} if revision else {})
        return self._get(f"/v1/documents/{mrid}", asked).content

    def prove_document(self, mrid: str, trust: Trust, revision: int | None = None) -> Verdict:
        """Fetch a document with its proof and verify it here, offline.

        Raises:
            ScdAway: no answer.
            ScdRefused: there is none that the token may read.
        """
        return verify_document(self.document_bundle(mrid, revision), trust)

    def hand_in(self, signed: bytes) -> str:
        """Hand in a signed document of the market; return what became of it.

        `stored`, or `duplicate` if it was there before: a call without an answer may be made again.

        Raises:
            ScdAway: no answer.
            ScdRefused: it is refused; `reason` is that of the session, ``gate-closed``.
        """
        headers = {"Content-Type": "application/cose"}
        answer = self._ask("POST", "/v1/documents", content=signed, headers=headers)
        return str(answer.json()["outcome"])

    def documents(self, *ii: str, since: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield the documents of the market that the token may read, signed, with their arrival.

        Args:
            ii: information objects, ``I-08``; all if none is named.
            since: the last arrival seen.

        Raises:
            ScdAway: no answer.
            ScdRefused: the token or the request is refused.
        """
        asked: dict[str, str | list[str]] = {"signed": "true", "since": str(since), "ii": [*ii]}
        for page in self._pages("/v1/documents", asked):
            for row in page.json()["rows"]:
                if row["signed"] is not None:
                    yield row["arrival"], base64.b64decode(row["signed"])

    def _rows(self, path: str, asked: Mapping[str, str], kind: type[RowT]) -> Iterator[RowT]:
        for page in self._pages(path, asked):
            yield from (_row(kind, row) for row in page.json()["rows"])

    def _pages(self, path: str, asked: Mapping[str, str | list[str]]) -> Iterator[httpx.Response]:
        parameters: dict[str, str | list[str]] = {
            "format": "json",
            "limit": str(_PAGE_ROWS),
            **asked,
        }
        page = self._get(path, parameters)
        yield page
        while following := page.links.get("next", {}).get("url"):
            page = self._get(following, {})
            yield page

    def _get(self, path: str, parameters: Mapping[str, str | list[str]]) -> httpx.Response:
        return self._ask("GET", path, params=parameters or None)

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's
        try:
            answer = self._client.request(method, path, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away(error) from error
        if answer.is_success:
            return answer
        raise self._problem(answer)

    def _away(self, error: Exception) -> ScdAway:
        return ScdAway(
            f"the Shared Customer Database does not answer ({str(error) or type(error).__name__})",
            where=self._url,
            remedy="check the address and that certiflex central serve runs",
        )

    def _problem(self, answer: httpx.Response) -> ScdAway | ScdRefused:
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        detail = str(problem.get("detail", answer.reason_phrase))
        where = str(answer.request.url)
        if answer.is_server_error:
            return ScdAway(f"{answer.status_code} {detail}", where=where)
        code = str(problem.get("code", answer.status_code))
        return ScdRefused(f"{answer.status_code} {detail}", where=where, reason=code)


def _between(start: datetime, end: datetime) -> dict[str, str]:
    return {"from": _told(start), "to": _told(end)}


def _told(instant: datetime) -> str:
    if instant.tzinfo is None:
        msg = f"an instant needs an offset from UTC: {instant}"
        raise ValueError(msg)
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _row(kind: type[RowT], given: Mapping[str, Any]) -> RowT:
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = given[field.name]
        values[field.name] = datetime.fromisoformat(value) if field.type is datetime else value
    return kind(**values)
