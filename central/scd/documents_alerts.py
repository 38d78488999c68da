"""Congestion alerts (I-10) on their way to the operator: every one, in order, at least once.

The place in the change feed is kept in the database: what was not acknowledged before a restart
is sent after it. A receiver recognises a repetition by mRID and revision.

```
 alert     1        2   3                    4
 sent      1 ✔      2 ✗ 2 ✗ … away … 2 ✔ 3 ✔ 4 ✔
 place     1                         2   3   4
```
"""

import asyncio
import hashlib
import hmac
import json
import logging
from dataclasses import dataclass

import httpx

from central.documents.encoding import decode, to_json
from central.scd.documents import DocumentQuery, StoredDocument
from central.scd.ports import DocumentStore
from ledger.errors import Unavailable
from ledger.facts.clock import Clock
from ledger.patience import Patience
from ledger.signing import payload_of

log = logging.getLogger("central")

SIGNATURE_HEADER = "Certiflex-Signature"
TIMESTAMP_HEADER = "Certiflex-Timestamp"

_NAME = "congestion-webhook"
_LONGEST_PAUSE_S = 300.0
_LOOK_EVERY_S = 2.0
_PAGE = 100


class WebhookAway(Unavailable):
    """The receiver of alerts does not answer, or does not take them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where alerts go, and the secret that the receiver knows them by."""

    url: str
    secret: bytes
    timeout_s: float = 10.0

    def signature(self, timestamp: str, body: bytes) -> str:
        """Return HMAC-SHA256 over the timestamp, a full stop, and the body."""
        digest = hmac.new(self.secret, timestamp.encode() + b"." + body, hashlib.sha256)
        return f"sha256={digest.hexdigest()}"


class AlertDelivery:
    """Sends what the change feed holds, and waits with patience while nobody takes it.

    Args:
        store: holds the alerts, and how far they were delivered.
        webhook: where they go.
        clock: stamps what is sent.
        transport: how requests travel; httpx's own by default.
    """

    def __init__(
        self,
        store: DocumentStore,
        webhook: Webhook,
        clock: Clock,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._store = store
        self._webhook = webhook
        self._clock = clock
        self._transport = transport
        self._patience = Patience("webhook", log, longest_s=_LONGEST_PAUSE_S)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with httpx.AsyncClient(
            timeout=self._webhook.timeout_s, transport=self._transport
        ) as client:
            while True:
                try:
                    await self.deliver(client)
                    self._patience.back()
                    await asyncio.sleep(_LOOK_EVERY_S)
                except Unavailable as error:
                    await self._patience.wait_out(error)

    async def deliver(self, client: httpx.AsyncClient) -> int:
        """Send everything that waits; return how many alerts were taken.

        Raises:
            WebhookAway: one was not taken; those before it are noted as delivered.
            StoreAway: the database cannot be read or written.
        """
        count = 0
        while True:
            waiting = await asyncio.to_thread(self._waiting)
            if not waiting:
                return count
            for alert in waiting:
                await self._send(client, alert)
                # A crash here sends the alert again: at least once, never lost.
                await asyncio.to_thread(self._store.note_delivered, _NAME, alert.arrival)
                count += 1

    def _waiting(self) -> list[StoredDocument]:
        since = self._store.delivered(_NAME)
        return self._store.documents(DocumentQuery(ii=("I-10",), since=since, limit=_PAGE))

    async def _send(self, client: httpx.AsyncClient, alert: StoredDocument) -> None:
        body = _body(alert)
        timestamp = str(self._clock.now_ms())
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: self._webhook.signature(timestamp, body),
        }
        try:
            answer = await client.post(self._webhook.url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise WebhookAway(f"no answer ({why})", where=self._webhook.url) from error
        if not answer.is_success:
            raise WebhookAway(f"answered {answer.status_code}", where=self._webhook.url)
        log.info(
            "central.alert_delivered",
            extra={"mrid": alert.mrid, "revision": alert.revision, "arrival": alert.arrival},
        )


def _body(alert: StoredDocument) -> bytes:
    _, encoded = payload_of(alert.signed)
    document = to_json(decode(encoded))
    told = {
        "schema": "certiflex/congestion-webhook/v1", "hash": alert.document_hash.hex(),
        "document": document,
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False).encode()
