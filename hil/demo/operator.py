"""The market day as the grid's operator sees it: history, own means, and what customers are asked.

Heat pumps and electric cars have come to one street of the plant; the limits are as published.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hil.demo.central import told
from hil.demo.programs import ran
from hil.demo.stage import EVENING, Stage
from ledger.errors import InvariantBroken
from ledger.facts.interval import QUARTER_MS

_DAYS = 36
_TIMEOUT_S = 120.0
_ENDED, _MORE_IS_NEEDED = 0, 1
PICTURES = ("feeder.svg", "own-means.svg", "who-can-help.svg")
MOVES = ("taps", "switches", "capacitors")
_W_PER_MW, _QUARTERS_PER_HOUR = 1e6, 4

Document = Mapping[str, Any]
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Said:
    """What the platform said of one session: rows gone through, documents, what was seen."""

    steps: Mapping[str, str]
    documents: Sequence[Document]
    seen: Document

    @property
    def plan(self) -> Document:
        """Return own means (I-11).

        Raises:
            InvariantBroken: there is no such document.
        """
        for document in self.documents:
            if document["ii"] == "I-11":
                return document
        raise InvariantBroken("no own means were said", where="central dso all")

    @property
    def moves(self) -> Sequence[Document]:
        """Return the moves of own means, of all devices."""
        return [move for kind in MOVES for move in self.plan[kind]]

    @property
    def requests(self) -> Sequence[Document]:
        """Return what the market is asked for (I-06)."""
        return [document for document in self.documents if document["ii"] == "I-06"]

    @property
    def requested_mwh(self) -> float:
        """Return the energy asked for, up and down together."""
        return _energy_mwh(self.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class DsoDay:
    """What the DSO's platform said of the market day; congestions are elements times quarters."""

    day: str
    history_rows: int
    steps: Mapping[str, str]
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
            and self.pictures == PICTURES
            and set(self.steps.values()) == {"ok"}
        )

    def summary(self) -> str:
        """Return it in a line."""
        left = f"{self.after_own_means} after {self.moves} moves"
        return f"{self.congestions_before} violations, {left}; {self.requested_mwh:.3f} MWh asked"


async def dso_day(stage: Stage, history_rows: int, tell: Tell) -> DsoDay:
    """Return what the DSO's platform says of the market day, worked out by its command line.

    Raises:
        CertiflexError: a command did not do what it is for.
    """
    day = EVENING.date().isoformat()
    said = await asked(stage, "dso", "--day", day)
    tell("seen", f"{day}: {said.plan['because']}")
    tell_requests(said, tell)
    return DsoDay(
        day=day,
        history_rows=history_rows,
        steps=said.steps,
        congestions_before=len(said.plan["before"]),
        after_own_means=len(said.plan["after"]),
        moves=len(said.moves),
        requested_mwh=round(said.requested_mwh, 6),
        requested_for=tuple(
            each["element"] for request in said.requests for each in request["elements"]
        ),
        unsolved=sum(len(request["unsolved"]) for request in said.requests),
        pictures=pictures(stage, "dso"),
    )


def tell_requests(said: Said, tell: Tell) -> None:
    """Tell what the market is asked for, if anything."""
    for request in said.requests:
        elements = ", ".join(each["element"] for each in request["elements"])
        tell(
            "seen", f"{_energy_mwh([request]):.3f} MWh asked {request['direction']} for {elements}"
        )


def pictures(stage: Stage, folder: str) -> tuple[str, ...]:
    """Return the pictures that a session has left."""
    return tuple(name for name in PICTURES if stage.path(folder, name).exists())


async def bring_history(stage: Stage, now_ms: int) -> int:
    """Let the plant's past be written and imported; return the number of its rows.

    Raises:
        CertiflexError: a command did not do what it is for.
    """
    file = stage.path("history.csv")
    await stage.told(
        "hil", "plant", "history", str(file), "--weather", str(stage.weather),
        "--days", str(_DAYS), "--until", told(now_ms - now_ms % QUARTER_MS),
        "-c", str(stage.path("bench.toml")),
    )  # fmt: skip
    kept = await stage.told(
        "central", "history", "import", str(file), "-c", str(stage.path("central.toml"))
    )
    return int(kept["rows"])


async def asked(stage: Stage, folder: str, *time: str) -> Said:
    """Return what the platform says of a time; documents and pictures lie in a folder of the stage.

    Raises:
        CertiflexError: the command did not do what it is for.
    """
    _, output = await ran(
        ["central", "dso", "all", *time, "--to", str(stage.path(folder)), "--json",
         "-c", str(stage.path("central.toml"))],
        log=stage.path("log", "operator.log"),
        timeout_s=_TIMEOUT_S,
        ok=(_ENDED, _MORE_IS_NEEDED),
    )  # fmt: skip
    told = json.loads(output)
    return Said(told["steps"], told["documents"], told.get("seen", {}))


def _energy_mwh(requests: Sequence[Document]) -> float:
    power_w = sum(quarter["power_w"] for request in requests for quarter in request["quarters"])
    return float(power_w / _QUARTERS_PER_HOUR / _W_PER_MW)
