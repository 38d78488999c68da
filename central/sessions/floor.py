"""The floor of the market: what its sessions work with, and the rows that both of them share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from central.aggregator.history import History as AggregatorHistory
from central.aggregator.portfolio import Portfolio
from central.aggregator.pricing import Terms
from central.documents.configuration import GridConfiguration
from central.documents.customers import CustomerList, ListedCustomer
from central.documents.header import Envelope
from central.dso.forecast.history import History, Origin
from central.market.rules import Rules
from central.scd.documents_entries import SealReason
from central.scd.ports import DocumentStore, SessionStore
from central.sessions.desk import Desk
from central.sessions.durable import DurableSession
from central.sessions.scada import Scada, hand_over
from ledger.facts.clock import Clock
from ledger.facts.interval import Interval
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

    def customer_list(self, envelope: Envelope, validity: Interval) -> CustomerList:
        """Return its customers as the others see them, I-02; no end of consent stated is none."""
        return CustomerList(
            **envelope.header(validity),
            customers=tuple(
                ListedCustomer(
                    pod=each.pod,
                    contract_w=each.contract_w,
                    feed_in_w=each.contract_w if each.feed_in_w is None else each.feed_in_w,
                    owner=each.owner,
                    balance_party=self.brp,
                    resources=tuple(
                        sorted({device.resource for device in each.devices}, key=lambda r: r.value)
                    ),
                    consent_start_ms=(each.consent or validity).start_ms,
                    consent_end_ms=(each.consent or validity).end_ms,
                )
                for each in self.portfolio.customers
                if each.devices and (each.consent or validity).overlaps(validity)
            ),
        )


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
        seal: fixes the head of the market log.
        progress: told each row that begins.
    """

    desk: Desk
    sessions: SessionStore
    documents: DocumentStore
    keys: Mapping[str, SigningKey]
    clock: Clock
    rules: Rules
    seats: Sequence[Seat] = ()
    scada: Scada | None = None
    seal: Callable[[SealReason, str], object] = _unsealed
    progress: Callable[[str], None] = lambda _: None
    zones: Mapping[str, str] = field(init=False)
    nodes: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Read from the grid where PODs and nodes are."""
        grid = self.desk.grid
        area = ", ".join(each.name for each in grid.substations)
        object.__setattr__(self, "zones", {node.name: area for node in grid.nodes})
        at = {
            each.pod: grid.nodes[node].name
            for each, node in zip(grid.connections, grid.pod_node, strict=True)
        }
        object.__setattr__(self, "nodes", at)

    def begun(self, session: str) -> DurableSession:
        """Return a session, at its beginning or where it was left."""
        return DurableSession(
            session, self.sessions, self.documents, self.keys, self.clock, self.progress
        )

    def configure(self, session: DurableSession, row: str, asked: GridConfiguration) -> None:
        """Hand own means over to SCADA, once, before anything is asked of customers."""
        session.note(f"{row} to SCADA", hand_over(self.scada, asked))


def history_of(portfolio: Portfolio, history: History) -> AggregatorHistory:
    """Return what an aggregator may see of the past: its own customers'; nothing known is NaN."""
    own = [place for place, pod in enumerate(history.pods) if pod in set(portfolio.pods)]
    power_w = np.where(
        history.origin[own] == Origin.MISSING, np.nan, history.power_w[own]
    )  # fmt: skip
    return AggregatorHistory(tuple(history.pods[at] for at in own), history.start_ms, power_w)
