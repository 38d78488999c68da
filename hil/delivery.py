"""The way of field measurements (I-19) to who collects them: kept while the way is blocked."""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

import httpx

from hil.sensors import Sample
from ledger.errors import CertiflexError, Refused, Unavailable

Document = Mapping[str, Any]

MOST_WAITING = 1_000
_QUARTER_MS = 900_000
_TIMEOUT_S = 10.0
_ALREADY_THERE = 409
_log = logging.getLogger("hil")


class Collector(Protocol):
    """Who takes documents of measurements.

    Once `send` has returned, the document is there; after an Unavailable it may be there or not,
    and sending it again does no harm, because it bears the same mrid.
    """

    async def send(self, document: Document) -> None:
        """Hand over one document.

        Raises:
            Refused: it was looked at, and will never be taken.
            Unavailable: nobody answers for now.
        """
        ...

    async def close(self) -> None:
        """Let go of the way."""
        ...


class HttpCollector:
    """Documents are posted to a URL as JSON.

    Args:
        url: where to.
        token: bearer token, if one is asked for.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, headers=headers)

    async def send(self, document: Document) -> None:
        """Post one document; one that is there already is not told twice."""
        try:
            answer = await self._client.post(self._url, json=document)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"no collector answers ({type(error).__name__})",
                where=self._url,
                remedy="start it, or change plant.sensors.url",
            ) from error
        if answer.is_success or answer.status_code == _ALREADY_THERE:
            return
        what = f"the collector answered {answer.status_code}"
        if answer.is_client_error and answer.status_code not in {408, 425, 429}:
            raise Refused(f"{what}: {answer.text[:200]}", where=self._url, reason="refused")
        raise Unavailable(what, where=self._url)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class Delivery:
    """Documents in their order to a collector, the oldest given up when too many wait.

    Args:
        collector: who takes them.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._waiting: deque[Document] = deque()
        self._away = False
        self.sent = 0
        self.refused = 0
        self.given_up = 0

    def __len__(self) -> int:
        """Return how many documents wait."""
        return len(self._waiting)

    def put(self, document: Document) -> None:
        """Let a document wait for its turn."""
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft()
            self.given_up += 1
        self._waiting.append(document)

    async def drain(self) -> None:
        """Send what waits until nothing does, or until the collector is away."""
        while self._waiting:
            document = self._waiting[0]
            try:
                await self._collector.send(document)
            except Unavailable as error:
                self._told_away(error)
                return
            except Refused as error:
                self.refused += 1
                _log.warning("hil.measurement_refused", extra={"why": error.what})
            else:
                self.sent += 1
            self._told_back()
            # While it was sent, a full queue may have given it up already.
            if self._waiting and self._waiting[0] is document:
                self._waiting.popleft()

    async def close(self) -> None:
        """Let go of the collector."""
        await self._collector.close()

    def _told_away(self, error: CertiflexError) -> None:
        if not self._away:
            _log.warning("hil.collector_away", extra={"why": str(error)})
        self._away = True

    def _told_back(self) -> None:
        if self._away:
            _log.info("hil.collector_back", extra={"waiting": len(self._waiting)})
        self._away = False


def measurements(samples: Sequence[Sample], *, sender: str, unix_ms: int) -> Document:
    """Return what the sensors said at one instant as one I-19 document.

    Written from the description of the route's document, not with the collector's code.
    """
    ordered = sorted(samples, key=lambda sample: (sample.sensor, sample.at_ms))
    start_ms = min((one.at_ms for one in ordered), default=unix_ms) // _QUARTER_MS * _QUARTER_MS
    end_ms = (unix_ms // _QUARTER_MS + 1) * _QUARTER_MS
    return {
        "schema": "certiflex/field-measurements/v1",
        "ii": "I-19",
        "mrid": str(uuid5(NAMESPACE_URL, f"certiflex:hil:{sender}:{unix_ms}")),
        "revision": 1,
        "created_at": rfc3339(unix_ms),
        "sender": sender,
        "receiver": "dso",
        "validity": {"start_at": rfc3339(start_ms), "end_at": rfc3339(end_ms)},
        "sensors": [_sensor(sample) for sample in ordered],
        "breakers": [
            {
                "breaker": sample.sensor,
                "measured_at": rfc3339(sample.at_ms),
                "state": "closed" if sample.closed else "open",
            }
            for sample in ordered
            if sample.closed is not None
        ],
    }


def _sensor(sample: Sample) -> Mapping[str, Any]:
    return {
        "sensor": sample.sensor,
        "measured_at": rfc3339(sample.at_ms),
        "phases": [
            {"phase": name, **asdict(phase)}
            for name, phase in zip("abc", sample.phases, strict=True)
        ],
        "voltage_sigma_mv": sample.voltage_sigma_mv,
        "current_sigma_ma": sample.current_sigma_ma,
        "power_sigma_w": sample.power_sigma_va,
        "reactive_power_sigma_var": sample.power_sigma_va,
    }


def rfc3339(unix_ms: int) -> str:
    """Return an instant as text, in UTC."""
    at = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
