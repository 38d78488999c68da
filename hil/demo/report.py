"""What the demo leaves behind: a report for machines and a summary for people."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hil.demo.market import MarketDay
from hil.demo.operator import DsoDay
from hil.demo.real_time import NextHours

SCHEMA = "certiflex/demo-report/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of one demo.

    `gaps` counts slots by cause; `invariants` counts violations; `verify` holds the verdicts on
    a good bundle, a tampered one, and one whose window is not on the ledger yet. `acts_s` tells
    what took how long by the wall clock; acts overlap.
    """

    nodes: int
    readings_stored: int
    gaps: Mapping[str, int]
    windows_anchored: int
    gas_per_window: int
    invariants: Mapping[str, int]
    violations: tuple[str, ...]
    verify: Mapping[str, str]
    proofs_checked: int
    audit_clean_findings: int
    audit_tampered: Mapping[str, object]
    dso: DsoDay
    real_time: NextHours
    market: MarketDay
    simulated_s: int
    acts_s: Mapping[str, float]
    wall_s: float

    def holds(self) -> bool:
        """Tell whether everything was as it must be."""
        return (
            not any(self.invariants.values())
            and self.verify == {"good": "VALID", "tampered": "INVALID", "unknown": "INDETERMINATE"}
            and self.audit_clean_findings == 0
            and bool(self.audit_tampered.get("named"))
            and self.dso.holds()
            and self.real_time.holds()
            and self.market.holds()
        )

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        document = {"schema": SCHEMA, "holds": self.holds(), **asdict(self)}
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def verdict(self) -> str:
        """Return in a word or two whether everything was as it must be."""
        return "everything held" if self.holds() else "NOT everything held"

    def summary(self) -> str:
        """Return what a person wants to know, in a few lines."""
        gaps = ", ".join(f"{count} {cause}" for cause, count in sorted(self.gaps.items()))
        tampered = self.audit_tampered.get("named") or "nothing named"
        broken = {name: count for name, count in self.invariants.items() if count}
        rows = [
            ("light nodes", f"{self.nodes}"),
            ("time", f"{self.simulated_s // 60} min simulated in {self.wall_s:.0f} s"),
            ("readings stored", f"{self.readings_stored:,}"),
            ("slots in gaps", gaps or "none"),
            ("windows anchored", f"{self.windows_anchored}, {self.gas_per_window:,} gas each"),
            ("invariants", _told(broken) if broken else f"all {len(self.invariants)} hold"),
            ("proofs checked", f"{self.proofs_checked}, offline"),
            ("verify", ", ".join(f"{name}: {word}" for name, word in self.verify.items())),
            ("audit", f"{self.audit_clean_findings} findings; tampered copy: {tampered}"),
            ("the grid's day", self.dso.summary()),
            ("the day's market", self.market.day_ahead.summary()),
            ("the next hours", self.real_time.summary()),
            ("their market", self.market.real_time.summary()),
            ("both markets", self.market.summary()),
        ]
        lines = [f"  {name:<18}{value}" for name, value in rows]
        return "\n".join([self.verdict(), *lines, *(f"  ! {each}" for each in self.violations)])


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} violated {count} times" for name, count in counts.items())
