"""Customers of an aggregator in the simulated town, with devices and what their owners allow."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import compress

import numpy as np

from central.aggregator.devices.declared import Battery, Device, Generation, Load, Vehicle
from central.aggregator.history import Floats, History
from central.aggregator.offering import Offering, make_offers
from central.aggregator.portfolio import Customer, Portfolio
from central.aggregator.pricing import Terms
from central.calendar import day_interval, gate_ms
from central.documents.availability import AvailableQuarter, DerAvailability, Resource
from central.documents.baseline import Baseline
from central.documents.header import Envelope, QuarterPower
from central.documents.offer import Rebound
from central.dso.forecast.history import Origin
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from tests.neighbourhood import Town, town

SESSION = "DA-TEST"
TERMS = Terms(
    retail_ueur_per_mwh=280_000_000, feed_in_ueur_per_mwh=90_000_000, fee_ueur_per_mwh=15_000_000
)
PAST_DAYS = 36
"""Days of history before the day that is offered for."""


@lru_cache(maxsize=8)
def lived(pods: int, day: date, seed: int) -> Town:
    """Return a town through the days before a day."""
    return town(pods, day - timedelta(days=PAST_DAYS), PAST_DAYS, seed)


def known(of: Town) -> History:
    """Return its history as the aggregator has it: gaps are NaN."""
    power_w = np.where(of.history.origin != Origin.MISSING, of.history.power_w, np.nan)
    return History(of.pods, of.history.start_ms, power_w)


def customers(of: Town, seed: int) -> tuple[Customer, ...]:
    """Return the customers of a town, with devices drawn from a seed."""
    dice = np.random.default_rng([seed, 7])
    return tuple(
        Customer(
            pod=Pod(pod), contract_w=int(contract_w), owner=f"owner-{pod}",
            devices=devices(dice, int(contract_w)),
        )
        for pod, contract_w in zip(of.pods, of.customers.contract_w, strict=True)
    )  # fmt: skip


def devices(dice: np.random.Generator, contract_w: int) -> tuple[Device, ...]:
    """Return what a customer has: at least one of the four."""
    capacity_wh = int(dice.integers(2_000, 12_000))
    phases = 3 if contract_w > 6_000 else 1
    least_w = 1_380 * phases
    arrives = int(dice.integers(64, 92))
    drawn: list[Device] = [
        Load(
            power_w=int(dice.integers(300, 3_000)), share_permille=int(dice.integers(100, 1_001)),
            longest_s=900 * int(dice.integers(1, 16)), in_one_piece=bool(dice.random() < 0.3),
            rebound=Rebound(
                share_permille=int(dice.integers(0, 1_301)), delay_s=900 * int(dice.integers(0, 5)),
                duration_s=900 * int(dice.integers(1, 13)),
            ),
            burden_ueur_per_mwh=int(dice.integers(0, 200_000_000)),
        ),
        Battery(
            power_w=int(dice.integers(1_000, 5_000)), capacity_wh=capacity_wh,
            charge_wh=int(dice.integers(0, capacity_wh + 1)),
            efficiency_permille=int(dice.integers(800, 1_001)),
            burden_ueur_per_mwh=int(dice.integers(20_000_000, 90_000_000)),
        ),
        Vehicle(
            power_w=int(dice.integers(least_w, 4 * least_w)), phases=phases, arrives_slot=arrives,
            leaves_slot=int(dice.integers(24, 40)), energy_wh=int(dice.integers(2_000, 20_000)),
            starts_slot=None if dice.random() < 0.5 else int(dice.integers(0, 12)),
        ),
        Generation(power_w=int(dice.integers(2_000, 6_000))),
    ]  # fmt: skip
    chosen = dice.random(4) < 0.5
    chosen[int(dice.integers(4))] = True
    return tuple(compress(drawn, chosen))


def allowed(
    portfolio: Portfolio, interval: Interval, seed: int, *, fully: bool = False
) -> tuple[DerAvailability, ...]:
    """Return what owners allow (I-13): most of the time a lot, sometimes nothing."""
    dice = np.random.default_rng([seed, 11])
    return tuple(
        _allowed(customer, device.resource, interval, dice, fully=fully)
        for customer in portfolio.customers
        for device in customer.devices
        if fully or dice.random() < 0.9
    )


def _allowed(
    customer: Customer,
    resource: Resource,
    interval: Interval,
    dice: np.random.Generator,
    *,
    fully: bool,
) -> DerAvailability:
    most_w = 20_000 if fully else int(dice.integers(0, 6_000))
    quarters = [
        AvailableQuarter(start_ms=start_ms, up_w=most_w, down_w=most_w)
        for start_ms in range(interval.start_ms, interval.end_ms, QUARTER_MS)
        if fully or dice.random() < 0.95
    ]
    limited = not fully and dice.random() < 0.3
    return DerAvailability(
        mrid=str(uuid_of(dice)), revision=1, created_ms=interval.start_ms - 50_000_000,
        sender=customer.owner, receiver="aggregator", validity=interval, pod=customer.pod,
        resource=resource, quarters=tuple(quarters),
        longest_s=int(dice.integers(1, 9)) * 900 if limited else None,
        rest_s=int(dice.integers(0, 9)) * 900 if limited else None,
        call_count=int(dice.integers(1, 4)) if limited else None,
    )  # fmt: skip


def uuid_of(dice: np.random.Generator) -> str:
    """Return a drawn document's name."""
    digits = dice.integers(0, 16, 32)
    text = "".join(f"{digit:x}" for digit in digits)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def envelopes(created_ms: int) -> Callable[[str], Envelope]:
    """Return headers of offers."""
    return lambda mrid: Envelope(
        mrid=mrid, created_ms=created_ms, sender="aggregator", receiver="market"
    )


def offering(
    portfolio: Portfolio,
    history: History,
    availabilities: Sequence[DerAvailability],
    interval: Interval,
    *,
    terms: Terms = TERMS,
    filed: Sequence[Baseline] = (),
    known_until_ms: int | None = None,
) -> Offering:
    """Return the offers of a portfolio for an interval."""
    gate_closure_ms = interval.start_ms - 14 * 3_600_000
    return make_offers(
        portfolio, history, availabilities, terms, session=SESSION, interval=interval,
        gate_closure_ms=gate_closure_ms, expires_ms=interval.end_ms,
        envelope=envelopes(gate_closure_ms - 1_000), filed=filed, known_until_ms=known_until_ms,
    )  # fmt: skip


def offered(pods: int, day: date, seed: int, *, fully: bool = False) -> tuple[Portfolio, Offering]:
    """Return a portfolio in a town, and its offers for a day."""
    of = lived(pods, day, seed)
    portfolio = Portfolio.of("aggregator", customers(of, seed))
    interval = day_interval(day)
    availabilities = allowed(portfolio, interval, seed, fully=fully)
    return portfolio, offering(portfolio, known(of), availabilities, interval)


def programme(pod: str, interval: Interval, power_w: Floats) -> Baseline:
    """Return a programme (I-03) of one POD."""
    starts_ms = range(interval.start_ms, interval.end_ms, QUARTER_MS)
    return Baseline(
        mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1,
        created_ms=gate_ms(date(2026, 6, 2)), sender="brp", receiver="scd", validity=interval,
        pod=Pod(pod),
        quarters=tuple(
            QuarterPower(start_ms=start_ms, power_w=int(each))
            for start_ms, each in zip(starts_ms, power_w, strict=True)
        ),
    )  # fmt: skip
