"""Laws of the aggregator: what it offers can be delivered, whatever of it is called."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from central.aggregator.devices.declared import Battery, Device, Generation, Load, Vehicle
from central.aggregator.history import Floats, History
from central.aggregator.offering import Offering, offer_mrid
from central.aggregator.portfolio import Customer, Portfolio
from central.calendar import ROME, day_interval, quarter_count
from central.documents.availability import Resource
from central.documents.encoding import decode, encode
from central.documents.header import Direction
from central.documents.offer import Acceptance, FlexOffer
from ledger.facts.interval import QUARTER_MS, Interval
from tests.portfolios import allowed, customers, known, lived, offered, offering, programme

PODS = 12
DAYS = (date(2026, 6, 3), date(2026, 3, 29), date(2026, 10, 25))
days = st.sampled_from(DAYS)
seeds = st.integers(0, 12)
rounds = settings(max_examples=40, deadline=None)


@lru_cache(maxsize=64)
def one(day: date, seed: int, *, fully: bool = False) -> tuple[Portfolio, Offering]:
    return offered(PODS, day, seed, fully=fully)


def moved_by(offer: FlexOffer, portfolio: Portfolio) -> tuple[Customer, Device]:
    """Return the device that an offer moves: its name is made of it."""
    (customer,) = (each for each in portfolio.customers if each.pod == offer.pod)
    named = {
        offer_mrid(offer.session, offer.pod.code, offer.direction, name): device
        for device in customer.devices
        for name in (device.resource.value, f"{device.resource.value} in one piece")
    }
    cars = [device for device in customer.devices if isinstance(device, Vehicle)]
    return customer, named[offer.mrid] if offer.mrid in named else cars[0]


def table_w(offer: FlexOffer) -> Floats:
    """Return the most of each quarter of the interval [W]."""
    power_w = np.zeros(offer.validity.duration_ms // QUARTER_MS)
    for quarter in offer.quarters:
        power_w[(quarter.start_ms - offer.validity.start_ms) // QUARTER_MS] = quarter.maximum_w
    return power_w


def activations(dice: np.random.Generator, offer: FlexOffer) -> Floats:
    """Return what is called of an offer [W]: anything that its terms allow."""
    most_w = table_w(offer)
    called_w = np.zeros_like(most_w)
    if offer.acceptance is Acceptance.BLOCK:
        whole = all(each.minimum_w == each.maximum_w for each in offer.quarters)
        return most_w if whole else most_w * dice.random()
    quarters = len(most_w)
    longest = quarters if offer.longest_s is None else offer.longest_s // 900
    rest = 1 if offer.rest_s is None else max(offer.rest_s // 900, 1)
    left = quarters if offer.call_count is None else offer.call_count
    at = int(dice.integers(0, quarters))
    while at < quarters and left:
        length = longest if dice.random() < 0.5 else int(dice.integers(1, longest + 1))
        share = 1.0 if dice.random() < 0.5 else dice.random(min(length, quarters - at))
        called_w[at : at + length] = most_w[at : at + length] * share
        at, left = at + length + rest, left - 1
    least_w = max(each.minimum_w for each in offer.quarters)
    return np.where(called_w >= least_w, called_w, 0.0)


@given(days, seeds, st.integers(0, 2**32))
@rounds
def test_a_battery_is_never_emptier_than_empty_nor_fuller_than_full(
    day: date, seed: int, draw: int
) -> None:
    portfolio, found = one(day, seed)
    dice = np.random.default_rng(draw)
    for offer in found.offers:
        _, device = moved_by(offer, portfolio)
        if isinstance(device, Battery):
            called_w = activations(dice, offer)
            one_way = np.sqrt(device.efficiency_permille / 1_000)
            sign = -1 / one_way if offer.direction is Direction.UP else one_way
            charge_wh = device.charge_wh + np.cumsum(called_w * sign / 4)
            assert charge_wh.min() >= -1e-6
            assert charge_wh.max() <= device.capacity_wh + 1e-6
            assert called_w.max() <= device.power_w


@given(days, st.integers(0, 2**32))
@rounds
def test_a_car_is_full_enough_when_it_leaves(day: date, draw: int) -> None:
    dice = np.random.default_rng(draw)
    portfolio, found = cars(day, int(dice.integers(6)))
    assert found.offers
    for offer in found.offers:
        customer, car = moved_by(offer, portfolio)
        assert isinstance(car, Vehicle)
        take_w = customer.contract_w - found.baselines.power_w[0]
        assert charged_wh(car, offer, activations(dice, offer), float(take_w.min())) >= (
            car.energy_wh - 1e-6
        )


@lru_cache(maxsize=32)
def cars(day: date, seed: int) -> tuple[Portfolio, Offering]:
    """Return customers with a car and nothing else, who take the same at all times."""
    dice = np.random.default_rng(seed)
    of = lived(PODS, day, seed)
    made = [
        replace(customer, contract_w=int(dice.integers(4_000, 9_000)), devices=(car(dice),))
        for customer in customers(of, seed)
    ]
    portfolio, interval = Portfolio.of("aggregator", made), day_interval(day)
    steady = np.full_like(known(of).power_w, 2_500.0)
    steady[:, ::96] = 0.0
    history = History(of.pods, of.history.start_ms, steady)
    return portfolio, offering(
        portfolio, history, allowed(portfolio, interval, seed, fully=True), interval
    )


def car(dice: np.random.Generator) -> Vehicle:
    plugged = int(dice.integers(20, 90))
    arrives = int(dice.integers(0, 96))
    waits = int(dice.integers(0, plugged // 2))
    return Vehicle(
        power_w=int(dice.integers(1_380, 3_700)), arrives_slot=arrives,
        leaves_slot=(arrives + plugged) % 96, energy_wh=int(dice.integers(1_000, 12_000)),
        starts_slot=(arrives + waits) % 96 if dice.random() < 0.5 else None,
    )  # fmt: skip


def charged_wh(car: Vehicle, offer: FlexOffer, called_w: Floats, room_w: float) -> float:
    """Return what is in the car as it leaves, played through quarter by quarter.

    The stay is the one of the offer's quarters: clocks are read anew here, by walking them.
    """
    first_ms = offer.quarters[0].start_ms
    arrives_ms = walk(first_ms, car.arrives_slot, -1)
    starts_ms = walk(arrives_ms, car.begins_slot, 1)
    leaves_ms = walk(arrives_ms + QUARTER_MS, car.leaves_slot, 1)
    full = -(-car.energy_wh * 4 // car.power_w)
    starts_ms = max(min(starts_ms, leaves_ms - full * QUARTER_MS), arrives_ms)
    charge_wh, owed = 0.0, offer.direction is Direction.UP
    for at_ms in range(arrives_ms, leaves_ms, QUARTER_MS):
        number = (at_ms - offer.validity.start_ms) // QUARTER_MS
        moved_w = called_w[number] if 0 <= number < len(called_w) else 0.0
        planned = starts_ms <= at_ms < starts_ms + full * QUARTER_MS
        missing_w = max(car.energy_wh - charge_wh, 0.0) * 4
        if owed and moved_w:
            power_w = car.power_w - moved_w
            assert power_w >= car.least_w - 1e-6 or offer.acceptance is Acceptance.BLOCK
            power_w = 0.0 if offer.acceptance is Acceptance.BLOCK else min(power_w, missing_w)
        elif not owed and moved_w:
            assert car.least_w <= moved_w <= car.power_w
            power_w = min(moved_w, missing_w)
        else:
            after = not planned and at_ms >= starts_ms
            power_w = car.power_w if planned else min(car.power_w, room_w) * after
            power_w = min(power_w, missing_w)
        charge_wh += power_w / 4
    return charge_wh


def walk(from_ms: int, slot: int, step: int) -> int:
    """Return the nearest instant, from one on, at which the clock of Rome shows a slot."""
    at_ms = from_ms
    while slot_of(at_ms) != slot:
        at_ms += step * QUARTER_MS
    # In the hour that the clock shows twice, a slot begins when it is shown first.
    return at_ms - 4 * QUARTER_MS if slot_of(at_ms - 4 * QUARTER_MS) == slot else at_ms


def slot_of(unix_ms: int) -> int:
    local = datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(ROME)
    return local.hour * 4 + local.minute // 15


@given(days, seeds, st.sampled_from(["as drawn", "fully"]))
@rounds
def test_all_devices_of_a_customer_together_keep_the_contract(
    day: date, seed: int, how: str
) -> None:
    portfolio, found = one(day, seed, fully=how == "fully")
    by_pod = {each.pod: each for each in portfolio.customers}
    for row, pod in enumerate(found.baselines.pods):
        offers = [offer for offer in found.offers if offer.pod.code == pod]
        customer = by_pod[offers[0].pod] if offers else None
        if customer is None:
            continue
        up_w, down_w = (most_w(offers, direction) for direction in Direction)
        baseline_w = found.baselines.power_w[row]
        assert up_w.max() <= customer.contract_w
        assert down_w.max() <= customer.contract_w
        assert (np.where(up_w > 0, baseline_w - up_w, 0.0) >= -customer.contract_w - 1e-6).all()
        assert (np.where(down_w > 0, baseline_w + down_w, 0.0) <= customer.contract_w + 1e-6).all()


def most_w(offers: Sequence[FlexOffer], direction: Direction) -> Floats:
    """Return the most that offers in one direction move at once, one of each group [W]."""
    groups: dict[str, Floats] = {}
    for offer in offers:
        if offer.direction is direction:
            name = offer.exclusive_group or offer.mrid
            groups[name] = np.maximum(groups.get(name, 0.0), table_w(offer))
    zero = np.zeros(offers[0].validity.duration_ms // QUARTER_MS)
    summed: Floats = np.sum([zero, *groups.values()], axis=0)
    return summed


@given(days, seeds)
@rounds
def test_loads_and_cars_never_give_and_generation_never_holds_back_what_is_not_given(
    day: date, seed: int
) -> None:
    portfolio, found = one(day, seed, fully=True)
    for offer in found.offers:
        row = found.baselines.pods.index(offer.pod.code)
        baseline_w = found.baselines.power_w[row]
        _, device = moved_by(offer, portfolio)
        moved_w = table_w(offer)
        if isinstance(device, Load | Vehicle) and offer.direction is Direction.UP:
            assert (moved_w <= np.maximum(baseline_w, 0.0) + 1e-6).all()
        if isinstance(device, Generation):
            assert offer.direction is Direction.DOWN
            assert (moved_w <= np.maximum(-baseline_w, 0.0) + 1e-6).all()


@given(days, seeds, st.integers(0, 2**32))
@rounds
def test_what_comes_back_finds_room(day: date, seed: int, draw: int) -> None:
    portfolio, found = one(day, seed)
    by_pod = {each.pod: each.contract_w for each in portfolio.customers}
    dice = np.random.default_rng(draw)
    for offer in found.offers:
        row = found.baselines.pods.index(offer.pod.code)
        # What comes back of UP is taken more, of DOWN taken less.
        sign = 1.0 if offer.direction is Direction.UP else -1.0
        back_w = returning_w(offer, activations(dice, offer))
        with_it_w = sign * found.baselines.power_w[row] + back_w
        assert (with_it_w[back_w > 0] <= by_pod[offer.pod] + 1e-6).all()


def returning_w(offer: FlexOffer, called_w: Floats) -> Floats:
    """Return what comes back of the activations within the interval [W], by the offer's terms."""
    back_w = np.zeros_like(called_w)
    if offer.rebound is None:
        return back_w
    delay, duration = offer.rebound.delay_s // 900, offer.rebound.duration_s // 900
    edges = np.diff(np.concatenate([[0], called_w > 0, [0]]).astype(int))
    for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        moved_w = called_w[begin:end].sum() * offer.rebound.share_permille / 1_000
        back_w[end + delay : end + delay + duration] += moved_w / duration
    return back_w


@given(days, seeds, st.integers(0, 2**32))
@rounds
def test_whatever_is_called_of_all_devices_at_once_keeps_the_contract(
    day: date, seed: int, draw: int
) -> None:
    portfolio, found = one(day, seed, fully=True)
    dice = np.random.default_rng(draw)
    for customer in portfolio.customers:
        baseline_w = found.baselines.power_w[found.baselines.pods.index(customer.pod.code)]
        power_w = baseline_w.copy()
        for offer in one_of_each_group(dice, found, customer):
            called_w = activations(dice, offer)
            sign = -1.0 if offer.direction is Direction.UP else 1.0
            power_w += sign * (called_w - returning_w(offer, called_w))
        contract_w = customer.contract_w
        assert (power_w <= np.maximum(contract_w, baseline_w) + 1e-6).all()
        assert (power_w >= np.minimum(-contract_w, baseline_w) - 1e-6).all()


def one_of_each_group(
    dice: np.random.Generator, found: Offering, customer: Customer
) -> list[FlexOffer]:
    groups: dict[str, list[FlexOffer]] = {}
    for offer in found.offers:
        if offer.pod == customer.pod:
            groups.setdefault(offer.exclusive_group or offer.mrid, []).append(offer)
    return [group[int(dice.integers(len(group)))] for group in groups.values()]


@given(days, seeds, st.randoms(use_true_random=False))
@rounds
def test_the_order_of_the_inputs_does_not_matter(day: date, seed: int, dice: object) -> None:
    portfolio, found = one(day, seed)
    of, interval = lived(PODS, day, seed), day_interval(day)
    told = list(allowed(portfolio, interval, seed))
    clients, rows = list(customers(of, seed)), list(range(PODS))
    for inputs in (told, clients, rows):
        dice.shuffle(inputs)  # type: ignore[attr-defined]
    past = known(of)
    shuffled = History(tuple(past.pods[row] for row in rows), past.start_ms, past.power_w[rows])
    again = offering(Portfolio.of("aggregator", clients), shuffled, told, interval)
    assert [encode(offer) for offer in again.offers] == [encode(offer) for offer in found.offers]
    assert again.notes == found.notes


@given(days, seeds)
@rounds
def test_offers_are_documents_of_their_market_day(day: date, seed: int) -> None:
    _, found = one(day, seed)
    assert found.baselines.power_w.shape == (PODS, quarter_count(day))
    assert len({offer.mrid for offer in found.offers}) == len(found.offers)
    for offer in found.offers:
        assert decode(encode(offer)) == offer
        assert offer.validity == day_interval(day)


@given(seeds)
@settings(max_examples=13, deadline=None)
def test_a_customer_alone_offers_what_it_offers_among_others(seed: int) -> None:
    day = DAYS[0]
    portfolio, found = one(day, seed)
    interval = day_interval(day)
    told, past = allowed(portfolio, interval, seed), known(lived(PODS, day, seed))
    alone = [
        offer
        for customer in portfolio.customers
        for offer in offering(
            Portfolio.of("aggregator", [customer]), past,
            [each for each in told if each.pod == customer.pod], interval,
        ).offers
    ]  # fmt: skip
    assert tuple(alone) == found.offers


@given(seeds, st.integers(-3_000, 3_000))
@rounds
def test_a_programme_only_ever_narrows_what_is_offered(seed: int, level_w: int) -> None:
    day = DAYS[0]
    portfolio, _ = one(day, seed, fully=True)
    interval = day_interval(day)
    filed = [
        programme(pod, interval, np.full(quarter_count(day), float(level_w)))
        for pod in portfolio.pods
    ]
    told = allowed(portfolio, interval, seed, fully=True)
    narrow = offering(portfolio, known(lived(PODS, day, seed)), told, interval, filed=filed)
    contracts = {each.pod: each.contract_w for each in portfolio.customers}
    by_pod: dict[str, list[FlexOffer]] = {}
    for offer in narrow.offers:
        by_pod.setdefault(offer.pod.code, []).append(offer)
    for offers in by_pod.values():
        up_w, down_w = (most_w(offers, direction) for direction in Direction)
        contract_w = contracts[offers[0].pod]
        assert up_w.max() <= max(contract_w + level_w, 0)
        assert down_w.max() <= max(contract_w - level_w, 0)


@given(seeds, st.integers(0, 90))
@rounds
def test_the_next_hours_are_offered_by_the_same_laws(seed: int, quarter: int) -> None:
    day = DAYS[0]
    of = lived(PODS, day, seed)
    portfolio = Portfolio.of("aggregator", customers(of, seed))
    start_ms = day_interval(day).start_ms + quarter * QUARTER_MS
    hours = Interval(start_ms, start_ms + 16 * QUARTER_MS)
    found = offering(
        portfolio, known(of), allowed(portfolio, hours, seed), hours, known_until_ms=start_ms
    )
    assert found.baselines.power_w.shape == (PODS, 16)
    for offer in found.offers:
        assert decode(encode(offer)) == offer
        assert all(each.start_ms in hours for each in offer.quarters)


def test_every_kind_is_offered_somewhere() -> None:
    seen = {
        moved_by(offer, portfolio)[1].resource
        for day in DAYS
        for seed in range(6)
        for portfolio, found in [one(day, seed, fully=True)]
        for offer in found.offers
    }
    assert seen == set(Resource)
