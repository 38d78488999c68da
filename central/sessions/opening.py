"""Setting up the DSO's desk, and its way to SCADA, from a configuration."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from central.aggregator.pricing import Terms as AggregatorTerms
from central.config import DsoConfig, MarketConfig
from central.dso.grid.demo import demo_grid
from central.dso.grid.file import read_grid
from central.dso.grid.model import Grid
from central.dso.limits import Margin
from central.market.rules import Pricing, ReserveRule, Rules
from central.scd.documents_log import MarketLog
from central.scd.inquiry import Inquiry
from central.scd.ports import AnchorStore, DocumentStore, Evidence
from central.sessions.anchoring import SealAnchorer
from central.sessions.delivered import moves
from central.sessions.desk import Desk, Terms
from central.sessions.floor import Seat
from central.sessions.history import gather_history
from central.sessions.portfolio_file import read_portfolio
from central.sessions.scada import Scada
from central.sessions.scada_http import HttpScada
from central.tso.transmission import Transmission
from central.weather import load_weather
from ledger.chain.settings import ChainConfig
from ledger.errors import Rejected
from ledger.facts.clock import Clock

_UEUR_PER_EUR = 1_000_000


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


def opened_desk(
    config: DsoConfig, evidence: Evidence, inquiry: Inquiry, documents: DocumentStore, clock: Clock
) -> Desk:
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
        moves=partial(moves, documents),
    )


def rules_of(config: MarketConfig) -> Rules:
    """Return the rules that a configuration chooses."""
    return Rules(
        pricing=Pricing(config.pricing),
        price_cap_ueur_per_mwh=_ueur(config.price_cap_eur_per_mwh),
        reserve=ReserveRule(config.reserve),
        most_rounds=config.most_rounds,
    )


def seats_of(config: MarketConfig) -> list[Seat]:
    """Return the aggregators that are played here.

    Raises:
        Rejected: a file is no portfolio.
        Unavailable: it cannot be read.
    """
    terms = AggregatorTerms(
        retail_ueur_per_mwh=_ueur(config.retail_eur_per_mwh),
        feed_in_ueur_per_mwh=_ueur(config.feed_in_eur_per_mwh),
        fee_ueur_per_mwh=_ueur(config.fee_eur_per_mwh),
    )
    files = map(read_portfolio, config.portfolios)
    return [Seat(portfolio=each.portfolio, brp=each.brp, terms=terms) for each in files]


def transmission_of(config: MarketConfig, *, played: bool) -> Transmission | None:
    """Return the TSO's case where the TSO is played here.

    Raises:
        Rejected: it is no case.
    """
    return Transmission.read(config.transmission) if played else None


def _ueur(eur: float) -> int:
    return round(eur * _UEUR_PER_EUR)


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
