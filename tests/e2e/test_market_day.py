"""A market day by the command line: a real database, keys in files, export, and a check of it.

Of a village; the demo does the same with the packaged grid.
"""

from pathlib import Path

from central.__main__ import main
from central.calendar import day_start_ms
from tests.desks import DAY
from tests.rooms import Room, Told
from tests.villages import village, village_history, village_seats

EVENING_S = 18 * 3_600 + 960
SHARE = 2.3
NAME = f"day-ahead {DAY.isoformat()}"


def test_a_day_is_traded_told_exported_and_found_the_same(tmp_path: Path, capsys: Told) -> None:
    past = village_history(DAY, SHARE)
    room = Room(tmp_path, DAY, past, None, village_seats(), village())
    room.open(capsys)

    status, told = room.run(capsys, "market", "run", "--day", DAY.isoformat())
    assert (status, told["state"]) == (0, "published")
    assert set(told["steps"].values()) <= {"ok", "nothing"}
    assert {f"DA-{number}a" for number in range(1, 19)} <= set(told["steps"])
    assert {"DA-1b", "DA-6b", "DA-1c", "DA-2c", "DA-3c", "ST-1"} <= set(told["steps"])
    outcome = told["outcome"]
    assert len({each["pod"] for each in outcome["awards"]}) >= 2
    assert all(each["because"] for each in [*outcome["awards"], *outcome["not_taken"]])

    assert room.run(capsys, "market", "show", NAME)[1]["outcome"] == outcome
    assert room.run(capsys, "market", "show")[1]["sessions"] == {NAME: "published"}
    assert main(["market", "show", NAME, "-c", str(room.config)]) == 0
    assert "over effect" in capsys.readouterr().out

    export, trust = str(tmp_path / "export"), str(tmp_path / "trust.toml")
    status, _ = room.run(capsys, "market", "export", NAME, "--to", export, "--trust-to", trust)
    assert status == 0
    status, verified = room.run(capsys, "market", "verify", export, "--trust", trust)
    assert (status, verified["difference"], verified["wanting"]) == (0, "", "")
    assert verified["outcomes"] == 4

    room.set_clock(day_start_ms(DAY) + EVENING_S * 1_000)
    status, told = room.run(capsys, "market", "run", "--hours")
    assert (status, told["state"]) == (0, "published")
    hours, hours_trust = str(tmp_path / "hours"), str(tmp_path / "hours.toml")
    status, _ = room.run(
        capsys, "market", "export", told["session"], "--to", hours, "--trust-to", hours_trust
    )
    assert status == 0
    status, verified = room.run(capsys, "market", "verify", hours, "--trust", hours_trust)
    assert (status, verified["difference"], verified["wanting"]) == (0, "", "")
    assert verified["outcomes"] == 4
    status, verified = room.run(capsys, "market", "verify", hours, "--trust", trust)
    assert status == 3, "that head is from before these hours"
    assert (verified["difference"], verified["outcomes"]) == ("", 4)

    other = room.config.read_text().replace("[market]", "[market]\nprice_cap_eur_per_mwh = 300.0")
    room.config.write_text(other)
    status, verified = room.run(capsys, "market", "verify", export, "--trust", trust)
    assert status == 1
    assert "awards" in verified["difference"]
