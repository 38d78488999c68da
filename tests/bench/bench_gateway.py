"""The gateway's throughput, beside one signature and one row for each reading.

Readings per second of processor time on one core, so that a busy machine changes little.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import psutil
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gateway.admission import check, open_segment, verify
from gateway.bell import Bell
from gateway.config import GatewayConfig
from gateway.intake import Intake
from gateway.journal import Journal
from gateway.opening import open_journal
from gateway.ports import Message
from gateway.registry import Keyring
from gateway.tally import Tally
from gateway.witness import Witness
from ledger.codec import decode_receipt, decode_registration
from ledger.configuration import load
from ledger.facts.clock import SystemClock
from ledger.facts.interval import slot_of
from ledger.facts.topics import receipt_topic, segment_topic
from ledger.signing import RECEIPT_CONTEXT, SigningKey
from tests.bench.conftest import Figure, Figures
from tests.bench.naive_gateway import NaiveGateway, signed_readings
from tests.fakes.gateway_clock import HandClock
from tests.fakes.gateway_log import FakeLog
from tests.fakes.gateway_uplink import FakeUplink
from tests.segments import FIRST_MS, ORIGIN, TestNode, lively
from tests.servers import Mosquitto, Server, free_port

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

NODES = 20
SEGMENT = 15
BATCH = 512
LOG = FakeLog([bytes([n]) for n in range(200)])
NOW_MS = FIRST_MS + 365 * 86_400_000
REACH = "≥ 100,000 readings/s per core with segments of 15 readings"


def fleet(*, three_phase: bool = False) -> list[TestNode]:
    return [
        TestNode(i, power=lively(i), three_phase=three_phase, checkpoint=(LOG.size, LOG.root()))
        for i in range(NODES)
    ]


def keyring_of(nodes: list[TestNode]) -> Keyring:
    return Keyring(decode_registration(node.registration()) for node in nodes)


def messages_of(nodes: list[TestNode], readings: int) -> list[Message]:
    """Return the segments of so many readings, as they come from the broker."""
    count = -(-readings // SEGMENT)
    return [Message(segment_topic(at % NODES), nodes[at % NODES].segment()) for at in range(count)]


def intake(journal: Journal, keyring: Keyring) -> Intake:
    return Intake(
        uplink=FakeUplink(), journal=journal.segments, keyring=keyring, origin=ORIGIN,
        clock=HandClock(NOW_MS), tally=Tally(), witness=Witness(LOG), delivery=Bell(),
        receipt_again=print, most=BATCH,
    )  # fmt: skip


def cpu_s_of(work: Callable[[Path], object], folder: Path, *, repeats: int = 3) -> float:
    """Return the median processor time [s] of some work in a fresh folder each time."""
    taken_s = []
    for number in range(repeats):
        fresh = folder / str(number)
        fresh.mkdir(parents=True)
        start_s = time.process_time()
        work(fresh)
        taken_s.append(time.process_time() - start_s)
    return median(taken_s)


@pytest.mark.parametrize("readings", [1_500, 15_000, 60_000])
def test_verify_and_admit(figures: Figures, tmp_path: Path, readings: int) -> None:
    nodes = fleet()
    keyring, messages = keyring_of(nodes), messages_of(nodes, readings)
    keys = {node.index: node.key.public for node in nodes}
    signed = signed_readings(fleet_again(nodes), min(readings, 15_000))

    def ours(folder: Path) -> None:
        journal = Journal.open(folder / "journal.sqlite")
        entry = intake(journal, keyring)
        for start in range(0, len(messages), BATCH):
            admitted = entry.commit(entry.weigh(messages[start : start + BATCH], NOW_MS))
            assert not admitted.refused
        assert journal.segments.backlog() == len(messages)
        journal.close()

    def naive(folder: Path) -> None:
        gateway = NaiveGateway(folder / "naive.sqlite", keys)
        gateway.admit(signed)
        gateway.close()

    figures.take(
        Figure(
            subject="Gateway: verify, admit and keep (synced), one core",
            size=f"{readings:,} readings",
            unit="readings/s of processor time",
            ours=readings / cpu_s_of(ours, tmp_path / "ours"),
            peer=len(signed) / cpu_s_of(naive, tmp_path / "naive"),
            peer_name="one signature and one row for each reading",
            reach=REACH,
        )
    )


def fleet_again(nodes: list[TestNode]) -> list[TestNode]:
    """Return the same nodes at their beginning."""
    return [TestNode(node.index, power=node.power, key=node.key) for node in nodes]


@pytest.mark.parametrize("three_phase", [False, True], ids=["one phase", "three phases"])
def test_where_the_time_goes(figures: Figures, *, three_phase: bool) -> None:
    nodes = fleet(three_phase=three_phase)
    keyring, messages = keyring_of(nodes), messages_of(nodes, 15_000)
    phases = "three phases" if three_phase else "one phase"

    def best_us(work: Callable[[list[Message]], object]) -> float:
        """Return the time [µs] for a segment in the least disturbed of many short runs."""
        chunks = [messages[start : start + 16] for start in range(0, len(messages), 16)]
        taken_s = []
        for chunk in chunks * 3:
            start_s = time.perf_counter()
            work(chunk)
            taken_s.append((time.perf_counter() - start_s) / len(chunk))
        return sorted(taken_s)[len(taken_s) // 20] * 1e6

    def staged(chunk: list[Message]) -> None:
        opened = [
            open_segment(
                one.payload, topic_node=int(one.topic.split("/")[2]), keyring=keyring,
                origin=ORIGIN, now_ms=NOW_MS,
            )
            for one in chunk
        ]  # fmt: skip
        for one in opened:
            verify(one)
        for one in opened:
            check(one, NOW_MS)

    def signatures_only(chunk: list[Message]) -> None:
        for _ in chunk:
            key.verify_raw(signature, b"x" * 300)

    key = nodes[0].key.public
    signature = nodes[0].key.sign_raw(b"x" * 300)
    figures.take(
        Figure(
            subject="Gateway: one segment of 15 readings, checked whole",
            size=phases,
            unit="µs",
            ours=best_us(staged),
            peer=best_us(signatures_only),
            peer_name="its P-256 signature alone",
            reach="≤ 150 µs, of which the signature is about half",
            note="The least disturbed twentieth of many short runs of 16 segments",
        )
    )


# ── the whole pipeline ──────────────────────────────────────────────────────────────────────


class Pipeline:
    """mosquitto, the gateway and the database, each its own process, as in the field."""

    def __init__(self, folder: Path, broker: Mosquitto, nodes: list[TestNode]) -> None:
        self.folder, self.broker, self.nodes = folder, broker, nodes
        self.central_port, self.health, chain_port = free_port(), free_port(), free_port()
        token = folder / "gateway.token"
        (folder / "gateway.toml").write_text(
            f'origin = "{ORIGIN}"\nstate_dir = "gateway"\nwindow_s = 60\n'
            f"[broker]\nport = {broker.port}\n"
            f'[central]\nurl = "http://127.0.0.1:{self.central_port}"\ntoken_file = "{token}"\n'
            f'[chain]\nurls = ["http://127.0.0.1:{chain_port}"]\n[health]\nport = {self.health}\n'
        )
        made = self.told("gateway", "init")
        (folder / "central.toml").write_text(
            f'origin = "{ORIGIN}"\nlog_key = "{made["log_key"]}"\n'
            f'[store]\nevidence = "evidence.db"\nseries = "series"\n'
            f"[api]\nport = {self.central_port}\n"
        )
        self.told("central", "scd", "init")
        token.touch(mode=0o600)
        token.write_text(self.told("central", "token", "issue", "--role", "gateway")["token"])
        (folder / "gateway/contract").write_text("0x" + "00" * 19 + "01")
        config = load(GatewayConfig, folder / "gateway.toml", program="gateway", environ={}).value
        self.key = SigningKey.load(config.gateway_key_file).public
        journal = open_journal(config)
        for node in nodes:
            registration = decode_registration(node.registration())
            journal.registry.enrol(lambda _, made=registration: made)  # type: ignore[misc]
        journal.close()

    def told(self, program: str, *verb: str) -> dict[str, str]:
        """Run a command and return what it says."""
        command = [sys.executable, "-m", program, *verb, "--json"]
        ran = subprocess.run(
            [*command, "-c", str(self.folder / f"{program}.toml")],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        said: dict[str, str] = json.loads(ran.stdout)
        return said

    def server(self, program: str, verb: str, port: int) -> Server:
        command = [sys.executable, "-m", program, verb, "-c"]
        file = str(self.folder / f"{program}.toml")
        return Server([*command, file], port=port, log=self.folder / f"{program}.log")


class Receipts:
    """Counts the segments that receipts promise."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.segments: set[bytes] = set()
        self._key = pipeline.key
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.max_inflight_messages_set(1_000)
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", pipeline.broker.port)
        for node in pipeline.nodes:
            self.client.subscribe(receipt_topic(node.index), 1)
        self.client.loop_start()

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        receipt = decode_receipt(self._key.verify(bytes(message.payload), RECEIPT_CONTEXT))
        self.segments |= {one.header_hash for one in receipt.segments}

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def used_s(*servers: Server) -> list[float]:
    """Return the processor time [s] that each server has used so far."""
    times = [psutil.Process(server.pid).cpu_times() for server in servers]
    return [one.user + one.system for one in times]


def test_the_whole_pipeline(figures: Figures, tmp_path: Path) -> None:
    first = slot_of(SystemClock().now_ms()) // 15 * 15 - 15 * 400
    nodes = [TestNode(i, power=lively(i), slot=first) for i in range(NODES)]
    lines = ["allow_anonymous true", "max_inflight_messages 1000"]
    with Mosquitto(tmp_path / "broker", lines=lines) as broker, ExitStack() as stack:
        pipeline = Pipeline(tmp_path, broker, nodes)
        messages = messages_of(nodes, 90_000)
        central = stack.enter_context(pipeline.server("central", "serve", pipeline.central_port))
        gateway = stack.enter_context(pipeline.server("gateway", "run", pipeline.health))
        receipts = Receipts(pipeline)
        stack.callback(receipts.close)
        time.sleep(3)
        before = used_s(broker, gateway, central)
        start_s = time.perf_counter()
        for message in messages:
            receipts.client.publish(message.topic, message.payload, qos=1)
        deadline_s = start_s + 300
        while len(receipts.segments) < len(messages) and time.perf_counter() < deadline_s:
            time.sleep(0.01)
        taken_s = time.perf_counter() - start_s
        after = used_s(broker, gateway, central)
    shares = [now - was for now, was in zip(after, before, strict=True)]
    assert len(receipts.segments) == len(messages), "every segment has its receipt"
    readings = len(messages) * SEGMENT
    told = ", ".join(
        f"{name} {readings / share:,.0f}"
        for name, share in zip(("mosquitto", "gateway", "database"), shares, strict=True)
    )
    figures.take(
        Figure(
            subject="Pipeline: broker → gateway → database → receipt, each durable",
            size=f"{readings:,} readings, {taken_s:.1f} s",
            unit="readings/s",
            ours=readings / taken_s,
            note=f"Readings per second of each one's own processor time: {told}; the lowest is "
            "the bottleneck. Loader, broker, gateway and database share the machine's cores",
        )
    )
