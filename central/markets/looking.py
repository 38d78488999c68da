"""Sessions looked at, and one stopped."""

import argparse

from central.config import configured
from central.market.gates import named
from central.markets.telling import seen_of, tell
from central.scd.sessions_store import SqliteSessions
from central.service import Central, opened
from central.sessions.durable import DurableSession
from central.sessions.states import MEANING, state_at
from ledger import command
from ledger.command import Exit


def show(arguments: argparse.Namespace) -> int:
    """Tell a session, or list all of them.

    Raises:
        Rejected: there is none of that name.
    """
    with opened(configured(arguments.config)) as central:
        if not arguments.session:
            return _list(arguments, central)
        seen = seen_of(central, arguments.session)
    tell(arguments, seen)
    return Exit.OK


def _list(arguments: argparse.Namespace, central: Central) -> int:
    store = SqliteSessions(central.database)
    now_ms = central.clock.now_ms()
    found = {name: state_at(store.rows(name), now_ms) for name in store.sessions()}
    if arguments.json:
        states = {name: state.value for name, state in found.items()}
        command.show({"sessions": states}, "market-sessions")
    for name, state in {} if arguments.json else found.items():
        print(f"{name}  {state.value}: {MEANING[state]}")
    return Exit.OK


def stop(arguments: argparse.Namespace) -> int:
    """Let no further row of a session begin, whether it has begun or not, and note why.

    Raises:
        Rejected: no session is ever called so.
    """
    named(arguments.session)
    with opened(configured(arguments.config)) as central:
        if not arguments.dry_run:
            session_of(central, arguments.session).stop(arguments.why)
    return Exit.OK


def session_of(central: Central, name: str) -> DurableSession:
    """Return a session to be looked at or stopped."""
    return DurableSession(
        name, SqliteSessions(central.database), central.documents, {}, central.clock
    )
