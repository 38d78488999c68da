"""Benchmarks keep their figures in `figures.json`, from which `docs/performance.md` is written."""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = Path(__file__).with_name("figures.json")
_PAGE = _ROOT / "docs/performance.md"
_HEAD = """\
# Performance

Written by `make bench`; every figure stands beside a peer or the naive way, measured on the same
work in the same run. Shared machines are noisy: ratios count, absolute figures accompany them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure.

    `subject` says what is measured, `size` how much of it, `ours` and `peer` are in `unit`;
    `peer` is None where nothing can stand beside it, and `note` says so.
    """

    subject: str
    size: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str = ""
    reach: str = ""
    note: str = ""


class Figures:
    """Takes the figures of one run."""

    def __init__(self) -> None:
        self.taken: list[Figure] = []

    def take(self, figure: Figure) -> None:
        """Keep a figure, and show it."""
        self.taken.append(figure)
        beside = "" if figure.peer is None else f"  ({figure.peer_name}: {figure.peer:,.3g})"
        print(f"{figure.subject} · {figure.size}: {figure.ours:,.3g} {figure.unit}{beside}")


def seconds_of(work: Callable[[], object], *, repeats: int = 5) -> float:
    """Return the median time [s] that the work takes, after one run that is not counted."""
    work()
    taken_s = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        work()
        taken_s.append(time.perf_counter() - start_s)
    return median(taken_s)


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """Collect figures; at the end they are kept and the page is written anew."""
    run = Figures()
    yield run
    if not run.taken:
        return
    kept: dict[str, Any] = json.loads(_KEPT.read_text()) if _KEPT.exists() else {}
    for subject in {figure.subject for figure in run.taken}:
        kept[subject] = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": _machine(),
            "figures": [asdict(figure) for figure in run.taken if figure.subject == subject],
        }
    _KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    _PAGE.write_text("\n".join([_HEAD, *(_section(name, kept[name]) for name in sorted(kept))]))


def _section(subject: str, kept: dict[str, Any]) -> str:
    figures = [Figure(**each) for each in kept["figures"]]
    peer_name = next((figure.peer_name for figure in figures if figure.peer_name), "–")
    reach = next((figure.reach for figure in figures if figure.reach), "")
    rows = [
        f"| {figure.size} | {_told(figure.ours)} | {_told(figure.peer)} | {_ratio(figure)} |"
        for figure in figures
    ]
    notes = sorted({figure.note for figure in figures if figure.note})
    return "\n".join(
        [
            f"## {subject}",
            "",
            f"{kept['date']}, {kept['machine']}." + (f" To reach: {reach}." if reach else ""),
            *(f"{note}." for note in notes),
            "",
            f"| size | ours [{figures[0].unit}] | {peer_name} [{figures[0].unit}] | ratio |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _told(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _ratio(figure: Figure) -> str:
    if not figure.peer or not figure.ours:
        return "–"
    larger, smaller = max(figure.ours, figure.peer), min(figure.ours, figure.peer)
    return f"{larger / smaller:,.1f} ×"


def _machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"
