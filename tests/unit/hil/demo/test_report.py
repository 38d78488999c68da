"""The report: what a machine reads, what a person reads, and when it holds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.demo.market import ROWS, MarketDay, MarketSession, ProfileQuarter, Proven, Traded
from hil.demo.merit import Place
from hil.demo.operator import DsoDay
from hil.demo.real_time import NextHours
from hil.demo.report import Report

DAY = DsoDay(
    day="2026-11-26",
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
    requested_mwh=0.01,
    pictures=("feeder.svg", "own-means.svg"),
)
PLACES = tuple(
    Place(
        rank=rank,
        aggregator=f"aggregator-{rank}",
        pod=f"IT002E0000000{rank}",
        node="LV-6-R15",
        buyer="dso",
        energy_kwh=1.5,
        price_eur_per_mwh=25.0,
        counts=1.09,
        over_effect_eur_per_mwh=22.92,
        became="taken",
        because="it helps",
    )
    for rank in (1, 2)
)


def session(name: str, prefix: str) -> MarketSession:
    """Return a session that held."""
    return MarketSession(
        session=name,
        state="published",
        steps=dict.fromkeys(ROWS[prefix], "ok"),
        documents={"DA-9a": ["I-06 a"]},
        bought={
            "dso": Traded(asked_mwh=0.083, taken_mwh=0.033, offers=30),
            "tso": Traded(asked_mwh=0.028, taken_mwh=0.028, offers=40),
        },
        offers=236,
        taken=77,
        cut=15,
        pods=60,
        unmet=3,
        profile=(
            ProfileQuarter(
                start_at="2026-11-26T18:45:00.000Z", asked_w=58_000, before_w=36_168_000,
                after_w=36_146_000,
            ),
        ),
        merit=PLACES,
    )  # fmt: skip


AHEAD = session("day-ahead 2026-11-26", "day-ahead")
LATER = session("real-time 2026-11-26T17:45Z", "real-time")
PROVEN = Proven(documents=438, rounds=2, outcomes=4, verdict="same")
MARKET = MarketDay(
    day_ahead=AHEAD,
    real_time=LATER,
    anchored_size=511,
    proven={AHEAD.session: PROVEN, LATER.session: PROVEN},
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
    dso=DAY,
    real_time=HOURS,
    market=MARKET,
    simulated_s=420,
    acts_s={"the judge": 12.8},
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
    bought = "DSO 0.033 of 0.083 MWh, TSO 0.028 of 0.028 MWh"
    assert summary.count(f"77 of 236 offers taken, 15 cut by the grid; {bought}") == 2
    assert "2 of 2 sessions recomputed to the same bytes; 511 documents anchored" in summary
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
        {"dso": replace(DAY, after_own_means=904)},
        {"dso": replace(DAY, after_own_means=0)},
        {"dso": replace(DAY, requested_mwh=0.0)},
        {"dso": replace(DAY, unsolved=1)},
        {"dso": replace(DAY, pictures=())},
        {"dso": replace(DAY, steps={"DA-3a": "failed"})},
        {"real_time": replace(HOURS, steps={"RT-1a": "failed"})},
        {"real_time": replace(HOURS, switched={"L-8-14": "closed"})},
        {"real_time": replace(HOURS, sensors=0)},
        {"real_time": replace(HOURS, after_own_means=1_206)},
        {"real_time": replace(HOURS, moved={})},
        {"real_time": replace(HOURS, lowest_busbar_pu=(0.91, 0.91))},
        {"real_time": replace(HOURS, pictures=("own-means.svg",))},
        {"real_time": replace(HOURS, after_own_means=0)},
        {"market": replace(MARKET, anchored_size=0)},
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
