"""Runs the Shared Customer Database: all of its tasks in one process."""

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from central.api.app import application
from central.api.services import Directory, Services
from central.scd.documents_alerts import AlertDelivery, Webhook
from central.scd.documents_desk import DocumentDesk
from central.scd.documents_proofs import DocumentProver
from central.scd.ingest import Ingest
from central.scd.live import LiveBoard
from central.scd.logbook import LogBook
from central.scd.proofs import Prover
from central.scd.sessions_store import SqliteSessions
from central.service import Central
from central.sessions.anchoring import SealAnchorer
from central.sessions.arriving import Arrivals
from central.sessions.desk import Parties
from central.sessions.opening import grid_of, rules_of
from ledger.errors import Rejected, Unavailable
from ledger.signing import read_secret

log = logging.getLogger("central")

_MIB = 1 << 20
_GRACEFUL_S = 5


def services_of(central: Central) -> Services:
    """Return what the API works with.

    Raises:
        Rejected: the market log's key cannot be read or is of another kind, or the grid that is
            named is none.
    """
    config, evidence, documents = central.config, central.evidence, central.documents
    board, logbook = LiveBoard(), LogBook(evidence)
    market_log = central.market_log() if config.market_log else None
    return Services(
        evidence=evidence,
        series=central.series,
        inquiry=central.inquiry(board),
        prover=Prover(evidence, logbook),
        logbook=logbook,
        ingest=Ingest(
            evidence, logbook, board, central.clock,
            origin=config.origin, log_key=config.verifying_key(),
        ),
        tokens=central.tokens,
        documents=documents,
        desk=DocumentDesk(documents, config.party_keys(), central.clock, _doorkeeper(central)),
        market_log=market_log,
        document_prover=DocumentProver(market_log, central.anchors) if market_log else None,
        directory=Directory(evidence),
        clock=central.clock,
        max_body_bytes=config.api.max_body_mib * _MIB,
    )  # fmt: skip


def _doorkeeper(central: Central) -> Arrivals:
    """Return what tells at once what a market session would refuse."""
    grid, rules = grid_of(central.config.dso), rules_of(central.config.market)
    sessions = SqliteSessions(central.database)
    return Arrivals(grid, rules, Parties(), central.documents, sessions)


def delivery_of(central: Central) -> AlertDelivery | None:
    """Return what sends alerts, if somebody is to have them.

    Raises:
        Rejected: the secret's file is missing, or open to others.
    """
    alerts = central.config.alerts
    if not alerts.webhook_url or alerts.secret_file is None:
        return None
    secret = read_secret(alerts.secret_file, what="secret").strip()
    webhook = Webhook(url=alerts.webhook_url, secret=secret, timeout_s=alerts.timeout_s)
    return AlertDelivery(central.documents, webhook, central.clock)


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
    delivery = delivery_of(central)
    api = central.config.api
    listening = _bound(api.host, api.port)
    server = _Server(
        uvicorn.Config(
            application(services_of(central)), log_config=None, access_log=False,
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
