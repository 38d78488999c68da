"""The real-time market of the next four hours, RT-1a to RT-15a: one call a row of the use case.

```
 looked        the instant, how the network is run, what was sold before
 RT-1a …  7a   the DSO: forecast, state, grid, own means, need   I-19, I-10, I-11, I-12, I-06
 RT-8a, 3c     requests, and what is left of the day's offers
 RT-9a … 13a   rounds of clearing and validation                 I-08, I-12, I-07
 RT-14a … 15a  published                                         I-08, I-14
```

Nobody offers anew: what the day-ahead market did not take stands, less what a session of the same
hours has taken since. Who is slow publishes nothing: at the first instant of the hours the session
is missed, unless its outcome has been told; then what is left of it follows.

What the session looked at it notes before anything else, and keeps to it when it is gone on with
after a kill: SCADA has moved by then what the session planned. Readings of light nodes are not
noted, nor is the history that the forecast is made from: what has come since is certified past,
and a validation may know more than the requests did; nothing published is taken back for it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from central.dso.forecast.result import Forecast
from central.dso.powerflow import AS_BUILT
from central.dso.telling.incoming import Heard, heard
from central.market import gates
from central.market.gates import Gates
from central.scd.documents_entries import SealReason
from central.scd.sessions import RowState
from central.sessions.counted import CountedOn, reach_of
from central.sessions.dso_work import DsoWork
from central.sessions.durable import DurableSession, Ended
from central.sessions.floor import Floor
from central.sessions.leftovers import Left, days_of, left_for
from central.sessions.market_rows import MarketRows
from central.sessions.scada import Standing, setting_of
from central.sessions.shelf import LATEST_MS, every
from central.sessions.shown import Shown, show
from central.sessions.states import in_round
from ledger.errors import InvariantBroken
from ledger.facts.interval import QUARTER_MS

LOOKED = "looked"
"""The row that notes when a session looked, how the network was run, and what had been sold."""
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
) -> DurableSession:
    """Go through the real-time market of the next four hours, and return the session.

    Args:
        floor: of the market.
        now_ms: the instant [ms since 1970, UTC].
        seen: what field sensors sent lately (I-19).
        metered: the newest certified readings, by POD.

    Raises:
        SessionStopped: an operator stopped it.
        SessionMissed: its hours have begun before its outcome was there.
        CertiflexError: a row failed; that is noted, and the session goes on there next time.
    """
    made = _Hours(floor, gates_of(now_ms), now_ms, seen, metered)
    row, take, seal = made.session.row, made.session.take, floor.seal
    take(MarketOutcome, LOOKED, made.look_around)
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
    left = made.left_over(earlier)
    auction = made.auction(left.offers, [*dso_requests, *tso_requests], left.called)
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
    made.be_bound()
    row("RT-15a", partial(made.plans, auction, published[0]))
    seal(SealReason.PUBLICATION, made.name)
    return made.session


@dataclass(frozen=True, slots=True)
class Look:
    """When a session looked around, and where devices stood; None where there is no SCADA."""

    at_ms: int
    standing: Standing | None = None

    def told(self) -> str:
        """Return what the row says of it."""
        standing = {} if self.standing is None else {"standing": asdict(self.standing)}
        return json.dumps({"at_ms": self.at_ms, **standing}, sort_keys=True)

    @classmethod
    def read(cls, told: str) -> "Look":
        """Return what a row says."""
        said = json.loads(told)
        return cls(said["at_ms"], Standing(**said["standing"]) if "standing" in said else None)


@dataclass
class _Hours(MarketRows):
    """The rows that only the real-time market has."""

    now_ms: int
    measured: Sequence[FieldMeasurements]
    metered: Mapping[str, Metered]

    def __post_init__(self) -> None:
        """Begin the session, or go on with it, as long as its hours have not begun."""
        super().__post_init__()
        self.session.until_ms = self.gates.closes_ms

    def be_bound(self) -> None:
        """Let the rest follow, whenever it does: the outcome is told."""
        self.session.until_ms = LATEST_MS

    @cached_property
    def look(self) -> Look:
        """Return what the session noted when it looked around."""
        self.session.row(LOOKED, self.look_around)
        return next(Look.read(row.told) for row in self.session.rows if row.row == LOOKED)

    @cached_property
    def seen(self) -> Heard:
        """Return what field sensors showed then."""
        return heard(self.floor.desk.grid, self.measured, self.look.at_ms)

    @cached_property
    def work(self) -> DsoWork:
        """Return the DSO's part."""
        return DsoWork(
            self.floor.desk, self.name, Horizon.REAL_TIME, lambda: self.forecast,
            setting=self.shown.setting, progress=self.floor.progress,
            bought=lambda _: self.counted.changed_va(self.floor.desk.grid),
        )  # fmt: skip

    @cached_property
    def forecast(self) -> Forecast:
        """Return the forecast of the hours."""
        # At the instant at which a quarter-hour begins, its market has closed.
        return self.floor.desk.forecast_hours(
            max(self.look.at_ms, self.interval.start_ms - QUARTER_MS + 1)
        )

    @cached_property
    def shown(self) -> Shown:
        """Return what the field showed then, and how the network of the hours is run by it."""
        grid, standing = self.floor.desk.grid, self.look.standing
        setting = AS_BUILT if standing is None else setting_of(grid, standing)
        return show(self.floor.desk, self.look.at_ms, setting, self.seen, self.metered)

    @cached_property
    def counted(self) -> CountedOn:
        """Return what sessions before have sold, with what comes back of it."""
        return self.counted_on(self.session.take(MarketOutcome, LOOKED, self.look_around))

    def look_around(self) -> Ended:
        """Note the instant, where devices stand, and what has been sold: the session keeps to it.

        Raises:
            Unavailable: SCADA does not say how the network is run.
        """
        scada = self.floor.scada
        look = Look(self.now_ms, None if scada is None else scada.standing())
        return Ended(taken=self.sold_in(reach_of(self.interval)), told=look.told())

    def acquire_data(self) -> Ended:
        """Forecast the next hours, and take what the field shows."""
        silent = len(self.seen.silent)
        told = f"; {silent} sensors are silent" if silent else ""
        return Ended(taken=self.measured, told=f"{self.forecast.statement()}{told}")

    def state(self) -> Ended:
        """Estimate the grid as it is, with liars named."""
        return Ended(told=f"{self.counted.statement()}{self.shown.statement()}")

    def earlier(self) -> Ended:
        """Take the outcomes of these days so far."""
        outcomes = self.sold_in(days_of(self.interval))
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
