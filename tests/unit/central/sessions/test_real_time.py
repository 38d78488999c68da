"""The real-time market of the demo grid: what the day has left, and no more; and its check."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from central.calendar import day_start_ms
from central.documents.elements import Bound
from central.documents.encoding import opened
from central.documents.header import Buyer, Direction, Document, Horizon
from central.documents.offer import FlexOffer
from central.documents.outcome import AwardKind, MarketOutcome, Stage
from central.documents.request import FlexRequest, RequestedQuarter
from central.dso.powerflow import AS_BUILT
from central.market.rules import Pricing, Rules
from central.scd.documents import DocumentQuery
from central.scd.documents_entries import SealReason
from central.sessions.admitting import zones_of
from central.sessions.day_ahead import day_ahead
from central.sessions.exporting import Export
from central.sessions.real_time import _Hours, gates_of, real_time
from central.sessions.states import SessionState, state_of
from central.sessions.verifying import Recomputed, verified
from ledger.facts.interval import QUARTER_MS
from tests.books import mrid
from tests.desks import DAY, demo
from tests.exports import exported
from tests.floors import EUR, Scene, availabilities

EVENING_MS = day_start_ms(DAY) + 74 * QUARTER_MS
LATER_MS = EVENING_MS + QUARTER_MS
NAME, LATER = gates_of(EVENING_MS).session, gates_of(LATER_MS).session
DAY_AHEAD = f"day-ahead {DAY.isoformat()}"
ROWS = [
    "RT-1a", "RT-2a", "RT-3a", "RT-4a", "RT-4a to SCADA", "RT-5a", "RT-6a", "RT-7a",
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


def test_what_is_sold_already_is_expected_to_be_delivered(traded: Scene) -> None:
    floor = traded.floor()
    work = _Hours(floor, gates_of(LATER_MS), LATER_MS, [], {}, AS_BUILT).work
    expectation = floor.desk.expected(work.forecast, Horizon.REAL_TIME).expectation
    less_va = expectation.drawn_va - work.expected.expectation.drawn_va
    sold_w = np.zeros(expectation.quarters)
    for award in (each for name in (DAY_AHEAD, NAME) for each in finals(traded)[name].awards):
        sign = 1 if award.direction is Direction.UP else -1
        for each in award.quarters if award.kind is AwardKind.FIRM else ():
            at = (each.start_ms - expectation.start_ms) // QUARTER_MS
            if 0 <= at < expectation.quarters:
                sold_w[at] += sign * each.power_w
    assert sold_w.any()
    np.testing.assert_allclose(
        less_va.real.sum(axis=2), np.broadcast_to(sold_w, (3, 16)), atol=1e-3
    )


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
    assert found == Recomputed(0, 0, wanting=f"the outcome (I-08) of {DAY_AHEAD} is not there")


def test_without_an_offer_that_the_day_left_nothing_can_be_said(
    exports: dict[str, Export],
) -> None:
    (outcome,) = [
        each.document for each in exports[NAME].documents if is_final(each.document, NAME)
    ]
    assert isinstance(outcome, MarketOutcome)
    taken = outcome.awards[0].offer.mrid
    found = check(without(exports[NAME], lambda each: each.mrid == taken))
    assert found == Recomputed(0, 0, wanting=f"offer {taken}, revision 1, is not there")


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
