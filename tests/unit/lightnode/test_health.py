"""What health.json says."""

import json
from pathlib import Path

from ledger.facts.record import GapCause
from ledger.signing import SigningKey
from lightnode.health import Health, trim_memory
from lightnode.sampling import Tally
from lightnode.uplink import Pace, Uplink
from tests.fakes.lightnode_broker import MemoryBroker
from tests.fakes.lightnode_clock import START_MS, WoundClock
from tests.fakes.lightnode_outbox import MemoryOutbox


def health_of(folder: Path, outbox: MemoryOutbox, tally: Tally) -> Health:
    uplink = Uplink(
        node_index=0,
        origin="o",
        gateway_key=SigningKey.generate("EdDSA").public,
        outbox=outbox,
        broker=MemoryBroker(),
        pace=Pace(resend_s=1, in_flight=1, longest_pause_s=1),
    )
    return Health(folder, clock=WoundClock(), tally=tally, uplink=uplink, outbox=outbox)


async def test_the_state_is_told_and_written(tmp_path: Path) -> None:
    tally = Tally(readings=7, last_slot=9, clock_error_ms=4, clock_synchronised=True)
    for _ in range(2):
        tally.count_gap(GapCause.METER_CRC)
    health = health_of(tmp_path, MemoryOutbox(), tally)
    state = await health.state()
    health._write(state)
    assert json.loads((tmp_path / "health.json").read_text()) == state
    assert state["schema"] == "certiflex/lightnode-health/v1"
    assert state["time_ms"] == START_MS
    assert (state["readings"], state["gap_slots"]) == (7, {"METER_CRC": 2})
    assert (state["segments_waiting"], state["broker_connected"]) == (0, False)


def test_memory_can_be_given_back_any_time() -> None:
    trim_memory()
