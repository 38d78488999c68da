"""The market's clearing beside naive ways, from one feeder to a city; times are processor time."""

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from central.computing import pool
from central.documents.header import Direction, Envelope, Horizon, Reference
from central.documents.offer import Acceptance, FlexOffer
from central.documents.outcome import MarketOutcome
from central.documents.validation import TechnicalValidation
from central.dso.assessment import assess
from central.dso.excess import excess_pu
from central.dso.expectation import Expectation, expected
from central.dso.grid.demo import demo_grid
from central.dso.grid.model import Floats, Grid
from central.dso.limits import Limits, Margin
from central.dso.powerflow import AS_BUILT, PowerFlow
from central.dso.requesting import Resources, size_need
from central.dso.telling.requests import flex_requests
from central.dso.telling.verdicts import technical_validation
from central.dso.validation import validate
from central.market.book import Book
from central.market.clearing import Clearing, clear
from central.market.rounds import negotiated
from central.market.rules import ReserveRule, Rules
from central.sessions.dso_validation import taken_offers
from tests.bench.conftest import Figure, Figures
from tests.grids import feeder
from tests.markets import KW, START_MS, book, drawn, mrid, offer, request, start_ms

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1_800)]

FIRM = Rules(reserve=ReserveRule.NONE)
QUARTERS = 96
OVER_W = 1e6  # µEUR/MWh times W in EUR/MWh times W


def cpu_s(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the least processor time of several runs [s]."""
    taken_s = []
    for _ in range(repeats):
        begin_s = time.process_time()
        work()
        taken_s.append(time.process_time() - begin_s)
    return min(taken_s)


def paid(of: Clearing) -> float:
    return sum(take.power_w * take.price_ueur_per_mwh for take in of.takes) / OVER_W


def test_a_day_of_divisible_offers(figures: Figures) -> None:
    made = drawn(1, offers=1_000, quarters=QUARTERS, elements=10, nodes=50)
    of = book(made.offers, made.requests, made.nodes, quarters=QUARTERS)
    found = clear(of, FIRM)
    assert not found.missing
    assert paid(found) == pytest.approx(in_one_piece(of, found), rel=1e-4)
    figures.take(
        Figure(
            subject="Market: a day of divisible offers",
            size="1,000 offers × 96 quarters × 10 elements", unit="s",
            ours=cpu_s(lambda: clear(of, FIRM)),
            peer=cpu_s(lambda: in_one_piece(of, found), repeats=1),
            peer_name="the whole day as one linear programme", reach="≤ 1 s on one core",
            note="From documents to awards; the peer is given its matrix and only solves. Both "
            "cost the same to 1e-4, which is what whole watts cost",
        )
    )  # fmt: skip


def in_one_piece(of: Book, found: Clearing) -> float:
    """Return the least cost of a day, all quarters in one programme [EUR/MWh times W]."""
    limits, quarters = found.limits, range(QUARTERS)
    column = [limits.nodes[of.nodes[each.pod.code]] for each in of.offers]
    price = np.array([each.quarters[0].steps[0].price_ueur_per_mwh for each in of.offers]) / OVER_W
    most_w = np.array([[one.maximum_w for one in each.quarters] for each in of.offers])
    rows = [np.flatnonzero(limits.start_ms == start_ms(q)) for q in quarters]
    effect = sparse.block_diag([limits.up[each][:, column] for each in rows], format="csc")
    solved = linprog(
        np.tile(price, QUARTERS), A_ub=-effect, b_ub=-limits.need_w[np.concatenate(rows)] / KW,
        bounds=np.column_stack([np.zeros(most_w.size), most_w.T.ravel() / KW]), method="highs",
    )  # fmt: skip
    assert solved.status == 0
    return float(solved.fun * KW)


def whole_bids(count: int, periods: int) -> Book:
    """Return bids of which half are blocks of 2 … 4 periods, all with a minimum."""
    draw, made, nodes = np.random.default_rng(1), list[FlexOffer](), dict[int, str]()
    for k in range(1, count + 1):
        first, length = int(draw.integers(0, periods - 4)), int(draw.integers(2, 5))
        height = int(draw.integers(5, 60))
        nodes[k] = f"N{draw.integers(0, 6)}"
        price = float(draw.integers(20, 400))
        if k % 2:
            made.append(
                offer(k, dict.fromkeys(range(first, first + length), height), price,
                      least_kw=height // 2, quarters=periods, acceptance=Acceptance.BLOCK)
            )  # fmt: skip
        else:
            at = int(draw.integers(0, periods))
            made.append(offer(k, {at: height}, price, least_kw=height // 2, quarters=periods))
    effect = {f"N{k}": 1 - 0.15 * k for k in range(6)}
    most_kw = dict.fromkeys(range(periods), 0.0)
    for each in made:
        for one in each.quarters:
            at = (one.start_ms - START_MS) // 900_000
            most_kw[at] += effect[nodes[int(each.pod.code[6:])]] * one.maximum_w / KW
    need = {(0, at): int(0.25 * kw) for at, kw in most_kw.items()}
    return book(made, [request(10**6, need, [effect], quarters=periods)], nodes, quarters=periods)


def test_bids_with_minima_and_blocks(figures: Figures) -> None:
    of = whole_bids(300, 24)
    exact, whole = clear(of, FIRM), clear(divisible(of), FIRM)
    assert paid(whole) <= paid(exact)
    figures.take(
        Figure(
            subject="Market: bids with minima and blocks", size="300 bids, 24 periods", unit="ms",
            ours=1e3 * cpu_s(lambda: clear(of, FIRM)),
            peer=1e3 * cpu_s(lambda: clear(divisible(of), FIRM)),
            peer_name="the same without minima and blocks", reach="≤ 100 ms",
            note=f"Exact to 1e-9; whole bids cost {paid(exact) / paid(whole) - 1:.1%} more than "
            "divisible ones would",
        )
    )  # fmt: skip


def divisible(of: Book) -> Book:
    return replace(of, offers=tuple(
        replace(each, acceptance=Acceptance.PER_QUARTER,
                quarters=tuple(replace(one, minimum_w=0) for one in each.quarters))
        for each in of.offers
    ))  # fmt: skip


def zone(number: int) -> tuple[int, int, float, float]:
    """Return process, awards, processor time [s] and peak memory [MiB] of one zone."""
    made = drawn(number, offers=1_429, quarters=QUARTERS, elements=3, nodes=60)
    of = book(made.offers, made.requests, made.nodes, quarters=QUARTERS)
    begin_s = time.process_time()
    takes = len(clear(of, FIRM).takes)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    return os.getpid(), takes, time.process_time() - begin_s, peak_mib


@pytest.mark.parametrize("zones", [7, 70])
def test_zones_of_a_city(figures: Figures, zones: int) -> None:
    with pool.opened(2) as compute:
        answers = list(compute.each(zone, range(zones)))
    peaks = {process: peak_mib for process, _, _, peak_mib in answers}
    assert all(takes for _, takes, _, _ in answers)
    figures.take(
        Figure(
            subject="Market: a city's zones",
            size=f"{zones} zones, {zones * 1_429:,} offers, {sum(peaks.values()):,.0f} MiB",
            unit="s of processor time a zone", ours=sum(each[2] for each in answers) / zones,
            note="1,429 offers, 96 quarters and 3 elements a zone; two workers, whose peaks the "
            "memory is. A figure that stays is linear growth; the making of offers is not counted",
        )
    )  # fmt: skip


# ── beside an order of price that knows no place ────────────────────────────────────────────────

# What everybody draws, as a share of the contract's power; and who offers.
CASES: dict[str, tuple[Grid, float, str]] = {
    "low voltage at the end of a line": (feeder(14, length_km=6.0), 0.28, "all"),
    "high voltage, much sun": (feeder(14, length_km=6.0), -0.08, "all"),
    "one feeder of eight overloaded": (feeder(60, seed=3, feeders=8, rating_a=110.0), 0.41, "all"),
    "voltage and current at once": (
        feeder(24, seed=1, length_km=5.0, rating_a=150.0), 0.22, "all",
    ),
    "nobody offers where it would help": (
        feeder(60, seed=3, feeders=8, rating_a=110.0), 0.41, "elsewhere",
    ),
    "the demo grid on a winter's evening": (demo_grid(), 0.6, "all"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_cost_beside_an_order_of_price(figures: Figures, case: str) -> None:
    grid, share, where = CASES[case]
    power_flow, margin = PowerFlow(grid), Margin()
    draw = np.random.default_rng(2)
    heights = draw.uniform(0.6, 1.4, (len(grid.pods), 1)) * np.ones((1, 2))
    drawn_w = share * np.array([float(each.contract_w) for each in grid.connections])
    expectation = expected(grid, START_MS, {"mean": drawn_w[:, None] * heights})
    assessment = assess(power_flow, expectation, margin=margin)
    assert assessment.congestions
    most_w = 0.6 * np.abs(drawn_w)
    need = size_need(
        power_flow, assessment,
        Resources.of(
            grid.pod_node, np.tile(most_w, (2, 1)), np.tile(most_w, (2, 1)), tan_phi=grid.tan_phi
        ),
        confidence=0.95,
    )  # fmt: skip
    up_and_down = [Envelope(mrid=mrid(10**6 + k), created_ms=1, sender="dso", receiver="market")
                   for k in range(2)]  # fmt: skip
    requests = flex_requests(
        grid, need, up_and_down, session="s", horizon=Horizon.DAY_AHEAD,
        expires_ms=START_MS + 10**9, maximum_price_eur_per_mwh=500.0, reliability=0.9,
    )  # fmt: skip
    direction = requests[0].direction
    offers = _offers(grid, draw, most_w, direction)
    if where == "elsewhere":
        offers = _helpless(grid, need.at_nodes(need.up_w + need.down_w)[0], offers)
    of = Book.of(
        "s", Horizon.DAY_AHEAD, requests[0].validity, offers=offers, requests=requests,
        nodes={each.pod: grid.nodes[each.node].name for each in grid.connections},
        zones={node.name: requests[0].primary_substation for node in grid.nodes},
        tan_phi={each.pod: each.tan_phi for each in grid.connections},
    )  # fmt: skip
    ask = _dso(power_flow, expectation, margin, of.offers)
    rounds = list(negotiated(of, FIRM, ask, lambda n: replace(up_and_down[0], mrid=mrid(n))))
    found, rule_met = rounds[-1][0], not rounds[-1][0].missing
    blind, blind_met = by_price_alone(power_flow, expectation, margin, of)
    figures.take(
        Figure(
            subject="Market: cost beside an order of price that knows no place",
            size=f"{case}: {'met' if rule_met else 'unmet told'}, "
            f"by price alone {'met' if blind_met else 'not met with all offers'}",
            unit="EUR for a quarter-hour", ours=paid(found) / 4e6 / 2, peer=blind / 4e6 / 2,
            peer_name="offers by price until an AC power flow breaks no limit",
            note="Two quarter-hours; ours with the DSO's validation until it approves, over- and "
            "under-delivery included, which the peer is not asked for",
        )
    )  # fmt: skip


def _offers(
    grid: Grid, draw: np.random.Generator, most_w: Floats, direction: Direction
) -> list[FlexOffer]:
    made = []
    for k, (each, most_kw) in enumerate(zip(grid.connections, most_w // KW, strict=True), 1):
        price = draw.uniform(60, 200)
        if not most_kw:
            continue
        plain = offer(k, {0: int(most_kw), 1: int(most_kw)}, price,
                      quarters=2, direction=direction, session="s")  # fmt: skip
        made.append(replace(plain, pod=type(plain.pod)(each.pod)))
    return made


def _helpless(grid: Grid, asked_w: Floats, offers: Sequence[FlexOffer]) -> list[FlexOffer]:
    """Return the offers of nodes where nothing is asked."""
    idle = {each.pod for each in grid.connections if asked_w[each.node] < 1}
    return [each for each in offers if each.pod.code in idle]


def _dso(
    power_flow: PowerFlow, expectation: Expectation, margin: Margin, offers: Sequence[FlexOffer]
) -> Callable[[MarketOutcome], TechnicalValidation]:
    grid = power_flow.grid
    limits = Limits.of(grid, margin)

    def ask(outcome: MarketOutcome) -> TechnicalValidation:
        taken = taken_offers(grid, expectation.interval, outcome.awards, offers)
        return technical_validation(
            grid,
            validate(power_flow, expectation.drawn_va[0], taken, limits),
            expectation,
            envelope=Envelope(mrid=mrid(77), created_ms=1, sender="dso", receiver="market"),
            margin=margin, session="s", outcome=Reference(mrid=outcome.mrid, revision=1),
            offers={each.offer.mrid: each.offer for each in outcome.awards},
        )  # fmt: skip

    return ask


def by_price_alone(
    power_flow: PowerFlow, expectation: Expectation, margin: Margin, of: Book
) -> tuple[float, bool]:
    """Return what it costs to take offers by price until nothing is broken, and whether it is so.

    In hundredths of an offer, each quarter by itself.
    """
    grid, limits = power_flow.grid, Limits.of(power_flow.grid, margin)
    ranked = sorted(of.offers, key=lambda each: each.quarters[0].steps[0].price_ueur_per_mwh)
    price = np.array([each.quarters[0].steps[0].price_ueur_per_mwh for each in ranked]) / OVER_W
    most_w = np.array([each.quarters[0].maximum_w for each in ranked], dtype=float)
    node = np.array([grid.pod_node[grid.pod(each.pod.code)] for each in ranked])
    tan_phi = np.array([grid.tan_phi[grid.pod(each.pod.code)] for each in ranked])
    sign = np.array([-1.0 if each.direction is Direction.UP else 1.0 for each in ranked])
    share = np.clip(np.arange(100 * len(ranked) + 1)[:, None] / 100 - np.arange(len(ranked)), 0, 1)
    change = np.zeros((len(share), len(grid.nodes)), dtype=complex)
    np.add.at(change.T, node, (share * most_w * sign * (1 + 1j * tan_phi)).T)
    cost, is_met = 0.0, True
    for drawn_va in expectation.drawn_va[0]:
        kept = excess_pu(power_flow.solve(drawn_va + change, AS_BUILT), limits).max(axis=1) <= 1e-6
        first = int(np.argmax(kept)) if kept.any() else len(share) - 1
        cost += float(share[first] @ (most_w * price))
        is_met &= bool(kept.any())
    return cost, is_met
