"""The way of field measurements (I-19) to who collects them: signed, kept while it is blocked."""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Protocol
from uuid import uuid4

import httpx

from hil.feeder.network import Position
from hil.sensors import Sample
from ledger import codec
from ledger.codec.cbor import loads_plain
from ledger.errors import Refused, Rejected, Unavailable
from ledger.patience import Patience
from ledger.signing import SigningKey

MOST_WAITING = 1_000
MOST_TOGETHER = 100
DOCUMENT_CONTEXT = b"certiflex/document/v1"
_VERSION = 1
_KIND = "field-measurements"
_CBOR = "application/cbor"
_QUARTER_MS = 900_000
_TIMEOUT_S = 10.0
_THERE = frozenset({"stored", "duplicate"})
# Refusals that a later try may not meet: too slow, too early, too many.
_PASSING = frozenset({408, 425, 429})
_log = logging.getLogger("hil")


class Collector(Protocol):
    """Who takes signed documents of measurements.

    A document answered with nothing is there for good. After an Unavailable each may be there or
    not, and sending the same bytes again does no harm.
    """

    async def send(self, documents: Sequence[bytes]) -> Sequence[str | None]:
        """Hand over documents; return what stands against each, or nothing if it is there.

        Raises:
            Refused: none will ever be taken: who asks may not.
            Unavailable: nobody answers for now.
        """
        ...

    async def close(self) -> None:
        """Let go of the way."""
        ...


class HttpCollector:
    """The Shared Customer Database, over HTTP.

    Args:
        url: where it answers.
        token: bearer token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/v1/{_KIND}"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": _CBOR}
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, headers=headers)

    async def send(self, documents: Sequence[bytes]) -> Sequence[str | None]:
        """Post documents together."""
        try:
            answer = await self._client.post(self._url, content=codec.encode(list(documents)))
        except httpx.HTTPError as error:
            raise Unavailable(
                f"no collector answers ({type(error).__name__})",
                where=self._url,
                remedy="start it, or change plant.sensors.url",
            ) from error
        if answer.is_success:
            return self._judged(answer.content, len(documents))
        what = f"the collector answered {answer.status_code}"
        if answer.is_client_error and answer.status_code not in _PASSING:
            raise Refused(f"{what}: {answer.text[:200]}", where=self._url)
        raise Unavailable(what, where=self._url)

    def _judged(self, content: bytes, count: int) -> list[str | None]:
        try:
            told = loads_plain(content)
            judged = [
                None if outcome in _THERE else str(reason or outcome) for _, outcome, reason in told
            ]
        except (Rejected, TypeError, ValueError) as error:
            raise Unavailable("something else than a collector answers", where=self._url) from error
        if len(judged) != count:
            raise Unavailable("something else than a collector answers", where=self._url)
        return judged

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class Delivery:
    """Documents in their order to a collector, the oldest given up when too many wait.

    Args:
        collector: who takes them.
    """

    def __init__(self, collector: Collector) -> None:
        self.patience = Patience("collector", _log)
        self._collector = collector
        self._waiting: deque[bytes] = deque()
        self.sent = 0
        self.refused = 0
        self.given_up = 0

    def __len__(self) -> int:
        """Return how many documents wait."""
        return len(self._waiting)

    def put(self, document: bytes) -> None:
        """Let a signed document wait for its turn."""
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft()
            self.given_up += 1
        self._waiting.append(document)

    async def drain(self) -> None:
        """Send what waits until nothing does, or until the collector is away."""
        while self._waiting:
            batch = list(islice(self._waiting, MOST_TOGETHER))
            try:
                judged = await self._collector.send(batch)
            except Unavailable as error:
                self.patience.away(error)
                return
            except Refused as error:
                judged = [str(error)] * len(batch)
            self.patience.back()
            self._settle(batch, judged)

    def _settle(self, batch: Sequence[bytes], judged: Sequence[str | None]) -> None:
        """Take what was judged out of the queue; a full one may have given some up meanwhile."""
        done = set(batch)
        while self._waiting and self._waiting[0] in done:
            self._waiting.popleft()
        against = [why for why in judged if why is not None]
        self.sent += len(judged) - len(against)
        self.refused += len(against)
        if against:
            told = {"documents": len(against), "why": against[0]}
            _log.warning("hil.measurements_refused", extra=told)

    async def close(self) -> None:
        """Let go of the collector."""
        await self._collector.close()


def signed_measurements(
    samples: Sequence[Sample],
    positions: Mapping[str, Position],
    *,
    unix_ms: int,
    sender: str,
    receiver: str,
    key: SigningKey,
) -> bytes:
    """Return what the sensors said at one instant as one signed I-19 document.

    Written from the description of its canonical bytes, not with the collector's code.

    Args:
        samples: what was measured, all at this instant or before, in its quarter-hour.
        positions: of each breaker whose position is known without a sensor.
        unix_ms: the instant.
        sender: the party that signs.
        receiver: the party that it is for.
        key: the sender's.
    """
    start_ms = unix_ms // _QUARTER_MS * _QUARTER_MS
    shut = {True: Position.CLOSED, False: Position.OPEN}
    known = {one.sensor: shut[one.closed] for one in samples if one.closed is not None}
    document = [
        _VERSION,
        _KIND,
        str(uuid4()),
        1,
        unix_ms,
        sender,
        receiver,
        [start_ms, start_ms + _QUARTER_MS],
        [_sensor(sample) for sample in sorted(samples, key=lambda one: one.sensor)],
        [
            [name, unix_ms, str(position)]
            for name, position in sorted({**positions, **known}.items())
        ],
    ]
    return key.sign(codec.encode(document), DOCUMENT_CONTEXT)


def _sensor(sample: Sample) -> list[Any]:
    phases = [
        [name, one.voltage_mv, one.current_ma, one.power_w, one.reactive_power_var]
        for name, one in zip("abc", sample.phases, strict=True)
    ]
    sigmas = [sample.voltage_sigma_mv, sample.current_sigma_ma]
    return [sample.sensor, sample.at_ms, phases, *sigmas, *[sample.power_sigma_va] * 2]
