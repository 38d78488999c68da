"""The day after, as the grid's operator sees it: history, own means, and what customers are asked.

Heat pumps and electric cars have come to one street of the plant; the limits are as published.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hil.demo.central import told
from hil.demo.programs import ran
from hil.demo.stage import Stage
from ledger.errors import InvariantBroken
from ledger.facts.interval import QUARTER_MS

_ROME = ZoneInfo("Europe/Rome")
_DAYS = 36
_TIMEOUT_S = 120.0
_ENDED, _MORE_IS_NEEDED = 0, 1
_PICTURES = ("feeder.svg", "own-means.svg", "who-can-help.svg")
_W_PER_MW, _QUARTERS_PER_HOUR = 1e6, 4

Document = Mapping[str, Any]
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAfter:
    """What the DSO's platform said of the next day; congestions are elements times quarters."""

    day: str
    history_rows: int
    congestions_before: int
    after_own_means: int
    moves: int
    requested_mwh: float
    requested_for: tuple[str, ...]
    unsolved: int
    pictures: tuple[str, ...]

    def holds(self) -> bool:
        """Tell whether own means helped, the rest was asked for, and pictures show it."""
        return (
            0 < self.after_own_means < self.congestions_before
            and self.moves > 0
            and self.requested_mwh > 0
            and self.unsolved == 0
            and self.pictures == _PICTURES
        )

    def summary(self) -> str:
        """Return it in a line."""
        left = f"{self.after_own_means} after {self.moves} moves"
        return f"{self.congestions_before} violations, {left}; {self.requested_mwh:.3f} MWh asked"


async def day_after(stage: Stage, now_ms: int, tell: Tell) -> DayAfter:
    """Return what the DSO's platform says of the next day, worked out by its command line.

    Raises:
        CertiflexError: a command did not do what it is for.
    """
    rows = await _bring_history(stage, now_ms)
    tell("step", f"{rows:,} quarter-hours of {_DAYS} days imported, marked so")
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(_ROME).date()
    day = (today + timedelta(days=1)).isoformat()
    planned, asked = await asyncio.gather(
        _documents(stage, "plan", day), _documents(stage, "request", day)
    )
    if not planned:
        raise InvariantBroken("the plan came without a document", where="central dso plan")
    plan = planned[0]
    tell("seen", f"{day}: {plan['because']}")
    for request in asked:
        elements = ", ".join(each["element"] for each in request["elements"])
        energy_mwh = _energy_mwh([request])
        tell("seen", f"{energy_mwh:.3f} MWh asked {request['direction']} for {elements}")
    return DayAfter(
        day=day,
        history_rows=rows,
        congestions_before=len(plan["before"]),
        after_own_means=len(plan["after"]),
        moves=sum(len(plan[kind]) for kind in ("taps", "switches", "capacitors")),
        requested_mwh=round(_energy_mwh(asked), 6),
        requested_for=tuple(each["element"] for request in asked for each in request["elements"]),
        unsolved=sum(len(request["unsolved"]) for request in asked),
        pictures=tuple(name for name in _PICTURES if stage.path("dso", name).exists()),
    )


async def _bring_history(stage: Stage, now_ms: int) -> int:
    """Let the plant's past be written and imported; return the number of its rows."""
    stage.write_plant()
    file = stage.path("history.csv")
    await stage.told(
        "hil", "plant", "history", str(file), "--weather", str(stage.weather),
        "--days", str(_DAYS), "--until", told(now_ms - now_ms % QUARTER_MS),
        "-c", str(stage.path("plant.toml")),
    )  # fmt: skip
    kept = await stage.told(
        "central", "history", "import", str(file), "-c", str(stage.path("central.toml"))
    )
    return int(kept["rows"])


async def _documents(stage: Stage, verb: str, day: str) -> Sequence[Document]:
    _, output = await ran(
        ["central", "dso", verb, "--day", day, "--to", str(stage.path("dso")), "--json",
         "-c", str(stage.path("central.toml"))],
        log=stage.path("log", "operator.log"),
        timeout_s=_TIMEOUT_S,
        ok=(_ENDED, _MORE_IS_NEEDED),
    )  # fmt: skip
    documents: Sequence[Document] = json.loads(output)["documents"]
    return documents


def _energy_mwh(requests: Sequence[Document]) -> float:
    power_w = sum(quarter["power_w"] for request in requests for quarter in request["quarters"])
    return float(power_w / _QUARTERS_PER_HOUR / _W_PER_MW)
