"""Settings of the gateway: one TOML file, every key with its unit in the name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ledger.chain.settings import ChainConfig
from ledger.facts.clock import ClockSettings
from ledger.facts.segment import slots_per_window
from ledger.tls import Tls

_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """The MQTT broker between light nodes and gateway; with `tls` nothing else is spoken."""

    host: str = "127.0.0.1"
    port: int = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str = "cf-gateway"
    username: str | None = None
    password_file: Path | None = None
    tls: Tls | None = None
    keepalive_s: int = 30
    session_expiry_s: int = 86_400
    longest_pause_s: float = 30.0
    inflight: int = 1_000
    held_messages: int = 20_000

    def __post_init__(self) -> None:
        """Refuse what no broker could be reached with."""
        _need_port(self.port)
        _need(1 <= self.inflight <= 65_535, f"inflight must be 1 … 65535, not {self.inflight}")  # noqa: PLR2004
        _need(self.held_messages >= 1, "held_messages must be at least 1")
        _need(self.keepalive_s >= 1, "keepalive_s must be at least 1")
        _need(self.session_expiry_s >= 0, "session_expiry_s must not be negative")


@dataclass(frozen=True, slots=True)
class CentralConfig:
    """The Shared Customer Database."""

    url: str = "http://127.0.0.1:8080"
    token_file: Path | None = None
    timeout_s: float = 10.0
    batch: int = 500
    longest_pause_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what is no address, and batches of nothing."""
        is_url = self.url.startswith(("http://", "https://"))
        _need(is_url, f"url must start with http:// or https://, not {self.url!r}")
        _need(self.batch >= 1, "batch must be at least 1")
        _need(self.timeout_s > 0, "timeout_s must be above 0")


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """How much the gateway keeps on its own disk."""

    backlog_mib: int = 4_096
    keep_links_h: int = 48
    quarantine_mib: int = 64
    reserve_mib: int = 8

    def __post_init__(self) -> None:
        """Refuse a journal that could keep nothing."""
        _need(self.backlog_mib >= 1, "backlog_mib must be at least 1")
        _need(self.keep_links_h >= 1, "keep_links_h must be at least 1")
        _need(self.quarantine_mib >= 1, "quarantine_mib must be at least 1")
        _need(self.reserve_mib >= 0, "reserve_mib must not be negative")


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """Where health, metrics and status are served; port 0 turns them off."""

    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no port."""
        _need(0 <= self.port <= _MAX_PORT, f"port must be 0 … {_MAX_PORT}, not {self.port}")


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything the gateway can be told."""

    origin: str
    state_dir: Path
    key_file: Path | None = None
    window_s: int = 60
    close_delay_s: int = 10
    rotation_overlap_s: int = 900
    verify_threads: int = 1
    batch: int = 512
    clock: ClockSettings = field(default_factory=ClockSettings)
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    central: CentralConfig = field(default_factory=CentralConfig)
    chain: ChainConfig = field(default_factory=ChainConfig)
    journal: JournalConfig = field(default_factory=JournalConfig)
    health: HealthConfig = field(default_factory=HealthConfig)

    def __post_init__(self) -> None:
        """Refuse windows that are no whole slots, and names that fit no checkpoint."""
        slots_per_window(self.window_s * 1000)
        is_name = self.origin and not set(self.origin) & set(" +\n\t") and self.origin.isprintable()
        _need(bool(is_name), f"origin must be a name without spaces and +, not {self.origin!r}")
        _need(0 <= self.close_delay_s < self.window_s, "close_delay_s must lie within a window")
        _need(self.rotation_overlap_s >= 0, "rotation_overlap_s must not be negative")
        _need(self.verify_threads >= 1, "verify_threads must be at least 1")
        _need(self.batch >= 1, "batch must be at least 1")

    @property
    def gateway_key_file(self) -> Path:
        """Return where the gateway's own Ed25519 key is."""
        return self.key_file or self.state_dir / "gateway.key"

    @property
    def chain_account_file(self) -> Path:
        """Return where the account that pays for anchors is."""
        return self.chain.account_file or self.state_dir / "account.key"

    @property
    def contract_file(self) -> Path:
        """Return where `chain deploy` wrote the contract's address."""
        return self.state_dir / "contract"

    @property
    def journal_file(self) -> Path:
        """Return the journal."""
        return self.state_dir / "journal.sqlite"

    @property
    def log_dir(self) -> Path:
        """Return the folder of the log, ready to be served as tiles."""
        return self.state_dir / "log"


def _need_port(port: int) -> None:
    _need(1 <= port <= _MAX_PORT, f"port must be 1 … {_MAX_PORT}, not {port}")


def _need(holds: bool, what: str) -> None:  # noqa: FBT001 -- reads as a sentence
    if not holds:
        raise ValueError(what)
