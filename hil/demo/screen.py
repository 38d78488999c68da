"""What a person sees of the demo: figures that move, what happens, and a summary."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_SHOWN_EVENTS = 14
_MARKS = {
    "fault": ("✗", "red"),
    "back": ("✓", "green"),
    "step": ("·", "cyan"),
    "seen": ("→", "white"),
}


@dataclass
class Figures:
    """What moves on the screen; all counts since the start."""

    readings_stored: int = 0
    gap_slots: Mapping[str, int] = field(default_factory=dict)
    segments: int = 0
    windows_closed: int = 0
    windows_anchored: int = 0
    gas_per_window: int = 0
    nodes_up: int = 0
    nodes: int = 0
    backlog: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the story: `kind` is fault, back, step or seen."""

    at_ms: int
    kind: str
    told: str


class Screen:
    """A live view on a terminal, plain lines elsewhere; both on stderr."""

    def __init__(self, title: str, *, color: bool = True) -> None:
        self.figures = Figures()
        self._title = title
        self._events: list[Event] = []
        self._console = Console(stderr=True, no_color=not color, highlight=False)
        self._live: Live | None = None
        self._programs: Mapping[str, bool] = {}
        self._now_ms = 0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._live = Live(
                self._drawn(), console=self._console, refresh_per_second=5, transient=True
            )
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, traceback)
            for event in self._events:
                self._console.print(_line(event))

    def tell(self, at_ms: int, kind: str, told: str) -> None:
        """Add a line to the story."""
        event = Event(at_ms, kind, told)
        self._events.append(event)
        if self._live is None:
            self._console.print(_line(event))
        self.show(at_ms, self._programs)

    def show(self, now_ms: int, programs: Mapping[str, bool]) -> None:
        """Draw the figures of this instant; `programs` says which of them run."""
        self._now_ms, self._programs = now_ms, programs
        if self._live is not None:
            self._live.update(self._drawn())

    def _drawn(self) -> Group:
        figures = self.figures
        table = Table.grid(padding=(0, 3))
        for name, value in [
            ("light nodes", f"{figures.nodes_up} of {figures.nodes} up"),
            ("readings stored", f"{figures.readings_stored:,}"),
            ("slots in gaps", _gaps(figures.gap_slots)),
            ("segments", f"{figures.segments:,}"),
            ("windows", f"{figures.windows_closed} closed, {figures.windows_anchored} anchored"),
            (
                "gas per window",
                f"{figures.gas_per_window:,}" if figures.gas_per_window else "none yet",
            ),
            ("waiting at the gateway", f"{figures.backlog:,} segments"),
        ]:
            table.add_row(Text(name, style="dim"), value)
        states = Text()
        for name, running in self._programs.items():
            states.append("● " if running else "○ ", style="green" if running else "red")
            states.append(f"{name}  ")
        story = Group(*[_line(event) for event in self._events[-_SHOWN_EVENTS:]])
        title = f"{self._title} · {_clock(self._now_ms)}"
        return Group(Panel(Group(table, Text(), states), title=title, title_align="left"), story)


def _gaps(gap_slots: Mapping[str, int]) -> str:
    named = ", ".join(f"{cause} {count}" for cause, count in sorted(gap_slots.items()))
    return named or "none"


def _line(event: Event) -> Text:
    mark, style = _MARKS[event.kind]
    line = Text(f"{_clock(event.at_ms)}  ", style="dim")
    line.append(f"{mark} ", style=style)
    line.append(event.told, style="bold" if event.kind in {"fault", "back"} else "")
    return line


def _clock(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%H:%M:%S")
