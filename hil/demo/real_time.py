"""The next four hours: a line fails in the plant, sensors tell, the platform reacts, SCADA moves.

The trunk of one feeder fails and its customers are dark, until the control room feeds them from
the other transformer, a long way round. That transformer's changer stands where it was well for a
short feeder: for this one voltages are too low, and the platform finds it out by itself. What it
cannot cure was not known a day ahead: the market takes what is left of the day's offers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hil.control import ask
from hil.demo.central import Central
from hil.demo.market import Market, MarketSession
from hil.demo.operator import MOVES, Document, Said, Tell, asked, pictures, tell_requests
from hil.demo.stage import Stage
from ledger.errors import InvariantBroken
from ledger.facts.clock import Clock
from ledger.facts.interval import QUARTER_MS

LINE, TIE = "L-2-3", "L-8-14"
_SWITCHES = {"L-8-14": "S1", "L-6-7": "S2", "L-4-11": "S3"}
_DARK_S = 20
_LOOK_EVERY_S = 0.2
_ASK_TIMEOUT_S = 5.0
_SENSORS_TIMEOUT_S = 30.0
# Moves wait for the next quarter-hour, and then each step takes its time.
_MOVES_LAST_MS = 120_000
# Computing is not faster where time is: what a session needs until its requests are filed.
_SESSION_LASTS_MS = 300_000
FOLDER = "real-time"

Plant = Mapping[str, Any]
Stand = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHours:
    """What became of a line that failed; congestions are elements times quarters.

    The rows are those of the market's session. `does_not_fit` names sensors that the others and
    the forecast contradict, with the deviations; nobody lies here, but forecasts err. `moved` tells
    from where to where each device was brought, and `lowest_busbar_pu` what it did to the lowest
    voltage of the plant's busbars.
    """

    steps: Mapping[str, str]
    line: str
    dark_pods: int
    sensors: int
    metered_pods: int
    switched: Mapping[str, str]
    does_not_fit: Mapping[str, float]
    congestions_before: int
    after_own_means: int
    moves: int
    moved: Mapping[str, tuple[Stand, Stand]]
    lowest_busbar_pu: tuple[float, float]
    requested_mwh: float
    pictures: tuple[str, ...]

    def holds(self) -> bool:
        """Tell whether the line was seen, own means helped, and the plant was really moved."""
        lowest_before_pu, lowest_after_pu = self.lowest_busbar_pu
        return (
            set(self.steps.values()) <= {"ok", "nothing"}
            and self.switched == {self.line: "open", TIE: "closed"}
            and self.sensors > 0
            and 0 < self.after_own_means < self.congestions_before
            and self.requested_mwh > 0
            and bool(self.moved)
            and lowest_before_pu < lowest_after_pu
            and "feeder.svg" in self.pictures
        )

    def summary(self) -> str:
        """Return it in a line."""
        lowest_before_pu, lowest_after_pu = self.lowest_busbar_pu
        return (
            f"without {self.line} {self.congestions_before} violations, {self.after_own_means} "
            f"after own means; busbars {lowest_before_pu:.3f} → {lowest_after_pu:.3f} pu"
        )


@dataclass(frozen=True, slots=True)
class Handed:
    """Own means that SCADA has taken, and what is known of the plant until then.

    Args:
        stage: with its plant.
        tell: tells a line of the story.
        dark_pods: how many were without supply.
        said: by the platform.
        market: what came of the market of these hours.
        reached: tells the plant just before and just after the moves.
    """

    stage: Stage
    tell: Tell
    dark_pods: int
    said: Said
    market: MarketSession
    reached: "asyncio.Task[tuple[Plant, Plant]]"

    async def moved(self) -> NextHours:
        """Return what became of it, once SCADA has made the moves of the next quarter-hour.

        Raises:
            InvariantBroken: it did not make them in time.
        """
        before, after = await self.reached
        moved = _moved(before, after)
        lowest_pu = _lowest_pu(before), _lowest_pu(after)
        told = ", ".join(f"{name} {was} → {now}" for name, (was, now) in moved.items())
        self.tell("back", f"SCADA has moved {told or 'nothing'}")
        self.tell(
            "seen", f"the lowest busbar went from {lowest_pu[0]:.3f} to {lowest_pu[1]:.3f} pu"
        )
        said, seen = self.said, self.said.seen
        return NextHours(
            steps=said.steps,
            line=LINE,
            dark_pods=self.dark_pods,
            sensors=len(seen["sensors"]),
            metered_pods=len(seen["metered_pods"]),
            switched=seen["switched"],
            does_not_fit=seen["does_not_fit"],
            congestions_before=len(said.plan["before"]),
            after_own_means=len(said.plan["after"]),
            moves=len(said.moves),
            moved=moved,
            lowest_busbar_pu=lowest_pu,
            requested_mwh=round(said.requested_mwh, 6),
            pictures=pictures(self.stage, FOLDER),
        )


async def line_fails(
    stage: Stage, market: Market, clock: Clock, tell: Tell, meanwhile: asyncio.TaskGroup
) -> Handed:
    """Let a line fail, and return what the platform said and handed to SCADA.

    SCADA's moves are waited for `meanwhile`.

    Raises:
        CertiflexError: a program did not do what it is for.
    """
    out = await _plant(stage, "out", device=LINE)
    dark_pods = len(out["unsupplied_pods"])
    tell("fault", f"the line {LINE} fails: {dark_pods} points of delivery are without supply")
    await clock.sleep_until(clock.now_ms() + _DARK_S * 1000)
    fed = await _plant(stage, "close", device=_SWITCHES[TIE])
    tell("back", f"{_SWITCHES[TIE]} is closed by hand: all have supply, a long way round")
    tell("seen", f"the lowest busbar of the plant is at {_lowest_pu(fed):.3f} pu")
    await _told_by_sensors(stage, fed)
    await _reach_gate(clock, tell)
    told = await market.ran("--hours")
    said = Said(told["steps"], await _documents(stage, told), {})
    reached = meanwhile.create_task(_reached(stage, clock, said.plan, fed))
    # The market's session is the DSO's as well; the DSO's alone shows what is seen, and draws it.
    drawn, traded = await asyncio.gather(asked(stage, FOLDER, "--hours"), market.session(told))
    said = replace(said, seen=drawn.seen)
    _tell_said(said, tell)
    return Handed(stage, tell, dark_pods, said, traded, reached)


async def _reach_gate(clock: Clock, tell: Tell) -> None:
    """Wait for the next quarter-hour if the gate, which closes with this one, cannot be reached."""
    left_ms = QUARTER_MS - clock.now_ms() % QUARTER_MS
    if left_ms < _SESSION_LASTS_MS:
        tell("step", f"the gate of the next hours closes in {left_ms // 1000} s: the one after it")
        await clock.sleep_until(clock.now_ms() + left_ms)


async def _documents(stage: Stage, told: Document) -> list[Document]:
    """Return what the DSO said in a session, from its alert to its requests."""
    dso = Central(stage, "dso")
    named = [
        each["mrid"]
        for row in told["rows"][: told["rows"].index(_row(told, "RT-7a")) + 1]
        for each in row["documents"]
        if each["sender"] == "dso"
    ]
    try:
        return await dso.documents(named)
    finally:
        await dso.close()


def _row(told: Document, number: str) -> Document:
    return next(row for row in told["rows"] if row["row"] == number)


def _tell_said(said: Said, tell: Tell) -> None:
    seen, plan = said.seen, said.plan
    switched = ", ".join(f"{name} is {state}" for name, state in seen["switched"].items())
    count = f"{len(seen['sensors'])} sensors and {len(seen['metered_pods'])} light nodes"
    tell("seen", f"{count} show the platform: {switched or 'all as it was built'}")
    for name, deviations in seen["does_not_fit"].items():
        tell("seen", f"{name} is {deviations} standard deviations from the others; it is put aside")
    tell("seen", f"the next four hours: {plan['because']}")
    tell_requests(said, tell)
    tell("step", f"handed to SCADA, each for its quarter-hour: {_told(said.moves)}")


def _told(moves: Sequence[Document]) -> str:
    """Return how many moves there are, in words."""
    return "1 move" if len(moves) == 1 else f"{len(moves)} moves"


async def _plant(stage: Stage, action: str, **settings: str) -> Plant:
    request = {"command": "plant", "action": action, **settings}
    return await asyncio.to_thread(ask, stage.bench_address, request, timeout_s=_ASK_TIMEOUT_S)


async def _told_by_sensors(stage: Stage, since: Plant) -> None:
    """Wait until the database has taken what sensors measured after an instant."""
    measured = since["delivery"]["sent"] + since["delivery"]["waiting"]
    try:
        async with asyncio.timeout(_SENSORS_TIMEOUT_S):
            # The plant is another process: there is nothing here to wait for but its answer.
            while (await _plant(stage, "state"))["delivery"]["sent"] <= measured:  # noqa: ASYNC110 -- above
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError as error:
        raise InvariantBroken(
            f"no measurement has arrived for {_SENSORS_TIMEOUT_S:.0f} s",
            where=str(stage.path("log")),
            remedy="read the logs of meters and database there",
        ) from error


async def _reached(stage: Stage, clock: Clock, plan: Document, start: Plant) -> tuple[Plant, Plant]:
    """Return the plant just before and just after the moves of the plan's first quarter-hour."""
    wanted, before = _due(plan), start
    deadline_ms = clock.now_ms() + QUARTER_MS + _MOVES_LAST_MS
    while clock.now_ms() < deadline_ms:
        now = await _plant(stage, "state")
        stands = _stands(now)
        if all(stands[device] == position for device, position in wanted.items()):
            return before, now
        if stands == _stands(start):
            before = now
        await asyncio.sleep(_LOOK_EVERY_S)
    raise InvariantBroken("SCADA did not make its moves", where=str(stage.path("log")))


def _due(plan: Document) -> dict[str, Stand]:
    """Return where devices should stand from the first quarter-hour on."""
    begun = plan["validity"]["start_at"]
    first = {kind: [m for m in plan[kind] if m["start_at"] == begun] for kind in MOVES}
    taps = {move["transformer"]: move["to_tap"] for move in first["taps"]}
    steps = {move["capacitor"]: move["step_count"] for move in first["capacitors"]}
    switches = {_SWITCHES[move["switch"]]: move["state"] for move in first["switches"]}
    return taps | steps | switches


def _stands(plant: Plant) -> dict[str, Stand]:
    return {**plant["taps"], **plant["capacitors"], **plant["switches"]}


def _moved(before: Plant, after: Plant) -> dict[str, tuple[Stand, Stand]]:
    was, now = _stands(before), _stands(after)
    return {name: (was[name], now[name]) for name in was if was[name] != now[name]}


def _lowest_pu(plant: Plant) -> float:
    return float(min(plant["busbars_pu"].values()))
