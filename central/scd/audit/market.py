"""The market log: each entry is its document's, and each seal is over the entries it says."""

import sqlalchemy as sa

from central.scd import schema
from central.scd.audit.findings import Findings
from central.scd.database import Database
from central.scd.documents import DocumentQuery
from central.scd.documents_entries import LOGGED, Seal, entry_of
from central.scd.documents_log_store import SqliteMarketLog
from central.scd.documents_store import SqliteDocuments
from ledger.checkpoint import read_checkpoint
from ledger.errors import Rejected
from ledger.merkle import Tree, leaf_hash

_PAGE = 1_000


def audit_market_log(database: Database, findings: Findings) -> int:
    """Check every entry and seal; return how many there are.

    Documents that are not taken in yet are none the worse for it: a later seal takes them in.
    """
    tree = _entries(database, findings)
    seals = SqliteMarketLog(database).seals()
    for place, seal in enumerate(seals, start=1):
        _audit_seal(place, seal, tree, findings)
    return len(tree) + len(seals)


def _entries(database: Database, findings: Findings) -> Tree:
    """Return the tree over the entries as they stand, each compared with its document."""
    tree, documents, since = Tree(), SqliteDocuments(database), 0
    kept = _kept(database)
    while len(tree) < len(kept):
        query = DocumentQuery(ii=LOGGED, since=since, limit=_PAGE, conflicts=True)
        page = documents.documents(query)
        if not page:
            findings.note("market_entry", f"position {len(tree)}", "arrival", "a document", "none")
            tree.extend([leaf for _, leaf in kept[len(tree) :]])
            break
        since = page[-1].arrival
        for stored in page[: len(kept) - len(tree)]:
            arrival, leaf = kept[len(tree)]
            findings.compare(
                "market_entry",
                f"position {len(tree)}",
                {"arrival": stored.arrival, "leaf_hash": leaf_hash(entry_of(stored))},
                {"arrival": arrival, "leaf_hash": leaf},
            )
            tree.append(leaf)
    return tree


def _kept(database: Database) -> list[tuple[int, bytes]]:
    entry = schema.market_entry.c
    statement = sa.select(entry.arrival, entry.leaf_hash).order_by(entry.position)
    with database.reading() as connection:
        return [(row.arrival, row.leaf_hash) for row in connection.execute(statement)]


def _audit_seal(place: int, seal: Seal, tree: Tree, findings: Findings) -> None:
    name = f"place {place} size {seal.size}"
    try:
        head = read_checkpoint(seal.note)
    except Rejected as error:
        findings.note("market_seal", name, "note", "a checkpoint", error.reason)
        return
    findings.compare(
        "market_seal", name, {"size": head.size, "root": head.root},
        {"size": seal.size, "root": seal.root},
    )  # fmt: skip
    if seal.size > len(tree):
        findings.note("market_entry", f"position {len(tree)}", "position", "a row", "none")
    elif tree.root(seal.size) != seal.root:
        findings.note("market_seal", name, "root", tree.root(seal.size), seal.root)
