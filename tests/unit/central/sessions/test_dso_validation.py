"""The DSO after the clearing: what the grid bears of a preliminary list."""

from dataclasses import replace

import numpy as np
import pytest

from central.documents.elements import Bound
from central.documents.encoding import decode, encode
from central.documents.header import Buyer, Direction, Horizon, Reference
from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter, PriceStep
from central.documents.offer import Rebound as ToldRebound
from central.documents.outcome import Award, AwardedQuarter, AwardKind, MarketOutcome, Stage
from central.documents.substation import SubstationProfile
from central.documents.validation import TechnicalValidation, Verdict
from central.dso.grid.model import Floats
from central.dso.powerflow import AS_BUILT
from central.sessions.desk import Desk, Expected
from central.sessions.dso_validation import Validated, dso_validation, taken_offers
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from tests.desks import DAY, desk

MRID = "{:08d}-5a0b-4c59-9a43-0f6f4c1f2b11".format
NOON = 48


@pytest.fixture(scope="module")
def made() -> Desk:
    return desk(0.8)


@pytest.fixture(scope="module")
def expected(made: Desk) -> Expected:
    return made.expected(made.forecast_day(DAY), Horizon.DAY_AHEAD)


def start_ms(expected: Expected, quarter: int) -> int:
    return expected.expectation.interval_of(quarter).start_ms


def offer(
    expected: Expected, number: int, pod: str, power_w: int, *, up: bool = True,
    rebound: ToldRebound | None = None,
) -> FlexOffer:  # fmt: skip
    validity = Interval(start_ms(expected, 0), start_ms(expected, 95) + QUARTER_MS)
    return FlexOffer(
        mrid=MRID(number), revision=1, created_ms=validity.start_ms - 10, sender="aggregator",
        receiver="market", validity=validity, session="s", gate_closure_ms=validity.start_ms,
        expires_ms=validity.end_ms, pod=Pod(pod),
        direction=Direction.UP if up else Direction.DOWN, acceptance=Acceptance.PER_QUARTER,
        quarters=(OfferedQuarter(
            start_ms=start_ms(expected, NOON), minimum_w=0,
            steps=(PriceStep(up_to_w=power_w, price_ueur_per_mwh=10**8),)),),
        linked_to=None, exclusive_group=None, longest_s=None, rest_s=None, call_count=None,
        rebound=rebound,
    )  # fmt: skip


def awarded(offers: list[FlexOffer]) -> MarketOutcome:
    first = offers[0]
    return MarketOutcome(
        mrid=MRID(99), revision=2, created_ms=first.created_ms, sender="market", receiver="dso",
        validity=first.validity, session="s", horizon=Horizon.DAY_AHEAD, stage=Stage.PRELIMINARY,
        awards=tuple(
            Award(
                offer=Reference(mrid=each.mrid, revision=each.revision),
                request=Reference(mrid=MRID(50), revision=1), kind=AwardKind.FIRM, buyer=Buyer.DSO,
                pod=each.pod, direction=each.direction, effect_nano_per_w=1, because="cheapest",
                quarters=(AwardedQuarter(
                    start_ms=each.quarters[0].start_ms,
                    power_w=each.quarters[0].maximum_w, price_ueur_per_mwh=10**8),),
            )
            for each in offers
        ),
        not_taken=(), unmet=(),
    )  # fmt: skip


def validated(made: Desk, expected: Expected, offers: list[FlexOffer]) -> Validated:
    plan = made.own_means(expected, AS_BUILT, lambda _: None)
    outcome, span = awarded(offers), expected.expectation.interval
    taken = taken_offers(made.grid, span, outcome.awards, offers)
    return dso_validation(made, expected, plan.setting, outcome, taken)


def test_what_the_grid_bears_is_approved(made: Desk, expected: Expected) -> None:
    offers = [offer(expected, 1, made.grid.pods[0], 1_000)]
    found = validated(made, expected, offers)
    assert found.steps == ["DA-14a", "DA-15a", "DA-16a"]
    assert [each.ii for each in found.documents] == ["I-12", "I-07"]
    answer = found.documents[-1]
    assert isinstance(answer, TechnicalValidation)
    (verdict,) = answer.verdicts
    assert verdict.verdict is Verdict.APPROVED
    assert [(q.start_ms, q.power_w) for q in verdict.quarters] == [
        (start_ms(expected, NOON), 1_000)
    ]
    assert (answer.outcome.mrid, answer.outcome.revision) == (MRID(99), 2)
    for each in found.documents:
        assert decode(encode(each)) == each


def test_what_it_does_not_is_cut_with_the_limit_that_binds(made: Desk, expected: Expected) -> None:
    street = [k for k, c in enumerate(made.grid.connections)
              if made.grid.nodes[c.node].name == "LV-3-R18"]  # fmt: skip
    pod = made.grid.pods[street[0]]
    found = validated(made, expected, [offer(expected, 1, pod, 900_000, up=False)])
    answer = found.documents[-1]
    assert isinstance(answer, TechnicalValidation)
    (verdict,) = answer.verdicts
    assert verdict.verdict in {Verdict.CUT, Verdict.REFUSED}
    assert verdict.binding is not None
    binding = answer.elements[verdict.binding.position]
    assert binding.bound in {Bound.LINE, Bound.TRANSFORMER, Bound.UNDERVOLTAGE}
    assert sum(q.power_w for q in verdict.quarters) < 900_000
    assert decode(encode(answer)) == answer


def drawn_w(profile: SubstationProfile) -> Floats:
    return np.array([each.load_w - each.generation_w for each in profile.balance])


def test_the_profile_for_the_tso_has_what_comes_back_in_it(made: Desk, expected: Expected) -> None:
    """The TSO sees no relief without its return, the same quarters and energy as the offer says."""
    told = ToldRebound(share_permille=900, delay_s=0, duration_s=5_400)
    pod = made.grid.pods[0]
    found = validated(made, expected, [offer(expected, 1, pod, 3_000, rebound=told)])
    (before,) = made.profiles(
        expected, AS_BUILT, "after_validation", np.zeros((96, 1), dtype=complex)
    )
    after = found.documents[0]
    assert isinstance(after, SubstationProfile)
    more_w = drawn_w(after) - drawn_w(before)
    expected_w = np.zeros(96)
    expected_w[NOON], expected_w[NOON + 1 : NOON + 7] = -3_000, 450
    np.testing.assert_allclose(more_w, expected_w, atol=1)


def test_a_rebound_is_counted_in_quarters(made: Desk, expected: Expected) -> None:
    told = ToldRebound(share_permille=800, delay_s=1_000, duration_s=2_000)
    offers = [offer(expected, 1, made.grid.pods[0], 500, rebound=told)]
    taken = taken_offers(made.grid, expected.expectation.interval, awarded(offers).awards, offers)
    (rebound,) = taken.rebounds
    assert (rebound.share, rebound.first, rebound.quarters) == (0.8, 2, 3)
    assert taken.power_w[0, NOON] == 500
    assert np.count_nonzero(taken.power_w) == 1


def test_awards_without_their_offer_and_outside_the_day_are_refused(
    made: Desk, expected: Expected
) -> None:
    offers = [offer(expected, 1, made.grid.pods[0], 500)]
    outcome, span = awarded(offers), expected.expectation.interval
    with pytest.raises(Rejected, match="not among those given"):
        taken_offers(made.grid, span, outcome.awards, [])
    other = replace(offers[0], direction=Direction.DOWN)
    with pytest.raises(Rejected, match=r"its offer is of .*, down"):
        taken_offers(made.grid, span, outcome.awards, [other])
    (award,) = outcome.awards
    late = replace(award.quarters[0], start_ms=award.quarters[0].start_ms + 86_400_000)
    with pytest.raises(Rejected, match="outside what was forecast"):
        taken_offers(made.grid, span, [replace(award, quarters=(late,))], offers)
    stranger = replace(offers[0], pod=Pod("IT002E99999999"))
    with pytest.raises(Rejected, match=f"offer {MRID(1)}.* no pod is called"):
        taken_offers(made.grid, span, awarded([stranger]).awards, [stranger])


def test_an_offer_that_two_buyers_share_is_checked_as_one(made: Desk, expected: Expected) -> None:
    one = offer(expected, 1, made.grid.pods[0], 1_000)
    whole = awarded([one])
    (award,) = whole.awards
    half = replace(award.quarters[0], power_w=400)
    shares = (replace(award, quarters=(half,)), replace(award, buyer=Buyer.TSO, quarters=(half,)))
    taken = taken_offers(made.grid, expected.expectation.interval, shares, [one])
    assert taken.mrids == (one.mrid,)
    assert taken.power_w.sum() == 800


def test_no_more_is_taken_of_an_offer_than_it_has(made: Desk, expected: Expected) -> None:
    """Such a list is wrong, and nothing that the grid should cut."""
    one, span = offer(expected, 1, made.grid.pods[0], 3_000), expected.expectation.interval
    (award,) = awarded([one]).awards
    (quarter,) = award.quarters
    much = replace(award, quarters=(replace(quarter, power_w=90_000_000),))
    late = replace(award, quarters=(replace(quarter, start_ms=quarter.start_ms + QUARTER_MS),))
    half = replace(award, quarters=(replace(quarter, power_w=1_501),))
    both = [half, replace(half, buyer=Buyer.TSO)]
    for awards, told in (
        ([much], f"quarter {quarter.start_ms}: 90000000 W taken, 3000 W offered"),
        ([late], f"quarter {quarter.start_ms + QUARTER_MS}: 3000 W taken, 0 W offered"),
        (both, f"quarter {quarter.start_ms}: 3002 W taken, 3000 W offered"),
    ):
        with pytest.raises(Rejected, match=told) as caught:
            taken_offers(made.grid, span, awards, [one])
        assert caught.value.where == f"award of offer {one.mrid} to {one.pod}"
