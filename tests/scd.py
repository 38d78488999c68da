"""A Shared Customer Database on a temporary disk, with real segments, windows and anchors in it."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import httpx
import uvicorn

from central.api.app import application
from central.api.services import Services
from central.config import (
    CentralConfig,
    MarketLogConfig,
    PartyConfig,
    SeriesConfig,
    StoreConfig,
)
from central.scd.audit import Report, audit
from central.scd.roles import EVERY_POD, Grant, Role
from central.service import Central, opened
from central.serving import services_of
from ledger.facts.interval import Interval
from ledger.facts.record import GapCause
from ledger.proving import LedgerTrust, Trust
from ledger.signing import SigningKey
from tests.segments import FIRST_MS, ORIGIN, TestLog, TestNode, lively

HOUR_MS = 3_600_000
MARKET_ORIGIN = "certiflex.test/market"
FIRST_HOUR = Interval(FIRST_MS, FIRST_MS + HOUR_MS)


@dataclass
class HandClock:
    """A clock that stands where it is put."""

    at_ms: int = FIRST_MS + HOUR_MS

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    async def sleep_until(self, unix_ms: int) -> None:
        self.at_ms = max(self.at_ms, unix_ms)


@dataclass
class World:
    """The database and the nodes and log that fill it."""

    central: Central
    nodes: Sequence[TestNode]
    log: TestLog
    clock: HandClock = field(default_factory=HandClock)
    closing: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def services(self) -> Services:
        return services_of(self.central)

    @property
    def trust(self) -> Trust:
        """Return what a verifier takes for granted who has seen the latest head on the ledger."""
        anchor = self.central.evidence.latest_anchor()
        size = anchor.size if anchor else 0
        heads = (f"{size} {self.log.tree.root(size).hex()}",)
        return Trust(
            origin=ORIGIN, log_key=self.central.config.log_key, ledger=LedgerTrust(heads=heads)
        )

    def enrol(self) -> None:
        """Hand in the registry."""
        self.services.ingest.registry(self.log.registry())

    def minutes(self, count: int, *, gaps: dict[int, GapCause] | None = None) -> None:
        """Let every node send a segment for each minute; close the windows over them."""
        for _ in range(count):
            bodies = [node.segment(gaps=gaps) for node in self.nodes]
            self.services.ingest.segments(bodies)
            self.services.ingest.window(self.log.close(bodies))

    def anchor(self, size: int | None = None) -> None:
        """Hand in a checkpoint over the first windows, all by default."""
        self.services.ingest.anchor(self.log.anchor(size))

    @cached_property
    def url(self) -> str:
        """Return where the API is served: by a real server, on the loopback interface."""
        return self.closing.enter_context(served(self.services))

    def token(self, role: Role, *grants: Grant, party: str | None = None) -> str:
        """Return a new token."""
        return self.central.tokens.issue(role, grants, label="test", created_ms=0, party=party)

    def client(
        self, role: Role | None = None, *grants: Grant, party: str | None = None
    ) -> httpx.Client:
        """Return an HTTP client with a token of a role, without one if None."""
        token = self.token(role, *grants, party=party) if role else ""
        headers = {"Authorization": f"Bearer {token}"} if role else {}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)
        return self.closing.enter_context(client)

    def dso(self) -> httpx.Client:
        """Return a client that may read every POD."""
        return self.client(Role.DSO, Grant(EVERY_POD))

    def audit(self) -> Report:
        """Return what the audit says."""
        config = self.central.config
        return audit(
            self.central.database, self.central.evidence, config.store.series,
            origin=config.origin, log_key=config.verifying_key(),
            parties=config.party_keys(),
        )  # fmt: skip


@contextmanager
def served(services: Services) -> Iterator[str]:
    """Yield the address of a real server of the API, in a thread of its own."""
    server = uvicorn.Server(
        uvicorn.Config(application(services), port=0, log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up_s = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < give_up_s, "the server did not start in time"
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive(), "the server did not stop"


@contextmanager
def world(
    folder: Path, *, node_count: int = 4, parties: tuple[PartyConfig, ...] = ()
) -> Iterator[World]:
    """Yield an empty database and nodes that are not enrolled yet."""
    nodes = [TestNode(i, power=lively(i), three_phase=i % 2 == 1) for i in range(node_count)]
    log = TestLog(nodes)
    config = CentralConfig(
        origin=ORIGIN,
        log_key=log.key.public.encode().hex(),
        store=StoreConfig(evidence=folder / "evidence.db", series=folder / "series"),
        series=SeriesConfig(grace_s=0),
        market_log=MarketLogConfig(origin=MARKET_ORIGIN, key_file=folder / "market-log.key"),
        parties=parties,
    )
    SigningKey.generate("EdDSA").save(folder / "market-log.key")
    clock = HandClock()
    with opened(config, create=True, clock=clock) as central, ExitStack() as closing:
        yield World(central=central, nodes=nodes, log=log, clock=clock, closing=closing)


@contextmanager
def lived_in(folder: Path, *, node_count: int = 4, minutes: int = 60) -> Iterator[World]:
    """Yield a database after some minutes, all but the last five anchored, one hour sealed."""
    with world(folder, node_count=node_count) as made:
        made.enrol()
        made.minutes(minutes)
        made.anchor(max(minutes - 5, 1))
        made.central.sealer.seal_due(made.clock.now_ms())
        yield made
