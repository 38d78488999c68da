"""A folder with everything that the central side needs for a market day: keys, past, customers."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from central.__main__ import main
from central.calendar import gate_ms
from central.config import CentralConfig
from central.documents.encoding import sign
from central.dso.forecast.history import History
from central.dso.forecast.weather import Weather
from central.dso.grid.file import write_grid
from central.dso.grid.model import Grid
from central.scd.documents import checked
from central.service import opened
from central.sessions.floor import Seat
from ledger.configuration import load
from ledger.signing import SigningKey
from tests.desks import DAY, demo_history, demo_town
from tests.floors import AGGREGATORS, PARTIES, availabilities, seat, told_portfolio
from tests.importing import write_history, write_weather

RATE = 1.001
Told = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Room:
    """A folder for a market day; the packaged grid, or another.

    Args:
        folder: an empty one.
        day: that is traded.
        history: what is known of the customers, up to some day after.
        weather: as a service said it, if one says anything.
        seats: aggregators that are played.
        grid: none is the packaged one.
        days: so many of the history are written, up to the gate.
    """

    folder: Path
    day: date
    history: History
    weather: Weather | None
    seats: Sequence[Seat]
    grid: Grid | None = None
    days: int = 42

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
            *clock_at(gate_ms(self.day) - 1_200_000),
            "[store]",
            'evidence = "evidence.db"',
            'series = "series"',
            "[dso]",
            'imports = "imports"',
            *([f'weather = "{self.folder / "weather.csv"}"'] if self.weather else []),
            *(['grid = "grid.json"'] if self.grid else []),
            "[market]",
            f"portfolios = {json.dumps([f'{each}.json' for each in self.parties])}",
            "[market_log]",
            'origin = "test/market"',
            'key_file = "log.key"',
        ]
        for party, key_hex in public.items():
            lines += ["[[parties]]", f'id = "{party}"', f'key = "{key_hex}"']
            lines += [f'key_file = "{party}.key"']
        self.config.write_text("\n".join(lines))
        write_history(self.history_file, self.history, gate_ms(self.day), self.days * 96)
        if self.weather is not None:
            write_weather(self.folder / "weather.csv", self.weather)
        if self.grid is not None:
            write_grid(self.grid, self.folder / "grid.json")
        for made in self.seats:
            file = self.folder / f"{made.portfolio.aggregator}.json"
            file.write_text(json.dumps(told_portfolio(made.portfolio, made.brp)))

    def open(self, capsys: Told) -> None:
        """Write everything, make the database, and hand in past and what owners allow."""
        self.write()
        assert main(["scd", "init", "-c", str(self.config)]) == 0
        capsys.readouterr()
        assert self.run(capsys, "history", "import", str(self.history_file))[0] == 0
        self.owners_say()

    @property
    def parties(self) -> list[str]:
        """Return the aggregators."""
        return [each.portfolio.aggregator for each in self.seats]

    @property
    def history_file(self) -> Path:
        """Return the past as somebody else brings it."""
        return self.folder / "history.csv"

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
        said = availabilities(self.seats, self.day)
        with opened(config) as central:
            signed = [checked(sign(each, keys["owners"]))[0] for each in said]
            central.documents.commit_documents(signed, central.clock.now_ms())


def clock_at(then_ms: int) -> tuple[str, str]:
    """Return the lines of a clock that shows an instant now, and goes nearly as usual."""
    now_ms = time.time_ns() // 1_000_000
    return f"origin_ms = {round((RATE * now_ms - then_ms) / (RATE - 1))}", f"rate = {RATE}"


def demo_room(folder: Path) -> Room:
    """Return a room for the demo grid, more heavily drawn from than it bears."""
    seats = [seat(party, place, 4) for place, party in enumerate(AGGREGATORS)]
    return Room(folder, DAY, demo_history(2.2), demo_town().weather, seats)
