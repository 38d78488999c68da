"""Health, status and metrics over HTTP: right answers, and none for strangers' requests."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.health import HealthServer, metrics
from ledger.errors import Unavailable
from tests.servers import free_port

STATUS: dict[str, Any] = {
    "schema": "certiflex/gateway-status/v1",
    **dict.fromkeys(
        (
            "nodes", "messages", "segments_admitted", "records_admitted", "readings_admitted",
            "duplicates", "contradictions", "split_views", "let_go", "segments_stored", "receipts",
            "live_records", "quarantined", "backlog_segments", "windows_closed", "windows_told",
            "windows_anchored", "windows_certified", "submissions", "gas_total",
            "gas_last_submission",
        ),
        7,
    ),
    "refused": {"bad_signature": 3},
    "peers": {"broker": True, "central": False, "ledger": True},
}  # fmt: skip


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def status() -> dict[str, Any]:
        return STATUS

    port = free_port()
    running = asyncio.ensure_future(HealthServer("127.0.0.1", port, status).run())
    await asyncio.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def get(url: str, method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.request(method, url)


async def test_it_lives_and_says_what_it_is(url: str) -> None:
    assert (await get(f"{url}/health/live")).json() == {"status": "live"}
    assert "version" in (await get(f"{url}/version")).json()
    assert (await get(f"{url}/status?x=1")).json() == STATUS


async def test_it_is_ready_when_broker_and_database_are_there(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await get(f"{url}/health/ready")
    assert (waiting.status_code, waiting.json()["away"]) == (503, ["central"])
    monkeypatch.setitem(STATUS["peers"], "central", True)  # noqa: FBT003 -- a dictionary's value
    ready = await get(f"{url}/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


async def test_metrics_have_no_labels_that_grow(url: str) -> None:
    answer = await get(f"{url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == metrics(STATUS)
    lines = answer.text.splitlines()
    assert "certiflex_gateway_readings_admitted_total 7" in lines
    assert 'certiflex_gateway_refused_total{reason="bad_signature"} 3' in lines
    assert 'certiflex_gateway_peer_up{peer="central"} 0' in lines
    assert all(
        label in {"reason", "peer"}
        for line in lines
        if "{" in line
        for label in [line.split("{")[1].split("=")[0]]
    )


async def test_other_requests_are_refused(url: str) -> None:
    assert (await get(f"{url}/etc/passwd")).status_code == 404
    assert (await get(f"{url}/status", "POST")).status_code == 405


@pytest.mark.parametrize(
    "request_", [b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\xfe / \r\n\r\n", b"x" * 20_000]
)
async def test_garbage_ends_the_connection_and_nothing_else(url: str, request_: bytes) -> None:
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_)
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()
    assert (await get(f"{url}/health/live")).status_code == 200


async def test_a_taken_port_is_told() -> None:
    async def status() -> dict[str, Any]:
        return STATUS

    port = free_port()
    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with other:
        with pytest.raises(Unavailable, match=r"health\.port"):
            await HealthServer("127.0.0.1", port, status).run()


def test_every_number_of_the_status_is_told() -> None:
    numbers = {key for key, value in STATUS.items() if isinstance(value, int)}
    text = metrics(STATUS)
    assert {key for key in numbers if f"certiflex_gateway_{key}" in text} == numbers
    json.dumps(STATUS)
