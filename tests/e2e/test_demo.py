"""The demo from end to end: real meters, nodes, broker, gateway, chain and database, and faults."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hil.demo.judge import INVARIANTS
from tests.servers import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_the_demo_holds_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    run = subprocess.run(
        [sys.executable, "-m", "hil", "demo", "--directory", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=360, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr[-4000:]}"
    assert run.stdout.startswith("everything held")
    assert "Traceback" not in run.stderr
    report = json.loads((folder / "report.json").read_text())
    assert report["invariants"] == dict.fromkeys(INVARIANTS, 0)
    assert report["verify"] == {"good": "VALID", "tampered": "INVALID", "unknown": "INDETERMINATE"}
    assert report["audit_tampered"]["named"] == report["audit_tampered"]["row"]
    assert report["nodes"] == 20
    assert report["readings_stored"] > 1_000
    assert report["gaps"]["METER_TIMEOUT"] >= 5, "the silenced meter left no trace"
    assert report["gaps"]["PROCESS_DOWN"] >= 1, "the killed node left no trace"
    assert report["windows_anchored"] >= 4
    assert 0 < report["gas_per_window"] <= 61_000
    dso = report["dso"]
    assert dso["history_rows"] > 36 * 96 * 200
    assert dso["congestions_before"] > dso["after_own_means"] > 0
    assert dso["moves"] > 0
    assert 0 < dso["requested_mwh"] < 1
    assert "L-6-R1-R2" in dso["requested_for"]
    assert dso["unsolved"] == 0
    assert dso["steps"] == dict.fromkeys([f"DA-{row}a" for row in range(3, 10)], "ok")
    hours = report["real_time"]
    assert hours["steps"] == dict.fromkeys([f"RT-{row}a" for row in range(1, 8)], "ok")
    assert hours["line"] == "L-2-3"
    assert hours["dark_pods"] > 200
    assert hours["switched"] == {"L-2-3": "open", "L-8-14": "closed"}
    assert hours["sensors"] == 12
    assert hours["metered_pods"] > 0, "no light node's reading reached the estimation"
    assert hours["congestions_before"] > hours["after_own_means"]
    stood, stands = hours["moved"]["TR-2"]
    assert stood == 4
    assert stands < 4
    assert hours["lowest_busbar_pu"][0] < hours["lowest_busbar_pu"][1]
    market = report["market"]
    assert market["state"] == "published"
    assert {f"DA-{row}a" for row in range(1, 19)} <= set(market["steps"])
    assert market["offers"] >= 40
    assert market["aggregators"] == 2
    assert market["pods"] > 0
    assert market["same"], "the export was recomputed to another outcome"
    for session, pictures in (("dso", dso["pictures"]), ("real-time", hours["pictures"])):
        assert {"feeder.svg", "own-means.svg"} <= set(pictures)
        for picture in pictures:
            drawn = (folder / session / picture).read_text().lstrip()
            assert drawn.startswith(("<svg", "<?xml"))
    logs = {log.name: log.read_text(errors="replace") for log in (folder / "log").iterdir()}
    assert len(logs) >= 27
    assert [name for name, text in logs.items() if "Traceback" in text] == []
