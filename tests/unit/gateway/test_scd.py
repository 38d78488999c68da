"""The database over HTTP: whatever it answers, one of our errors or an outcome comes of it."""

from collections.abc import Iterator

import pytest

from gateway.errors import CentralAway, OtherWindow
from gateway.scd import CentralHttp
from ledger.errors import Refused
from ledger.signing import SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_central_http import CentralServer
from tests.segments import ORIGIN
from tests.servers import free_port


@pytest.fixture
def server() -> Iterator[CentralServer]:
    fake = FakeCentral(ORIGIN, SigningKey.generate("EdDSA").public)
    with CentralServer(fake, token="right") as made:
        yield made


def client(server: CentralServer, *, token: str | None) -> CentralHttp:
    return CentralHttp(server.url, token=token, timeout_s=2.0)


@pytest.mark.parametrize("token", [None, "wrong"])
async def test_a_wrong_token_is_told_with_what_to_do(
    server: CentralServer, token: str | None
) -> None:
    async with client(server, token=token) as central:
        with pytest.raises(Refused, match="token_file") as refused:
            await central.registry([])
    assert refused.value.reason == "unauthorized"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"", CentralAway),
        (503, b"{}", CentralAway),
        (429, b"slow down", CentralAway),
        (408, b"", CentralAway),
        (404, b"no such page", Refused),
        (409, b'{"detail": "no number"}', Refused),
        (409, b'{"expected": true}', Refused),
        (409, b'{"expected": 4}', OtherWindow),
        (422, b'["not an object"]', Refused),
        (413, b"\xff\xfe", Refused),
    ],
)
async def test_every_status_is_somebodys_turn(
    server: CentralServer, status: int, body: bytes, kind: type[Exception]
) -> None:
    server.answers.append((status, body))
    async with client(server, token="right") as central:
        with pytest.raises(kind) as told:
            await central.registry([])
    assert type(told.value) is kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x80",
        b"\x81\x83\x41\x00\x66stored\x60",
        b"\x81\x83\x41\x00\x65maybe\x60",
        b"\x82\x80\x80",
        b"\xa0",
    ],
    ids=bytes.hex,
)
async def test_a_strange_answer_is_refused_not_believed(server: CentralServer, body: bytes) -> None:
    server.answers.append((200, body))
    async with client(server, token="right") as central:
        with pytest.raises(Refused) as refused:
            await central.segments([b"one", b"two"])
    assert refused.value.reason == "strange_answer"


async def test_nobody_there_is_away() -> None:
    async with CentralHttp(f"http://127.0.0.1:{free_port()}", token=None, timeout_s=1) as central:
        with pytest.raises(CentralAway, match=r"central\.url"):
            await central.reach()


async def test_it_can_be_reached(server: CentralServer) -> None:
    async with client(server, token="right") as central:
        await central.reach()
