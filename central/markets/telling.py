"""A session as it is kept, and what a terminal is told of it."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from central.documents.encoding import opened as opened_document
from central.documents.encoding import to_json
from central.documents.outcome import Award, MarketOutcome, Stage
from central.scd.documents import DocumentQuery, StoredDocument
from central.scd.sessions import SessionRow
from central.scd.sessions_store import SqliteSessions
from central.service import Central
from central.sessions.states import MEANING, TOLD, SessionState, is_tso_silent, state_at
from ledger.command import show
from ledger.errors import Rejected

_MOST_ROWS = 25
_MOST_LEFT = 5
_HASHES_AT_ONCE = 500
_UEUR_PER_EUR = 1_000_000
_W_PER_KW = 1_000
_QUARTERS_PER_HOUR = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """A session as it is kept.

    Args:
        name: of the session.
        rows: as they ended.
        state: as it is seen now.
        outcome: that tells all, once it is published.
        named: what the documents of the rows are called, by their hashes.
    """

    name: str
    rows: Sequence[SessionRow]
    state: SessionState
    outcome: MarketOutcome | None
    named: Mapping[bytes, Mapping[str, object]]


def seen_of(central: Central, name: str) -> Seen:
    """Return a session as it is kept.

    Raises:
        Rejected: there is none of that name.
    """
    store = SqliteSessions(central.database)
    rows = store.rows(name)
    if not rows:
        known = ", ".join(store.sessions()) or "none yet"
        raise Rejected(
            "there is no such session", where=name, remedy=f"known are: {known}",
            reason="no_session",
        )  # fmt: skip
    state = state_at(rows, central.clock.now_ms())
    return Seen(name, rows, state, _final(central, rows), _named(central, rows))


def _final(central: Central, rows: Sequence[SessionRow]) -> MarketOutcome | None:
    """Return the outcome that tells all, of a session that has published one."""
    told = [row for row in rows if row.row in TOLD]
    for stored in _stored(central, told, DocumentQuery(ii=("I-08",))):
        document, _ = opened_document(stored.signed)
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


def tell(arguments: argparse.Namespace, seen: Seen) -> None:
    """Print a session: its rows, its merit order with the reasons, and its state."""
    state = seen.state
    if arguments.json:
        show({
            "session": seen.name, "state": state.value,
            "steps": {row.row: row.state.value for row in seen.rows},
            "rows": [_row(row, seen.named) for row in seen.rows],
            "outcome": None if seen.outcome is None else to_json(seen.outcome),
        }, "market-session")  # fmt: skip
        return
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    for row in seen.rows:
        mark = {"ok": " ", "nothing": "-", "failed": "!"}[row.state.value]
        print(f"{mark} {row.row:<18} {row.told}")
    if seen.outcome is not None:
        _tell_outcome(seen.outcome)
    silent = "; the TSO said nothing" if is_tso_silent(seen.rows) else ""
    print(f"{seen.name}: {state.value} — {MEANING[state]}{silent}")


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
    for each in outcome.not_taken[:_MOST_LEFT]:
        print(f"  not taken {each.offer.mrid}: {each.because}")
    if len(outcome.not_taken) > _MOST_LEFT:
        print(f"  and {len(outcome.not_taken) - _MOST_LEFT} more that were not taken")
    for missing in outcome.unmet[:_MOST_LEFT]:
        print(f"  unmet {missing.power_w} W: {missing.because}")


def _figures(award: Award) -> tuple[float, float]:
    power_w = sum(each.power_w for each in award.quarters)
    worth = sum(each.power_w * each.price_ueur_per_mwh for each in award.quarters)
    return power_w / _QUARTERS_PER_HOUR / _W_PER_KW, worth / power_w / _UEUR_PER_EUR
