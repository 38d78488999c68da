"""What is left of a day follows from its outcomes, whoever works it out."""

from dataclasses import replace

from central.calendar import day_interval, day_of
from central.documents.header import Buyer, Direction, Envelope, Horizon
from central.documents.offer import Acceptance, FlexOffer
from central.documents.outcome import (
    Award,
    AwardedQuarter,
    AwardKind,
    MarketOutcome,
    NotTaken,
    Stage,
)
from central.market.book import reference
from central.sessions.admitting import NOT_ADMITTED
from central.sessions.leftovers import days_of, earlier_outcomes, left_for, sold_for_sure
from ledger.facts.interval import QUARTER_MS, Interval
from tests.books import HOUR, START_MS, at, line_request, mrid, offer

DAY = f"day-ahead {day_of(START_MS).isoformat()}"
OFFERS = [offer(number, quarters=(0, 1, 2, 3)) for number in range(4)]


def outcome(
    session: str, sold: dict[int, list[int]], told: dict[int, str], stage: Stage = Stage.FINAL
) -> MarketOutcome:
    """Return an outcome: quarters that are sold of offers, and why others were not taken."""
    header = Envelope(mrid=mrid(session), created_ms=9, sender="market", receiver="dso")
    horizon = Horizon.DAY_AHEAD if session == DAY else Horizon.REAL_TIME
    return MarketOutcome(
        **header.header(HOUR), session=session, horizon=horizon, stage=stage,
        awards=tuple(
            Award(
                offer=reference(OFFERS[number]), request=reference(line_request({0: 1})),
                kind=AwardKind.FIRM, buyer=Buyer.DSO, pod=OFFERS[number].pod,
                direction=Direction.UP, effect_nano_per_w=1, because="it helps",
                quarters=tuple(
                    AwardedQuarter(start_ms=at(each), power_w=1, price_ueur_per_mwh=1)
                    for each in quarters
                ),
            )
            for number, quarters in sold.items()
        ),
        not_taken=tuple(
            NotTaken(offer=reference(OFFERS[number]), because=why) for number, why in told.items()
        ),
        unmet=(),
    )  # fmt: skip


OF_THE_DAY = outcome(DAY, {0: [0, 1]}, {1: "dear", 2: f"{NOT_ADMITTED}gate_closed: late"})


def left(*outcomes: MarketOutcome, hours: Interval = HOUR) -> dict[str, list[int]]:
    """Return the quarters that are left, by offer."""
    return {
        each.mrid: [(q.start_ms - START_MS) // QUARTER_MS for q in each.quarters]
        for each in left_for(hours, outcomes, OFFERS).offers
    }


def test_what_was_admitted_and_not_sold_is_left() -> None:
    assert left(OF_THE_DAY) == {mrid(0): [2, 3], mrid(1): [0, 1, 2, 3]}


def test_what_hours_before_have_sold_is_gone_too() -> None:
    sold = outcome("real-time 2026-05-28T20:15Z", {1: [1], 0: [2, 3]}, {})
    assert left(OF_THE_DAY, sold) == left(sold, OF_THE_DAY) == {mrid(1): [0, 2, 3]}


def test_only_what_lies_in_the_hours_is_told_of_a_block_all_or_nothing() -> None:
    half = Interval(at(1), at(3))
    assert left(OF_THE_DAY, hours=half) == {mrid(0): [2], mrid(1): [1, 2]}
    block = [replace(each, acceptance=Acceptance.BLOCK) for each in OFFERS]
    assert left_for(half, [OF_THE_DAY], block).offers == ()
    assert [each.mrid for each in left_for(HOUR, [OF_THE_DAY], block).offers] == [mrid(1)]


def test_what_has_expired_before_the_hours_is_not_left() -> None:
    short = [replace(each, expires_ms=at(1)) for each in OFFERS]
    assert left_for(Interval(at(1), at(4)), [OF_THE_DAY], short).offers == ()
    assert len(left_for(HOUR, [OF_THE_DAY], short).offers) == 2


def test_the_revision_that_the_outcome_names_counts() -> None:
    newer = [replace(each, revision=2, quarters=each.quarters[:1]) for each in OFFERS]
    assert left_for(HOUR, [OF_THE_DAY], [*newer, *OFFERS]) == left_for(HOUR, [OF_THE_DAY], OFFERS)


def test_what_is_wanting_is_told() -> None:
    lost = left_for(HOUR, [OF_THE_DAY], OFFERS[1:])
    assert lost.wanting == f"offer {mrid(0)}, revision 1, is not there"
    assert left_for(HOUR, [OF_THE_DAY], OFFERS).wanting == ""
    nothing = left_for(HOUR, [], OFFERS)
    assert (nothing.offers, nothing.unpublished) == ((), (DAY,))


def test_hours_over_midnight_want_both_days() -> None:
    midnight_ms = day_interval(day_of(START_MS)).end_ms
    night = Interval(midnight_ms - QUARTER_MS, midnight_ms + QUARTER_MS)
    assert len(left_for(night, [], []).unpublished) == 2
    assert days_of(night).end_ms - days_of(night).start_ms == 2 * 86_400_000


# ── what was called before ──────────────────────────────────────────────────────────────────


def with_terms(**terms: object) -> list[FlexOffer]:
    return [replace(each, **terms) for each in OFFERS]  # type: ignore[arg-type]


def test_it_is_told_when_what_is_left_was_called_before_the_hours_too() -> None:
    earlier = outcome("real-time 2026-05-28T20:15Z", {1: [0], 3: [2]}, {})
    found = left_for(Interval(at(1), at(4)), [OF_THE_DAY, earlier], OFFERS)
    assert found.called == {mrid(0): (at(0), at(1)), mrid(1): (at(0),)}


def test_of_an_exclusive_group_only_the_one_that_was_sold_is_left() -> None:
    grouped = with_terms(exclusive_group="G")
    assert [each.mrid for each in left_for(HOUR, [OF_THE_DAY], grouped).offers] == [mrid(0)]
    apart = [replace(each, sender=f"aggregator-{n}") for n, each in enumerate(grouped)]
    assert len(left_for(HOUR, [OF_THE_DAY], apart).offers) == 2
    unsold = outcome(DAY, {}, {0: "dear", 1: "dear"})
    assert len(left_for(HOUR, [unsold], grouped).offers) == 2


def test_all_of_a_group_is_gone_when_what_was_sold_of_it_is() -> None:
    grouped = with_terms(exclusive_group="G")
    whole = outcome(DAY, {0: [0, 1, 2, 3]}, {1: "dear"})
    assert left_for(HOUR, [whole], grouped).offers == ()


def test_what_goes_only_with_what_was_sold_goes_by_itself_now() -> None:
    linked = [OFFERS[0], replace(OFFERS[1], linked_to=mrid(0))]
    whole, none = outcome(DAY, {0: [0, 1, 2, 3]}, {1: "dear"}), outcome(DAY, {}, {0: "", 1: "dear"})
    (free,) = left_for(HOUR, [whole], linked).offers
    assert (free.mrid, free.linked_to) == (mrid(1), None)
    assert [each.linked_to for each in left_for(HOUR, [none], linked).offers] == [mrid(0), None]


def test_what_was_sold_against_its_own_times_is_not_called_again() -> None:
    twice = outcome(DAY, {0: [0, 2]}, {1: "dear"})
    assert [each.mrid for each in left_for(HOUR, [twice], with_terms(call_count=1)).offers] == [
        mrid(1)
    ]


def test_what_is_sold_for_sure_is_told_of_these_hours_only() -> None:
    sold = outcome("real-time 2026-05-28T20:15Z", {1: [0, 1, 2], 3: [0]}, {})
    (reserve,) = outcome("other", {2: [1]}, {}).awards
    reserved = replace(sold, awards=(*sold.awards, replace(reserve, kind=AwardKind.RESERVE)))
    (found,) = sold_for_sure([reserved], Interval(at(1), at(3)))
    assert found.offer.mrid == mrid(1)
    assert [each.start_ms for each in found.quarters] == [at(1), at(2)]


def test_outcomes_of_others_and_of_these_hours_count_as_the_dso_has_them() -> None:
    own = outcome("own", {}, {})
    others = [
        own, OF_THE_DAY, replace(OF_THE_DAY, receiver="tso"),
        outcome(DAY, {}, {}, Stage.PRELIMINARY),
        replace(OF_THE_DAY, validity=Interval(HOUR.end_ms, HOUR.end_ms + QUARTER_MS)),
        outcome("real-time 2026-05-28T20:15Z", {}, {1: "dear"}),
    ]  # fmt: skip
    documents: list[MarketOutcome | FlexOffer] = [*others, *OFFERS]
    assert earlier_outcomes(documents, "own", HOUR, "dso") == [OF_THE_DAY]
