"""Baselines and offers of a portfolio, beside the naive ways: POD by POD, and the week before."""

import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import pytest

from central.aggregator.baseline import Ground, baselines
from central.aggregator.history import Floats, History
from central.aggregator.offering import Offering
from central.aggregator.portfolio import Portfolio
from central.calendar import SLOTS, day_class, day_interval, slots
from central.documents.availability import DerAvailability
from central.documents.offer import FlexOffer
from central.dso.forecast.history import Origin
from tests.bench.conftest import Figure, Figures
from tests.neighbourhood import Town, town
from tests.portfolios import allowed, customers, known, lived, offering

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

DAY = date(2026, 6, 3)
SEED = 5


def portfolio_of(pods: int) -> tuple[Portfolio, History, tuple[DerAvailability, ...]]:
    of = lived(pods, DAY, SEED)
    portfolio = Portfolio.of("aggregator", customers(of, SEED))
    return portfolio, known(of), allowed(portfolio, day_interval(DAY), SEED, fully=True)


def pod_by_pod(
    portfolio: Portfolio, history: History, told: Sequence[DerAvailability]
) -> tuple[FlexOffer, ...]:
    """Return the offers of customers that are worked out one after the other."""
    words: dict[str, list[DerAvailability]] = {pod: [] for pod in portfolio.pods}
    for each in told:
        words[each.pod.code].append(each)
    return tuple(
        offer
        for row, customer in zip(history.rows_of(portfolio.pods), portfolio.customers, strict=True)
        for offer in offering(
            Portfolio.of("aggregator", [customer]),
            History((customer.pod.code,), history.start_ms, history.power_w[row : row + 1]),
            words[customer.pod.code],
            day_interval(DAY),
        ).offers
    )


@pytest.mark.parametrize("pods", [100, 1_000])
def test_offers_of_a_portfolio(figures: Figures, pods: int) -> None:
    portfolio, history, told = portfolio_of(pods)
    interval = day_interval(DAY)

    def ours() -> Offering:
        return offering(portfolio, history, told, interval)

    found = ours()
    offers = found.offers
    rests = dict(zip(found.baselines.pods, found.baselines.ground, strict=True))
    # Who leans on its peers has none in a loop.
    alone = list(pod_by_pod(portfolio, history, told))
    assert [one for one in offers if rests[one.pod.code] is not Ground.PEERS] == alone
    quarters = sum(len(offer.quarters) for offer in offers)
    figures.take(
        Figure(
            subject="Aggregator: baseline, flexibility and offers of a day",
            size=f"{pods:,} PODs × 96 quarters", unit="s of one core",
            ours=core_s(ours, repeats=3),
            peer=core_s(lambda: pod_by_pod(portfolio, history, told), repeats=1),
            peer_name="the same, POD by POD",
            note=f"{pods:,} PODs: {len(offers):,} offers of {quarters:,} quarters in all, from 36 "
            f"days of history; the same offers both ways",
        )
    )  # fmt: skip
    figures.take(
        Figure(
            subject="Aggregator: memory for the offers of a day",
            size=f"{pods:,} PODs × 96 quarters", unit="MB", ours=peak_mb(ours),
            note="The most that Python and numpy hold at once, beyond history and availability; "
            "the offers themselves are most of it",
        )
    )  # fmt: skip


def core_s(work: Callable[[], object], *, repeats: int) -> float:
    """Return the least processor time [s] that the work takes: others may use the machine, too."""
    taken_s = []
    for _ in range(repeats):
        start_s = time.process_time()
        work()
        taken_s.append(time.process_time() - start_s)
    return min(taken_s)


def peak_mb(work: Callable[[], object]) -> float:
    """Return the most memory that is held while working [MB]."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_baselines_beside_a_loop(figures: Figures) -> None:
    portfolio, history, _ = portfolio_of(1_000)
    interval = day_interval(DAY)
    found = baselines(history, portfolio, interval)
    looped = by_loops(history)
    own = found.day_count > 0
    np.testing.assert_allclose(found.power_w[own], looped[own], atol=1e-6)
    figures.take(
        Figure(
            subject="Aggregator: baseline", size="1,000 PODs × 96 quarters", unit="s of one core",
            ours=core_s(lambda: baselines(history, portfolio, interval), repeats=3),
            peer=core_s(lambda: by_loops(history), repeats=1),
            peer_name="a loop over PODs, days and quarters",
            note="The same method, written as it is told; the same figures",
        )
    )  # fmt: skip


def by_loops(history: History) -> Floats:
    """Return the baseline as a reader of its description would write it."""
    past = [DAY - timedelta(days=back) for back in range(1, 71)]
    made = np.full((len(history.pods), SLOTS), np.nan)
    for row in range(len(history.pods)):
        days = {day: one_day(history, row, day) for day in past}
        whole = [day for day in past if np.mean(~np.isnan(days[day])) >= 0.75]
        like = [day for day in whole if day_class(day) == day_class(DAY)]
        chosen = (like if len(like) >= 3 else whole)[:10]
        if len(chosen) < 3:
            continue
        level_w = {day: np.nanmean(days[day]) for day in chosen}
        middle_w = np.median(list(level_w.values()))
        chosen.sort(key=lambda day: abs(level_w[day] - middle_w))
        for slot in range(SLOTS):
            seen = [days[day][slot] for day in chosen[:8] if not np.isnan(days[day][slot])]
            made[row, slot] = sum(seen) / len(seen) if seen else np.nan
        gaps = np.isnan(made[row])
        at = np.arange(SLOTS)
        made[row, gaps] = np.interp(at[gaps], at[~gaps], made[row, ~gaps])
    return made


def one_day(history: History, row: int, day: date) -> Floats:
    power_w = np.full(SLOTS, np.nan)
    span = day_interval(day)
    first = (span.start_ms - history.start_ms) // 900_000
    for at, slot in enumerate(slots(day)):
        if 0 <= first + at < history.power_w.shape[1]:
            power_w[slot] = history.power_w[row, first + at]
    return power_w


def test_how_far_the_baseline_is_from_what_came(figures: Figures) -> None:
    first, count = date(2026, 4, 10), 63
    of = town(100, first, count, SEED)
    days = [first + timedelta(days=number) for number in range(count - 14, count)]
    errors = np.array([errors_w(of, day) for day in days]).mean(axis=0)
    for name, ours_w, theirs_w in zip(
        ("each POD", "100 PODs in sum"), *errors.reshape(2, 2), strict=True
    ):
        figures.take(
            Figure(
                subject="Aggregator: error of the baseline a day ahead", size=name,
                unit="% of the mean size", ours=ours_w, peer=theirs_w,
                peer_name="the same weekday a week before",
                note="Mean absolute error over 14 days of a simulated town, every quarter",
            )
        )  # fmt: skip


def errors_w(of: Town, day: date) -> tuple[float, float, float, float]:
    """Return errors of a POD and of the sum: ours, ours, then the week before's [%]."""
    until = (day_interval(day).start_ms - of.history.start_ms) // 900_000
    power_w = np.where(of.history.origin != Origin.MISSING, of.history.power_w, np.nan)
    # At the gate, 10:00 of the day before, what follows is not known.
    history = History(of.pods, of.history.start_ms, power_w[:, : until - 56])
    portfolio = Portfolio.of("aggregator", customers(of, SEED))
    ours_w = baselines(history, portfolio, day_interval(day)).power_w
    before_w = of.actual_w(day - timedelta(days=7))
    actual_w = of.actual_w(day)
    size_w, sum_w = np.abs(actual_w).mean(), np.abs(actual_w.sum(axis=0)).mean()
    return tuple(
        100 * float(np.abs(one).mean()) / float(size)
        for guess_w in (ours_w, before_w)
        for one, size in (
            (guess_w - actual_w, size_w),
            ((guess_w - actual_w).sum(axis=0), sum_w),
        )
    )  # type: ignore[return-value]
