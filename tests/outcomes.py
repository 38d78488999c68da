"""Outcomes of a market: what is taken of every offer, and what it does, from the document alone."""

from collections import defaultdict

from central.documents.elements import Bound
from central.documents.encoding import decode, encode
from central.documents.header import Direction, Envelope
from central.documents.outcome import AwardKind, MarketOutcome, Stage
from central.documents.request import FlexRequest
from central.market.book import Book
from central.market.clearing import clear
from central.market.outcome import market_outcome
from central.market.rules import ReserveRule, Rules
from tests.exhaustive import bid_ueur_w_per_mwh
from tests.markets import START_MS, Drawn, book, mrid

FIRM = Rules(reserve=ReserveRule.NONE)
ENVELOPE = Envelope(mrid=mrid(8), created_ms=START_MS, sender="market", receiver="dso")


def outcome_of(of: Book, rules: Rules = FIRM) -> MarketOutcome:
    """Return what a book comes to, as a document that can be sent."""
    told = market_outcome(clear(of, rules), ENVELOPE, Stage.PRELIMINARY)
    assert decode(encode(told)) == told
    return told


def market(made: Drawn, quarters: int) -> Book:
    return book(made.offers, made.requests, made.nodes, quarters=quarters)


def taken_w(told: MarketOutcome) -> dict[tuple[str, int], int]:
    """Return what is taken of each offer in each quarter."""
    found: dict[tuple[str, int], int] = defaultdict(int)
    for award in told.awards:
        for quarter in award.quarters:
            found[award.offer.mrid, quarter.start_ms] += quarter.power_w
    return found


def asked_ueur_w_per_mwh(of: Book, told: MarketOutcome) -> int:
    """Return what the offers ask for what is taken of them, by their curves."""
    power_w = taken_w(told)
    return sum(
        bid_ueur_w_per_mwh(quarter, power_w[each.mrid, quarter.start_ms])
        for each in of.offers
        for quarter in each.quarters
        if (each.mrid, quarter.start_ms) in power_w
    )


def unmet_w(told: MarketOutcome, asked: FlexRequest | None = None) -> dict[int, int]:
    """Return what is unmet in each quarter."""
    found: dict[int, int] = defaultdict(int)
    for each in told.unmet:
        if asked is None or each.request.mrid == asked.mrid:
            found[each.start_ms] += each.power_w
    return found


def relief_nano(of: Book, told: MarketOutcome, asked: FlexRequest) -> dict[tuple[int, int], int]:
    """Return what the awards relieve each row of a request's table by [nV, nA], exactly."""
    power_w, found = taken_w(told), {}
    offers = {each.mrid: each for each in of.offers}
    for row in asked.sensitivities:
        at = dict(zip(asked.nodes, row.p_nano_per_w, strict=True))
        harms = asked.elements[row.position].bound is Bound.UNDERVOLTAGE
        total = 0
        for (name, ms), power in power_w.items():
            if ms == row.start_ms:
                nano = at.get(of.nodes[offers[name].pod.code], 0)
                up = 1 if offers[name].direction is Direction.UP else -1
                total += up * (-nano if harms else nano) * power
        found[row.position, row.start_ms] = total
    return found


def wanted_nano(asked: FlexRequest) -> dict[tuple[int, int], int]:
    """Return what each row of a request's table wants."""
    found = {(row.position, row.start_ms): 0 for row in asked.sensitivities}
    for each in asked.violations:
        key = each.position, each.start_ms
        found[key] = max(found[key], each.excess_milli * 1_000_000)
    return found


def awards_of(told: MarketOutcome, kind: AwardKind = AwardKind.FIRM) -> dict[int, list[int]]:
    """Return the powers [W] taken of each offer, by its number."""
    return {
        int(award.offer.mrid[-12:], 16): [each.power_w for each in award.quarters]
        for award in told.awards
        if award.kind is kind
    }
