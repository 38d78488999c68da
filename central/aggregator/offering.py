"""Offers (DA-4b): a document for each way in which a device can be moved, from 15-minute history.

The same inputs give the same offers, whatever their order. A device that can be moved in several
ways can be had in one of them only: its offers stand in one exclusive group.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from central.aggregator.baseline import USUAL, Baselines, Ground, Method, baselines
from central.aggregator.devices.moving import UNLIMITED, Movement
from central.aggregator.flexibility import Movable, latest, movable
from central.aggregator.history import History
from central.aggregator.portfolio import Portfolio
from central.aggregator.pricing import Prices, Terms, priced
from central.documents.availability import DerAvailability
from central.documents.baseline import Baseline
from central.documents.header import Envelope
from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter, PriceStep, Rebound
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

NAMESPACE = uuid.UUID("6f5b3a0e-6b0a-5d6f-9a51-3f3c9a7f6d21")
"""Where the names of the aggregator's documents live (RFC 9562, version 5)."""
_QUARTER_S = 900
_MOST_BACK_PERMILLE = 2_000


class Reason(StrEnum):
    """Why something is less sure than it should be, or not offered at all."""

    NO_PAST = "no_past"
    """Nobody has a past: no baseline, no offer."""
    LIKE_PEERS = "like_peers"
    """A new POD: its baseline is that of its peers."""
    ANY_DAYS = "any_days"
    """Too few days of the same class: its baseline is that of any days."""
    GAPS_FILLED = "gaps_filled"
    """Quarters that no similar day knew are taken from those beside them."""
    NOT_AVAILABLE = "not_available"
    """Its owner has said nothing: it stays at rest."""
    UNKNOWN_RESOURCE = "unknown_resource"
    """Its owner speaks of something that the portfolio does not have."""
    NOTHING_LEFT = "nothing_left"
    """Its owner allows something, but baseline, contract and device leave nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """What was noticed about a customer or one of its devices.

    Args:
        pod: whose.
        what: the resource, or `baseline`.
        reason: which.
        count: of days or quarters that it is about, else 0.
    """

    pod: str
    what: str
    reason: Reason
    count: int = 0


@dataclass(frozen=True, slots=True)
class Offering:
    """What an aggregator offers in a session.

    Args:
        offers: by POD, direction and device.
        baselines: what they are made from.
        notes: what is less sure, or not offered, and why, by POD.
    """

    offers: tuple[FlexOffer, ...]
    baselines: Baselines
    notes: tuple[Note, ...]


def make_offers(
    portfolio: Portfolio,
    history: History,
    availabilities: Sequence[DerAvailability],
    terms: Terms,
    *,
    session: str,
    interval: Interval,
    gate_closure_ms: int,
    expires_ms: int,
    envelope: Callable[[str], Envelope],
    filed: Sequence[Baseline] = (),
    method: Method = USUAL,
    known_until_ms: int | None = None,
) -> Offering:
    """Return the offers of a portfolio for a market day, or for some hours.

    Args:
        portfolio: customers with their devices.
        history: their past; quarters in which flexibility was called for should be gaps.
        availabilities: what owners allow (I-13).
        terms: prices and least quantity.
        session: of the market.
        interval: what the offers speak of.
        gate_closure_ms: when the session takes no more offers.
        expires_ms: when offers end that nobody took.
        envelope: header of the document of that mrid.
        filed: programmes (I-03) that are known already; offers keep within these, too.
        method: of the baseline.
        known_until_ms: with it, the same day adjusts the baseline (real time).

    Raises:
        Rejected: `bad_interval`.
    """
    found = baselines(
        history, portfolio, interval, method=method, known_until_ms=known_until_ms
    )  # fmt: skip
    ways = list(
        movable(
            portfolio,
            found,
            availabilities,
            filed=filed,
            least_w=terms.least_w,
            lasting=terms.lasting_s // _QUARTER_S,
        )
    )
    shared = _alternatives(ways)
    made = [
        offer
        for way in ways
        for offer in _offers(
            way,
            found,
            terms,
            shared,
            _Session(session, interval, gate_closure_ms, expires_ms, envelope),
        )
    ]
    made.sort(key=lambda each: (each[0].pod, each[0].direction, each[1]))
    offers = tuple(offer for offer, _ in made)
    offered = {(offer.pod.code, name.split(" ")[0]) for offer, name in made}
    return Offering(offers, found, _notes(portfolio, found, availabilities, offered))


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    interval: Interval
    gate_closure_ms: int
    expires_ms: int
    envelope: Callable[[str], Envelope]


def offer_mrid(session: str, pod: str, direction: str, way: str) -> str:
    """Return the name of an offer: always the same one for the same way in the same session."""
    return str(uuid.uuid5(NAMESPACE, f"{session}|{pod}|{direction}|{way}"))


def _alternatives(ways: Sequence[Movable]) -> Counter[tuple[int, str]]:
    """Return in how many ways each device is offered."""
    return Counter(
        (int(way.customer[row]), way.resource.value)
        for way in ways
        for row in np.flatnonzero(way.movement.power_w.any(axis=1))
    )


def _offers(
    way: Movable,
    found: Baselines,
    terms: Terms,
    shared: Counter[tuple[int, str]],
    session: _Session,
) -> Iterator[tuple[FlexOffer, str]]:
    """Yield the offers of one way of moving devices of a kind, with the name of the way."""
    moved = way.movement
    name = " ".join(filter(None, (way.resource.value, moved.name)))
    name += " in one piece" if moved.in_one_piece and not moved.is_whole else ""
    prices = priced(
        terms,
        moved.direction,
        found.power_w[way.customer],
        moved.power_w,
        back_permille=moved.back_permille,
        burden_ueur_per_mwh=np.array(
            [each.burden_ueur_per_mwh for each in way.devices], dtype=np.int64
        ),
    )
    for row in np.flatnonzero(moved.power_w.any(axis=1)).tolist():
        pod = found.pods[way.customer[row]]
        key = (int(way.customer[row]), way.resource.value)
        mrid = offer_mrid(session.name, pod, moved.direction, name)
        longest_s, rest_s, call_count = _times(moved, row)
        offer = FlexOffer(
            **session.envelope(mrid).header(session.interval),
            session=session.name,
            gate_closure_ms=session.gate_closure_ms,
            expires_ms=session.expires_ms,
            pod=Pod(pod),
            direction=moved.direction,
            acceptance=Acceptance.BLOCK if moved.in_one_piece else Acceptance.PER_QUARTER,
            quarters=tuple(_quarters(way, prices, row, session.interval.start_ms)),
            linked_to=None,
            exclusive_group=_group(session.name, pod, way) if shared[key] > 1 else None,
            longest_s=longest_s,
            rest_s=rest_s,
            call_count=call_count,
            rebound=_rebound(way, row),
        )
        yield offer, name


def _times(moved: Movement, row: int) -> tuple[int | None, int | None, int | None]:
    """Return longest activation, rest [s] and calls, where they are not said already.

    A block is an activation by itself, and after the last call there is nothing to rest for.
    """
    if moved.in_one_piece:
        return None, None, None
    longest, rest, calls = (int(each[row]) for each in (moved.longest, moved.rest, moved.calls))
    return (
        longest * _QUARTER_S if longest < moved.power_w.shape[1] else None,
        rest * _QUARTER_S if rest and calls > 1 else None,
        calls if calls < UNLIMITED else None,
    )


def _group(session: str, pod: str, way: Movable) -> str:
    return f"{session} {pod} {way.resource.value}"


def _quarters(way: Movable, prices: Prices, row: int, start_ms: int) -> Iterator[OfferedQuarter]:
    moved = way.movement
    at = np.flatnonzero(moved.power_w[row])
    power_w = moved.power_w[row, at].astype(np.int64)
    near_w = prices.near_w[row, at].astype(np.int64)
    near, far = int(prices.near_ueur_per_mwh[row]), int(prices.far_ueur_per_mwh[row])
    if moved.in_one_piece:
        # All quarters go in one share: a share of a curve would be another curve.
        far = _mean_price(near, far, int(near_w.sum()), int(power_w.sum()))
        near_w[:] = 0
    least_w = int(np.ceil(moved.least_w[row]))
    steps: dict[tuple[int, int], tuple[PriceStep, ...]] = {}
    for quarter, most, cheap in zip(at.tolist(), power_w.tolist(), near_w.tolist(), strict=True):
        curve = steps.get((most, cheap))
        if curve is None:
            curve = steps[most, cheap] = _steps(most, cheap, near, far)
        yield OfferedQuarter(
            start_ms=start_ms + quarter * QUARTER_MS,
            minimum_w=most if moved.is_whole else least_w,
            steps=curve,
        )


def _mean_price(near: int, far: int, near_w: int, power_w: int) -> int:
    return -(-(near * near_w + far * (power_w - near_w)) // power_w)


def _steps(most_w: int, near_w: int, near: int, far: int) -> tuple[PriceStep, ...]:
    if near_w <= 0 or near == far:
        return (PriceStep(up_to_w=most_w, price_ueur_per_mwh=far),)
    if near_w >= most_w:
        return (PriceStep(up_to_w=most_w, price_ueur_per_mwh=near),)
    return (
        PriceStep(up_to_w=near_w, price_ueur_per_mwh=near),
        PriceStep(up_to_w=most_w, price_ueur_per_mwh=far),
    )


def _rebound(way: Movable, row: int) -> Rebound | None:
    moved = way.movement
    if not moved.back_permille[row]:
        return None
    return Rebound(
        share_permille=min(int(moved.back_permille[row]), _MOST_BACK_PERMILLE),
        delay_s=int(moved.delay[row]) * _QUARTER_S,
        duration_s=int(moved.duration[row]) * _QUARTER_S,
    )


_BASELINE = "baseline"


def _notes(
    portfolio: Portfolio,
    found: Baselines,
    availabilities: Sequence[DerAvailability],
    offered: set[tuple[str, str]],
) -> tuple[Note, ...]:
    allowed = {(pod, resource.value) for pod, resource in latest(availabilities)}
    owned = {
        (customer.pod.code, device.resource.value)
        for customer in portfolio.customers
        for device in customer.devices
    }
    notes = [
        *_on_baselines(found),
        *(Note(*key, Reason.NOT_AVAILABLE) for key in owned - allowed),
        *(Note(*key, Reason.UNKNOWN_RESOURCE) for key in allowed - owned),
        *(Note(*key, Reason.NOTHING_LEFT) for key in (owned & allowed) - offered),
    ]
    return tuple(sorted(notes))


def _on_baselines(found: Baselines) -> Iterator[Note]:
    named = {
        Ground.NOTHING: Reason.NO_PAST,
        Ground.PEERS: Reason.LIKE_PEERS,
        Ground.ANY_DAYS: Reason.ANY_DAYS,
    }
    for row, (pod, ground) in enumerate(zip(found.pods, found.ground, strict=True)):
        if ground in named:
            yield Note(pod, _BASELINE, named[ground], int(found.day_count[row]))
        if found.filled_count[row]:
            yield Note(pod, _BASELINE, Reason.GAPS_FILLED, int(found.filled_count[row]))
