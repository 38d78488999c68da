"""The real gateway process killed again and again, its broker wiped, its ledger taken away.

The database behind HTTP believes nothing, the broker is mosquitto, the chain is the embedded one
in a process of its own. Nodes send what has no receipt until it has one, as light nodes do.
"""

import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gateway.__main__ import main
from gateway.config import GatewayConfig
from gateway.opening import open_journal
from ledger.codec import decode_receipt, decode_registration, decode_window_entry
from ledger.configuration import load
from ledger.facts.clock import SystemClock
from ledger.facts.interval import slot_of
from ledger.facts.topics import backfill_topic, receipt_topic, segment_topic
from ledger.log import Log
from ledger.signing import RECEIPT_CONTEXT, SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_central_http import CentralServer
from tests.forks import ForkedServer, Mother, mother
from tests.segments import ORIGIN, TestNode, header_of
from tests.servers import Mosquitto, Server, free_port

NODES = 4
SEGMENTS = 60
WAIT_S = 60.0
RATE = 4.0
"""How much faster than the wall clock the gateway's goes: a window is a second of waiting."""
RECEIPTS = receipt_topic(0).replace("/0/", "/+/")


@pytest.fixture(scope="module")
def gateways() -> Iterator[Mother]:
    """Return the process that gateways are forks of."""
    with mother("gateway", "gateway.service", "ledger.chain.client") as made:
        yield made


class Fleet:
    """Nodes on a real broker: each sends what has no receipt, newest first, until it has one."""

    def __init__(self, port: int, nodes: list[TestNode], central: FakeCentral) -> None:
        self.nodes = nodes
        self.waiting: dict[tuple[int, int], bytes] = {}
        self.without_row: list[object] = []
        self._central = central
        self._lock = threading.Lock()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="fleet")
        self._client.on_connect = self._subscribe
        self._client.on_message = self._take
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def seal(self) -> None:
        """Seal one more segment on each node, and send everything that has no receipt."""
        for node in self.nodes:
            body = node.segment()
            with self._lock:
                self.waiting[node.index, header_of(body).first_sequence] = body
        self.send()

    def send(self) -> None:
        """Send what has no receipt: the newest on the live lane, the rest as backlog."""
        with self._lock:
            waiting = sorted(self.waiting.items(), reverse=True)
        newest: set[int] = set()
        for (node, _), body in waiting:
            topic = backfill_topic(node) if node in newest else segment_topic(node)
            newest.add(node)
            self._client.publish(topic, body, qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, *_: object) -> None:
        self._client.subscribe(RECEIPTS, 1)

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        receipt = decode_receipt(
            self._central.log_key.verify(bytes(message.payload), RECEIPT_CONTEXT)
        )
        for stored in receipt.segments:
            place = (receipt.node_index, stored.first_sequence)
            if self._central.hashes.get(stored.header_hash) != place:
                self.without_row.append(place)
            with self._lock:
                self.waiting.pop(place, None)


class Stage:
    """Everything around one gateway, and the gateway's own process."""

    def __init__(
        self, folder: Path, broker: Mosquitto, gateways: Mother, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self.broker = broker
        self.file = folder / "gateway.toml"
        self.began_ms = SystemClock().now_ms()
        self.health, self.chain_port = free_port(), free_port()
        self._write("http://127.0.0.1:1")
        assert main(["init", "-c", str(self.file)]) == 0
        account = capsys.readouterr().out.split()[-1]
        self.chain = Server(
            [sys.executable, "-m", "ledger", "chain", "serve", "--path", str(folder / "chain"),
             "--port", str(self.chain_port), "--fund", account],
            port=self.chain_port, log=folder / "chain.log",
        )  # fmt: skip
        self.gateway = ForkedServer(
            gateways, ["run", "-c", str(self.file)], port=self.health, log=folder / "gateway.log"
        )
        self.config = load(GatewayConfig, self.file, program="gateway", environ={}).value
        self.key = SigningKey.load(self.config.gateway_key_file)
        first = slot_of(self.began_ms) // 15 - SEGMENTS - 200
        self.nodes = [TestNode(index, slot=first * 15) for index in range(NODES)]
        self.central = FakeCentral(ORIGIN, self.key.public)

    @contextlib.contextmanager
    def up(self) -> Iterator[Fleet]:
        """Start everything; stop everything."""
        with CentralServer(self.central, token="t") as server, self.chain:
            self._write(server.url)
            assert main(["chain", "deploy", "-c", str(self.file)]) == 0
            journal = open_journal(self.config)
            for node in self.nodes:
                made = decode_registration(node.registration())
                journal.registry.enrol(lambda _, made=made: made)  # type: ignore[misc]
            journal.close()
            fleet = Fleet(self.broker.port, self.nodes, self.central)
            try:
                with self.gateway:
                    yield fleet
            finally:
                fleet.close()

    def _write(self, central: str) -> None:
        token = self.folder / "token"
        token.write_text("t")
        token.chmod(0o600)
        self.file.write_text(
            f'origin = "{ORIGIN}"\nstate_dir = "state"\n'
            "window_s = 4\nclose_delay_s = 1\nbatch = 16\n"
            f"[broker]\nport = {self.broker.port}\nlongest_pause_s = 0.3\n"
            f'[central]\nurl = "{central}"\ntoken_file = "token"\n'
            "longest_pause_s = 0.3\nbatch = 20\n"
            f'[chain]\nurls = ["http://127.0.0.1:{self.chain_port}"]\nlongest_pause_s = 0.3\n'
            f"[health]\nport = {self.health}\n"
            f"[clock]\norigin_ms = {self.began_ms}\nrate = {RATE}\n"
        )

    def judge(self, fleet: Fleet) -> None:
        """Check the invariants, from what the others hold and from the log on disk."""
        assert not fleet.without_row, "RECEIPT: a receipt without a row"
        for node in self.nodes:
            assert self.central.stored(node.index) == list(range(node.sequence)), "COMPLETE"
        assert not self.central.conflicts, "UNIQUE"
        windows = self.central.window_of
        assert windows.keys() == self.central.hashes.keys(), "PROVABLE"
        assert all(len(numbers) == 1 for numbers in windows.values()), "UNIQUE"
        numbers = [decode_window_entry(entry).window for entry in self.central.windows]
        assert numbers == list(range(len(numbers))), "ORDER"
        log = Log(self.config.log_dir, ORIGIN, self.key.public)
        assert [log.entry(n) for n in numbers] == self.central.windows, "one history"
        # Killed after it has told of an anchor, the gateway tells the same again.
        anchors = list(dict.fromkeys(self.central.anchors))
        sizes = [size for size, _ in anchors]
        assert sizes == sorted(set(sizes)), "anchored once, in order"
        assert all(part for _, part in anchors)
        last = max(number for numbers in windows.values() for number in numbers)
        assert sizes[-1] > last, "every segment is anchored"


def until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s, otherwise
        time.sleep(0.05)


def settled(stage: Stage, fleet: Fleet) -> None:
    """Let the nodes ask on until everything has its receipt and its anchor."""

    def has_receipts() -> bool:
        fleet.send()
        time.sleep(0.5)
        return not fleet.waiting

    until(has_receipts, f"{len(fleet.waiting)} segments got no receipt")
    until(lambda: stage.central.window_of.keys() == stage.central.hashes.keys(), "in no window")
    last = max(number for numbers in stage.central.window_of.values() for number in numbers)
    until(
        lambda: bool(stage.central.anchors) and stage.central.anchors[-1][0] > last, "not anchored"
    )


@pytest.mark.timeout(300)
def test_thirty_kills_of_the_gateway_lose_nothing(
    tmp_path: Path, mosquitto: Mosquitto, gateways: Mother, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(7)
    stage = Stage(tmp_path, mosquitto, gateways, capsys)
    with stage.up() as fleet:
        for _ in range(30):
            fleet.seal()
            fleet.seal()
            time.sleep(dice.uniform(0.0, 0.7))
            stage.gateway.kill()
            stage.gateway.start()
        settled(stage, fleet)
        stage.gateway.stop()
        stage.judge(fleet)
    assert "Traceback" not in stage.gateway.log.read_text()


@pytest.mark.timeout(300)
def test_a_broker_killed_and_wiped_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto, gateways: Mother, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(8)
    stage = Stage(tmp_path, mosquitto, gateways, capsys)
    with stage.up() as fleet:
        for number in range(20):
            fleet.seal()
            time.sleep(dice.uniform(0.0, 0.5))
            mosquitto.kill()
            if number % 2:
                mosquitto.wipe()
            mosquitto.start()
        settled(stage, fleet)
        stage.gateway.stop()
        stage.judge(fleet)


@pytest.mark.timeout(300)
def test_a_ledger_taken_away_holds_nobody_up(
    tmp_path: Path, mosquitto: Mosquitto, gateways: Mother, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(tmp_path, mosquitto, gateways, capsys)
    with stage.up() as fleet:
        fleet.seal()
        until(lambda: bool(stage.central.anchors), "never anchored")
        before = len(stage.central.anchors)
        stage.chain.kill()
        for _ in range(3):
            closed = len(stage.central.windows)
            fleet.seal()
            until(lambda: not fleet.waiting, "receipts wait for the ledger")
            until(lambda: len(stage.central.windows) > closed, "windows wait for the ledger")  # noqa: B023 -- used at once
        waited = len(stage.central.windows)
        stage.gateway.kill()
        stage.gateway.start()
        stage.chain.start()
        settled(stage, fleet)
        stage.gateway.stop()
        stage.judge(fleet)
    caught_up = next(size for size, _ in stage.central.anchors[before:] if size >= waited)
    sizes = [size for size, _ in stage.central.anchors]
    assert sizes.index(caught_up) - before <= 1, "one submission covers all that waited"
