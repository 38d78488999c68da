"""The real-time market of the next four hours, RT-1a to RT-15a: one call a row of the use case.

```
 RT-1a …  7a   the DSO: forecast, state, grid, own means, need   I-19, I-10, I-11, I-12, I-06
 RT-8a, 3c     requests, and what is left of the day's offers
 RT-9a … 13a   rounds of clearing and validation                 I-08, I-12, I-07
 RT-14a … 15a  published                                         I-08, I-14
```

Nobody offers anew: what the day-ahead market did not take stands, less what a session of the same
hours has taken since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from central.calendar import day_of
from central.documents.configuration import GridConfiguration
from central.documents.header import Buyer, Horizon
from central.documents.measurement import FieldMeasurements
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.documents.request import FlexRequest
from central.documents.substation import SubstationProfile
from central.dso.estimation.measuring import Metered
from central.dso.expectation import Expectation
from central.dso.forecast.result import Forecast
from central.dso.grid.model import Phasors
from central.dso.powerflow import AS_BUILT, Setting
from central.dso.telling.incoming import Heard, heard
from central.market import gates
from central.market.gates import Gates
from central.scd.documents_entries import SealReason
from central.scd.sessions import RowState
from central.sessions.dso_validation import taken_offers
from central.sessions.dso_work import DsoWork
from central.sessions.durable import DurableSession, Ended
from central.sessions.floor import Floor
from central.sessions.leftovers import Left, days_of, earlier_outcomes, left_for, sold_for_sure
from central.sessions.market_rows import MarketRows
from central.sessions.shelf import every
from central.sessions.states import in_round
from ledger.errors import InvariantBroken
from ledger.facts.interval import QUARTER_MS

LEFT = "left over"
"""The row that notes the outcomes of these hours so far, which say what is left of the offers."""


def gates_of(now_ms: int) -> Gates:
    """Return the gates of the session whose gate closes with this quarter-hour."""
    start_ms = now_ms - now_ms % QUARTER_MS + QUARTER_MS
    return next(
        replace(each, opens_ms=0, closes_ms=start_ms, publishes_ms=start_ms)
        for each in gates.real_time(day_of(start_ms))
        if each.own.start_ms == start_ms
    )


def real_time(
    floor: Floor,
    now_ms: int,
    seen: Sequence[FieldMeasurements],
    metered: Mapping[str, Metered],
    *,
    setting: Setting = AS_BUILT,
) -> DurableSession:
    """Go through the real-time market of the next four hours, and return the session.

    Args:
        floor: of the market.
        now_ms: the instant [ms since 1970, UTC].
        seen: what field sensors sent lately (I-19).
        metered: the newest certified readings, by POD.
        setting: taps and capacitors as they stand; switches are as breakers show them.

    Raises:
        SessionStopped: an operator stopped it.
        CertiflexError: a row failed; that is noted, and the session goes on there next time.
    """
    made = _Hours(floor, gates_of(now_ms), now_ms, seen, metered, setting)
    row, take, seal = made.session.row, made.session.take, floor.seal
    made.measured = take(FieldMeasurements, "RT-1a", made.acquire_data)
    row("RT-2a", made.state)
    row("RT-3a", made.alert)
    (own_means,) = take(GridConfiguration, "RT-4a", made.own_means)
    made.hand_over("RT-4a", own_means)
    row("RT-5a", made.own_need)
    profiles = take(SubstationProfile, "RT-6a", made.profiles)
    row("RT-7a", made.own_requests)

    row("RT-1c", partial(made.tso_need, profiles))
    row("RT-2c", partial(made.tso_requests, "RT-2c", profiles))

    tso_requests = take(FlexRequest, "RT-3c", partial(made.acquire_requests, Buyer.TSO))
    dso_requests = take(FlexRequest, "RT-8a", partial(made.acquire_requests, Buyer.DSO))
    seal(SealReason.GATE_CLOSURE, made.name)

    earlier = take(MarketOutcome, LEFT, made.earlier)
    auction = made.auction(made.left_over(earlier).offers, [*dso_requests, *tso_requests])
    for number in auction.rounds():
        row(in_round("RT-9a", number), auction.serve_dso)
        row(in_round("RT-10a", number), auction.serve_tso)
        listed = in_round("RT-11a", number)
        (taken,) = take(MarketOutcome, listed, partial(made.preliminary, auction, listed))
        row(in_round("RT-12a", number), partial(auction.assess, taken))
        row(in_round("RT-13a-profile", number), partial(auction.profile, taken))
        answer = row(in_round("RT-13a-approved", number), partial(auction.verdicts, taken))
        if auction.is_settled(taken, answer):
            break

    published = take(MarketOutcome, "RT-14a", partial(made.outcomes, auction, "RT-14a"))
    row("RT-15a", partial(made.plans, auction, published[0]))
    seal(SealReason.PUBLICATION, made.name)
    return made.session


@dataclass
class _Hours(MarketRows):
    """The rows that only the real-time market has."""

    now_ms: int
    measured: Sequence[FieldMeasurements]
    metered: Mapping[str, Metered]
    setting: Setting

    @cached_property
    def seen(self) -> Heard:
        """Return what field sensors show now."""
        return heard(self.floor.desk.grid, self.measured, self.now_ms)

    @cached_property
    def work(self) -> DsoWork:
        """Return the DSO's part."""
        return DsoWork(
            self.floor.desk, self.name, Horizon.REAL_TIME, self._forecast,
            setting=replace(self.setting, closed=self.seen.closed), bought=self._bought_va,
            progress=self.floor.progress,
        )  # fmt: skip

    def _forecast(self) -> Forecast:
        # At the instant at which a quarter-hour begins, its market has closed.
        return self.floor.desk.forecast_hours(
            max(self.now_ms, self.interval.start_ms - QUARTER_MS + 1)
        )

    def _bought_va(self, expectation: Expectation) -> Phasors:
        """Return what sessions of these hours have bought for sure, at each node [VA].

        It is reserved (I-14) and will be delivered: nobody buys it again.
        """
        grid = self.floor.desk.grid
        offers = every(self.floor.documents, FlexOffer, days_of(self.interval))
        taken = taken_offers(
            grid, expectation, sold_for_sure(self._outcomes(), self.interval), list(offers)
        )
        return taken.changed_va(grid, taken.power_w)

    def _outcomes(self) -> list[MarketOutcome]:
        known = every(self.floor.documents, MarketOutcome, self.interval)
        return earlier_outcomes(known, self.name, self.interval, self.parties.dso)

    def acquire_data(self) -> Ended:
        """Forecast the next hours, and take what the field shows."""
        silent = len(self.seen.silent)
        told = f"; {silent} sensors are silent" if silent else ""
        return Ended(taken=self.measured, told=f"{self.work.forecast.statement()}{told}")

    def state(self) -> Ended:
        """Estimate the grid as it is, with liars named."""
        work = self.work
        estimate = self.floor.desk.estimate(self.now_ms, work.setting, self.seen, self.metered)
        liars = ", ".join(each.measurement.name for each in estimate.liars)
        return Ended(told=f"not believed: {liars}" if liars else "")

    def earlier(self) -> Ended:
        """Take the outcomes of these hours so far."""
        outcomes = self._outcomes()
        left = self.left_over(outcomes)
        told = f"{len(left.offers)} offers are left"
        if left.unpublished:
            told += f"; nothing is published of {', '.join(left.unpublished)}"
        state = RowState.OK if left.offers else RowState.NOTHING
        return Ended(taken=outcomes, state=state, told=told)

    def left_over(self, earlier: Sequence[MarketOutcome]) -> Left:
        """Return the offers of these hours that nobody has taken yet.

        Raises:
            InvariantBroken: an outcome names an offer that is not there.
        """
        offers = every(self.floor.documents, FlexOffer, days_of(self.interval))
        left = left_for(self.interval, earlier, offers)
        if left.missing:
            raise InvariantBroken(
                left.wanting, where=self.name,
                remedy="restore the evidence database from its backup",
            )  # fmt: skip
        return left
