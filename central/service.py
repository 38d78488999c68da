"""Puts the Shared Customer Database together, for whoever works on it."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from central.config import CentralConfig
from central.scd.anchors_store import SqliteAnchors
from central.scd.database import Database
from central.scd.documents_log import MarketLog
from central.scd.documents_log_store import SqliteMarketLog
from central.scd.documents_store import SqliteDocuments
from central.scd.evidence import SqliteEvidence
from central.scd.inquiry import Inquiry
from central.scd.live import LiveBoard
from central.scd.sealing import Sealer
from central.scd.series import Series
from central.scd.tokens import TokenStore
from central.sessions.anchoring import SealAnchorer
from ledger.checkpoint import checkpoint_key
from ledger.facts.clock import Clock

log = logging.getLogger("central")

_MIB = 1 << 20


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

    def inquiry(self, board: LiveBoard | None = None) -> Inquiry:
        """Return what tells how far measures have come; a board shows what is no evidence yet."""
        tolerance = self.config.quarters.tolerance
        return Inquiry(self.evidence, board or LiveBoard(), self.clock, tolerance)

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
        # Imported here: the DSO's desk is opened there too, with all that reckons with a grid.
        from central.sessions.opening import opened_anchorer  # noqa: PLC0415

        return opened_anchorer(self.config.chain, self.market_log(), self.anchors, self.clock)


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
