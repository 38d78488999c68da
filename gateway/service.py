"""The composer: introduces tasks and adapters to one another and runs them in one TaskGroup."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from gateway.anchoring import Anchorer
from gateway.bell import Bell
from gateway.certifying import Certifier
from gateway.config import GatewayConfig
from gateway.following import RegistryFollower
from gateway.forwarding import Forwarder
from gateway.health import HealthServer
from gateway.intake import Intake
from gateway.journal import Journal, take_alone
from gateway.live import LivePassage
from gateway.mqtt import MqttUplink
from gateway.opening import connect_ledger, gateway_key, open_journal, token_of
from gateway.ports import Ledger
from gateway.receipts import ReceiptDesk
from gateway.registry import Keyring
from gateway.scd import CentralHttp
from gateway.tally import Tally
from gateway.windows import WindowCloser
from gateway.witness import Witness
from ledger.log import Log
from ledger.signing import SigningKey

_MIB = 1 << 20
_HOUR_MS = 3_600_000

log = logging.getLogger("gateway")


class Gateway:
    """The running gateway: every task, and what they share."""

    def __init__(
        self,
        config: GatewayConfig,
        *,
        journal: Journal,
        uplink: MqttUplink,
        central: CentralHttp,
        ledger: Ledger,
        key: SigningKey,
        window_log: Log,
        executor: ThreadPoolExecutor,
    ) -> None:
        self._config = config
        self._journal = journal
        self.uplink = uplink
        self._central = central
        self._key = key
        self._clock = config.clock.clock()
        self._tally = Tally()
        self._keyring = Keyring()
        self._deliver, self._certify, self._anchor = Bell(), Bell(), Bell()
        self._certifier = self._new_certifier()
        self._closer = self._new_closer(window_log)
        self._forwarder = self._new_forwarder()
        self._anchorer = self._new_anchorer(window_log, ledger)
        self._intake = self._new_intake(executor, Witness(window_log))
        self._live = LivePassage(
            uplink=uplink,
            central=central,
            keyring=self._keyring,
            clock=self._clock,
            tally=self._tally,
        )
        self._follower = RegistryFollower(
            journal=journal.registry, keyring=self._keyring, changed=self._certify.ring
        )

    async def run(self) -> None:
        """Run every task until one breaks or this is cancelled."""
        # The keys first: a segment that is here before them would be quarantined.
        await asyncio.to_thread(self._follower.follow)
        # Then the log: what nodes have seen of it is compared with all of it.
        await asyncio.to_thread(self._closer.begin)
        tasks: dict[str, Callable[[], Awaitable[None]]] = {
            "registry": self._follower.run,
            "uplink": self.uplink.run,
            "intake": self._intake.run,
            "live": self._live.run,
            "forward": self._forwarder.run,
            "windows": self._closer.run,
            "anchor": self._anchorer.run,
            "certify": self._certifier.run,
        }
        health = self._config.health
        if health.port:
            tasks["health"] = HealthServer(health.host, health.port, self.status).run
        async with asyncio.TaskGroup() as group:
            for name, run in tasks.items():
                group.create_task(_named(run), name=name)

    def _new_certifier(self) -> Certifier:
        config = self._config
        return Certifier(
            windows=self._journal.windows,
            registry=self._journal.registry,
            central=self._central,
            key=self._key,
            origin=config.origin,
            bell=self._certify,
        )

    def _new_closer(self, window_log: Log) -> WindowCloser:
        config = self._config
        return WindowCloser(
            journal=self._journal.windows,
            forgetting=self._journal,
            log_=window_log,
            key=self._key,
            origin=config.origin,
            clock=self._clock,
            order=self._certifier.order,
            closed=self._window_closed,
            window_ms=config.window_s * 1000,
            delay_ms=config.close_delay_s * 1000,
            keep_ms=config.journal.keep_links_h * _HOUR_MS,
        )

    def _new_forwarder(self) -> Forwarder:
        config = self._config
        return Forwarder(
            journal=self._journal.segments,
            central=self._central,
            uplink=self.uplink,
            desk=ReceiptDesk(self._key, config.origin),
            checkpoint=lambda: self._closer.head,
            registry_first=self._certifier.tell_registry,
            clock=self._clock,
            tally=self._tally,
            bell=self._deliver,
            most=config.central.batch,
            longest_pause_s=config.central.longest_pause_s,
        )

    def _new_anchorer(self, window_log: Log, ledger: Ledger) -> Anchorer:
        config = self._config
        return Anchorer(
            journal=self._journal.windows,
            log_=window_log,
            ledger=ledger,
            origin=config.origin,
            clock=self._clock,
            published=lambda: self._closer.head,
            bell=self._anchor,
            anchored=self._certify.ring,
            longest_pause_s=config.chain.longest_pause_s,
        )

    def _new_intake(self, executor: ThreadPoolExecutor, witness: Witness) -> Intake:
        config = self._config
        return Intake(
            uplink=self.uplink,
            journal=self._journal.segments,
            keyring=self._keyring,
            origin=config.origin,
            clock=self._clock,
            tally=self._tally,
            witness=witness,
            delivery=self._deliver,
            receipt_again=self._forwarder.receipt_again,
            most=config.batch,
            backlog_bytes=config.journal.backlog_mib * _MIB,
            executor=executor,
            threads=config.verify_threads,
        )

    async def status(self) -> dict[str, Any]:
        """Return everything worth knowing about this gateway now."""
        return await asyncio.to_thread(self._status)

    def _status(self) -> dict[str, Any]:
        tally = self._tally
        return {
            "schema": "certiflex/gateway-status/v1",
            "origin": self._config.origin,
            "nodes": len(self._keyring),
            "messages": tally.messages,
            "segments_admitted": tally.segments_admitted,
            "records_admitted": tally.records_admitted,
            "readings_admitted": tally.readings_admitted,
            "duplicates": tally.duplicates,
            "contradictions": tally.contradictions,
            "split_views": tally.split_views,
            "let_go": tally.let_go + self.uplink.let_go,
            "segments_stored": tally.segments_stored,
            "receipts": tally.receipts,
            "live_records": tally.live_records,
            "refused": dict(tally.refused),
            "quarantined": self._journal.quarantine.count(),
            "backlog_segments": self._journal.segments.backlog(),
            **self._journal.windows.tally(),
            "peers": {
                "broker": self.uplink.is_connected,
                "central": not self._forwarder.patience.is_away
                and not self._certifier.patience.is_away,
                "ledger": not self._anchorer.patience.is_away,
            },
        }

    def _window_closed(self) -> None:
        self._certify.ring()
        self._anchor.ring()


async def serve(config: GatewayConfig, *, ready: Callable[[], None] = lambda: None) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Raises:
        Rejected: keys, journal, log or contract are not what the configuration says.
        InvariantBroken: what is kept contradicts itself; nothing goes on.
    """
    key, token = gateway_key(config), token_of(config)
    async with AsyncExitStack() as stack:
        stack.enter_context(take_alone(config.journal_file))
        ledger = connect_ledger(config)
        stack.callback(ledger.close)
        journal = open_journal(config)
        stack.callback(journal.close)
        executor = ThreadPoolExecutor(config.verify_threads, thread_name_prefix="verify")
        stack.enter_context(executor)
        central = CentralHttp(config.central.url, token=token, timeout_s=config.central.timeout_s)
        gateway = Gateway(
            config,
            journal=journal,
            uplink=MqttUplink(config.broker),
            central=await stack.enter_async_context(central),
            ledger=ledger,
            key=key,
            window_log=Log(config.log_dir, config.origin, key.public),
            executor=executor,
        )
        ready()
        await _until_told(gateway.run)


async def _named(run: Callable[[], Awaitable[None]]) -> None:
    await run()


async def _until_told(run: Callable[[], Awaitable[None]]) -> None:
    """Run until SIGTERM or SIGINT; what breaks it breaks through."""
    running = asyncio.ensure_future(run())
    loop = asyncio.get_running_loop()
    is_told = asyncio.Event()

    def stop() -> None:
        is_told.set()
        running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await running
    except asyncio.CancelledError:
        if not is_told.is_set():
            raise
    log.info("gateway.stopped")
