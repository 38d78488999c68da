"""A market day by the command line: a real database, keys in files, export, and a check of it."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from central.__main__ import main
from central.calendar import day_start_ms, gate_ms
from central.config import CentralConfig
from central.documents.encoding import sign
from central.scd.documents import checked
from central.service import opened
from ledger.configuration import load
from ledger.signing import SigningKey
from tests.desks import DAY, demo_history, demo_town
from tests.floors import AGGREGATORS, PARTIES, availabilities, seat, told_portfolio
from tests.importing import write_history, write_weather

RATE = 1.001
EVENING_S = 18 * 3_600 + 1_860
NAME = f"day-ahead {DAY.isoformat()}"
Told = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Room:
    """A folder with everything that the central side needs for the day."""

    folder: Path

    def write(self) -> None:
        """Write configuration, keys, past, weather and customers."""
        public = {}
        for party in PARTIES:
            key = SigningKey.generate()
            key.save(self.folder / f"{party}.key")
            public[party] = key.public.encode().hex()
        log_key = SigningKey.generate("EdDSA")
        log_key.save(self.folder / "log.key")
        lines = [
            'origin = "test/rome"',
            f'log_key = "{SigningKey.generate("EdDSA").public.encode().hex()}"',
            "[clock]",
            *clock_at(gate_ms(DAY) - 1_200_000),
            "[store]",
            'evidence = "evidence.db"',
            'series = "series"',
            "[dso]",
            'imports = "imports"',
            f'weather = "{self.folder / "weather.csv"}"',
            "[market]",
            f"portfolios = {json.dumps([f'{each}.json' for each in AGGREGATORS])}",
            "[market_log]",
            'origin = "test/market"',
            'key_file = "log.key"',
        ]
        for party, key_hex in public.items():
            lines += ["[[parties]]", f'id = "{party}"', f'key = "{key_hex}"']
            lines += [f'key_file = "{party}.key"']
        self.config.write_text("\n".join(lines))
        write_history(self.folder / "history.csv", demo_history(2.2), gate_ms(DAY), 42 * 96)
        write_weather(self.folder / "weather.csv", demo_town().weather)
        for place, party in enumerate(AGGREGATORS):
            made = seat(party, place, 4)
            told = told_portfolio(made.portfolio, made.brp)
            (self.folder / f"{party}.json").write_text(json.dumps(told))

    def set_clock(self, then_ms: int) -> None:
        """Let it be another time from now on."""
        text = self.config.read_text()
        origin, rate = clock_at(then_ms)
        self.config.write_text(re.sub(r"origin_ms = .*\nrate = .*", f"{origin}\n{rate}", text))

    @property
    def config(self) -> Path:
        """Return the configuration."""
        return self.folder / "central.toml"

    def run(self, capsys: Told, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Return exit status and JSON of a command."""
        status = main([*arguments, "-c", str(self.config), "--json"])
        out, err = capsys.readouterr()
        assert out, err
        told: dict[str, Any] = json.loads(out)
        return status, told

    def owners_say(self) -> None:
        """Hand in what owners allow, as their app does."""
        config = load(CentralConfig, self.config, program="central").value
        keys = config.played_keys()
        seats = [seat(party, place, 4) for place, party in enumerate(AGGREGATORS)]
        with opened(config) as central:
            signed = [checked(sign(each, keys["owners"]))[0] for each in availabilities(seats)]
            central.documents.commit_documents(signed, central.clock.now_ms())


def clock_at(then_ms: int) -> tuple[str, str]:
    """Return the lines of a clock that shows an instant now, and goes nearly as usual."""
    now_ms = time.time_ns() // 1_000_000
    return f"origin_ms = {round((RATE * now_ms - then_ms) / (RATE - 1))}", f"rate = {RATE}"


def test_a_day_is_traded_told_exported_and_found_the_same(tmp_path: Path, capsys: Told) -> None:
    room = Room(tmp_path)
    room.write()
    assert main(["scd", "init", "-c", str(room.config)]) == 0
    capsys.readouterr()
    history = str(tmp_path / "history.csv")
    assert room.run(capsys, "history", "import", history)[0] == 0
    room.owners_say()

    status, told = room.run(capsys, "market", "run", "--day", DAY.isoformat())
    assert (status, told["state"]) == (0, "published")
    assert set(told["steps"].values()) <= {"ok", "nothing"}
    assert {f"DA-{number}a" for number in range(1, 19)} <= set(told["steps"])
    assert {"DA-1b", "DA-6b", "DA-1c", "DA-2c", "DA-3c", "ST-1"} <= set(told["steps"])
    outcome = told["outcome"]
    assert len({each["pod"] for each in outcome["awards"]}) >= 40
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

    other = room.config.read_text().replace("[market]", '[market]\npricing = "pay_as_cleared"')
    room.config.write_text(other)
    status, verified = room.run(capsys, "market", "verify", export, "--trust", trust)
    assert status == 1
    assert "awards" in verified["difference"]
