"""The stage of the demo: one folder with every program's configuration, keys and data."""

import asyncio
import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hil.config import Address
from hil.demo.programs import Program, free_ports, ran
from ledger.errors import Rejected
from ledger.facts.clock import ScaledClock
from ledger.signing import SigningKey

ORIGIN = "certiflex.demo/rome"
CHAIN_ID = 2742
MARKET_ORIGIN = "certiflex.demo/market"
AGGREGATORS = ("aggregator-1", "aggregator-2")
PARTIES = ("dso", "market", "tso", "brp", "owners", *AGGREGATORS)
WINDOW_S = 60
# The same evening each time, so that the same is asked and sold: the next hours hold its peak.
# SCADA moves at quarter-hours, each 90 s from the next: at 18:45 the rest has just been shown.
EVENING = datetime(2026, 11, 26, 18, 27, tzinfo=ZoneInfo("Europe/Rome"))
_KINDS = ("flat", "solar", "storage", "electric")
_FIRST_SERIAL = 23_110_001
_LIFE_BEFORE = timedelta(days=3)
FIELD = "field"
GROWN = "LV-6"
# So many metered houses stand in the network; who comes after them has a meter and no place in it.
_PLACES = 20
# A third more in the homes of one street, whatever the hour: a scenario, not a measurement. And a
# changer that stands where its own feeder, a short one, has been well served.
_PLANT = """
[plant]
seed = 1
scada = "127.0.0.1:{scada}"
[plant.growth]
pct = 35.0
at = ["{grown}"]
[[plant.event]]
at_s = {begun_s}
action = "tap"
device = "TR-2"
position = 4
[plant.sensors]
every_s = 20
url = "{central}"
token = "{token}"
key = "{key}"
sender = "{party}"
receiver = "dso"
"""

# What the TSO looks after: two lines of 150 kV that are short of a little for half an hour.
_TRANSMISSION = """
name = "the demo's 150 kV"
voltage_v = 150000
fed_at = "Roma Ovest"
[[line]]
name = "150 kV Roma Ovest - Est 1"
between = ["Roma Ovest", "Est"]
reactance_ohm = 8.0
limit_w = 19140000
[[line]]
name = "150 kV Roma Ovest - Est 2"
between = ["Roma Ovest", "Est"]
reactance_ohm = 8.0
limit_w = 19140000
[[load]]
bus = "Est"
power_w = [
  1100000, 1000000, 1000000, 1000000, 1000000, 1100000, 1300000, 1500000,
  1700000, 1800000, 1800000, 1800000, 1700000, 1700000, 1700000, 1700000,
  1700000, 1800000, 2000000, 2170000, 2000000, 1800000, 1500000, 1300000,
]
[[substation]]
name = "PS-ROMA-DEMO"
bus = "Est"
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of the loopback."""

    chain: int
    broker: int
    central: int
    status: int
    bench: int
    scada: int
    first_meter: int


@dataclass(frozen=True, slots=True)
class House:
    """One participating meter with its light node: even ones over TCP, odd ones over a line."""

    number: int
    folder: Path
    meter_port: int

    @property
    def name(self) -> str:
        """Return how the demo calls it."""
        return f"house-{self.number:02}"

    @property
    def pod(self) -> str:
        """Return its point of delivery."""
        return f"IT002E{self.number:08}"

    @property
    def is_serial(self) -> bool:
        """Tell whether the meter hangs on a serial line (RTU), not on TCP."""
        return self.number % 2 == 1

    @property
    def serial_number(self) -> int:
        """Return what stands on the meter's plate."""
        return _FIRST_SERIAL + self.number

    @property
    def line(self) -> Path:
        """Return where the serial line appears."""
        return self.folder / "line"

    @property
    def config(self) -> Path:
        """Return the light node's configuration."""
        return self.folder / "node.toml"


@dataclass
class Stage:
    """Everything that the programs need before they can start.

    Args:
        directory: made anew.
        count: how many houses.
        rate: how much faster than the wall clock the demo's time runs, from the evening on.

    Raises:
        Rejected: it does not run faster.
    """

    directory: Path
    count: int
    rate: float
    origin_ms: int = field(init=False)
    ports: Ports = field(init=False)
    houses: Sequence[House] = field(init=False)
    log_key: str = field(default="", init=False)
    field_key: str = field(default="", init=False)
    contract: str = field(default="", init=False)
    _programs: list[Program] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.origin_ms = _origin_ms(EVENING, time.time_ns() // 1_000_000, self.rate)
        self.directory = self.directory.resolve()
        chain, broker, central, status, bench, scada, *meters = free_ports(6 + self.count)
        self.ports = Ports(chain, broker, central, status, bench, scada, meters[0])
        self.houses = [
            House(number, self.directory / "nodes" / f"{number:02}", meters[number])
            for number in range(self.count)
        ]

    @property
    def clock(self) -> ScaledClock:
        """Return the time that all programs live in."""
        return ScaledClock(self.origin_ms, self.rate)

    def path(self, *parts: str) -> Path:
        """Return a path on the stage."""
        return self.directory.joinpath(*parts)

    @property
    def weather(self) -> Path:
        """Return where the weather service's words lie."""
        return self.path("weather.csv")

    @property
    def market_account(self) -> Path:
        """Return where the account lies that anchors the market log."""
        return self.path("central", "market-account.key")

    @property
    def gateway_account(self) -> Path:
        """Return where the account lies that deploys the contract, and is its admin."""
        return self.path("gateway", "account.key")

    @property
    def bench_address(self) -> Address:
        """Return where faults of meters are switched."""
        return Address("127.0.0.1", self.ports.bench)

    @property
    def scada_url(self) -> str:
        """Return where the plant's SCADA answers."""
        return f"http://127.0.0.1:{self.ports.scada}"

    @property
    def central_url(self) -> str:
        """Return where the Shared Customer Database answers."""
        return f"http://127.0.0.1:{self.ports.central}"

    @property
    def status_url(self) -> str:
        """Return where the gateway tells how it is."""
        return f"http://127.0.0.1:{self.ports.status}/status"

    @property
    def chain_url(self) -> str:
        """Return where the chain speaks JSON-RPC."""
        return f"http://127.0.0.1:{self.ports.chain}"

    def token(self, role: str) -> str:
        """Return the token of a role."""
        return self.token_file(role).read_text(encoding="utf-8").strip()

    def token_file(self, role: str) -> Path:
        """Return where the token of a role lies."""
        return self.path("central", f"{role}.token")

    def clear(self) -> None:
        """Begin with an empty folder."""
        shutil.rmtree(self.directory, ignore_errors=True)
        for house in self.houses:
            house.folder.mkdir(parents=True)
        self.path("central").mkdir()
        self.path("log").mkdir()

    def write_bench(self) -> None:
        """Write the bench file: the network with its sensors, the meters, and their households."""
        installed_on = (EVENING.astimezone(UTC) - _LIFE_BEFORE).date().isoformat()
        head = [
            "[bench]",
            "weather_seed = 7",
            f'installed_on = "{installed_on}"',
            f'control = "127.0.0.1:{self.ports.bench}"',
            *self._clock(),
        ]
        # The clocks' origin, which events count from, is later than the evening on any later day.
        plant = _PLANT.format(
            begun_s=math.floor(EVENING.timestamp() - self.origin_ms / 1000),
            party=FIELD,
            grown=GROWN,
            scada=self.ports.scada,
            central=self.central_url,
            token=self.token_file("field_sensor"),
            key=self.path("central", "field.key"),
        )
        meters = [line for house in self.houses for line in _meter(house)]
        lines = [*head, plant, *meters, ""]
        self.path("bench.toml").write_text("\n".join(lines), encoding="utf-8")

    def write_gateway(self) -> None:
        """Write the gateway's configuration."""
        lines = [
            f'origin = "{ORIGIN}"',
            'state_dir = "gateway"',
            f"window_s = {WINDOW_S}",
            *self._clock(),
            "[broker]",
            f"port = {self.ports.broker}",
            'protocol = "3.1.1"',
            "longest_pause_s = 1.0",
            "[central]",
            f'url = "{self.central_url}"',
            'token_file = "central/gateway.token"',
            "longest_pause_s = 1.0",
            "[chain]",
            f'urls = ["{self.chain_url}"]',
            f"chain_id = {CHAIN_ID}",
            "longest_pause_s = 1.0",
            "[health]",
            f"port = {self.ports.status}",
            "",
        ]
        self.path("gateway.toml").write_text("\n".join(lines), encoding="utf-8")

    def write_central(self, path: Path, evidence: Path) -> None:
        """Write a configuration of the Shared Customer Database over an evidence file.

        Once there is a contract, the market log is anchored in it.
        """
        self.path("transmission.toml").write_text(_TRANSMISSION, encoding="utf-8")
        lines = [
            f'origin = "{ORIGIN}"',
            f'log_key = "{self.log_key}"',
            "[store]",
            f'evidence = "{evidence}"',
            f'series = "{self.path("central", "series")}"',
            "[api]",
            f"port = {self.ports.central}",
            "[dso]",
            f'imports = "{self.path("imports")}"',
            f'weather = "{self.weather}"',
            f'scada_url = "{self.scada_url}"',
            *self._clock(),
            "[market]",
            f"portfolios = {json.dumps([str(self.portfolio(each)) for each in AGGREGATORS])}",
            f'transmission = "{self.path("transmission.toml")}"',
            "[market_log]",
            f'origin = "{MARKET_ORIGIN}"',
            f'key_file = "{self.path("central", "market-log.key")}"',
            *(self._chain() if self.contract else ()),
            "[[parties]]",
            f'id = "{FIELD}"',
            f'key = "{self.field_key}"',
            *(line for party in PARTIES for line in self._played(party)),
            "",
        ]
        path.write_text("\n".join(lines), encoding="utf-8")

    def _chain(self) -> list[str]:
        return [
            "[chain]",
            f'urls = ["{self.chain_url}"]',
            f"chain_id = {CHAIN_ID}",
            f'contract = "{self.contract}"',
            f'account_file = "{self.market_account}"',
            "longest_pause_s = 1.0",
        ]

    def make_party_keys(self) -> None:
        """Make the keys of all who trade, and of the log of their documents."""
        for party in PARTIES:
            SigningKey.generate().save(self.path("central", f"{party}.key"))
        SigningKey.generate("EdDSA").save(self.path("central", "market-log.key"))

    def portfolio(self, aggregator: str) -> Path:
        """Return where an aggregator's customers are told."""
        return self.path(f"{aggregator}.json")

    def trusted_parties(self) -> str:
        """Return who trades and by which key, as a trust file has it."""
        return "\n".join(line for party in PARTIES for line in self._party(party))

    @property
    def market_log_key(self) -> str:
        """Return the public key that signs the market log, in hexadecimal."""
        return _public_of(self.path("central", "market-log.key"))

    def _party(self, party: str) -> list[str]:
        public = _public_of(self.path("central", f"{party}.key"))
        return ["[[parties]]", f'id = "{party}"', f'key = "{public}"']

    def _played(self, party: str) -> list[str]:
        return [*self._party(party), f'key_file = "{self.path("central", f"{party}.key")}"']

    def write_node(self, house: House) -> None:
        """Write a light node's configuration."""
        address = (
            f"rtu://{house.line}" if house.is_serial else f"tcp://127.0.0.1:{house.meter_port}"
        )
        lines = [
            "[node]",
            'folder = "."',
            "[meter]",
            f'profile = "{"eastron-sdm120" if house.is_serial else "eastron-sdm630"}"',
            f'address = "{address}"',
            f"serial_number = {house.serial_number}",
            "[broker]",
            f"port = {self.ports.broker}",
            'protocol = "3.1.1"',
            "[uplink]",
            "resend_s = 5.0",
            "longest_pause_s = 2.0",
            *self._clock(),
            "trusted_error_ms = 20",
            "",
        ]
        house.config.write_text("\n".join(lines), encoding="utf-8")

    def _clock(self) -> list[str]:
        return ["[clock]", f"origin_ms = {self.origin_ms}", f"rate = {self.rate}"]

    # ── programs ────────────────────────────────────────────────────────────────────────────

    def chain(self, *accounts: str) -> Program:
        """Return the embedded chain; the accounts pay for anchors."""
        arguments = [
            "ledger", "chain", "serve", "--path", str(self.path("chain")),
            "--port", str(self.ports.chain), "--chain-id", str(CHAIN_ID),
            *(word for account in accounts for word in ("--fund", account)),
            "--clock-origin-ms", str(self.origin_ms), "--clock-rate", str(self.rate),
        ]  # fmt: skip
        return self._program("chain", arguments, self.ports.chain)

    def broker(self) -> Program:
        """Return the embedded broker."""
        arguments = ["gateway", "broker", "--port", str(self.ports.broker)]
        return self._program("broker", arguments, self.ports.broker)

    def central(self) -> Program:
        """Return the Shared Customer Database."""
        arguments = ["central", "serve", "-c", str(self.path("central.toml"))]
        return self._program("database", arguments, self.ports.central)

    def gateway(self) -> Program:
        """Return the gateway."""
        arguments = ["gateway", "run", "-c", str(self.path("gateway.toml"))]
        return self._program("gateway", arguments, self.ports.status)

    def bench(self) -> Program:
        """Return the simulated meters, and the network that they stand in."""
        arguments = ["hil", "serve", str(self.path("bench.toml"))]
        return self._program("meters", arguments, self.ports.bench)

    def node(self, house: House) -> Program:
        """Return a light node."""
        return self._program(house.name, ["lightnode", "run", "-c", str(house.config)], 0)

    def _program(self, name: str, arguments: Sequence[str], port: int) -> Program:
        self._programs.append(Program(name, arguments, self.path("log", f"{name}.log"), port))
        return self._programs[-1]

    def running(self) -> int:
        """Return how many programs live."""
        return sum(program.running for program in self._programs)

    async def end(self) -> None:
        """Ask every program to end, and end those that do not."""
        await asyncio.gather(*(program.stop() for program in self._programs))

    def cut(self) -> None:
        """Kill every program at once, without waiting."""
        for program in self._programs:
            program.cut()

    async def told(self, *arguments: str) -> dict[str, Any]:
        """Run a command with --json and return the document it printed."""
        _, output = await ran([*arguments, "--json"], log=self.path("log", "commands.log"))
        document: dict[str, Any] = json.loads(output)
        return document


def _origin_ms(start: datetime, now_ms: int, rate: float) -> int:
    """Return the origin of a clock that shows `start` now.

    Raises:
        Rejected: a clock that is not faster than the machine's shows what that shows.
    """
    if rate <= 1:
        raise Rejected("the demo's time must run faster than the wall clock", where="--rate")
    return math.floor(now_ms + (now_ms - start.timestamp() * 1000) / (rate - 1))


def _public_of(file: Path) -> str:
    return SigningKey.load(file).public.encode().hex()


def _meter(house: House) -> list[str]:
    pod = [f'pod = "{house.pod}"'] if house.number < _PLACES else []
    place = f'line = "{house.line}"' if house.is_serial else f'tcp = "127.0.0.1:{house.meter_port}"'
    return [
        "[[meter]]",
        f'name = "{house.name}"',
        f'model = "{"sdm120" if house.is_serial else "sdm630"}"',
        f"seed = {house.number}",
        f"serial_number = {house.serial_number}",
        f'kind = "{_KINDS[house.number % len(_KINDS)]}"',
        place,
        *pod,
    ]
