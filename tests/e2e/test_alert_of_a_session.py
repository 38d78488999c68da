"""The congestion alert (I-10) of a session that still runs, at the operator's own server.

As in operation: the database is served by one program and the market run by another, which have
nothing in common but the database.
"""

import asyncio
import hmac
import json
from pathlib import Path

import pytest

from central.config import CentralConfig
from central.documents.congestion import CongestionAlert
from central.documents.encoding import from_json
from central.documents.encoding import opened as opened_document
from central.markets.floors import opened_floor
from central.scd.documents import DocumentQuery
from central.scd.sessions_store import SqliteSessions
from central.service import opened
from central.serving import serve
from central.sessions.day_ahead import day_ahead, gates_of
from ledger.configuration import load
from tests.desks import DAY
from tests.receivers import Receiver, receiving
from tests.rooms import Room, Told
from tests.villages import village, village_history, village_seats

SECRET = b"known to two"
NEXT_ROW = "DA-6a"


class LookedEnough(Exception):
    """The session is left where it stands."""


def run_until_told(config: CentralConfig, receiver: Receiver) -> None:
    """Go through a market day until the alert has come."""

    def wait_at(row: str) -> None:
        if row == NEXT_ROW:
            assert receiver.has_taken.wait(30), "nobody told the operator"
            raise LookedEnough

    with opened_floor(config, progress=wait_at) as (floor, _):
        day_ahead(floor, DAY)


async def test_the_operator_has_the_alert_while_the_session_runs(
    tmp_path: Path, capsys: Told
) -> None:
    past = village_history(DAY, 2.3)
    room = Room(tmp_path, DAY, past, None, village_seats(), village())
    room.open(capsys)
    secret = tmp_path / "webhook.secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    with receiving() as receiver:
        room.config.write_text(
            f"{room.config.read_text()}\n[api]\nport = 0\n"
            f'[alerts]\nwebhook_url = "{receiver.url}"\nsecret_file = "{secret.name}"\n'
        )
        config = load(CentralConfig, room.config, program="central").value
        with opened(config) as central:
            stop = asyncio.Event()
            serving = asyncio.create_task(serve(central, stop))
            with pytest.raises(LookedEnough):
                await asyncio.to_thread(run_until_told, config, receiver)
            stop.set()
            await asyncio.wait_for(serving, 10)
            rows = SqliteSessions(central.database).rows(gates_of(DAY).session)
            (stored,) = central.documents.documents(DocumentQuery(ii=("I-10",)))

    assert {each.row for each in rows} >= {"DA-5a"}
    assert not any(each.row == NEXT_ROW and each.has_ended for each in rows)
    ((timestamp, signature, body),) = receiver.asked
    mac = hmac.new(SECRET, f"{timestamp}.".encode() + body, "sha256")
    assert signature == f"sha256={mac.hexdigest()}"
    alert, _ = opened_document(stored.signed)
    assert isinstance(alert, CongestionAlert)
    assert alert.violations, "the case is too easy"
    told = json.loads(body)
    assert from_json(told["document"]) == alert
    assert told["hash"] == stored.document_hash.hex()
