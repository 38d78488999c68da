"""TLS to a real broker: both programs get in with certificates, and by nothing less."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from gateway.config import BrokerConfig, CentralConfig, GatewayConfig
from gateway.enrolling import Enrolment
from gateway.journal import Journal
from gateway.mqtt import MqttUplink
from ledger.chain.settings import ChainConfig
from ledger.configuration import written
from ledger.errors import CertiflexError, Refused, Unavailable
from ledger.facts import topics
from ledger.facts.clock import ClockSettings
from ledger.facts.pod import Pod
from ledger.signing import SigningKey
from ledger.tls import Tls
from lightnode.enrolment import accept_grant, request_enrolment
from lightnode.mqtt import BrokerSettings, MqttBroker
from lightnode.mqtt.broker import Protocol
from tests.certificates import DAY, Authority, Issued
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_central_http import CentralServer
from tests.fakes.gateway_clock import until
from tests.fakes.gateway_ledger import FakeLedger
from tests.fakes.gateway_running import running
from tests.fakes.lightnode_process import NodeProcess, write_config
from tests.fakes.modbus_device import Device, listening
from tests.segments import ORIGIN
from tests.servers import Mosquitto, free_port

PROTOCOLS: list[Protocol] = ["5", "3.1.1"]
NODE = 3
WAIT_S = 10.0
HOST = "127.0.0.1"
RATE = 8.0
HUNG_UP = "hangs up at once; it may"


class House:
    """Two authorities; the broker and all clients are of the first unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ca")
        self.stranger = Authority(folder / "ca", "stranger")
        self.client = self.authority.client("cf-3")

    def broker(self, server: Issued | None = None, lines: Sequence[str] = ()) -> Mosquitto:
        """Return a broker, not started, with a certificate for the loopback unless told."""
        ours = server or self.authority.server("localhost", HOST)
        secured = [
            f"cafile {self.authority.file}", f"certfile {ours.certificate_file}",
            f"keyfile {ours.key_file}", "require_certificate true", "allow_anonymous true",
        ]  # fmt: skip
        return Mosquitto(self.folder / f"broker-{free_port()}", lines=[*secured, *lines])

    def tls(self, client: Issued | None = None, authority: Authority | None = None) -> Tls:
        """Return what a client is told: everything right unless named otherwise."""
        ours = client or self.client
        return Tls((authority or self.authority).file, ours.certificate_file, ours.key_file)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def node_at(
    port: int, tls: Tls | None, *, protocol: Protocol = "5", host: str = HOST
) -> MqttBroker:
    settings = BrokerSettings(host=host, port=port, protocol=protocol, tls=tls, timeout_s=WAIT_S)
    return MqttBroker(settings, NODE)


def gateway_at(
    port: int, tls: Tls | None, *, protocol: Protocol = "5", host: str = HOST
) -> MqttUplink:
    return MqttUplink(
        BrokerConfig(host=host, port=port, protocol=protocol, tls=tls, longest_pause_s=0.2)
    )


async def refusals(
    port: int, tls: Tls | None, *, protocol: Protocol = "5", host: str = HOST
) -> list[CertiflexError]:
    """Return how the node and the gateway are kept out."""
    with pytest.raises((Unavailable, Refused)) as node:
        await node_at(port, tls, protocol=protocol, host=host).session().__aenter__()
    with pytest.raises(Unavailable) as gateway:
        await gateway_at(port, tls, protocol=protocol, host=host).connected().__aenter__()
    return [node.value, gateway.value]


def judge(told: list[CertiflexError], what: str, *, where: str = f"mqtts://{HOST}:") -> None:
    """Check that each is one line that says what, where, and what to do."""
    for error in told:
        line = str(error)
        assert re.search(what, line), line
        assert line.startswith(where), line
        assert error.remedy
        assert len(line.splitlines()) == 1


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_segments_and_receipts_cross_over_tls(
    protocol: Protocol, version: str, house: House
) -> None:
    payloads = [bytes([n % 251]) * size for n, size in enumerate([1, 30_000, 300_000, *[900] * 60])]
    with house.broker(lines=[f"tls_version {version}"]) as server:
        uplink = gateway_at(server.port, house.tls(), protocol=protocol)
        node = node_at(server.port, house.tls(), protocol=protocol)
        async with uplink.connected(), node.session() as session, asyncio.timeout(WAIT_S):
            for payload in payloads:
                await session.publish(topics.segment_topic(NODE), payload, qos=1)
            taken: list[bytes] = []
            while len(taken) < len(payloads):
                messages = await uplink.segments(100)
                uplink.acknowledge(messages)
                taken += [one.payload for one in messages]
            assert taken == payloads
            for payload in payloads:
                await uplink.publish(topics.receipt_topic(NODE), payload)
            receipts = session.messages()
            assert [await anext(receipts) for _ in payloads] == payloads


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_broker_of_another_authority_is_not_spoken_to(
    protocol: Protocol, house: House
) -> None:
    with house.broker() as server:
        wrong = house.tls(authority=house.stranger)
        told = await refusals(server.port, wrong, protocol=protocol)
    judge(told, "ca_file does not vouch for the broker's certificate; name in")


async def test_a_broker_by_another_name_is_not_spoken_to(house: House) -> None:
    with house.broker(house.authority.server("elsewhere.example")) as server:
        for host in (HOST, "localhost"):
            told = await refusals(server.port, house.tls(), host=host)
            judge(told, "certificate is for another host; name in host", where=f"mqtts://{host}:")


async def test_a_broker_out_of_its_time_is_not_spoken_to(house: House) -> None:
    old = house.authority.server(HOST, since=-2 * DAY, until=-DAY)
    with house.broker(old) as server:
        told = await refusals(server.port, house.tls())
        judge(told, "certificate has expired; renew it on the broker, and check the clock")
    early = house.authority.server(HOST, since=DAY, until=2 * DAY)
    with house.broker(early) as server:
        told = await refusals(server.port, house.tls())
        judge(told, "is not valid yet; set the clock of this machine")


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
async def test_a_client_that_the_broker_does_not_take_is_told_so(
    version: str, house: House
) -> None:
    old = house.authority.client("cf-3", since=-2 * DAY, until=-DAY)
    with house.broker(lines=[f"tls_version {version}"]) as server:
        without = Tls(house.authority.file)
        for _ in range(3):  # the alert and the reset after it race
            told = await refusals(server.port, without)
            judge(told, "want.* a client certificate; name certificate_file and key_file in")
            told = await refusals(server.port, house.tls(house.stranger.client("cf-3")))
            judge(told, "not take our certificate; check certificate_file")
            told = await refusals(server.port, house.tls(old))
            judge(told, "our certificate has expired; renew|may not take our .*expired")


async def test_a_broker_set_up_as_documented_takes_its_clients_and_no_revoked_one(
    house: House,
) -> None:
    revoked = house.authority.client("cf-3")
    documented = [
        "use_identity_as_username true", "use_username_as_clientid true",
        f"crlfile {house.authority.revocations(revoked)}",
    ]  # fmt: skip
    with house.broker(lines=documented) as server:
        gateway = house.tls(house.authority.client("cf-gateway"))
        node = node_at(server.port, house.tls())
        async with gateway_at(server.port, gateway).connected(), node.session() as session:
            await session.publish(topics.segment_topic(NODE), b"x", qos=1)
        told = await refusals(server.port, house.tls(revoked))
        judge(told, "our certificate is revoked; ask|may not take our certificate; check")


async def test_plain_text_to_a_port_of_tls_and_tls_to_one_without_are_told(
    house: House, tmp_path: Path
) -> None:
    with house.broker() as server:
        told = await refusals(server.port, None)
        judge(told, r"if it speaks TLS .* name ca_file in \[broker\.tls\]", where="mqtt://")
    with Mosquitto(tmp_path / "plain") as server:
        judge(await refusals(server.port, house.tls()), HUNG_UP)


@contextlib.asynccontextmanager
async def overheard(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Give the port of a peer that speaks no TLS, and everything that clients say to it."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            heard.append(await reader.read(4_096))
            writer.write(answer)
            await writer.drain()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(listen, HOST, port):
        yield port, heard


@pytest.mark.parametrize("answer", [b"", b"\x20\x02\x00\x00", b"HTTP/1.1 400 Bad\r\n\r\n"])
async def test_nothing_is_ever_said_in_plain_text(answer: bytes, house: House) -> None:
    async with overheard(answer) as (port, heard):
        for protocol in PROTOCOLS:
            judge(await refusals(port, house.tls(), protocol=protocol), f"no TLS|{HUNG_UP}")
        going = asyncio.ensure_future(gateway_at(port, house.tls()).run())
        await until(lambda: len(heard) >= 8, timeout_s=WAIT_S)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
    assert all(said[:2] == b"\x16\x03" for said in heard), "each begins with a TLS handshake"
    assert not any(b"MQTT" in said or b"cf-" in said for said in heard)


@contextlib.contextmanager
def whole_house(
    folder: Path, house: House, server: Mosquitto
) -> Iterator[tuple[GatewayConfig, FakeCentral, SigningKey, Path]]:
    """Configure a gateway and write the files of an enrolled node, both over TLS."""
    key = SigningKey.generate("EdDSA")
    gateway = house.authority.client("cf-gateway")
    table = (
        f'[broker.tls]\nca_file = "trusted.pem"\n'
        f'certificate_file = "{house.client.certificate_file}"\n'
        f'key_file = "{house.client.key_file}"\n'
    )
    node_file = write_config(
        folder, meter=f"tcp://{HOST}:{free_port()}", broker_port=server.port, rate=RATE, more=table
    )
    origin_ms = int(re.findall(r"origin_ms = (\d+)", node_file.read_text())[0])
    fake = FakeCentral(ORIGIN, key.public)
    with CentralServer(fake, token="t") as central:
        config = GatewayConfig(
            origin=ORIGIN, state_dir=folder / "gateway", window_s=8, close_delay_s=0,
            clock=ClockSettings(origin_ms=origin_ms, rate=RATE),
            broker=BrokerConfig(
                port=server.port, longest_pause_s=0.2,
                tls=Tls(house.authority.file, gateway.certificate_file, gateway.key_file),
            ),
            central=CentralConfig(url=central.url, longest_pause_s=0.2),
            chain=ChainConfig(urls=("http://127.0.0.1:1",), longest_pause_s=0.2),
        )  # fmt: skip
        config.state_dir.mkdir()
        request = request_enrolment(
            folder / "state", pod=Pod("IT002E00000001"), meter="sdm630", now_ms=origin_ms
        )
        journal = Journal.open(config.journal_file)
        _, grant = Enrolment(config, journal, key.public).add(request)
        journal.close()
        (folder / "grant.toml").write_text(written(grant))
        accept_grant(folder / "state", folder / "grant.toml")
        yield config, fake, key, node_file


async def test_a_node_with_the_wrong_authority_goes_on_metering_until_it_has_the_right_one(
    tmp_path: Path, house: House
) -> None:
    with (
        house.broker() as server,
        whole_house(tmp_path, house, server) as (config, fake, key, node_file),
    ):
        async with listening(Device()) as meter_port, running(config, key, FakeLedger()):
            text = node_file.read_text()
            node_file.write_text(re.sub(r"tcp://[^\"]*", f"tcp://{HOST}:{meter_port}", text))
            trusted = tmp_path / "trusted.pem"
            trusted.write_bytes(house.stranger.file.read_bytes())
            node = NodeProcess(tmp_path, node_file, RATE)
            try:
                await node.start()
                await node.told("lightnode.away", 1)
                await asyncio.sleep(4.0)
                assert node.log.count("lightnode.away peer=broker") == 1, "once, not at each try"
                assert "ca_file does not vouch for the broker's certificate" in node.log
                assert node.log.count("lightnode.started") == 1, "and it goes on"
                assert not fake.stored(0)
                trusted.write_bytes(house.authority.file.read_bytes())
                await node.told("lightnode.back peer=broker")
                await until(lambda: len(fake.stored(0)) >= 12, timeout_s=20)
                assert fake.stored(0)[0] == 0, "also what was read meanwhile"
                assert await node.stop() == 0
            finally:
                await node.kill()
    assert "Traceback" not in node.log


async def test_a_gateway_whose_files_are_spoilt_while_it_runs_waits_for_good_ones(
    tmp_path: Path, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(house.authority.file.read_bytes())
    with house.broker() as server:
        tls = Tls(trusted, house.client.certificate_file, house.client.key_file)
        uplink = gateway_at(server.port, tls)
        going = asyncio.ensure_future(uplink.run())
        await until(lambda: uplink.is_connected)
        trusted.write_text("half a fi")
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await asyncio.sleep(1.0)
        assert not going.done()
        assert not uplink.is_connected
        trusted.write_bytes(house.authority.file.read_bytes())
        await until(lambda: uplink.is_connected)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
    told = [one.getMessage() for one in caplog.records if one.name == "gateway"]
    assert told == ["gateway.connected", "gateway.away", "gateway.back", "gateway.connected"]
