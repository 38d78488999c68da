"""Sessions of a scene as somebody else gets them: exported with proofs, and read back."""

from pathlib import Path

from central.scd.documents_entries import SealReason
from central.scd.documents_log import MarketLog
from central.scd.documents_proofs import DocumentProver
from central.sessions.exporting import Export, Exporter, read_export
from ledger.facts.interval import Interval
from ledger.proving import LedgerTrust, PartyTrust, Trust
from ledger.signing import SigningKey
from tests.fakes.scd_anchors import FakeAnchors
from tests.fakes.scd_market_log import FakeMarketLog
from tests.floors import KEYS, Scene

ORIGIN = "certiflex.test/market"
LOG_KEY = SigningKey.generate("EdDSA")


def exported(scene: Scene, session: str, span: Interval, folder: Path) -> Export:
    """Return a session of a scene, sealed, written to a new folder and read back from it."""
    log = MarketLog(FakeMarketLog(scene.documents), ORIGIN, LOG_KEY, scene.clock)
    log.seal(SealReason.PUBLICATION, session)
    head = log.latest()
    assert head is not None
    prover = DocumentProver(log, FakeAnchors())
    Exporter(scene.documents, scene.sessions, prover).export(session, span, folder)
    trust = Trust(
        origin=ORIGIN,
        log_key=LOG_KEY.public.encode().hex(),
        ledger=LedgerTrust(heads=(f"{head.size} {head.root.hex()}",)),
        parties=tuple(PartyTrust(name, key.public.encode().hex()) for name, key in KEYS.items()),
    )
    return read_export(folder, trust)
