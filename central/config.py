"""Settings of the central side: one TOML file, every key with its unit in the name."""

from dataclasses import dataclass, field
from pathlib import Path

from central.scd.quarters import Tolerance
from ledger.chain.settings import ChainConfig
from ledger.configuration import load
from ledger.errors import Rejected
from ledger.facts.clock import ClockSettings
from ledger.signing import SigningKey, VerifyingKey

_MAX_PORT = 65_535
_FULL_PCT = 100
_WIDEST_MARGIN_PU = 0.05
_PRICINGS = ("pay_as_bid", "pay_as_cleared")
_RESERVES = ("none", "largest_offer", "delivery_history")
_EVERY = ("quarter", "hour")


def _need(holds: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads like a sentence
    if not holds:
        raise ValueError(otherwise)


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where evidence and series are kept."""

    evidence: Path = Path("var/scd/evidence.db")
    series: Path = Path("var/scd/series")
    check_up_to_mib: int = 1_024

    def __post_init__(self) -> None:
        """Refuse a negative size."""
        _need(self.check_up_to_mib >= 0, "check_up_to_mib must not be negative")


@dataclass(frozen=True, slots=True)
class SeriesConfig:
    """When hours and days are sealed."""

    seal_every_s: int = 60
    grace_s: int = 600

    def __post_init__(self) -> None:
        """Refuse to seal without a pause, or before the end."""
        _need(self.seal_every_s >= 1, "seal_every_s must be at least 1")
        _need(self.grace_s >= 0, "grace_s must not be negative")


@dataclass(frozen=True, slots=True)
class QuartersConfig:
    """How far energy summed from power may lie from the registers: the larger of the two."""

    tolerance_wh: float = 5.0
    tolerance_pct: float = 2.0

    def __post_init__(self) -> None:
        """Refuse negative tolerances."""
        _need(self.tolerance_wh >= 0, "tolerance_wh must not be negative")
        _need(self.tolerance_pct >= 0, "tolerance_pct must not be negative")

    @property
    def tolerance(self) -> Tolerance:
        """Return both bounds."""
        return Tolerance(absolute_wh=self.tolerance_wh, relative_pct=self.tolerance_pct)


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Where the HTTP API is served, and how much it takes at once."""

    host: str = "127.0.0.1"
    port: int = 8080
    max_body_mib: int = 64

    def __post_init__(self) -> None:
        """Refuse what nobody could connect to."""
        _need(0 <= self.port <= _MAX_PORT, f"port must be 0 … {_MAX_PORT}, not {self.port}")
        _need(self.max_body_mib >= 1, "max_body_mib must be at least 1")


@dataclass(frozen=True, slots=True)
class PartyConfig:
    """Who signs documents, and the public key, in hexadecimal, that tells it is they.

    With `key_file`, its private key, sessions play the party here; without, it hands in by itself.
    """

    id: str
    key: str
    key_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a key that is none."""
        _key(self.key, "key")


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """Where congestion alerts are sent to; nowhere without an address."""

    webhook_url: str = ""
    secret_file: Path | None = None
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse an address without a secret, and one that is none."""
        if self.webhook_url:
            _need(self.webhook_url.startswith(("http://", "https://")), "webhook_url must be http")
            _need(self.secret_file is not None, "webhook_url needs a secret_file beside it")
        _need(self.timeout_s > 0, "timeout_s must be above 0")


@dataclass(frozen=True, slots=True)
class DsoConfig:
    """The DSO Technical Platform: its grid, its inputs, and the terms on which it asks.

    Without `grid` it is the one that the package ships. `weather` is a path or an address.
    Own means are handed to the SCADA at `scada_url`, to nobody without it; `scada_timeout_s` is
    the longest wait for a changer that goes step by step. In silence of `failsafe_after_s` a POD
    may draw `failsafe_floor_w` in any case, as far as its contract goes.
    """

    grid: Path | None = None
    imports: Path = Path("var/dso/imports")
    weather: str = ""
    margin_voltage_pu: float = 0.005
    margin_current_pct: float = 2.0
    flexible_pct: float = 30.0
    maximum_price_eur_per_mwh: float = 500.0
    reliability_pct: float = 90.0
    scada_url: str = ""
    scada_timeout_s: float = 120.0
    failsafe_after_s: int = 120
    failsafe_floor_w: int = 4_200

    def __post_init__(self) -> None:
        """Refuse margins that leave nothing, and shares that are none."""
        _need(0 <= self.margin_voltage_pu < _WIDEST_MARGIN_PU, "margin_voltage_pu must be 0 … 0.05")
        _need(0 <= self.margin_current_pct < _FULL_PCT, "margin_current_pct must be 0 … 100")
        for name in ("flexible_pct", "reliability_pct"):
            _need(0 < getattr(self, name) <= _FULL_PCT, f"{name} must be above 0, at most 100")
        _need(self.maximum_price_eur_per_mwh >= 0, "maximum_price_eur_per_mwh must not be negative")
        if self.scada_url:
            _need(self.scada_url.startswith(("http://", "https://")), "scada_url must be http")
        _need(self.scada_timeout_s > 0, "scada_timeout_s must be above 0")
        _need(self.failsafe_after_s >= 1, "failsafe_after_s must be at least 1")
        _need(self.failsafe_floor_w >= 0, "failsafe_floor_w must not be negative")


@dataclass(frozen=True, slots=True)
class MarketLogConfig:
    """The operator's own log of market documents: its name, and the Ed25519 key that signs it."""

    origin: str
    key_file: Path

    def __post_init__(self) -> None:
        """Refuse a name that no checkpoint could bear."""
        is_name = self.origin and not set(self.origin) & set(" +\n\t") and self.origin.isprintable()
        _need(bool(is_name), f"origin must be a name without spaces and +, not {self.origin!r}")


@dataclass(frozen=True, slots=True)
class MarketConfig:
    """The local flexibility market: its rules, and those who are played here.

    `portfolios` are the files of aggregators; `transmission` is the TSO's case, the packaged
    example where the TSO is played and none is named. The service runs a real-time session before
    every quarter-hour or every hour, and begins with a day's so long before its gate closes.
    """

    pricing: str = "pay_as_bid"
    price_cap_eur_per_mwh: float = 3_000.0
    reserve: str = "largest_offer"
    most_rounds: int = 4
    portfolios: tuple[Path, ...] = ()
    retail_eur_per_mwh: float = 280.0
    feed_in_eur_per_mwh: float = 90.0
    fee_eur_per_mwh: float = 10.0
    transmission: Path | None = None
    tso_maximum_price_eur_per_mwh: float = 400.0
    real_time_every: str = "quarter"
    day_ahead_lead_s: int = 600

    def __post_init__(self) -> None:
        """Refuse rules that are none, and prices nobody could offer at."""
        _need(self.pricing in _PRICINGS, f"pricing must be one of {', '.join(_PRICINGS)}")
        _need(self.reserve in _RESERVES, f"reserve must be one of {', '.join(_RESERVES)}")
        _need(self.price_cap_eur_per_mwh > 0, "price_cap_eur_per_mwh must be above 0")
        _need(self.most_rounds >= 1, "most_rounds must be at least 1")
        _need(self.real_time_every in _EVERY, f"real_time_every must be one of {', '.join(_EVERY)}")
        _need(self.day_ahead_lead_s > 0, "day_ahead_lead_s must be above 0")
        _need(
            0 <= self.feed_in_eur_per_mwh <= self.retail_eur_per_mwh,
            "feed_in_eur_per_mwh must be 0 … retail_eur_per_mwh",
        )
        for name in ("fee_eur_per_mwh", "tso_maximum_price_eur_per_mwh"):
            _need(getattr(self, name) >= 0, f"{name} must not be negative")


@dataclass(frozen=True, slots=True)
class CentralConfig:
    """Everything that a central process is told.

    `origin` names the log; `log_key` is the key that signs its checkpoints, in hexadecimal.
    """

    origin: str
    log_key: str
    store: StoreConfig = StoreConfig()
    series: SeriesConfig = SeriesConfig()
    quarters: QuartersConfig = QuartersConfig()
    api: ApiConfig = ApiConfig()
    clock: ClockSettings = field(default_factory=ClockSettings)
    alerts: AlertsConfig = AlertsConfig()
    dso: DsoConfig = DsoConfig()
    market: MarketConfig = MarketConfig()
    market_log: MarketLogConfig | None = None
    chain: ChainConfig | None = None
    parties: tuple[PartyConfig, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name or key that no checkpoint could bear."""
        _need(bool(self.origin), "origin must not be empty")
        self.verifying_key()
        own = self.market_log.origin if self.market_log else ""
        _need(own != self.origin, "market_log.origin must differ from origin, the gateway's log")
        _need_whole(self.chain, self.market_log)
        names = [party.id for party in self.parties]
        _need(len(set(names)) == len(names), "parties names one twice")

    def verifying_key(self) -> VerifyingKey:
        """Return the key that signs the log's checkpoints.

        Raises:
            ValueError: `log_key` is no public key in hexadecimal.
        """
        return _key(self.log_key, "log_key")

    def party_keys(self) -> dict[str, VerifyingKey]:
        """Return the key of every party."""
        return {party.id: _key(party.key, "key") for party in self.parties}

    def played_keys(self) -> dict[str, SigningKey]:
        """Return the private key of every party that is played here.

        Raises:
            Rejected: a file holds no key, is open to others, or its key is not the party's.
        """
        return {
            party.id: _own_key(party, party.key_file) for party in self.parties if party.key_file
        }

    def need_market_log(self) -> MarketLogConfig:
        """Return what is said of the market log.

        Raises:
            Rejected: nothing is.
        """
        if self.market_log is None:
            raise Rejected(
                "no market log is named: documents cannot be certified",
                where="market_log",
                remedy="type: certiflex central log key --origin NAME --file FILE",
                reason="no_market_log",
            )
        return self.market_log


def configured(file: Path | None) -> CentralConfig:
    """Return the settings that a file, the environment and the defaults make together.

    Raises:
        Misconfigured: it cannot be read, or something in it is wrong.
    """
    return load(CentralConfig, file, program="central").value


def _need_whole(chain: ChainConfig | None, market_log: MarketLogConfig | None) -> None:
    """Refuse a ledger that nothing could be written to, and one that nothing is written to."""
    if chain is not None:
        _need(bool(chain.urls), "chain.urls names no node")
        _need(bool(chain.contract), "chain.contract is missing")
        _need(chain.account_file is not None, "chain.account_file is missing")
        _need(market_log is not None, "chain is there and market_log is not: nothing to anchor")


def _own_key(party: PartyConfig, file: Path) -> SigningKey:
    key = SigningKey.load(file)
    if key.public.encode().hex() != party.key:
        raise Rejected(
            f"holds another key than that of {party.id} under [[parties]]",
            where=str(file),
            remedy=f"type: certiflex central party key {party.id} --file {file}",
            reason="other_key",
        )
    return key


def _key(encoded: str, name: str) -> VerifyingKey:
    try:
        return VerifyingKey.decode(bytes.fromhex(encoded))
    except (Rejected, ValueError) as error:
        raise ValueError(f"{name} must be a public key in hexadecimal ({error})") from error
