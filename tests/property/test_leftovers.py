"""Whatever was sold before: no offer is called against its terms, and as much as they leave."""

from itertools import chain, combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from central.documents.header import Horizon
from central.documents.offer import Acceptance, FlexOffer
from central.documents.outcome import MarketOutcome, Stage
from central.market.binding import keeps_its_times
from central.market.book import Book
from central.market.clearing import clear
from central.market.outcome import market_outcome
from central.market.rules import ReserveRule, Rules
from central.sessions.leftovers import left_for
from ledger.facts.interval import Interval
from tests.markets import SESSION, SUBSTATION, offer, pod, request, start_ms
from tests.outcomes import ENVELOPE, FIRM

QUARTERS, MOST = 7, 4
HOURS = [(0, QUARTERS), (1, 5), (3, 7)]
"""The day, and the hours of two sessions of real time."""
TIMES = st.fixed_dictionaries({
    "call_count": st.sampled_from([None, 1, 1, 2]),
    "rest_s": st.sampled_from([None, 900, 1_800, 2_700]),
    "longest_s": st.sampled_from([None, 900, 1_800]),
})  # fmt: skip
ALONE = [{"N": 1.0, "M": 1.0}]
BOTH = [{"N": 1.0, "M": 0.7}, {"N": -0.37, "M": 0.53}]
NEEDS = st.lists(st.integers(0, 3), min_size=QUARTERS, max_size=QUARTERS)


@st.composite
def some_offers(draw: st.DrawFn) -> list[FlexOffer]:
    """Draw offers with all that ties their quarter-hours and each other."""
    made = []
    for number in range(1, draw(st.integers(1, MOST)) + 1):
        is_block = draw(st.integers(0, 3)) == 0
        powers_kw = dict.fromkeys(draw(st.sets(st.integers(0, QUARTERS - 1), min_size=1)), 1)
        other: dict[str, Any] = {} if is_block else draw(TIMES)
        other["acceptance"] = Acceptance.BLOCK if is_block else Acceptance.PER_QUARTER
        other["exclusive_group"] = draw(st.sampled_from([None, "G"]))
        price_eur, of = draw(st.integers(1, 9)) * 10.0, draw(st.integers(1, number))
        made.append(offer(number, powers_kw, price_eur, of=of, quarters=QUARTERS, **other))
    return made


def traded(
    offers: list[FlexOffer], hours: tuple[int, int], needs_kw: list[int],
    before: list[MarketOutcome], rules: Rules = FIRM, *, effects: list[dict[str, float]] = ALONE,
) -> MarketOutcome:  # fmt: skip
    """Return what a session of some hours takes: the day first, then of what is left of it.

    Of two limits the second is told as well, and must not become worse.
    """
    is_day = not before
    span = Interval(start_ms(hours[0]), start_ms(hours[1]))
    left = left_for(span, before, offers)
    assert before == [] or left.wanting == ""
    wanted = {(0, at): needs_kw[at] for at in range(*hours) if needs_kw[at]}
    watched = [(1, at) for _, at in wanted] if len(effects) > 1 else []
    asked = [request(99, wanted, effects, quarters=QUARTERS, watched=watched)] if wanted else []
    made = Book.of(
        SESSION if is_day else f"real-time {hours[0]}",
        Horizon.DAY_AHEAD if is_day else Horizon.REAL_TIME, span,
        offers=offers if is_day else left.offers, called=left.called,
        requests=asked,
        nodes={pod(k).code: "NM"[k % 2 - 1] for k in range(MOST + 1)},
        zones=dict.fromkeys("NM", SUBSTATION),
    )  # fmt: skip
    return market_outcome(clear(made, rules), ENVELOPE, Stage.FINAL)


def sold_of(outcomes: list[MarketOutcome]) -> dict[str, list[tuple[int, int]]]:
    """Return quarter-hours and watts that were sold of each offer."""
    found: dict[str, list[tuple[int, int]]] = {}
    for award in (each for outcome in outcomes for each in outcome.awards):
        places = ((quarter.start_ms, quarter.power_w) for quarter in award.quarters)
        found.setdefault(award.offer.mrid, []).extend(places)
    return found


@settings(max_examples=80, deadline=None)
@given(
    some_offers(), st.lists(NEEDS, min_size=3, max_size=3), st.sampled_from(ReserveRule),
    st.sampled_from([ALONE, BOTH]),
)  # fmt: skip
def test_all_sessions_together_keep_what_an_offer_says(
    offers: list[FlexOffer], needs_kw: list[list[int]], reserve: ReserveRule,
    effects: list[dict[str, float]],
) -> None:  # fmt: skip
    outcomes: list[MarketOutcome] = []
    for hours, wanted in zip(HOURS, needs_kw, strict=True):
        outcomes.append(
            traded(offers, hours, wanted, outcomes, Rules(reserve=reserve), effects=effects)
        )
    known, sold = {each.mrid: each for each in offers}, sold_of(outcomes)
    for mrid, places in sold.items():
        starts = [ms for ms, _ in places]
        assert len(starts) == len(set(starts))
        assert keeps_its_times(known[mrid], starts)
        if known[mrid].acceptance is Acceptance.BLOCK:
            assert len(starts) == len(known[mrid].quarters)
    chosen = [mrid for mrid in sold if known[mrid].exclusive_group]
    assert len(chosen) <= 1
    moved = [(known[mrid].pod, ms) for mrid, each in sold.items() for ms, _ in each]
    assert len(moved) == len(set(moved))


@settings(max_examples=80, deadline=None)
@given(st.sets(st.integers(0, QUARTERS - 1), min_size=1), TIMES, NEEDS)
def test_as_much_is_called_again_as_an_offers_times_leave(
    offered: set[int], times: dict[str, Any], needs_kw: list[int]
) -> None:
    one = offer(1, dict.fromkeys(offered, 1), 10.0, quarters=QUARTERS, **times)
    of_the_day = traded([one], HOURS[0], [min(each, 1) for each in needs_kw], [])
    sold = {ms for places in sold_of([of_the_day]).values() for ms, _ in places}
    again = traded([one], HOURS[1], [1] * QUARTERS, [of_the_day])
    called = {ms for places in sold_of([again]).values() for ms, _ in places}
    open_ms = [
        start_ms(at) for at in range(*HOURS[1]) if at in offered and start_ms(at) not in sold
    ]
    ways = chain.from_iterable(combinations(open_ms, n) for n in range(len(open_ms) + 1))
    most = max(len(way) for way in ways if keeps_its_times(one, sold | set(way)))
    assert called <= set(open_ms)
    assert len(called) == most
