"""The report: what a machine reads, what a person reads, and when it holds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.demo.market import MarketDay
from hil.demo.operator import DayAfter
from hil.demo.real_time import NextHours
from hil.demo.report import Report

AFTER = DayAfter(
    day="2026-11-27",
    history_rows=857_088,
    steps={"DA-3a": "ok", "DA-9a": "ok"},
    congestions_before=904,
    after_own_means=83,
    moves=8,
    requested_mwh=0.085,
    requested_for=("L-6-R1-R2",),
    unsolved=0,
    pictures=("feeder.svg", "own-means.svg", "who-can-help.svg"),
)
HOURS = NextHours(
    steps={"RT-1a": "ok", "RT-7a": "ok"},
    line="L-2-3",
    dark_pods=241,
    sensors=12,
    metered_pods=20,
    switched={"L-2-3": "open", "L-8-14": "closed"},
    does_not_fit={},
    congestions_before=1_206,
    after_own_means=6,
    moves=1,
    moved={"TR-2": (4, 2)},
    lowest_busbar_pu=(0.9012, 0.9341),
    requested_mwh=0.0,
    pictures=("feeder.svg", "own-means.svg"),
)
MARKET = MarketDay(
    session="day-ahead 2026-11-27",
    state="published",
    steps={"DA-1a": "ok", "DA-2c": "nothing"},
    offers=120,
    awards=20,
    pods=18,
    aggregators=2,
    not_taken=100,
    taken_mwh=0.085,
    unmet=0,
    documents_exported=300,
    same=True,
)
GOOD = Report(
    nodes=20,
    readings_stored=2_356,
    gaps={"METER_TIMEOUT": 10},
    windows_anchored=12,
    gas_per_window=34_113,
    invariants={"UNIQUE": 0, "ORDER": 0},
    violations=(),
    verify={"good": "VALID", "tampered": "INVALID", "unknown": "INDETERMINATE"},
    proofs_checked=120,
    audit_clean_findings=0,
    audit_tampered={"named": "node 19 sequence 116"},
    dso=AFTER,
    real_time=HOURS,
    market=MARKET,
    simulated_s=420,
    wall_s=97.5,
)


def test_a_good_report_holds_and_says_so(tmp_path: Path) -> None:
    assert GOOD.holds()
    GOOD.write(tmp_path / "report.json")
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["schema"] == "certiflex/demo-report/v1"
    assert document["holds"] is True
    assert document["dso"]["congestions_before"] == 904
    assert document["real_time"]["moved"] == {"TR-2": [4, 2]}
    wanted = {
        "readings_stored",
        "gaps",
        "windows_anchored",
        "gas_per_window",
        "invariants",
        "verify",
    }
    assert wanted <= document.keys()
    summary = GOOD.summary()
    assert summary.startswith("everything held")
    assert "all 2 hold" in summary
    assert "12, 34,113 gas each" in summary
    assert "904 violations, 83 after 8 moves; 0.085 MWh asked" in summary
    hours = "without L-2-3 1206 violations, 6 after own means; busbars 0.901 → 0.934 pu"
    assert hours in summary


@pytest.mark.parametrize(
    "changed",
    [
        {"invariants": {"UNIQUE": 1}},
        {"verify": {**GOOD.verify, "unknown": "VALID"}},
        {"verify": {**GOOD.verify, "tampered": "INDETERMINATE"}},
        {"audit_clean_findings": 1},
        {"audit_tampered": {"named": ""}},
        {"dso": replace(AFTER, after_own_means=904)},
        {"dso": replace(AFTER, after_own_means=0)},
        {"dso": replace(AFTER, requested_mwh=0.0)},
        {"dso": replace(AFTER, unsolved=1)},
        {"dso": replace(AFTER, pictures=())},
        {"dso": replace(AFTER, steps={"DA-3a": "failed"})},
        {"real_time": replace(HOURS, steps={"RT-1a": "failed"})},
        {"real_time": replace(HOURS, switched={"L-8-14": "closed"})},
        {"real_time": replace(HOURS, sensors=0)},
        {"real_time": replace(HOURS, after_own_means=1_206)},
        {"real_time": replace(HOURS, moved={})},
        {"real_time": replace(HOURS, lowest_busbar_pu=(0.91, 0.91))},
        {"real_time": replace(HOURS, pictures=("own-means.svg",))},
    ],
)
def test_one_thing_wrong_is_enough(changed: dict[str, Any]) -> None:
    report = replace(GOOD, **changed)
    assert not report.holds()
    assert report.summary().startswith("NOT everything held")


def test_violations_are_told() -> None:
    told = replace(GOOD, invariants={"ORDER": 2}, violations=("ORDER: house-01",)).summary()
    assert "ORDER violated 2 times" in told
    assert "! ORDER: house-01" in told
