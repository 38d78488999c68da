"""Shares delivered: by quarter-hour, clamped, and drawn to the mean while the history is short."""

import pytest

from central.market.delivery import Call, Delivery, delivered_shares, deliveries


def of(pod: str, *delivered_w: int) -> list[Delivery]:
    return [Delivery(pod=pod, ordered_w=100, delivered_w=each) for each in delivered_w]


def test_a_long_history_counts_for_itself() -> None:
    found = delivered_shares([*of("a", *[100] * 900), *of("b", *[50] * 900)])
    assert found == pytest.approx({"a": 1.0, "b": 0.5}, abs=0.005)


def test_a_short_history_is_drawn_to_the_mean() -> None:
    found = delivered_shares([*of("a", *[100] * 99), *of("b", 0)])
    assert found["b"] == pytest.approx((0 + 8 * 0.99) / 9)


def test_neither_more_than_ordered_nor_the_other_way_round_counts() -> None:
    assert delivered_shares(of("a", 250, 100)) == {"a": 1.0}
    assert delivered_shares(of("a", -80)) == {"a": 0.0}


def test_who_was_never_ordered_is_not_told_and_order_changes_nothing() -> None:
    idle = Delivery(pod="c", ordered_w=0, delivered_w=0)
    some = [*of("a", 70, 30, 90), idle, *of("b", 10)]
    assert delivered_shares(some) == delivered_shares(reversed(some))
    assert set(delivered_shares(some)) == {"a", "b"}


def test_the_programme_less_what_was_measured_was_delivered_in_the_calls_direction() -> None:
    called = [
        Call(pod="a", start_ms=0, up_w=400), Call(pod="a", start_ms=0, up_w=100),
        Call(pod="a", start_ms=900, up_w=-300), Call(pod="b", start_ms=0, up_w=200),
        Call(pod="b", start_ms=900, up_w=200), Call(pod="b", start_ms=1_800, up_w=200),
        Call(pod="b", start_ms=1_800, up_w=-200),
    ]  # fmt: skip
    programme_w = {("a", 0): 1_000, ("a", 900): 1_000, ("b", 0): 700, ("b", 1_800): 700}
    measured_w = {("a", 0): 600.4, ("a", 900): 1_100.0, ("b", 0): 900.0, ("b", 900): 1.0,
                  ("b", 1_800): 0.0}  # fmt: skip
    assert deliveries(called, programme_w, measured_w) == [
        Delivery(pod="a", ordered_w=500, delivered_w=400),
        Delivery(pod="a", ordered_w=300, delivered_w=100),
        Delivery(pod="b", ordered_w=200, delivered_w=0),
    ]
