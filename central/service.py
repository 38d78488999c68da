"""Puts the Shared Customer Database together, and runs it: all of its tasks in one process."""

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import uvicorn

from central.api.app import application
from central.api.services import Directory, Services
from central.config import CentralConfig
from central.scd.anchors_store import SqliteAnchors
from central.scd.database import Database
from central.scd.documents_alerts import AlertDelivery, Webhook
from central.scd.documents_desk import DocumentDesk
from central.scd.documents_log import MarketLog
from central.scd.documents_log_store import SqliteMarketLog
from central.scd.documents_proofs import DocumentProver
from central.scd.documents_store import SqliteDocuments
from central.scd.evidence import SqliteEvidence
from central.scd.ingest import Ingest
from central.scd.inquiry import Inquiry
from central.scd.live import LiveBoard
from central.scd.logbook import LogBook
from central.scd.proofs import Prover
from central.scd.sealing import Sealer
from central.scd.series import Series
from central.scd.sessions_store import SqliteSessions
from central.scd.tokens import TokenStore
from central.sessions.anchoring import SealAnchorer
from central.sessions.arriving import Arrivals
from central.sessions.desk import Parties
from central.sessions.opening import grid_of, opened_anchorer, rules_of
from ledger.checkpoint import checkpoint_key
from ledger.errors import Rejected, Unavailable
from ledger.facts.clock import Clock
from ledger.signing import read_secret

log = logging.getLogger("central")

_MIB = 1 << 20
_GRACEFUL_S = 5


@dataclass(frozen=True, slots=True)
class Central:
    """An open database with everything that works on it."""

    config: CentralConfig
    clock: Clock
    database: Database
    evidence: SqliteEvidence
    series: Series
    sealer: Sealer
    tokens: TokenStore
    documents: SqliteDocuments

    def services(self) -> Services:
        """Return what the API works with.

        Raises:
            Rejected: the market log's key cannot be read or is of another kind, or the grid that
                is named is none.
        """
        board, logbook = LiveBoard(), LogBook(self.evidence)
        market_log = self.market_log() if self.config.market_log else None
        return Services(
            evidence=self.evidence,
            series=self.series,
            inquiry=Inquiry(self.evidence, board, self.clock, self.config.quarters.tolerance),
            prover=Prover(self.evidence, logbook),
            logbook=logbook,
            ingest=Ingest(
                self.evidence, logbook, board, self.clock,
                origin=self.config.origin, log_key=self.config.verifying_key(),
            ),
            tokens=self.tokens,
            documents=self.documents,
            desk=DocumentDesk(
                self.documents, self.config.party_keys(), self.clock, self.doorkeeper()
            ),
            market_log=market_log,
            document_prover=DocumentProver(market_log, self.anchors) if market_log else None,
            directory=Directory(self.evidence),
            clock=self.clock,
            max_body_bytes=self.config.api.max_body_mib * _MIB,
        )  # fmt: skip

    def doorkeeper(self) -> Arrivals:
        """Return what tells at once what a market session would refuse.

        Raises:
            Rejected: the grid that the configuration names is none.
        """
        grid, rules = grid_of(self.config.dso), rules_of(self.config.market)
        sessions = SqliteSessions(self.database)
        return Arrivals(grid, rules, Parties(), self.documents, sessions)

    def market_log(self) -> MarketLog:
        """Return the log of market documents, under the operator's key.

        Raises:
            Rejected: none is named, or its key cannot be read or is of another kind.
        """
        named = self.config.need_market_log()
        key = checkpoint_key(named.key_file)
        return MarketLog(SqliteMarketLog(self.database), named.origin, key, self.clock)

    @property
    def anchors(self) -> SqliteAnchors:
        """Return what is written down of the market log's way to the ledger."""
        return SqliteAnchors(self.database)

    def anchorer(self) -> AbstractContextManager[SealAnchorer]:
        """Return what anchors the market log; entering it opens the ledger, leaving closes it.

        Raises:
            Rejected: no market log is named, or as `central.sessions.opening.opened_anchorer`.
        """
        return opened_anchorer(self.config.chain, self.market_log(), self.anchors, self.clock)

    def delivery(self) -> AlertDelivery | None:
        """Return what sends alerts, if somebody is to have them.

        Raises:
            Rejected: the secret's file is missing, or open to others.
        """
        alerts = self.config.alerts
        if not alerts.webhook_url or alerts.secret_file is None:
            return None
        secret = read_secret(alerts.secret_file, what="secret").strip()
        webhook = Webhook(url=alerts.webhook_url, secret=secret, timeout_s=alerts.timeout_s)
        return AlertDelivery(self.documents, webhook, self.clock)


@contextmanager
def opened(
    config: CentralConfig, *, create: bool = False, clock: Clock | None = None
) -> Iterator[Central]:
    """Yield the database that a configuration names, and close it afterwards.

    `clock` takes the place of the one that the configuration asks for.

    Raises:
        Rejected: there is none, or it is not ours.
        DamagedStore: it is damaged; nothing was written to it.
        StoreAway: it cannot be read or written.
    """
    database = Database(config.store.evidence, create=create)
    try:
        if database.path.stat().st_size <= config.store.check_up_to_mib * _MIB:
            database.check()
        else:
            log.info("central.check_skipped", extra={"file": str(database.path)})
        evidence = SqliteEvidence(database)
        series = Series(evidence, config.store.series)
        try:
            yield Central(
                config=config,
                clock=clock or config.clock.clock(),
                database=database,
                evidence=evidence,
                series=series,
                sealer=Sealer(
                    evidence, config.store.series, grace_ms=config.series.grace_s * 1_000
                ),
                tokens=TokenStore(database),
                documents=SqliteDocuments(database),
            )
        finally:
            series.close()
    finally:
        database.close()


async def run(central: Central) -> None:
    """Serve until the process is told to stop; requests under way are answered first.

    Raises:
        Rejected: the address cannot be listened on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(central, stop)


async def serve(central: Central, stop: asyncio.Event) -> None:
    """Serve the API, seal what is over, deliver alerts and anchor, until told to stop.

    Raises:
        Rejected: the address cannot be listened on, or the alerts' secret, the market log's key
            or the ledger's account cannot be read.
    """
    if central.config.chain is None:
        if central.config.market_log is not None:
            log.warning("central.market_log_not_anchored", extra={"missing": "chain"})
        await _serve(central, stop, None)
        return
    with central.anchorer() as anchorer:
        await _serve(central, stop, anchorer)


async def _serve(central: Central, stop: asyncio.Event, anchorer: SealAnchorer | None) -> None:
    delivery = central.delivery()
    api = central.config.api
    listening = _bound(api.host, api.port)
    server = _Server(
        uvicorn.Config(
            application(central.services()), log_config=None, access_log=False,
            timeout_graceful_shutdown=_GRACEFUL_S, server_header=False,
        )
    )  # fmt: skip
    host, port = listening.getsockname()[:2]
    log.info("central.serving", extra={"url": f"http://{host}:{port}"})
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_seal(central)), group.create_task(_stopped(server, stop))]
        if delivery is not None:
            tasks.append(group.create_task(delivery.run()))
        if anchorer is not None:
            tasks.append(group.create_task(anchorer.run()))
        await server.serve(sockets=[listening])
        for task in tasks:
            task.cancel()


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever runs the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _stopped(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


async def _seal(central: Central) -> None:
    away = False
    while True:
        now_ms = central.clock.now_ms()
        try:
            await asyncio.to_thread(central.sealer.seal_due, now_ms)
            if away:
                log.info("central.series_back")
            away = False
        except Unavailable as error:
            if not away:
                log.warning("central.series_away", extra={"why": str(error)})
            away = True
        await central.clock.sleep_until(now_ms + central.config.series.seal_every_s * 1_000)


def _bound(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Rejected(
            f"cannot listen there ({error.strerror})",
            where=f"{host}:{port}",
            remedy="stop what listens there, or set api.host and api.port",
            reason="address_taken",
        ) from error
    return listening
