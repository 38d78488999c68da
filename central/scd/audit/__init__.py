"""Every stored row against its evidence: whoever changed one finds it named here.

1. arrivals are dense, and each has the row that was derived from it, and no row has none;
2. registrations are what their bytes say;
3. windows: dense, each root over its members, each registry root over its registrations;
4. anchors: signed by the log's key, their root over the stored windows;
5. segments, node by node: parts, signature, key validity, hash links, window, dispute, and the
   log that the node says it was shown;
6. gaps, quarter sums, last values and watermarks, summed again from those segments;
7. the sealed files of the series, reading by reading;
8. market documents: dense, what their bytes say, signed by their sender;
9. the market log: each entry its document's, each seal's root over its entries.

Who else: that the anchors are on the ledger is checked by whoever asks the ledger
(`certiflex ledger verify`).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from central.scd.audit.documents import audit_documents
from central.scd.audit.findings import Finding, Findings
from central.scd.audit.log import audit_log
from central.scd.audit.market import audit_market_log
from central.scd.audit.nodes import audit_nodes
from central.scd.audit.places import audit_places
from central.scd.audit.series import audit_series
from central.scd.database import Database
from central.scd.evidence import SqliteEvidence
from ledger.signing import VerifyingKey

__all__ = ["Finding", "Report", "audit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an audit looked at and found; `finding_count` also counts those not listed."""

    findings: tuple[Finding, ...]
    finding_count: int
    row_count: int
    reading_count: int
    window_count: int
    duration_s: float


def audit(
    database: Database,
    evidence: SqliteEvidence,
    series: Path,
    *,
    origin: str,
    log_key: VerifyingKey,
    parties: Mapping[str, VerifyingKey],
    most: int = 100,
) -> Report:
    """Check every stored row; list up to `most` findings.

    Signatures of documents are checked of those `parties` whose key is given.

    Raises:
        DamagedStore: a page of the file cannot be read.
        StoreAway: the database or the series cannot be read.
    """
    began_s = time.monotonic()
    findings = Findings(most)
    database.check(thorough=True)
    row_count = audit_places(database, findings)
    windows = audit_log(database, evidence, findings, origin=origin, log_key=log_key)
    nodes = audit_nodes(
        database, findings, origin=origin, windows=windows.by_header, tree=windows.tree
    )
    row_count += windows.row_count + nodes.row_count
    row_count += audit_series(evidence, series, findings, unusable=nodes.unusable)
    row_count += audit_documents(database, findings, parties)
    row_count += audit_market_log(database, findings)
    return Report(
        findings=tuple(findings.found),
        finding_count=findings.count,
        row_count=row_count,
        reading_count=nodes.reading_count,
        window_count=windows.window_count,
        duration_s=time.monotonic() - began_s,
    )
