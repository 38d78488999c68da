"""The SCADA: it moves what it may, at the pace of the mechanism, and refuses the rest."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from central.documents.configuration import (
    CapacitorMove,
    Effect,
    GridConfiguration,
    SwitchMove,
    SwitchState,
    TapMove,
)
from central.documents.elements import Bound, GridElement, KeptFree, Violation
from central.documents.encoding import to_json
from central.documents.header import Horizon
from hil.feeder.description import Description, read_description
from hil.plant import Plant
from hil.plant_file import Action
from hil.scada import Configuration, Move, Scada, read_configuration
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from tests.hil.benches import NOON_MS, HandClock
from tests.hil.networks import ring

TAP_MS, SWITCH_MS = 5000, 2000


class Room:
    """A plant with its SCADA, at noon."""

    def __init__(self, description: Description | None = None) -> None:
        self.clock = HandClock()
        self.plant = Plant(description or read_description(), seed=1, weather_seed=7)
        self.plant.solve(NOON_MS)
        self.scada = Scada(self.plant, self.clock, tap_ms=TAP_MS, switch_ms=SWITCH_MS)
        self._revision = 0

    async def wound(self, task: "asyncio.Task[Any]") -> Any:  # noqa: ANN401 -- the task's own
        """Wind the clock, second by second, until a task is done."""
        for _ in range(300):
            await asyncio.sleep(0)
            if task.done():
                break
            self.clock.wind(1000)
        return await asyncio.wait_for(task, 5)

    async def take(self, *moves: Move, start_ms: int = NOON_MS) -> None:
        self._revision += 1
        asked = Configuration("m", self._revision, start_ms, start_ms + QUARTER_MS, moves)
        await self.wound(asyncio.create_task(self.scada.take(asked)))

    async def refusal(self, *moves: Move) -> str:
        before = self.plant.state
        with pytest.raises(Rejected) as refused:
            await self.take(*moves)
        assert self.plant.state == before, "something moved all the same"
        return refused.value.reason


def tap(device: str, position: int, start_ms: int = NOON_MS, expected: int | None = None) -> Move:
    return Move(Action.TAP, device, start_ms, position, expected)


def switch(device: str, *, closed: bool, start_ms: int = NOON_MS) -> Move:
    return Move(Action.CLOSE if closed else Action.OPEN, device, start_ms)


async def test_a_changer_goes_step_by_step_at_its_pace() -> None:
    room = Room()
    asked = Configuration("m", 1, NOON_MS, NOON_MS + QUARTER_MS, (tap("TR-1", -2),))
    task = asyncio.create_task(room.scada.take(asked))
    seen = []
    for _ in range(12):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.append(room.plant.state.taps["TR-1"])
        room.clock.wind(1000)
    await task
    assert seen == [0] * 5 + [-1] * 5 + [-2] * 2
    assert room.plant.flow.wiring.state.taps["TR-1"] == -2


async def test_it_makes_before_it_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load goes over to the other transformer: closed first, opened last, nobody in the dark."""
    room = Room(ring())
    dark: list[int] = []
    act = room.plant.act

    def watched(*arguments: Any) -> None:  # noqa: ANN401 -- as `act`
        act(*arguments)
        dark.append(len(room.plant.flow.wiring.unsupplied()))

    monkeypatch.setattr(room.plant, "act", watched)
    await room.take(switch("P", closed=False), switch("Q", closed=True))
    assert dark == [0, 0]
    assert room.plant.state.closed == {"Q": True, "P": False}


async def test_a_switch_is_known_by_the_line_it_stands_in_too() -> None:
    room = Room(ring())
    line = next(one.branch for one in room.plant.network.switches if one.name == "Q")
    await room.take(switch(line, closed=True))
    assert room.plant.state.closed["Q"]
    assert await room.refusal(switch("L-9-9", closed=True)) == "unknown_device"


async def test_capacitors_go_in_step_by_step() -> None:
    room = Room(ring())
    began_ms = room.clock.now_ms()
    await room.take(Move(Action.CAPACITOR, "CB", NOON_MS, 3))
    assert room.plant.state.steps["CB"] == 3
    assert room.clock.now_ms() - began_ms >= 3 * TAP_MS
    await room.take(Move(Action.CAPACITOR, "CB", NOON_MS, 1))
    assert room.plant.state.steps["CB"] == 1


@pytest.mark.parametrize(
    ("move", "reason"),
    [
        (tap("TR-9", 1), "unknown_device"),
        (tap("TR-1", 10), "out_of_range"),
        (tap("TS-3", 1), "off_load"),
        (tap("TR-1", 1, expected=3), "unexpected_position"),
        (switch("S9", closed=True), "unknown_device"),
        (switch("LV3G-3", closed=False), "would_island"),
        (Move(Action.CAPACITOR, "C", NOON_MS, 1), "unknown_device"),
    ],
)
async def test_what_the_plant_cannot_do_is_refused(move: Move, reason: str) -> None:
    assert await Room().refusal(tap("TR-2", -1), move) == reason


async def test_customers_already_in_the_dark_stand_in_nobodys_way() -> None:
    room = Room()
    room.plant.act(Action.OUT, "TS-3", None, NOON_MS)
    await room.take(switch("LV3G-3", closed=False))
    assert room.plant.state.closed["LV3G-3"] is False


async def test_what_would_not_balance_is_refused() -> None:
    room = Room()
    room.plant.act(Action.OUT, "TR-1", None, NOON_MS)
    # All of the first transformer's load over one long overhead line is more than it can carry.
    assert await room.refusal(switch("S1", closed=True)) == "unsolvable"


async def test_later_moves_wait_for_their_time() -> None:
    room = Room()
    later_ms = NOON_MS + QUARTER_MS
    running = asyncio.create_task(room.scada.run())
    await room.take(tap("TR-1", -1), tap("TR-1", -3, later_ms))
    assert room.plant.state.taps["TR-1"] == -1
    assert [move["position"] for move in room.scada.told()["waiting"]] == [-3]
    await wound_until(room, lambda: room.plant.state.taps["TR-1"] == -3)
    assert room.clock.now_ms() >= later_ms + 2 * TAP_MS
    assert room.scada.told()["waiting"] == []
    running.cancel()


async def wound_until(room: Room, condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if condition():
            return
        room.clock.wind(1000)
    pytest.fail("it did not come about")


async def test_a_newer_configuration_takes_the_place_of_what_waits_within_it() -> None:
    room = Room()
    first_ms, second_ms = NOON_MS + QUARTER_MS, NOON_MS + 2 * QUARTER_MS
    await room.take(tap("TR-1", -1, first_ms), tap("TR-1", -2, second_ms))
    await room.take(tap("TR-2", 4, first_ms), start_ms=first_ms)
    waiting = [(move["device"], move["position"]) for move in room.scada.told()["waiting"]]
    assert waiting == [("TR-2", 4), ("TR-1", -2)]


async def test_a_move_that_became_impossible_is_told_and_not_made() -> None:
    room = Room()
    running = asyncio.create_task(room.scada.run())
    later_ms = NOON_MS + QUARTER_MS
    await room.take(switch("S3", closed=True), switch("S3", closed=False, start_ms=later_ms))
    room.plant.act(Action.OUT, "L-3-4", None, NOON_MS)  # now S3 alone feeds what is behind
    await wound_until(room, lambda: bool(room.scada.told()["refused"]))
    assert room.plant.state.closed["S3"] is True
    (refused,) = room.scada.told()["refused"]
    assert "without supply" in refused["why"]
    assert refused["moves"][0]["device"] == "S3"
    running.cancel()


async def test_two_at_once_are_one_too_many() -> None:
    room = Room()
    asked = Configuration("m", 1, NOON_MS, NOON_MS + QUARTER_MS, (tap("TR-1", -2),))
    first = asyncio.create_task(room.scada.take(asked))
    await asyncio.sleep(0)
    with pytest.raises(Rejected) as refused:
        await room.scada.take(asked)
    assert refused.value.reason == "busy"
    await room.wound(first)


def one_step(
    revision: int = 1, position: int = -1, end_ms: int = NOON_MS + QUARTER_MS
) -> Configuration:
    return Configuration("m", revision, NOON_MS, end_ms, (tap("TR-1", position, expected=0),))


async def test_what_was_taken_is_not_done_again() -> None:
    room = Room()
    await room.wound(asyncio.create_task(room.scada.take(one_step())))
    room.plant.act(Action.TAP, "TR-1", 0, NOON_MS)  # somebody has moved it back since
    await room.scada.take(one_step())
    assert room.plant.state.taps["TR-1"] == 0
    await room.wound(asyncio.create_task(room.scada.take(one_step(revision=2))))
    assert room.plant.state.taps["TR-1"] == -1


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (one_step(revision=1), "superseded"),
        (one_step(revision=2, position=-3), "name_taken"),
        (one_step(revision=3, end_ms=NOON_MS), "expired"),
    ],
)
async def test_who_knows_less_is_refused(asked: Configuration, reason: str) -> None:
    room = Room()
    await room.wound(asyncio.create_task(room.scada.take(one_step(revision=2))))
    with pytest.raises(Rejected) as refused:
        await room.scada.take(asked)
    assert refused.value.reason == reason
    assert room.plant.state.taps["TR-1"] == -1


async def test_what_was_refused_may_be_asked_again() -> None:
    room = Room()
    room.plant.act(Action.TAP, "TR-1", 4, NOON_MS)
    with pytest.raises(Rejected):
        await room.scada.take(one_step())
    room.plant.act(Action.TAP, "TR-1", 0, NOON_MS)
    await room.wound(asyncio.create_task(room.scada.take(one_step())))
    assert room.plant.state.taps["TR-1"] == -1


def document(**changes: Any) -> GridConfiguration:  # noqa: ANN401 -- any field
    """Return a configuration as the operator makes it."""
    start_ms = NOON_MS // QUARTER_MS * QUARTER_MS
    given: dict[str, Any] = {
        "mrid": "6f0c1a3e-0000-4000-8000-000000000001",
        "revision": 1,
        "created_ms": start_ms,
        "sender": "dso",
        "receiver": "scada",
        "validity": Interval(start_ms, start_ms + 2 * QUARTER_MS),
        "horizon": Horizon.REAL_TIME,
        "primary_substation": "CP",
        "effect": Effect.SOLVED,
        "because": "undervoltage at MV-6",
        "taps": (
            TapMove(transformer="TR-1", start_ms=start_ms, from_tap=0, to_tap=-2, because="v"),
        ),
        "switches": (
            SwitchMove(
                switch="S3", start_ms=start_ms, state=SwitchState.CLOSED, because="a ring"
            ),
        ),
        "capacitors": (),
        "elements": (
            GridElement(
                element="MV-6", bound=Bound.UNDERVOLTAGE, side=None, phase=None,
                rated_milli=20_000_000, limit_milli=18_000_000, margin_milli=0,
            ),
        ),
        "before": (
            Violation(
                position=0, start_ms=start_ms, scenario="expected", excess_milli=5, cause="load"
            ),
        ),
        "after": (),
        "avoided": (),
        "avoided_ueur": 0,
        "margin": KeptFree(voltage_ppm=0, current_ppm=0),
        "confidence_permille": 500,
        "unsolved": (),
    }  # fmt: skip
    return GridConfiguration(**{**given, **changes})


def posted(asked: GridConfiguration) -> bytes:
    return json.dumps(to_json(asked)).encode()


def test_it_reads_what_the_operator_writes() -> None:
    """The reader is written from the document's description alone: its own writer must agree."""
    start_ms = NOON_MS // QUARTER_MS * QUARTER_MS
    bank = CapacitorMove(capacitor="CB", start_ms=start_ms, step_count=2, because="v")
    read = read_configuration(posted(document(capacitors=(bank,))))
    assert (read.start_ms, read.end_ms) == (start_ms, start_ms + 2 * QUARTER_MS)
    assert read.moves == (
        Move(Action.TAP, "TR-1", start_ms, -2, 0),
        Move(Action.CLOSE, "S3", start_ms),
        Move(Action.CAPACITOR, "CB", start_ms, 2),
    )


async def test_a_posted_configuration_answers_with_the_state_reached() -> None:
    room = Room()
    body = posted(document())
    task = asyncio.create_task(room.scada.respond("POST", "/v1/grid-configuration", body))
    answer = await room.wound(task)
    assert answer.status == 200
    assert answer.body["taps"]["TR-1"] == -2
    assert answer.body["switches"]["S3"] == "closed"
    assert answer.body["mrid"] == document().mrid
    state = await room.scada.respond("GET", "/v1/state", b"")
    assert state.body["taps"] == answer.body["taps"]


async def test_a_refusal_says_why() -> None:
    start_ms = NOON_MS // QUARTER_MS * QUARTER_MS
    far = TapMove(transformer="TR-1", start_ms=start_ms, from_tap=0, to_tap=12, because="v")
    room = Room()
    body = posted(document(taps=(far,)))
    answer = await room.scada.respond("POST", "/v1/grid-configuration", body)
    assert (answer.status, answer.body["reason"]) == (409, "out_of_range")
    assert "TR-1 stands at -9 to 9, not at 12" in answer.body["detail"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda told: told.update(schema="certiflex/flex-offer/v1"), "expected certiflex/grid-"),
        (lambda told: told.pop("taps"), "taps is missing"),
        (lambda told: told["taps"][0].update(to_tap="far"), "expected an integer as to_tap"),
        (lambda told: told["taps"][0].update(to_tap=True), "found True"),
        (lambda told: told["switches"][0].update(state="ajar"), "expected open or closed"),
        (lambda told: told["validity"].update(start_at="2026-01-01T00:00:00"), "an offset"),
        (lambda told: told["validity"].update(start_at="noon"), "Invalid isoformat"),
    ],
)
async def test_what_is_no_configuration_is_told(
    change: Callable[[dict[str, Any]], object], told: str
) -> None:
    asked = to_json(document())
    change(asked)
    body = json.dumps(asked).encode()
    answer = await Room().scada.respond("POST", "/v1/grid-configuration", body)
    assert answer.status == 400
    assert told in answer.body["detail"]


async def test_other_requests_are_told_what_there_is() -> None:
    scada = Room().scada
    assert (await scada.respond("POST", "/v1/grid-configuration", b"{")).status == 400
    assert (await scada.respond("DELETE", "/v1/state", b"")).status == 405
    assert (await scada.respond("GET", "/v1/elsewhere", b"")).status == 404
