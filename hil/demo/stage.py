"""The stage of the demo: one folder with every program's configuration, keys and data."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.config import Address
from hil.demo.programs import Program, free_ports, ran
from ledger.signing import SigningKey

ORIGIN = "certiflex.demo/rome"
CHAIN_ID = 2742
MARKET_ORIGIN = "certiflex.demo/market"
AGGREGATORS = ("aggregator-1", "aggregator-2")
PARTIES = ("dso", "market", "tso", "brp", "owners", *AGGREGATORS)
WINDOW_S = 60
_KINDS = ("flat", "solar", "storage", "electric")
_FIRST_SERIAL = 23_110_001
_LIFE_BEFORE_MS = 3 * 86_400_000
FIELD = "field"
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
at = ["LV-6"]
[[plant.event]]
at_s = 0
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
        rate: how much faster than the wall clock the demo's time runs.
    """

    directory: Path
    count: int
    rate: float
    origin_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    ports: Ports = field(init=False)
    houses: Sequence[House] = field(init=False)
    log_key: str = field(default="", init=False)
    field_key: str = field(default="", init=False)
    contract: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()
        chain, broker, central, status, bench, scada, *meters = free_ports(6 + self.count)
        self.ports = Ports(chain, broker, central, status, bench, scada, meters[0])
        self.houses = [
            House(number, self.directory / "nodes" / f"{number:02}", meters[number])
            for number in range(self.count)
        ]

    def path(self, *parts: str) -> Path:
        """Return a path on the stage."""
        return self.directory.joinpath(*parts)

    @property
    def weather(self) -> Path:
        """Return where the weather service's words lie."""
        return self.path("weather.csv")

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
        installed_on = time.strftime(
            "%Y-%m-%d", time.gmtime((self.origin_ms - _LIFE_BEFORE_MS) / 1000)
        )
        head = [
            "[bench]",
            "weather_seed = 7",
            f'installed_on = "{installed_on}"',
            f'control = "127.0.0.1:{self.ports.bench}"',
            *self._clock(),
        ]
        plant = _PLANT.format(
            party=FIELD,
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
        """Write a configuration of the Shared Customer Database over an evidence file."""
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
            "[market_log]",
            f'origin = "{MARKET_ORIGIN}"',
            f'key_file = "{self.path("central", "market-log.key")}"',
            "[[parties]]",
            f'id = "{FIELD}"',
            f'key = "{self.field_key}"',
            *(line for party in PARTIES for line in self._played(party)),
            "",
        ]
        path.write_text("\n".join(lines), encoding="utf-8")

    def make_party_keys(self) -> None:
        """Make the keys of all who trade, and of the log of their documents."""
        for party in PARTIES:
            SigningKey.generate().save(self.path("central", f"{party}.key"))
        SigningKey.generate("EdDSA").save(self.path("central", "market-log.key"))

    def portfolio(self, aggregator: str) -> Path:
        """Return where an aggregator's customers are told."""
        return self.path(f"{aggregator}.json")

    def _played(self, party: str) -> list[str]:
        file = self.path("central", f"{party}.key")
        public = SigningKey.load(file).public.encode().hex()
        return ["[[parties]]", f'id = "{party}"', f'key = "{public}"', f'key_file = "{file}"']

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

    def chain(self, account: str) -> Program:
        """Return the embedded chain; `account` pays for anchors."""
        arguments = [
            "ledger", "chain", "serve", "--path", str(self.path("chain")),
            "--port", str(self.ports.chain), "--chain-id", str(CHAIN_ID), "--fund", account,
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
        return Program(name, arguments, self.path("log", f"{name}.log"), port)

    async def told(self, *arguments: str) -> dict[str, Any]:
        """Run a command with --json and return the document it printed."""
        _, output = await ran([*arguments, "--json"], log=self.path("log", "commands.log"))
        document: dict[str, Any] = json.loads(output)
        return document


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
