"""A session taken out with its proofs, and recomputed by whoever has it."""

import argparse
from pathlib import Path

from central.config import configured
from central.markets.telling import seen_of
from central.scd.documents_proofs import DocumentProver
from central.scd.sessions_store import SqliteSessions
from central.service import Central, opened
from central.sessions.exporting import Exporter, read_export
from central.sessions.opening import grid_of, rules_of
from central.sessions.verifying import verified
from ledger.command import Exit, show
from ledger.errors import Rejected, Unavailable
from ledger.proving import Trust


def export(arguments: argparse.Namespace) -> int:
    """Write a session, each document with its proof.

    Raises:
        Rejected: it has no outcome yet, or no market log is kept.
    """
    with opened(configured(arguments.config)) as central:
        log, outcome = central.market_log(), seen_of(central, arguments.session).outcome
        if outcome is None:
            raise Rejected(
                "it has no outcome yet", where=arguments.session,
                remedy="run it to its end", reason="no_outcome",
            )  # fmt: skip
        prover = DocumentProver(log, central.anchors)
        exporter = Exporter(central.documents, SqliteSessions(central.database), prover)
        if arguments.dry_run:
            return Exit.OK
        count = exporter.export(arguments.session, outcome.validity, arguments.to)
        if arguments.trust_to:
            _write(arguments.trust_to, _own_trust(central))
    if arguments.json:
        show({"documents": count, "folder": str(arguments.to)}, "market-export-done")
    else:
        print(f"{count} documents, each with its proof, in {arguments.to}")
    return Exit.OK


def verify(arguments: argparse.Namespace) -> int:
    """Recompute an exported session, and tell whether it comes out the same.

    Raises:
        Rejected: it is no export, or the trust file is none.
    """
    config = configured(arguments.config)
    export = read_export(arguments.folder, Trust.load(arguments.trust))
    found = verified(export, grid_of(config.dso), rules_of(config.market))
    wanting = found.wanting or ("" if export.open is None else f"not proved: {export.open}")
    if arguments.json:
        show({
            "session": export.session, "documents": len(export.documents),
            "rounds": found.rounds, "outcomes": found.outcomes,
            "difference": found.difference, "wanting": wanting,
            "unpublished": list(found.unpublished),
        }, "market-verified")  # fmt: skip
    elif found.difference:
        print(f"DIFFERENT: {found.difference}")
    else:
        same = f"{found.rounds} rounds and {found.outcomes} outcomes recomputed, byte for byte"
        if found.unpublished:
            same += f"; of {', '.join(found.unpublished)} nothing is in it, nor left over"
        print(f"INDETERMINATE: {wanting}; {same}" if wanting else f"SAME: {same}")
    if found.difference:
        return Exit.FALSE
    return Exit.UNKNOWN if wanting else Exit.OK


def _write(file: Path, content: str) -> None:
    try:
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"cannot be written ({error.strerror})", where=str(file)) from error


def _own_trust(central: Central) -> str:
    """Return a trust file that rests on the operator's own word; whoever checks writes another."""
    log = central.market_log()
    latest = log.latest()
    lines = [
        "# The operator's own word. Put the head that you have seen on the ledger instead.",
        f'origin = "{log.origin}"',
        f'log_key = "{log.key.public.encode().hex()}"',
        "[ledger]",
        f'heads = ["{latest.size} {latest.root.hex()}"]' if latest else "heads = []",
    ]
    for party, key in central.config.party_keys().items():
        lines += ["[[parties]]", f'id = "{party}"', f'key = "{key.encode().hex()}"']
    return "\n".join([*lines, ""])
