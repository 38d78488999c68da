"""`certiflex central market`: run sessions, look at them, and let anybody check them."""

import argparse
import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from central.calendar import ROME, day_of
from central.config import CentralConfig
from central.documents.encoding import opened as opened_document
from central.documents.encoding import to_json
from central.documents.outcome import Award, MarketOutcome, Stage
from central.market.gates import Gates
from central.scd.documents import DocumentQuery, StoredDocument
from central.scd.documents_entries import SealReason
from central.scd.documents_proofs import DocumentProver
from central.scd.sessions import SessionRow
from central.scd.sessions_store import SqliteSessions
from central.service import Central, opened
from central.sessions.day_ahead import day_ahead, gates_of
from central.sessions.durable import DurableSession
from central.sessions.exporting import Exporter, read_export
from central.sessions.field import field_measurements
from central.sessions.floor import Floor
from central.sessions.metering import newest_readings
from central.sessions.opening import (
    grid_of,
    opened_desk,
    rules_of,
    scada_of,
    seats_of,
    transmission_of,
)
from central.sessions.real_time import real_time
from central.sessions.rolling import SETTLING_MS, Pace, Rolling, left_at_gate
from central.sessions.states import MEANING, SessionState, is_tso_silent, state_of
from central.sessions.verifying import verified
from ledger.command import Exit, show, subcommand
from ledger.configuration import load
from ledger.errors import Rejected
from ledger.facts.clock import Clock
from ledger.facts.interval import QUARTER_MS
from ledger.proving import Trust

log = logging.getLogger("central")

_MS_PER_DAY = 86_400_000
_MS_PER_S = 1_000
_NAP_S = 0.2
_OPEN_FOR_MS = 3_600_000
_MOST_ROWS = 25
_HASHES_AT_ONCE = 500
_UEUR_PER_EUR = 1_000_000
_W_PER_KW = 1_000
_QUARTERS_PER_HOUR = 4


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `market` with its verbs to a program."""
    own = verbs.add_parser("market", help="the flexibility market").add_subparsers(metavar="VERB")
    run = subcommand(own, "run", "go through a session, or on with one that was left", _run)
    when = run.add_mutually_exclusive_group()
    told = "market day; the next one if not given"
    when.add_argument("--day", type=date.fromisoformat, metavar="YYYY-MM-DD", help=told)
    when.add_argument("--hours", action="store_true", help="the next four hours instead")
    told = "let the gate be open from now on for an hour, whatever the day's hours"
    run.add_argument("--now", action="store_true", help=told)
    told = "stand at the gate until it closes, for those who hand in by the API"
    run.add_argument("--wait", action="store_true", help=told)
    run.set_defaults(quiet=1)
    told = "run each session as it falls due, until SIGTERM"
    subcommand(own, "serve", told, _serve)
    looked = subcommand(own, "show", "tell a session: its rows, awards and reasons", _show)
    looked.add_argument("session", nargs="?", help="its name; without, all sessions are listed")
    stop = subcommand(own, "stop", "let no further row of a session begin", _stop)
    stop.add_argument("session", help="its name")
    stop.add_argument("--why", required=True, help="what is noted")
    out = subcommand(own, "export", "write a session, each document with its proof", _export)
    out.add_argument("session", help="its name")
    out.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new folder")
    told = "write a trust file as well, on the operator's own word"
    out.add_argument("--trust-to", type=Path, metavar="FILE", help=told)
    check = subcommand(own, "verify", "recompute an export: same outcome, or not", _verify)
    check.add_argument("--trust", type=Path, required=True, metavar="FILE", help="trust file")
    check.add_argument("folder", type=Path, metavar="DIR", help="that it was exported to")


# ── verbs ───────────────────────────────────────────────────────────────────────────────────


def _run(arguments: argparse.Namespace) -> int:
    with _floor(arguments, progress=_progress(arguments)) as (made, central):
        floor = replace(made, at_gate=_waiting(arguments, central.clock))
        now_ms = central.clock.now_ms()
        if arguments.hours:
            name = _run_hours(floor, central, now_ms)
        else:
            day = arguments.day or day_of(now_ms + _MS_PER_DAY)
            closes_ms = now_ms + _OPEN_FOR_MS if arguments.now else None
            if not floor.sessions.rows(gates_of(day).session):
                _need_open(day, now_ms, closes_ms)
            name = day_ahead(floor, day, gate_closure_ms=closes_ms).name
        rows = floor.sessions.rows(name)
        outcome, named = _final(central, rows), _named(central, rows)
    _tell(arguments, name, rows, outcome, named)
    return Exit.OK if state_of(rows) is SessionState.PUBLISHED else Exit.FALSE


def _run_hours(floor: Floor, central: Central, now_ms: int) -> str:
    inquiry = central.services().inquiry
    metered = newest_readings(floor.desk.grid, central.evidence, inquiry, now_ms)
    return real_time(floor, now_ms, field_measurements(central.documents, now_ms), metered).name


def _serve(arguments: argparse.Namespace) -> int:
    config = load(CentralConfig, arguments.config, program="central").value
    ending = threading.Event()
    with _floor(arguments):
        pass  # what is wrong with the configuration is told at once
    if arguments.dry_run:
        return Exit.OK
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    clock, chosen = config.clock.clock(), config.market

    def nap(until_ms: int) -> None:
        while clock.now_ms() < until_ms and not ending.wait(_NAP_S):
            pass

    quarters = 1 if chosen.real_time_every == "quarter" else _QUARTERS_PER_HOUR
    pace = Pace(quarters * QUARTER_MS, chosen.day_ahead_lead_s * _MS_PER_S)
    log.info("market.serving", extra={
        "real_time_every": chosen.real_time_every, "day_ahead_lead_s": chosen.day_ahead_lead_s,
    })  # fmt: skip
    with _opened(arguments) as central:
        Rolling(_Served(arguments, central, ending), clock, nap, ending.is_set, pace).run()
    log.info("market.ended")
    return Exit.OK


@dataclass(frozen=True)
class _Served:
    """Sessions as the service runs them: each on a floor of its own, so that files may change."""

    arguments: argparse.Namespace
    central: Central
    ending: threading.Event

    def names(self) -> list[str]:
        return SqliteSessions(self.central.database).sessions()

    def rows(self, session: str) -> list[SessionRow]:
        return SqliteSessions(self.central.database).rows(session)

    def day_ahead(self, day: date) -> None:
        with _floor(self.arguments, is_ending=self.ending.is_set) as (floor, central):
            day_ahead(replace(floor, at_gate=left_at_gate(central.clock)), day)

    def real_time(self, now_ms: int) -> None:
        with _floor(self.arguments, is_ending=self.ending.is_set) as (floor, central):
            _run_hours(floor, central, now_ms)

    def miss(self, session: str, why: str) -> None:
        _session(self.central, session).miss(why)


def _need_open(day: date, now_ms: int, closes_ms: int | None) -> None:
    gates = gates_of(day, closes_ms)
    if now_ms >= gates.closes_ms:
        closed = datetime.fromtimestamp(gates.closes_ms / 1_000, UTC).astimezone(ROME)
        raise Rejected(
            f"the gate of {day.isoformat()} closed at {closed:%Y-%m-%d %H:%M}",
            where="day-ahead market",
            remedy="run a later day, or this one with --now",
            reason="gate_closed",
        )


def _show(arguments: argparse.Namespace) -> int:
    with _opened(arguments) as central:
        store = SqliteSessions(central.database)
        if not arguments.session:
            found = {name: state_of(store.rows(name)) for name in store.sessions()}
            if arguments.json:
                show({"sessions": {name: state.value for name, state in found.items()}},
                     "market-sessions")  # fmt: skip
            for name, state in {} if arguments.json else found.items():
                print(f"{name}  {state.value}: {MEANING[state]}")
            return Exit.OK
        rows = _rows(store, arguments.session)
        outcome, named = _final(central, rows), _named(central, rows)
    _tell(arguments, arguments.session, rows, outcome, named)
    return Exit.OK


def _stop(arguments: argparse.Namespace) -> int:
    with _opened(arguments) as central:
        if not arguments.dry_run:
            _session(central, arguments.session).stop(arguments.why)
    return Exit.OK


def _session(central: Central, name: str) -> DurableSession:
    """Return a session to be looked at or stopped."""
    return DurableSession(
        name, SqliteSessions(central.database), central.documents, {}, central.clock
    )


def _export(arguments: argparse.Namespace) -> int:
    with _opened(arguments) as central:
        store, log = SqliteSessions(central.database), central.market_log()
        rows = _rows(store, arguments.session)
        outcome = _final(central, rows)
        if outcome is None:
            raise Rejected(
                "it has no outcome yet", where=arguments.session,
                remedy="run it to its end", reason="no_outcome",
            )  # fmt: skip
        exporter = Exporter(central.documents, store, DocumentProver(log, central.anchors))
        if arguments.dry_run:
            return Exit.OK
        count = exporter.export(arguments.session, outcome.validity, arguments.to)
        if arguments.trust_to:
            arguments.trust_to.write_text(_own_trust(central.config, central), encoding="utf-8")
    if arguments.json:
        show({"documents": count, "folder": str(arguments.to)}, "market-export-done")
    else:
        print(f"{count} documents, each with its proof, in {arguments.to}")
    return Exit.OK


def _verify(arguments: argparse.Namespace) -> int:
    config = load(CentralConfig, arguments.config, program="central").value
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
            same += f"; nothing of {', '.join(found.unpublished)} was published by then"
        print(f"INDETERMINATE: {wanting}; {same}" if wanting else f"SAME: {same}")
    if found.difference:
        return Exit.FALSE
    return Exit.UNKNOWN if wanting else Exit.OK


def _own_trust(config: CentralConfig, central: Central) -> str:
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
    for party, key in config.party_keys().items():
        lines += ["[[parties]]", f'id = "{party}"', f'key = "{key.encode().hex()}"']
    return "\n".join([*lines, ""])


# ── what is opened ──────────────────────────────────────────────────────────────────────────


@contextmanager
def _floor(
    arguments: argparse.Namespace,
    **told: Any,  # noqa: ANN401 -- fields of the floor
) -> Iterator[tuple[Floor, Central]]:
    config = load(CentralConfig, arguments.config, program="central").value
    with opened(config) as central:
        services, keys = central.services(), config.played_keys()
        log = central.market_log() if config.market_log else None

        def seal(reason: SealReason, session: str) -> None:
            if log is not None:
                log.seal(reason, session)

        desk = opened_desk(config.dso, central.evidence, services.inquiry, central.clock)
        yield (
            Floor(
                desk=desk,
                sessions=SqliteSessions(central.database),
                documents=central.documents,
                keys=keys,
                clock=central.clock,
                rules=rules_of(config.market),
                seats=seats_of(config.market),
                scada=scada_of(config.dso),
                transmission=transmission_of(config.market, played=desk.parties.tso in keys),
                tso_price_ueur_per_mwh=round(
                    config.market.tso_maximum_price_eur_per_mwh * _UEUR_PER_EUR
                ),
                seal=seal,
                **told,
            ),
            central,
        )


def _waiting(arguments: argparse.Namespace, clock: Clock) -> Callable[[Gates], None]:
    """Return what waits for a gate to close, and for what was stamped before to be stored."""
    if not arguments.wait:
        return lambda _: None

    def wait(gates: Gates) -> None:
        asyncio.run(clock.sleep_until(gates.closes_ms + SETTLING_MS))

    return wait


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[Central]:
    with opened(load(CentralConfig, arguments.config, program="central").value) as central:
        yield central


def _rows(store: SqliteSessions, name: str) -> list[SessionRow]:
    rows = store.rows(name)
    if not rows:
        known = ", ".join(store.sessions()) or "none yet"
        raise Rejected(
            "there is no such session", where=name, remedy=f"known are: {known}",
            reason="no_session",
        )  # fmt: skip
    return rows


def _final(central: Central, rows: Sequence[SessionRow]) -> MarketOutcome | None:
    """Return the outcome that tells all, of a session that has published one."""
    for stored in _stored(central, rows, DocumentQuery(ii=("I-08",))):
        document, _ = opened_document(stored.signed)
        # A session of real time takes the outcomes of its hours so far, which are not its own.
        if (
            isinstance(document, MarketOutcome)
            and document.stage is Stage.FINAL
            and document.session == rows[0].session
        ):
            return document
    return None


def _named(central: Central, rows: Sequence[SessionRow]) -> dict[bytes, dict[str, object]]:
    """Return what the documents of some rows are called, by their hashes."""
    query = DocumentQuery(conflicts=True, bodies=False)
    return {
        stored.document_hash: {
            "ii": stored.ii, "mrid": stored.mrid, "revision": stored.revision,
            "sender": stored.sender,
        }
        for stored in _stored(central, rows, query)
    }  # fmt: skip


def _stored(
    central: Central, rows: Sequence[SessionRow], query: DocumentQuery
) -> Iterator[StoredDocument]:
    """Yield what a query finds among the documents of some rows."""
    hashes = tuple(each for row in rows for each in row.documents)
    for at in range(0, len(hashes), _HASHES_AT_ONCE):
        asked = replace(query, hashes=hashes[at : at + _HASHES_AT_ONCE], limit=_HASHES_AT_ONCE)
        yield from central.documents.documents(asked)


def _progress(arguments: argparse.Namespace) -> Callable[[str], None]:
    if arguments.json or not sys.stderr.isatty():
        return lambda _: None
    return lambda row: print(f"\r\x1b[K{row} …", end="", file=sys.stderr, flush=True)


# ── what is told ────────────────────────────────────────────────────────────────────────────


def _tell(
    arguments: argparse.Namespace, name: str, rows: Sequence[SessionRow],
    outcome: MarketOutcome | None, named: Mapping[bytes, Mapping[str, object]],
) -> None:  # fmt: skip
    state = state_of(rows)
    if arguments.json:
        show({
            "session": name, "state": state.value,
            "steps": {row.row: row.state.value for row in rows},
            "rows": [_row(row, named) for row in rows],
            "outcome": None if outcome is None else to_json(outcome),
        }, "market-session")  # fmt: skip
        return
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    for row in rows:
        mark = {"ok": " ", "nothing": "-", "failed": "!"}[row.state.value]
        print(f"{mark} {row.row:<18} {row.told}")
    if outcome is not None:
        _tell_outcome(outcome)
    silent = "; the TSO said nothing" if is_tso_silent(rows) else ""
    print(f"{name}: {state.value} — {MEANING[state]}{silent}")


def _row(row: SessionRow, named: Mapping[bytes, Mapping[str, object]]) -> dict[str, object]:
    return {
        "row": row.row, "state": row.state.value, "told": row.told, "ended_ms": row.ended_ms,
        "documents": [{**named.get(each, {}), "hash": each.hex()} for each in row.documents],
    }  # fmt: skip


def _tell_outcome(outcome: MarketOutcome) -> None:
    """Print the merit order with its reasons, and what stayed unmet."""
    for award in outcome.awards[:_MOST_ROWS]:
        energy_kwh, mean_eur = _figures(award)
        print(f"  {award.buyer.value} {award.kind.value:<7} {award.pod} {award.direction.value:<4} "
              f"{energy_kwh:9.2f} kWh {mean_eur:8.2f} EUR/MWh  {award.because}")  # fmt: skip
    if len(outcome.awards) > _MOST_ROWS:
        print(f"  and {len(outcome.awards) - _MOST_ROWS} more; --json tells all")
    for each in outcome.not_taken[:5]:
        print(f"  not taken {each.offer.mrid}: {each.because}")
    if len(outcome.not_taken) > 5:  # noqa: PLR2004 -- a glance
        print(f"  and {len(outcome.not_taken) - 5} more that were not taken")
    for missing in outcome.unmet[:5]:
        print(f"  unmet {missing.power_w} W: {missing.because}")


def _figures(award: Award) -> tuple[float, float]:
    power_w = sum(each.power_w for each in award.quarters)
    worth = sum(each.power_w * each.price_ueur_per_mwh for each in award.quarters)
    return power_w / _QUARTERS_PER_HOUR / _W_PER_KW, worth / power_w / _UEUR_PER_EUR
