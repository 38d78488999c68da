"""Every way in which a market session ends short, of the day and of the hours, and who sees it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from central.calendar import day_start_ms
from central.documents.encoding import opened
from central.documents.outcome import MarketOutcome, Stage
from central.dso.delivering import Taken
from central.dso.forecast.history import History
from central.dso.limits import Limits
from central.dso.powerflow import Setting
from central.dso.validation import Validation, validate
from central.market.rules import Rules
from central.scd.documents import DocumentQuery
from central.scd.sessions import RowState, SessionRow
from central.sessions.day_ahead import day_ahead
from central.sessions.desk import Desk, Expected, Terms
from central.sessions.durable import DurableSession, SessionStopped
from central.sessions.floor import Floor
from central.sessions.real_time import gates_of, real_time
from central.sessions.states import SessionState, is_tso_silent, state_of
from central.tso.transmission import Transmission
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from tests.desks import DAY
from tests.floors import Scene
from tests.villages import CALM_SHARE, PEAK_SHARE, village_scene

EVENING_MS = day_start_ms(DAY) + 74 * QUARTER_MS
Spoilt = Callable[[Floor], Floor]


@dataclass(frozen=True)
class Market:
    """One of the two markets, on the village's floor."""

    name: str
    first_row: str
    ask_row: str
    validated_row: str

    def scene(self, share: float = PEAK_SHARE, *, owners_allow: bool = True) -> Scene:
        """Return the floor just before the session: before the hours the day has been traded."""
        made = village_scene(DAY, share, owners_allow=owners_allow)
        if self is HOURS:
            day_ahead(made.floor(), DAY)
            made.clock.at_ms = EVENING_MS
        return made

    def trade(self, scene: Scene, spoilt: Spoilt = lambda floor: floor) -> None:
        """Go through the session on a floor of which something is spoilt."""
        if self is HOURS:
            real_time(spoilt(scene.floor()), EVENING_MS, [], {})
        else:
            day_ahead(spoilt(scene.floor()), DAY)

    def rows(self, scene: Scene) -> list[SessionRow]:
        return scene.sessions.rows(self.name)

    def told(self, scene: Scene, row: str) -> str:
        return next(each.told for each in self.rows(scene) if each.row == row)

    def finals(self, scene: Scene) -> list[MarketOutcome]:
        stored = scene.documents.documents(DocumentQuery(ii=("I-08",), limit=1_000))
        found = (opened(each.signed)[0] for each in stored)
        return [
            each
            for each in found
            if isinstance(each, MarketOutcome)
            and each.session == self.name
            and each.stage is Stage.FINAL
        ]


DAYS = Market(f"day-ahead {DAY.isoformat()}", "DA-3a", "DA-2c", "DA-16a")
HOURS = Market(gates_of(EVENING_MS).session, "RT-1a", "RT-2c", "RT-13a-approved")
BOTH = pytest.mark.parametrize("market", [DAYS, HOURS], ids=["day", "hours"])


class Strict(Desk):
    """A DSO whose line is full the other way when it comes to validating: less taken harms."""

    def validate(self, expected: Expected, setting: Setting, taken: Taken) -> Validation:
        """Validate as if four times what was to be taken were given."""
        drawn_va, limits = -4 * expected.expectation.drawn_va[0], Limits.of(self.grid, self.margin)
        return validate(self.power_flow, drawn_va, taken, limits, setting=setting)


def with_desk(**other: object) -> Spoilt:
    return lambda floor: replace(floor, desk=replace(floor.desk, **other))  # type: ignore[arg-type]


def strict(floor: Floor) -> Floor:
    desk = floor.desk
    return replace(floor, desk=Strict(desk.grid, desk.past, desk.weather, desk.clock))


@BOTH
def test_a_validation_that_refuses_everything_ends_in_an_honest_unmet(market: Market) -> None:
    scene = market.scene()
    market.trade(scene, strict)
    rows = market.rows(scene)
    assert state_of(rows) is SessionState.NOTHING_BEARABLE
    first = market.told(scene, market.validated_row)
    assert first.startswith("0 approved, 0 cut, ")
    rounds = [row for row in rows if row.row.partition(" ")[0] == market.validated_row]
    assert 2 <= len(rounds) <= 2 * Rules().most_rounds + 1, "it gives up"
    finals = market.finals(scene)
    assert finals
    assert all(not each.awards for each in finals)
    assert all(each.unmet for each in finals if each.receiver in {"dso", "tso"})


@BOTH
def test_a_price_that_nobody_pays_takes_nothing_and_says_so(market: Market) -> None:
    scene = market.scene()
    market.trade(scene, with_desk(terms=Terms(maximum_price_eur_per_mwh=1.0)))
    assert state_of(market.rows(scene)) is SessionState.NOTHING_TAKEN
    told = [each.because for one in market.finals(scene) for each in one.not_taken]
    assert any(each.endswith("at most 1.00 is paid") for each in told)
    assert not any(one.awards for one in market.finals(scene))


@BOTH
def test_a_silent_tso_holds_nobody_up_and_is_told(market: Market) -> None:
    scene = market.scene()
    market.trade(scene)
    rows = market.rows(scene)
    assert state_of(rows) is SessionState.PUBLISHED
    assert is_tso_silent(rows)
    assert "silent" in market.told(scene, market.ask_row)
    played = Transmission.read()
    again = market.scene()
    market.trade(again, lambda floor: replace(floor, transmission=played))
    assert "silent" not in market.told(again, market.ask_row)


@BOTH
def test_without_offers_every_request_is_unmet(market: Market) -> None:
    scene = market.scene(owners_allow=False)
    market.trade(scene)
    assert state_of(market.rows(scene)) is SessionState.NO_OFFERS
    finals = market.finals(scene)
    assert {each.receiver for each in finals} == {"dso", "tso"}
    assert all(each.unmet and not each.awards for each in finals)


@BOTH
def test_without_requests_nothing_is_taken(market: Market) -> None:
    scene = market.scene(CALM_SHARE)
    market.trade(scene)
    assert state_of(market.rows(scene)) is SessionState.NOTHING_ASKED
    finals = market.finals(scene)
    assert finals
    assert all(not each.unmet and not each.awards for each in finals)
    assert any(each.not_taken for each in finals)


@BOTH
def test_a_missing_forecast_is_a_failed_row_and_is_gone_on_with(market: Market) -> None:
    scene = market.scene()
    with pytest.raises(Rejected, match="no POD has a past"):
        market.trade(scene, with_desk(past=_nothing))
    last = market.rows(scene)[-1]
    assert (last.row, last.state) == (market.first_row, RowState.FAILED)
    assert "no POD has a past" in last.told
    assert state_of(market.rows(scene)) is SessionState.FAILED
    assert market.finals(scene) == []
    market.trade(scene)
    assert state_of(market.rows(scene)) is SessionState.PUBLISHED


def _nothing(_: Interval) -> History:
    raise Rejected("no POD has a past", where="history", reason="no_history")


@BOTH
def test_a_missing_weather_forecast_is_told_and_done_without(market: Market) -> None:
    scene = market.scene()
    market.trade(scene, with_desk(weather=None))
    assert "generation is forecast from like days alone" in market.told(scene, market.first_row)
    # What the day has bought may be all that its hours need.
    assert state_of(market.rows(scene)) in {
        SessionState.PUBLISHED, SessionState.NOTHING_TAKEN, SessionState.NOTHING_ASKED,
    }  # fmt: skip
    assert len(market.finals(scene)) == 4


@BOTH
def test_a_late_weather_forecast_is_not_waited_for(market: Market) -> None:
    scene = market.scene()
    weather = scene.floor().desk.weather
    assert weather is not None
    on_time = tuple(
        each for each in weather.issues if each.issued_ms < day_start_ms(DAY) - 20 * 3_600_000
    )
    late = replace(weather, issues=on_time)
    market.trade(scene, with_desk(weather=late))
    newest = max(each.issued_ms for each in on_time)
    told = datetime.fromtimestamp(newest / 1_000, UTC).strftime("%Y-%m-%dT%H:%MZ")
    assert f"with the weather as issued {told}" in market.told(scene, market.first_row)
    # What the day has bought may be all that its hours need.
    assert state_of(market.rows(scene)) in {
        SessionState.PUBLISHED, SessionState.NOTHING_TAKEN, SessionState.NOTHING_ASKED,
    }  # fmt: skip
    assert len(market.finals(scene)) == 4


@BOTH
def test_a_stopped_market_publishes_nothing(market: Market) -> None:
    scene = market.scene()
    DurableSession(market.name, scene.sessions, scene.documents, {}, scene.clock).stop("by hand")
    with pytest.raises(SessionStopped, match="by hand"):
        market.trade(scene)
    assert state_of(market.rows(scene)) is SessionState.STOPPED
    assert market.finals(scene) == []


@BOTH
def test_a_market_that_is_stopped_on_its_way_goes_no_further(market: Market) -> None:
    scene = market.scene()
    stopping = DurableSession(market.name, scene.sessions, scene.documents, {}, scene.clock)

    def stop(row: str) -> None:
        if row == market.ask_row:
            stopping.stop("the line is down")

    with pytest.raises(SessionStopped):
        market.trade(scene, lambda floor: replace(floor, progress=stop))
    rows = market.rows(scene)
    assert [row.row for row in rows[-2:]] == ["stopped", market.ask_row]
    assert state_of(rows) is SessionState.STOPPED
    assert market.finals(scene) == []
