"""Alerts on their way: signed, in order, each at least once, whatever fails or restarts between."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from central.config import AlertsConfig
from central.documents.encoding import document_hash, encode, sign, to_json
from central.documents.header import Document
from central.errors import StoreAway
from central.scd.documents import checked
from central.scd.documents_alerts import AlertDelivery, Webhook, WebhookAway
from central.scd.ports import DocumentStore
from central.service import opened
from central.serving import delivery_of, serve
from ledger.errors import Rejected
from ledger.signing import SigningKey
from tests.documents import ALERT, REQUEST, uuid
from tests.exchange import exchange
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_evidence import Failure
from tests.receivers import Receiver, receiving
from tests.scd import HandClock

SECRET = b"known to two"
KEY = SigningKey.generate("EdDSA")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def keep(store: DocumentStore, documents: Sequence[Document]) -> None:
    store.commit_documents([checked(sign(each, KEY))[0] for each in documents], 1)


def revisions(*numbers: int) -> list[Document]:
    return [replace(ALERT, revision=number) for number in numbers]


def delivery(store: DocumentStore, url: str) -> AlertDelivery:
    return AlertDelivery(store, Webhook(url=url, secret=SECRET), HandClock())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 -- logs and threads ring no bell
            await asyncio.sleep(0.01)


async def deliver(store: DocumentStore, url: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await delivery(store, url).deliver(client)


async def test_each_alert_goes_out_once_and_in_order(receiver: Receiver) -> None:
    store = FakeDocuments()
    keep(store, [*revisions(1, 2), REQUEST, *revisions(3)])
    assert await deliver(store, receiver.url) == 3
    assert receiver.revisions == [1, 2, 3]
    assert await deliver(store, receiver.url) == 0
    keep(store, revisions(4))
    assert await deliver(store, receiver.url) == 1
    assert receiver.taken[0] == to_json(ALERT)


async def test_the_receiver_can_tell_that_it_is_ours(receiver: Receiver) -> None:
    store = FakeDocuments()
    keep(store, revisions(1))
    await deliver(store, receiver.url)
    ((timestamp, signature, body),) = receiver.asked
    mac = hmac.new(SECRET, f"{timestamp}.".encode() + body, hashlib.sha256)
    assert signature == f"sha256={mac.hexdigest()}"
    assert int(timestamp) == HandClock().now_ms()
    assert json.loads(body)["hash"] == document_hash(encode(ALERT)).hex()


async def test_what_is_not_taken_is_sent_again_from_its_place(receiver: Receiver) -> None:
    store = FakeDocuments()
    keep(store, revisions(1, 2, 3))
    receiver.statuses = [204, 500]
    with pytest.raises(WebhookAway, match="500"):
        await deliver(store, receiver.url)
    assert receiver.revisions == [1]
    receiver.statuses = [302, 404, 429]
    for _ in range(3):
        with pytest.raises(WebhookAway):
            await deliver(store, receiver.url)
    assert await deliver(store, receiver.url) == 2
    assert receiver.revisions == [1, 2, 3]


async def test_a_receiver_that_is_not_there_is_away(unused_port: int) -> None:
    store = FakeDocuments()
    keep(store, revisions(1))
    with pytest.raises(WebhookAway, match="no answer"):
        await deliver(store, f"http://127.0.0.1:{unused_port}/")
    with pytest.raises(WebhookAway, match="no answer"):
        await deliver(store, "http://[")
    assert store.delivered("congestion-webhook") == 0


@pytest.fixture
def unused_port() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return server.server_port


async def test_an_alert_whose_place_could_not_be_noted_is_sent_twice_never_lost(
    receiver: Receiver,
) -> None:
    store = FakeDocuments()
    keep(store, revisions(1, 2))
    store.fail_next(Failure.LOST)
    with pytest.raises(StoreAway):
        await deliver(store, receiver.url)
    assert await deliver(store, receiver.url) == 2
    assert receiver.revisions == [1, 1, 2]


async def test_it_says_once_that_nobody_takes_and_once_that_all_is_well(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.scd.documents_alerts._LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr("central.scd.documents_alerts._LOOK_EVERY_S", 0.01)
    store = FakeDocuments()
    keep(store, revisions(1))
    receiver.statuses = [503, 503, 503]
    with caplog.at_level("INFO", logger="central"):
        running = asyncio.create_task(delivery(store, receiver.url).run())
        await until(lambda: "central.back" in caplog.messages)
        keep(store, revisions(2))
        await until(lambda: receiver.revisions == [1, 2])
        running.cancel()
    told = [one for one in caplog.messages if one != "central.alert_delivered"]
    assert told == ["central.away", "central.back"]


async def test_nothing_is_lost_over_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    alerts = AlertsConfig(webhook_url=receiver.url, secret_file=secret)
    with exchange(tmp_path) as market:
        config = replace(
            market.world.central.config, alerts=alerts,
            api=replace(market.world.central.config.api, port=0),
        )  # fmt: skip
        for number in (1, 2):
            assert market.post(replace(ALERT, mrid=uuid(number))).status_code == 201
        assert delivery_of(market.world.central) is None
    receiver.statuses = [204, 500, 500, 500]
    with opened(config) as central:
        async with httpx.AsyncClient(trust_env=False) as client:
            sender = delivery_of(central)
            assert sender is not None
            with pytest.raises(WebhookAway):
                await sender.deliver(client)
    receiver.statuses = []
    with opened(config) as central:
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(central, stop))
        await until(lambda: len(receiver.taken) == 2)
        stop.set()
        await asyncio.wait_for(serving, 10)
    assert [each["mrid"] for each in receiver.taken] == [uuid(1), uuid(2)]


async def test_a_secret_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o644)
    with exchange(tmp_path) as market:
        alerts = AlertsConfig(webhook_url="http://127.0.0.1:9/", secret_file=secret)
        config = replace(market.world.central.config, alerts=alerts)
        with pytest.raises(Rejected, match="open to others"):
            await serve(replace(market.world.central, config=config), asyncio.Event())
