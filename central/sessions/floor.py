"""The floor of the market: what its sessions work with, and who sits there."""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from central.aggregator.history import History as AggregatorHistory
from central.aggregator.portfolio import Portfolio
from central.aggregator.pricing import Terms
from central.documents.configuration import GridConfiguration
from central.documents.measures import MeasuredQuarter, QuarterMeasures
from central.documents.measures import Origin as ToldOrigin
from central.dso.forecast.history import History, Origin
from central.market.delivery import Place
from central.market.gates import Gates
from central.market.rules import Rules
from central.scd.documents_entries import SealReason
from central.scd.ports import DocumentStore, SessionStore
from central.sessions.admitting import nodes_of, zones_of
from central.sessions.desk import Desk
from central.sessions.durable import DurableSession, Ended
from central.sessions.scada import Scada, hand_over
from central.tso.transmission import Transmission
from ledger.facts.clock import Clock
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from ledger.signing import SigningKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """An aggregator that is played here.

    Args:
        portfolio: its customers.
        brp: the party that balances them.
        terms: on which it offers.
    """

    portfolio: Portfolio
    brp: str
    terms: Terms


_QUARTERS_PER_HOUR, _QUARTERS_PER_DAY, _MS_PER_S = 4, 96, 1_000
_TOLD = {
    Origin.IMPORTED: ToldOrigin.IMPORTED,
    Origin.RECEIVED: ToldOrigin.RECEIVED,
    Origin.CERTIFIED: ToldOrigin.CERTIFIED,
}


def _unsealed(reason: SealReason, session: str) -> None:
    """Fix nothing: there is no market log."""
    del reason, session


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What the market's sessions work with.

    Args:
        desk: of the DSO.
        sessions: where rows are noted.
        documents: where documents are.
        keys: of the parties that are played here.
        clock: stamps what is made.
        rules: of the market.
        seats: aggregators that are played here.
        scada: takes own means; None if there is none.
        transmission: what the TSO looks after; None where the TSO asks by itself.
        tso_price_ueur_per_mwh: the most that it pays.
        seal: fixes the head of the market log.
        at_gate: is called before a session takes its book, and returns when it may: at once, or
            when its gate has closed, so that others can answer what the session has told them.
        progress: told each row that begins.
        is_ending: whether the process was told to end: then no further row begins.
    """

    desk: Desk
    sessions: SessionStore
    documents: DocumentStore
    keys: Mapping[str, SigningKey]
    clock: Clock
    rules: Rules
    seats: Sequence[Seat] = ()
    scada: Scada | None = None
    transmission: Transmission | None = None
    tso_price_ueur_per_mwh: int = 400_000_000
    seal: Callable[[SealReason, str], object] = _unsealed
    at_gate: Callable[[Gates], None] = lambda _: None
    progress: Callable[[str], None] = lambda _: None
    is_ending: Callable[[], bool] = lambda: False
    zones: Mapping[str, str] = field(init=False)
    nodes: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Read from the grid where PODs and nodes are."""
        object.__setattr__(self, "zones", zones_of(self.desk.grid))
        object.__setattr__(self, "nodes", nodes_of(self.desk.grid))

    def begun(self, session: str) -> DurableSession:
        """Return a session, at its beginning or where it was left."""
        return DurableSession(
            session, self.sessions, self.documents, self.keys, self.clock, self.progress,
            self.is_ending,
        )  # fmt: skip

    def configure(self, session: DurableSession, row: str, asked: GridConfiguration) -> None:
        """Hand own means over to SCADA, once, before anything is asked of customers."""
        session.row(f"{row} to SCADA", lambda: Ended(told=hand_over(self.scada, asked)))


def history_of(
    portfolio: Portfolio, history: History, called: Collection[Place] = ()
) -> AggregatorHistory:
    """Return what an aggregator may see of the past: its own customers'; nothing known is NaN.

    Nor is a quarter-hour in which flexibility was called for known: it is no usual one.
    """
    own = [place for place, pod in enumerate(history.pods) if pod in set(portfolio.pods)]
    power_w = np.where(
        history.origin[own] == Origin.MISSING, np.nan, history.power_w[own]
    )  # fmt: skip
    pods = tuple(history.pods[at] for at in own)
    rows = {pod: row for row, pod in enumerate(pods)}
    for pod, start_ms in called:
        at = history.position(start_ms)
        if pod in rows and 0 <= at < power_w.shape[1]:
            power_w[rows[pod], at] = np.nan
    return AggregatorHistory(pods, history.start_ms, power_w)


def measures_of(pods: Iterable[Pod], history: History, days: int) -> Iterator[QuarterMeasures]:
    """Yield the last days of some PODs as the database tells them, I-01; what is known of them.

    Args:
        pods: whose.
        history: of the grid.
        days: how many, up to its end.
    """
    first = max(0, history.power_w.shape[1] - days * _QUARTERS_PER_DAY)
    places = {pod: place for place, pod in enumerate(history.pods)}
    starts = history.start_ms + np.arange(history.power_w.shape[1]) * QUARTER_MS
    for pod in pods:
        place = places.get(pod.code)
        if place is not None:
            energy_wh = np.rint(history.power_w[place] / _QUARTERS_PER_HOUR).astype(np.int64)
            known = first + np.flatnonzero(history.origin[place, first:] != Origin.MISSING)
            yield QuarterMeasures(
                mrid=str(uuid.uuid5(uuid.NAMESPACE_OID, pod.code)), revision=1, created_ms=0,
                sender="scd", receiver="brp",
                validity=Interval(int(starts[0]), int(starts[-1]) + QUARTER_MS), pod=pod,
                quarters=tuple(
                    MeasuredQuarter(
                        start_ms=int(starts[at]), import_wh=max(0, int(energy_wh[at])),
                        export_wh=max(0, -int(energy_wh[at])), covered_s=QUARTER_MS // _MS_PER_S,
                        flagged_s=0, origin=_TOLD[Origin(history.origin[place, at])],
                    )
                    for at in known
                ),
            )  # fmt: skip
