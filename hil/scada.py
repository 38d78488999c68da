"""The SCADA of the plant: it takes a grid configuration (I-11), checks it, and moves what it says.

```
POST /v1/grid-configuration   the moves that are due are made, one step after the other, then the
                              state that was reached is told; later ones wait for their time
GET  /v1/state                where everything stands, what waits, what could not be done
```

What the plant cannot do is refused before anything moves, with the reason: a device that is
unknown, a position out of range, a changer that only a crew can move, a changer that does not
stand where the sender believes, or customers who would be left without supply.

A configuration is named by mRID and revision and taken once: sent again, it is answered with the
state as it is, and nothing moves. Another content under its name, a revision older than the one
taken and a configuration whose time is over are refused.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from hil.feeder.flow import Unsolvable
from hil.feeder.network import State
from hil.http_server import Answer, problem
from hil.plant import Plant
from hil.plant_file import Action
from ledger.codec.jsontext import parsed
from ledger.errors import Rejected
from ledger.facts.clock import Clock

SCHEMA = "certiflex/hil-scada/v1"
_DOCUMENT = "certiflex/grid-configuration/v1"
_MOST_REFUSED = 100
_MOST_REMEMBERED = 10_000
_log = logging.getLogger("hil")


@dataclass(frozen=True, slots=True)
class Move:
    """One device goes to a position at an instant.

    Args:
        action: what is done to it.
        device: its name.
        start_ms: when.
        position: tap position or steps; nothing for a switch.
        expected: where the sender believes a tap changer to stand.
    """

    action: Action
    device: str
    start_ms: int
    position: int | None = None
    expected: int | None = None

    def told(self) -> dict[str, Any]:
        """Return the move as JSON has it."""
        placed = {} if self.position is None else {"position": self.position}
        at = rfc3339(self.start_ms)
        return {"action": str(self.action), "device": self.device, "start_at": at, **placed}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the SCADA reads of an I-11 document: who it is, what it speaks of, and its moves."""

    mrid: str
    revision: int
    start_ms: int
    end_ms: int
    moves: tuple[Move, ...]


class Scada:
    """Moves tap changers, switches and capacitor banks of the plant, each at its own pace.

    Args:
        plant: what it moves.
        clock: the plant's time.
        tap_ms: how long one step of a changer or capacitor bank takes.
        switch_ms: how long a switch takes.
    """

    def __init__(self, plant: Plant, clock: Clock, *, tap_ms: int, switch_ms: int) -> None:
        self._plant = plant
        self._clock = clock
        self._pause_ms = {
            Action.TAP: tap_ms,
            Action.CAPACITOR: tap_ms,
            Action.OPEN: switch_ms,
            Action.CLOSE: switch_ms,
        }
        self._waiting: list[Move] = []
        self._refused: list[dict[str, Any]] = []
        self._taken: dict[str, Configuration] = {}
        self._moving = asyncio.Lock()
        self._changed = asyncio.Event()

    async def respond(self, method: str, path: str, body: bytes) -> Answer:
        """Return the answer to an HTTP request."""
        match method, path:
            case "GET", "/v1/state":
                return Answer(200, self.told())
            case "POST", "/v1/grid-configuration":
                return await self._posted(body)
            case _, "/v1/state" | "/v1/grid-configuration":
                return problem(405, Rejected("GET /v1/state, POST /v1/grid-configuration"))
            case _:
                return problem(404, Rejected("no such path", where=path))

    async def _posted(self, body: bytes) -> Answer:
        try:
            configuration = read_configuration(body)
        except Rejected as error:
            return problem(400, error)
        try:
            await self.take(configuration)
        except Rejected as error:
            told = {"mrid": configuration.mrid, "revision": configuration.revision}
            _log.warning("hil.scada_refused", extra={**told, "why": str(error)})
            return problem(409, error)
        told = {"ii": "I-11", "mrid": configuration.mrid, "revision": configuration.revision}
        return Answer(200, {**self.told(), **told})

    def told(self) -> dict[str, Any]:
        """Return where everything stands."""
        state = self._plant.state
        return {
            "schema": SCHEMA,
            "at": rfc3339(self._clock.now_ms()),
            "taps": dict(state.taps),
            "switches": {n: "closed" if shut else "open" for n, shut in state.closed.items()},
            "capacitors": dict(state.steps),
            "out_of_service": sorted(state.out),
            "unsupplied_pods": [one.pod for one in self._plant.unsupplied()],
            "waiting": [move.told() for move in self._waiting],
            "refused": list(self._refused),
        }

    async def take(self, configuration: Configuration) -> None:
        """Make the moves of a configuration that are due, and let the later ones wait.

        It takes the place of what still waits within its validity. What was taken before is
        not done again.

        Raises:
            Rejected: the plant cannot do it, moves already, or knows better by now; nothing has
                moved.
        """
        if self._moving.locked():
            raise Rejected("another configuration is being carried out", reason="busy")
        configuration = self._by_switch(configuration)
        async with self._moving:
            if self._has_taken(configuration):
                return
            now_ms = self._clock.now_ms()
            if configuration.end_ms <= now_ms:
                raise Rejected("its time is over", reason="expired")
            within = range(configuration.start_ms, configuration.end_ms)
            kept = [move for move in self._waiting if move.start_ms not in within]
            self._check([*kept, *configuration.moves], now_ms)
            later = (move for move in configuration.moves if move.start_ms > now_ms)
            # Where a changer stands by then is not for the sender to know.
            kept += [replace(move, expected=None) for move in later]
            self._waiting = sorted(kept, key=_when)
            self._remember(configuration)
            self._changed.set()
            for move in _in_order(m for m in configuration.moves if m.start_ms <= now_ms):
                await self._make(move)

    def _by_switch(self, configuration: Configuration) -> Configuration:
        """Return it with the names of switches, where the operator calls them by their lines."""
        moves = (
            replace(move, device=self._plant.switch_on(move.device))
            if move.action in {Action.OPEN, Action.CLOSE}
            else move
            for move in configuration.moves
        )
        return replace(configuration, moves=tuple(moves))

    def _has_taken(self, configuration: Configuration) -> bool:
        taken = self._taken.get(configuration.mrid)
        if taken is None or taken.revision < configuration.revision:
            return False
        if taken.revision > configuration.revision:
            raise Rejected(f"revision {taken.revision} was taken before", reason="superseded")
        if taken != configuration:
            raise Rejected("was taken with another content before", reason="name_taken")
        return True

    def _remember(self, configuration: Configuration) -> None:
        self._taken.pop(configuration.mrid, None)
        self._taken[configuration.mrid] = configuration
        if len(self._taken) > _MOST_REMEMBERED:
            del self._taken[next(iter(self._taken))]

    async def run(self) -> None:
        """Make the moves that wait, each at its time, until cancelled."""
        while True:
            self._changed.clear()
            if not self._waiting:
                await self._changed.wait()
                continue
            due_ms = self._waiting[0].start_ms
            due = asyncio.ensure_future(self._clock.sleep_until(due_ms))
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({due, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                due.cancel()
                changed.cancel()
            async with self._moving:
                await self._make_due()

    async def _make_due(self) -> None:
        now_ms = self._clock.now_ms()
        due = [move for move in self._waiting if move.start_ms <= now_ms]
        self._waiting = [move for move in self._waiting if move.start_ms > now_ms]
        try:
            self._check(due, now_ms)
        except Rejected as error:
            # The plant is not what it was when the moves were taken.
            moves = [move.told() for move in due]
            _log.warning("hil.scada_refused", extra={"moves": moves, "why": str(error)})
            self._refused = [*self._refused, {"moves": moves, "why": str(error)}][-_MOST_REFUSED:]
            return
        for move in _in_order(due):
            await self._make(move)

    async def _make(self, move: Move) -> None:
        """Bring one device where it should be, step by step."""
        for position in self._steps(move):
            await self._clock.sleep_until(self._clock.now_ms() + self._pause_ms[move.action])
            self._plant.act(move.action, move.device, position, self._clock.now_ms())

    def _steps(self, move: Move) -> Iterator[int | None]:
        state = self._plant.state
        if move.position is None:
            if state.closed[move.device] is not (move.action is Action.CLOSE):
                yield None
            return
        now = (state.taps if move.action is Action.TAP else state.steps)[move.device]
        onward = 1 if move.position > now else -1
        yield from (
            range(now + onward, move.position + onward, onward) if move.position != now else ()
        )

    def _check(self, moves: Iterable[Move], now_ms: int) -> None:
        """Refuse moves that the plant cannot make, one after the other in time."""
        state = self._plant.state
        for start_ms, together in groupby(sorted(moves, key=_when), _when):
            ordered = _in_order(together)
            for move in ordered:
                self._check_changer(move, state)
                state = self._plant.after(state, move.action, move.device, move.position)
            if any(move.action is Action.OPEN for move in ordered):
                self._check_supply(state)
            if start_ms <= now_ms:
                self._check_balance(state, now_ms)

    def _check_changer(self, move: Move, state: State) -> None:
        changer = self._plant.changer(move.device)
        if move.action is not Action.TAP or changer is None:
            return
        if not changer.on_load:
            raise Rejected(
                f"the changer of {move.device} is moved off load, by a crew", reason="off_load"
            )
        stands = state.taps.get(move.device)
        if move.expected is not None and stands is not None and move.expected != stands:
            raise Rejected(
                f"{move.device} stands at {stands}, not at {move.expected}",
                reason="unexpected_position",
            )

    def _check_supply(self, state: State) -> None:
        dark_now = {one.pod for one in self._plant.unsupplied()}
        dark = [one.pod for one in self._plant.unsupplied(state) if one.pod not in dark_now]
        if dark:
            raise Rejected(
                f"{len(dark)} customers would be left without supply, {dark[0]} among them",
                reason="would_island",
            )

    def _check_balance(self, state: State, now_ms: int) -> None:
        try:
            self._plant.foreseen(state, now_ms)
        except Unsolvable as error:
            raise Rejected(error.what, reason=error.reason) from error


def _when(move: Move) -> int:
    return move.start_ms


def _in_order(moves: Iterable[Move]) -> list[Move]:
    """Return moves by time; at one time switches close first and open last, so nobody goes dark."""
    rank = {Action.CLOSE: 0, Action.TAP: 1, Action.CAPACITOR: 2, Action.OPEN: 3}
    return sorted(moves, key=lambda move: (move.start_ms, rank[move.action], move.device))


def read_configuration(body: bytes) -> Configuration:
    """Return what the SCADA needs of an I-11 document in JSON; the reasons in it are for people.

    Raises:
        Rejected: it is no such document, with the path of what is wrong.
    """
    try:
        document = parsed(body)
    except Rejected as error:
        raise Rejected("expected JSON", where="$", reason="malformed") from error
    if not isinstance(document, dict) or document.get("schema") != _DOCUMENT:
        raise Rejected(f"expected {_DOCUMENT}", where="$.schema", reason="unknown_kind")
    try:
        return Configuration(
            mrid=_text(document, "mrid"),
            revision=_whole(document, "revision"),
            start_ms=_instant(document["validity"], "start_at"),
            end_ms=_instant(document["validity"], "end_at"),
            moves=tuple(_moves(document)),
        )
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise Rejected(what, where="$", reason="malformed") from error


def _moves(document: Mapping[str, Any]) -> Iterator[Move]:
    for tap in document["taps"]:
        to, expected = _whole(tap, "to_tap"), _whole(tap, "from_tap")
        yield Move(Action.TAP, _text(tap, "transformer"), _instant(tap, "start_at"), to, expected)
    for switch in document["switches"]:
        action = {"open": Action.OPEN, "closed": Action.CLOSE}.get(switch["state"])
        if action is None:
            raise ValueError(f"expected open or closed, found {switch['state']!r}")
        yield Move(action, _text(switch, "switch"), _instant(switch, "start_at"))
    for bank in document["capacitors"]:
        steps = _whole(bank, "step_count")
        yield Move(Action.CAPACITOR, _text(bank, "capacitor"), _instant(bank, "start_at"), steps)


def _text(entry: Mapping[str, Any], name: str) -> str:
    if not isinstance(entry[name], str):
        raise TypeError(f"expected text as {name}, found {entry[name]!r}")
    return str(entry[name])


def _whole(entry: Mapping[str, Any], name: str) -> int:
    if type(entry[name]) is not int:
        raise TypeError(f"expected an integer as {name}, found {entry[name]!r}")
    return int(entry[name])


def _instant(entry: Mapping[str, Any], name: str) -> int:
    at = datetime.fromisoformat(_text(entry, name))
    if at.tzinfo is None:
        raise ValueError(f"expected an offset in {name}, found {entry[name]!r}")
    return round(at.timestamp() * 1000)


def rfc3339(unix_ms: int) -> str:
    """Return an instant as text, in UTC."""
    at = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
