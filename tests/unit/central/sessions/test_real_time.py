"""The real-time market of the demo grid: what the day has left, and no more; and its check."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from central.calendar import day_start_ms, gate_ms
from central.documents.elements import Bound
from central.documents.encoding import opened
from central.documents.header import Buyer, Direction, Document, Horizon
from central.documents.offer import FlexOffer
from central.documents.outcome import AwardKind, MarketOutcome, Stage
from central.documents.request import FlexRequest, RequestedQuarter
from central.dso.forecast.history import History
from central.dso.remedies.stepped import devices
from central.dso.telling.orders import rebound_of
from central.market.binding import keeps_its_times
from central.market.rules import Pricing, Rules
from central.scd.documents import DocumentQuery
from central.scd.documents_entries import SealReason
from central.sessions.admitting import zones_of
from central.sessions.day_ahead import day_ahead
from central.sessions.durable import Interrupted, SessionMissed
from central.sessions.exporting import Export
from central.sessions.real_time import _Hours, gates_of, real_time
from central.sessions.states import SessionState, state_of
from central.sessions.verifying import Recomputed, verified
from ledger.errors import Unavailable
from ledger.facts.interval import QUARTER_MS, Interval
from tests.books import mrid
from tests.desks import DAY, demo
from tests.exports import exported
from tests.fakes.dso_scada import HIGHEST, Failure, FakeScada
from tests.floors import EUR, Scene, availabilities, without_names
from tests.villages import village, village_scene

EVENING_MS = day_start_ms(DAY) + 74 * QUARTER_MS
LATER_MS = EVENING_MS + QUARTER_MS
NAME, LATER = gates_of(EVENING_MS).session, gates_of(LATER_MS).session
DEVICES = devices(demo())
DAY_AHEAD = f"day-ahead {DAY.isoformat()}"
ROWS = [
    "looked", "RT-1a", "RT-2a", "RT-3a", "RT-4a", "RT-4a to SCADA", "RT-5a", "RT-6a", "RT-7a",
    "RT-1c", "RT-2c", "RT-3c", "RT-8a", "left over", "RT-9a", "RT-10a", "RT-11a", "RT-12a",
    "RT-13a-profile", "RT-13a-approved", "RT-14a", "RT-15a",
]  # fmt: skip


@pytest.fixture(scope="module")
def traded() -> Scene:
    scene = Scene()
    scene.file(availabilities(scene.seats))
    day_ahead(scene.floor(), DAY)
    scene.clock.at_ms = EVENING_MS
    real_time(scene.floor(), EVENING_MS, [], {})
    scene.clock.at_ms = LATER_MS
    scene.file([tso_asks("much", 60_000), tso_asks("dear", 500_000_000, price_eur=9_000)])
    scene.file([offered_late(scene, "late", DAY_AHEAD), offered_late(scene, "new", LATER)])
    real_time(scene.floor(), LATER_MS, [], {})
    return scene


def offered_late(scene: Scene, name: str, session: str) -> FlexOffer:
    """Return an offer as good as one that the day took, but cheaper and too late."""
    stored = scene.documents.documents(DocumentQuery(ii=("I-05",), limit=1_000))
    outcome = finals(scene)[DAY_AHEAD]
    named = outcome.not_taken[0].offer.mrid
    (like,) = (opened(each.signed)[0] for each in stored if each.mrid == named)
    assert isinstance(like, FlexOffer)
    return replace(_cheaper(like), mrid=mrid(name), session=session)


def tso_asks(name: str, power_w: int, price_eur: int = 900) -> FlexRequest:
    """Return what the TSO asks of the later session, in its last hour."""
    hours = gates_of(LATER_MS).interval
    return FlexRequest(
        mrid=mrid(name), revision=1, created_ms=LATER_MS, sender="tso", receiver="market",
        validity=hours, session=LATER, horizon=Horizon.REAL_TIME, expires_ms=hours.end_ms,
        buyer=Buyer.TSO, primary_substation=next(iter(zones_of(demo()).values())),
        direction=Direction.UP, reason=Bound.TRANSFORMER,
        quarters=tuple(
            RequestedQuarter(start_ms=hours.end_ms - back * QUARTER_MS, power_w=power_w)
            for back in range(4, 0, -1)
        ),
        elements=(), violations=(), nodes=(), sensitivities=(),
        maximum_price_ueur_per_mwh=price_eur * EUR, reliability_permille=900,
        confidence_permille=950, unsolved=(),
    )  # fmt: skip


def finals(scene: Scene) -> dict[str, MarketOutcome]:
    stored = scene.documents.documents(DocumentQuery(ii=("I-08",), limit=100))
    found = [opened(each.signed)[0] for each in stored]
    return {
        each.session: each
        for each in found
        if isinstance(each, MarketOutcome) and each.stage is Stage.FINAL and each.receiver == "dso"
    }


def test_every_row_is_gone_through_in_order(traded: Scene) -> None:
    rows = traded.sessions.rows(NAME)
    assert [row.row for row in rows] == ROWS
    assert state_of(rows) is SessionState.PUBLISHED
    assert traded.seals[2:4] == [
        (SealReason.GATE_CLOSURE, NAME),
        (SealReason.PUBLICATION, NAME),
    ]


def test_nothing_is_sold_twice(traded: Scene) -> None:
    sold = {
        name: [(each.pod, q.start_ms) for each in outcome.awards for q in each.quarters]
        for name, outcome in finals(traded).items()
    }
    assert all(sold[name] for name in (DAY_AHEAD, NAME, LATER)), "something was taken in each"
    everything = [each for some in sold.values() for each in some]
    assert len(everything) == len(set(everything))


def test_what_is_sold_already_is_expected_to_be_delivered_and_to_come_back(traded: Scene) -> None:
    floor = traded.floor()
    work = _Hours(floor, gates_of(LATER_MS), LATER_MS, [], {}).work
    expectation = floor.desk.expected(work.forecast, Horizon.REAL_TIME).expectation
    less_va = expectation.drawn_va - work.expected.expectation.drawn_va
    offers = offers_of(traded)
    sold_w, back_w = np.zeros(expectation.quarters), np.zeros(expectation.quarters)
    for award in (each for name in (DAY_AHEAD, NAME) for each in finals(traded)[name].awards):
        sign = 1 if award.direction is Direction.UP else -1
        comes = rebound_of(offers[award.offer.mrid])
        for each in award.quarters if award.kind is AwardKind.FIRM else ():
            at = (each.start_ms - expectation.start_ms) // QUARTER_MS
            if 0 <= at < expectation.quarters:
                sold_w[at] += sign * each.power_w
            for back in range(at + comes.first, at + comes.first + comes.quarters):
                if 0 <= back < expectation.quarters:
                    back_w[back] += sign * each.power_w * comes.share / comes.quarters
    assert sold_w.any()
    assert back_w.any()
    np.testing.assert_allclose(
        less_va.real.sum(axis=2), np.broadcast_to(sold_w - back_w, (3, 16)), atol=1e-3
    )
    told = next(row.told for row in traded.sessions.rows(LATER) if row.row == "RT-2a")
    assert "kWh that come back" in told


def test_no_offer_is_called_more_often_or_sooner_than_it_says(traded: Scene) -> None:
    sold: dict[str, list[int]] = {}
    for outcome in finals(traded).values():
        for award in outcome.awards:
            sold.setdefault(award.offer.mrid, []).extend(q.start_ms for q in award.quarters)
    offers = offers_of(traded)
    assert any(offers[mrid].call_count for mrid in sold), "the case is too easy"
    assert all(keeps_its_times(offers[mrid], set(starts)) for mrid, starts in sold.items())
    groups = [offers[mrid].exclusive_group for mrid in sold if offers[mrid].exclusive_group]
    assert len(groups) == len(set(groups))


def offers_of(scene: Scene) -> dict[str, FlexOffer]:
    stored = scene.documents.documents(DocumentQuery(ii=("I-05",), limit=1_000))
    offers = (opened(each.signed)[0] for each in stored)
    return {each.mrid: each for each in offers if isinstance(each, FlexOffer)}


def test_a_session_of_four_hours_speaks_of_them_only(traded: Scene) -> None:
    outcome = finals(traded)[NAME]
    start_ms = EVENING_MS + QUARTER_MS
    assert (outcome.validity.start_ms, outcome.validity.end_ms) == (
        start_ms, start_ms + 16 * QUARTER_MS,
    )  # fmt: skip


def test_a_session_that_has_ended_is_read_back(traded: Scene) -> None:
    before = traded.documents.snapshot()
    real_time(traded.floor(), EVENING_MS, [], {})
    assert traded.documents.snapshot() == before


# ── what the session of the hours may take ──────────────────────────────────────────────────


def test_what_came_too_late_for_the_day_is_not_left_over(traded: Scene) -> None:
    outcome = finals(traded)[LATER]
    told = {each.offer.mrid: each.because for each in outcome.not_taken}
    assert mrid("late") not in told
    assert told[mrid("new")].startswith("not admitted, no_new_offers: ")
    assert {mrid("late"), mrid("new")}.isdisjoint(each.offer.mrid for each in outcome.awards)


def test_of_a_day_that_published_nothing_nothing_is_left_over() -> None:
    scene = Scene()
    scene.file(availabilities(scene.seats))
    scene.clock.at_ms = EVENING_MS
    real_time(scene.floor(), EVENING_MS, [], {})
    rows = {row.row: row for row in scene.sessions.rows(NAME)}
    assert rows["left over"].told == f"0 offers are left; nothing is published of {DAY_AHEAD}"
    assert state_of([*rows.values()]) is SessionState.NO_OFFERS


# ── its hours begin ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("slow", ["RT-7a", "RT-14a"])
def test_a_session_that_its_hours_overtake_is_missed_and_publishes_nothing(slow: str) -> None:
    scene = village_scene()
    scene.clock.at_ms = EVENING_MS

    def take_long(row: str) -> None:
        if row == slow:
            scene.clock.at_ms = EVENING_MS + QUARTER_MS

    with pytest.raises(SessionMissed, match=f"as far as row {slow}"):
        real_time(replace(scene.floor(), progress=take_long), EVENING_MS, [], {})
    rows = scene.sessions.rows(NAME)
    assert slow not in [row.row for row in rows], "the row under way has filed nothing"
    assert state_of(rows) is SessionState.MISSED
    assert finals(scene) == {}
    with pytest.raises(SessionMissed):
        real_time(scene.floor(), EVENING_MS, [], {})


def test_plans_follow_an_outcome_that_was_told_in_time() -> None:
    scene = village_scene()
    scene.clock.at_ms = EVENING_MS

    def take_long(row: str) -> None:
        if row == "RT-15a":
            scene.clock.at_ms = EVENING_MS + 2 * QUARTER_MS

    real_time(replace(scene.floor(), progress=take_long), EVENING_MS, [], {})
    assert scene.sessions.rows(NAME)[-1].row == "RT-15a"


def test_its_own_requests_are_never_refused_for_being_late() -> None:
    """The gate closes with the quarter-hour: whoever asks in it is in time."""
    scene = village_scene()
    scene.clock.at_ms = EVENING_MS + QUARTER_MS - 1
    real_time(scene.floor(), EVENING_MS, [], {})
    rows = {row.row: row for row in scene.sessions.rows(NAME)}
    assert rows["RT-7a"].documents, "the DSO has asked"
    assert "refused" not in rows["RT-8a"].told


# ── killed, and gone on with ────────────────────────────────────────────────────────────────


def after_rows(count: int) -> Callable[[], bool]:
    """Return what ends a process when so many rows of its session have ended."""
    begun = iter(range(1_000))
    return lambda: next(begun) >= count


def test_a_session_goes_on_from_where_the_plant_stood_when_it_looked() -> None:
    """Own means are taken when it is killed, and somebody moves all by hand before it goes on."""
    peace, killed = Scene(), Scene()
    told, end_ms = {}, gates_of(EVENING_MS).interval.end_ms
    for scene in (peace, killed):
        scene.clock.at_ms = EVENING_MS
        scada = FakeScada(end_ms - 1, {each.name: 0 for each in DEVICES})
        scada.taps[DEVICES[0].name] = 2
        floor = replace(scene.floor(), scada=scada)
        if scene is killed:
            with pytest.raises(Interrupted):
                real_time(replace(floor, is_ending=after_rows(6)), EVENING_MS, [], {})
            assert scada.steps_made, "the case is too easy"
            assert scene.sessions.rows(NAME)[-1].row == "RT-4a to SCADA"
            scada.taps.update(dict.fromkeys(scada.taps, HIGHEST))
            scene.clock.at_ms += 13 * 60_000
        real_time(floor, scene.clock.at_ms, [], {})
        stored = scene.documents.documents(DocumentQuery(limit=1_000))
        told[scene is killed] = sorted(without_names(opened(each.signed)[0]) for each in stored)
    assert told[True] == told[False]


def test_it_is_noted_when_scada_does_not_say_where_the_plant_stands() -> None:
    scene = village_scene()
    scene.clock.at_ms = EVENING_MS
    away = FakeScada(EVENING_MS, {}, failures=[Failure.LOST])
    with pytest.raises(Unavailable, match="away"):
        real_time(replace(scene.floor(), scada=away), EVENING_MS, [], {})
    assert state_of(scene.sessions.rows(NAME)) is SessionState.FAILED
    real_time(scene.floor(), EVENING_MS, [], {})
    assert scene.sessions.rows(NAME)[-1].row == "RT-15a"


def test_what_comes_to_be_known_after_a_kill_takes_nothing_published_back(tmp_path: Path) -> None:
    """The validation knows more of the past than the requests did, and says so by its verdicts."""
    scene = village_scene()
    day_ahead(scene.floor(), DAY)
    scene.clock.at_ms = EVENING_MS
    with pytest.raises(Interrupted):
        real_time(replace(scene.floor(), is_ending=after_rows(9)), EVENING_MS, [], {})
    before = scene.sessions.rows(NAME)
    assert before[-1].row == "RT-7a", "all is asked, nothing is cleared"
    again = scene.floor()
    more = replace(again, desk=replace(again.desk, past=_a_little_more(again.desk.past)))
    real_time(more, EVENING_MS + 60_000, [], {})
    assert scene.sessions.rows(NAME)[: len(before)] == before
    span = finals(scene)[NAME].validity
    found = verified(exported(scene, NAME, span, tmp_path / "x"), village(), Rules())
    assert (found.difference, found.wanting, found.outcomes) == ("", "", 4)


def _a_little_more(past: Callable[[Interval], History]) -> Callable[[Interval], History]:
    """Return a past whose last quarter-hour has been certified, a tenth higher, since."""

    def told(interval: Interval) -> History:
        known = past(interval)
        power_w = known.power_w.copy()
        power_w[:, -1] *= 1.1
        return replace(known, power_w=power_w)

    return told


# ── hours over midnight ─────────────────────────────────────────────────────────────────────


def test_hours_over_midnight_are_recomputed_though_the_next_day_has_published_nothing(
    tmp_path: Path,
) -> None:
    scene = village_scene()
    day_ahead(scene.floor(), DAY)
    late_ms = day_start_ms(DAY) + 89 * QUARTER_MS
    scene.clock.at_ms = late_ms
    hours, tomorrow = gates_of(late_ms), f"day-ahead {(DAY + timedelta(days=1)).isoformat()}"
    real_time(scene.floor(), late_ms, [], {})
    export = exported(scene, hours.session, hours.interval, tmp_path / "x")
    found = verified(export, village(), Rules())
    assert (found.difference, found.wanting) == ("", "")
    assert found.unpublished == (tomorrow,)
    assert found.outcomes == 4


def test_hours_over_midnight_trade_both_days_and_say_whose_outcome_is_wanting(
    tmp_path: Path,
) -> None:
    scene, tomorrow = village_scene(), DAY + timedelta(days=1)
    day_ahead(scene.floor(), DAY)
    allowed = availabilities(scene.seats, tomorrow)
    scene.file([replace(each, mrid=mrid(f"{each.mrid} tomorrow")) for each in allowed])
    scene.clock.at_ms = gate_ms(tomorrow) - 60_000
    session = day_ahead(scene.floor(), tomorrow).name
    late_ms = scene.clock.at_ms = day_start_ms(DAY) + 89 * QUARTER_MS
    hours = gates_of(late_ms)
    real_time(scene.floor(), late_ms, [], {})
    export = exported(scene, hours.session, hours.interval, tmp_path / "x")
    found = verified(export, village(), Rules())
    assert (found.difference, found.wanting, found.unpublished) == ("", "", ())
    assert found.outcomes == 4
    kept_back = verified(without(export, lambda each: is_final(each, session)), village(), Rules())
    assert kept_back.wanting.startswith(f"the outcome (I-08) of {session} is not there, and ")
    assert kept_back.wanting.endswith("ask the operator for an export with it")


# ── anybody may check it ────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def exports(traded: Scene, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Export]:
    return {
        name: exported(
            traded, name, finals(traded)[name].validity, tmp_path_factory.mktemp("of") / "export"
        )
        for name in (DAY_AHEAD, NAME, LATER)
    }


def check(export: Export, rules: Rules | None = None) -> Recomputed:
    return verified(export, demo(), rules or Rules())


@pytest.mark.parametrize("name", [DAY_AHEAD, NAME, LATER])
def test_the_exported_documents_lead_to_the_same_bytes(
    exports: dict[str, Export], name: str
) -> None:
    assert exports[name].open is None
    found = check(exports[name])
    assert (found.difference, found.wanting) == ("", "")
    assert found.rounds >= 1
    assert found.outcomes == 4


def test_a_request_that_was_refused_has_no_part_in_the_recomputation(
    traded: Scene, exports: dict[str, Export]
) -> None:
    told = next(r.told for r in traded.sessions.rows(LATER) if r.row == "RT-3c")
    assert "1 requests; 1 refused" in told
    refused = tso_asks("dear", 500_000_000, price_eur=9_000)
    assert refused in [each.document for each in exports[LATER].documents]
    assert check(exports[LATER]).difference == ""


def without(export: Export, leave_out: Callable[[Document], bool]) -> Export:
    kept = tuple(each for each in export.documents if not leave_out(each.document))
    assert len(kept) < len(export.documents)
    return replace(export, documents=kept)


def is_final(document: Document, session: str) -> bool:
    return (
        isinstance(document, MarketOutcome)
        and document.session == session
        and document.stage is Stage.FINAL
        and document.receiver == "dso"
    )


def test_without_the_outcome_of_the_day_nothing_can_be_said(exports: dict[str, Export]) -> None:
    found = check(without(exports[NAME], lambda each: is_final(each, DAY_AHEAD)))
    assert (found.rounds, found.outcomes, found.difference) == (0, 0, "")
    assert found.wanting.startswith(f"the outcome (I-08) of {DAY_AHEAD} is not there, and ")
    assert found.wanting.endswith("ask the operator for an export with it")


def test_without_an_offer_that_the_day_left_nothing_can_be_said(
    exports: dict[str, Export],
) -> None:
    (outcome,) = [
        each.document for each in exports[NAME].documents if is_final(each.document, NAME)
    ]
    assert isinstance(outcome, MarketOutcome)
    taken = outcome.awards[0].offer.mrid
    found = check(without(exports[NAME], lambda each: each.mrid == taken))
    told = f"offer {taken}, revision 1, is not there: ask the operator for another export"
    assert found == Recomputed(0, 0, wanting=told)


def test_an_outcome_of_hours_before_that_is_kept_back_shows(exports: dict[str, Export]) -> None:
    found = check(without(exports[LATER], lambda each: is_final(each, NAME)))
    assert found.difference.startswith("list of round 1: ")


def test_an_offer_that_was_changed_since_shows(exports: dict[str, Export]) -> None:
    export = exports[NAME]
    (taken,) = {
        award.offer.mrid
        for each in export.documents if is_final(each.document, NAME)
        for award in each.document.awards[:1]  # type: ignore[attr-defined]
    }  # fmt: skip
    changed = replace(export, documents=tuple(
        replace(each, document=_cheaper(each.document))
        if isinstance(each.document, FlexOffer) and each.document.mrid == taken else each
        for each in export.documents
    ))  # fmt: skip
    assert check(changed).difference.startswith("list of round 1: ")


def _cheaper(offer: FlexOffer) -> FlexOffer:
    quarters = tuple(
        replace(each, steps=tuple(
            replace(step, price_ueur_per_mwh=step.price_ueur_per_mwh - EUR) for step in each.steps
        ))
        for each in offer.quarters
    )  # fmt: skip
    return replace(offer, quarters=quarters)


def test_other_rules_show(exports: dict[str, Export]) -> None:
    found = check(exports[NAME], Rules(pricing=Pricing.PAY_AS_CLEARED))
    assert "awards" in found.difference
