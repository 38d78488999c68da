"""Setting up the DSO's desk, and its way to SCADA, from a configuration."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from central.config import DsoConfig
from central.dso.grid.demo import demo_grid
from central.dso.grid.file import read_grid
from central.dso.grid.model import Grid
from central.dso.limits import Margin
from central.scd.documents_log import MarketLog
from central.scd.inquiry import Inquiry
from central.scd.ports import AnchorStore, Evidence
from central.sessions.anchoring import SealAnchorer
from central.sessions.desk import Desk, Terms
from central.sessions.history import gather_history
from central.sessions.scada import Scada
from central.sessions.scada_http import HttpScada
from central.weather import load_weather
from ledger.chain.settings import ChainConfig
from ledger.errors import Rejected
from ledger.facts.clock import Clock


def grid_of(config: DsoConfig) -> Grid:
    """Return the grid that a configuration names, or the packaged one.

    Raises:
        Rejected: what is there is no grid.
    """
    return demo_grid() if config.grid is None else read_grid(config.grid)


def scada_of(config: DsoConfig) -> Scada | None:
    """Return the SCADA that a configuration names, if it names one."""
    if not config.scada_url:
        return None
    return HttpScada(config.scada_url, timeout_s=config.scada_timeout_s)


def opened_desk(config: DsoConfig, evidence: Evidence, inquiry: Inquiry, clock: Clock) -> Desk:
    """Return the desk of the DSO.

    Raises:
        Rejected: grid or weather are wrong.
        Unavailable: the weather cannot be had.
    """
    grid = grid_of(config)
    return Desk(
        grid,
        partial(gather_history, grid, evidence, inquiry, config.imports),
        load_weather(config.weather) if config.weather else None,
        clock,
        margin=Margin(config.margin_voltage_pu, config.margin_current_pct),
        terms=Terms(config.flexible_pct, config.maximum_price_eur_per_mwh, config.reliability_pct),
    )


@contextmanager
def opened_anchorer(
    chain: ChainConfig | None, market_log: MarketLog, store: AnchorStore, clock: Clock
) -> Iterator[SealAnchorer]:
    """Yield what anchors the market log; the ledger need not be up.

    Raises:
        Rejected: no ledger, contract or account is named, or the account cannot be read.
    """
    if chain is None or chain.contract is None or chain.account_file is None:
        raise Rejected(
            "no ledger is named: checkpoints are kept, and not anchored",
            where="chain",
            remedy="name urls, contract and account_file under [chain]",
            reason="no_ledger",
        )
    # Imported here: who anchors nothing needs no chain libraries.
    from ledger.chain.account import Account  # noqa: PLC0415
    from ledger.chain.client import AnchorLedger  # noqa: PLC0415

    account = Account.load(chain.account_file)
    ledger = AnchorLedger.named(chain, contract=chain.contract, account=account)
    try:
        yield SealAnchorer(market_log, store, ledger, clock, longest_pause_s=chain.longest_pause_s)
    finally:
        ledger.close()
