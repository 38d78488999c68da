"""Fees: enough at first, 12.5 % more each time, never above the ceiling."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.chain.fees import FeePolicy
from ledger.chain.values import Fees

GWEI = 10**9
wei = st.integers(0, 10_000 * GWEI)


def test_the_first_offer_outlasts_six_full_blocks() -> None:
    offer = FeePolicy().first(10 * GWEI, GWEI)
    assert offer == Fees(max_fee_wei=21 * GWEI, priority_fee_wei=GWEI)
    assert offer.max_fee_wei >= 10 * GWEI * 1.125**5 + GWEI


def test_a_replacement_offers_an_eighth_more() -> None:
    offered = Fees(max_fee_wei=16 * GWEI, priority_fee_wei=8 * GWEI)
    raised = FeePolicy().raised(offered, 0, 0)
    assert raised == Fees(max_fee_wei=18 * GWEI, priority_fee_wei=9 * GWEI)


def test_a_chain_without_fees_is_raised_too() -> None:
    raised = FeePolicy().raised(Fees(max_fee_wei=0, priority_fee_wei=0), 0, 0)
    assert raised == Fees(max_fee_wei=1, priority_fee_wei=1)


@given(base=wei, tip=wei, later_base=wei, later_tip=wei, ceiling=st.integers(1, 1_000 * GWEI))
def test_the_law(base: int, tip: int, later_base: int, later_tip: int, ceiling: int) -> None:
    policy = FeePolicy(ceiling_wei=ceiling)
    offered = policy.first(base, tip)
    assert offered.priority_fee_wei <= offered.max_fee_wei <= ceiling
    while (raised := policy.raised(offered, later_base, later_tip)) is not None:
        assert raised.priority_fee_wei <= raised.max_fee_wei <= ceiling
        assert 8 * raised.max_fee_wei >= 9 * offered.max_fee_wei
        assert 8 * raised.priority_fee_wei >= 9 * offered.priority_fee_wei
        assert raised.max_fee_wei > offered.max_fee_wei
        offered = raised
    assert 8 * ceiling < 9 * offered.max_fee_wei + 8 or offered.max_fee_wei == ceiling
