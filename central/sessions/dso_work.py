"""What the DSO works out before a market: each part once, when it is first asked for.

So a session may go through its rows in their order, and one that goes on after a kill works out
only what its remaining rows need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from central.documents.configuration import GridConfiguration
from central.documents.congestion import CongestionAlert
from central.documents.header import Horizon
from central.documents.request import FlexRequest
from central.documents.substation import SubstationProfile
from central.dso.assessment import Assessment
from central.dso.expectation import Expectation
from central.dso.forecast.result import Forecast
from central.dso.grid.model import Phasors
from central.dso.powerflow import AS_BUILT, Setting
from central.dso.remedies.plan import Plan
from central.dso.requesting import Need
from central.sessions.desk import Desk, Expected, activation_va


@dataclass
class DsoWork:
    """The DSO's part of one session.

    Args:
        desk: of the DSO.
        session: its name.
        horizon: which market.
        forecasting: returns the forecast.
        setting: how the network is run now.
        bought: what the market has moved before at each node [VA], told what is expected.
        active: PODs that take part in the market (I-02); all if None.
        outages: whether each line is taken out in turn as well.
        progress: told each device that is tried.
    """

    desk: Desk
    session: str
    horizon: Horizon
    forecasting: Callable[[], Forecast]
    setting: Setting = AS_BUILT
    bought: Callable[[Expectation], Phasors] | None = None
    active: frozenset[str] | None = None
    outages: bool = False
    progress: Callable[[str], None] = lambda _: None

    @cached_property
    def forecast(self) -> Forecast:
        """Return the forecast of every point of delivery.

        Raises:
            Rejected: there is no past to forecast from.
        """
        return self.forecasting()

    @cached_property
    def expected(self) -> Expected:
        """Return what the grid must carry, with what the market has moved before."""
        expected = self.desk.expected(self.forecast, self.horizon)
        if self.bought is None:
            return expected
        return expected.moved(self.bought(expected.expectation))

    @cached_property
    def assessed(self) -> Assessment:
        """Return where limits break as the network is run now.

        Raises:
            NotConverged: a quarter has no power flow: nothing can be said of it.
        """
        return self.desk.assess(self.expected, self.setting, outages=self.outages)

    @cached_property
    def plan(self) -> Plan:
        """Return what taps, capacitors and switches can do."""
        return self.desk.own_means(self.expected, self.setting, self.progress)

    @cached_property
    def need(self) -> Need:
        """Return what customers would have to move, own means done."""
        return self.desk.need(self.expected, self.plan.after, self.active)

    def alert(self) -> CongestionAlert:
        """Return the localisation, I-10."""
        return self.desk.alert(self.expected, self.assessed)

    def configuration(self) -> GridConfiguration:
        """Return own means with what they avoid buying, I-11."""
        return self.desk.configuration(self.expected, self.plan, self.need, self.active)

    def profiles(self) -> list[SubstationProfile]:
        """Return the profile of each primary substation with the DSO's own need in it, I-12."""
        activated_va = activation_va(self.need)
        return self.desk.profiles(
            self.expected, self.plan.setting, "before_tso_request", activated_va
        )

    def requests(self) -> tuple[FlexRequest, ...]:
        """Return what the market is asked for, I-06; none where every limit holds."""
        return self.desk.requests(
            self.expected,
            self.need,
            session=self.session,
            expires_ms=self.forecast.interval.end_ms,
        )
