"""Settings of the ledger, the same for every program that writes to it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """The ledger; without `urls` heads are kept, and nothing is anchored."""

    urls: tuple[str, ...] = ()
    chain_id: int = 2742
    contract: str | None = None
    account_file: Path | None = None
    confirmations: int = 1
    bump_after_s: int = 60
    max_fee_gwei: int = 500
    timeout_s: float = 10.0
    longest_pause_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse chains without a number and finality without a block."""
        _need(self.chain_id >= 1, "chain_id must be at least 1")
        _need(self.confirmations >= 1, "confirmations must be at least 1")
        _need(self.timeout_s > 0, "timeout_s must be above 0")


def _need(holds: bool, what: str) -> None:  # noqa: FBT001 -- reads as a sentence
    if not holds:
        raise ValueError(what)
