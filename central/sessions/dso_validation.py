"""The DSO after the market has cleared, DA-14a to DA-16a and RT-12a to RT-13a.

```
 DA-14a, RT-12a           every offer taken, in every quarter, by AC power flow
 DA-15a, RT-13a-profile   profile with what is approved in it      → I-12 to the TSO
 DA-16a, RT-13a-approved  what is approved, cut or refused         → I-07 to the market
```
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.header import Direction, Document, Horizon, Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import Award, MarketOutcome
from central.documents.substation import SubstationProfile
from central.dso.delivering import Taken
from central.dso.grid.model import Floats, Grid
from central.dso.powerflow import Setting
from central.dso.telling.orders import rebound_of
from central.dso.validation import Validation
from central.sessions.desk import Desk, Expected
from central.sessions.steps import Steps
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

_ROWS = {
    Horizon.DAY_AHEAD: ("DA-14a", "DA-15a", "DA-16a"),
    Horizon.REAL_TIME: ("RT-12a", "RT-13a-profile", "RT-13a-approved"),
}


@dataclass(frozen=True)
class Validated:
    """What the grid says to a preliminary list: documents in the order of the rows."""

    validation: Validation
    documents: tuple[Document, ...]
    steps: list[str]


def dso_validation(
    desk: Desk,
    expected: Expected,
    setting: Setting,
    outcome: MarketOutcome,
    taken: Taken,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Validated:
    """Return which of the offers taken the grid can bear.

    Args:
        desk: of the DSO.
        expected: what the grid must carry.
        setting: with own means, quarter by quarter.
        outcome: the market's preliminary list (I-08).
        taken: what it takes, see `taken_offers`.
        progress: told each row that begins.

    Raises:
        NotConverged: a quarter has no power flow without any offer.
    """
    row = Steps(outcome.session, progress)
    assess_row, profile_row, answer_row = _ROWS[expected.horizon]
    with row(assess_row):
        validation = desk.validate(expected, setting, taken)
    with row(profile_row):
        profiles = profiles_after(desk, expected, setting, validation)
    with row(answer_row):
        answer = desk.verdicts(
            expected,
            validation,
            session=outcome.session,
            outcome=Reference(mrid=outcome.mrid, revision=outcome.revision),
            offers={award.offer.mrid: award.offer for award in outcome.awards},
        )
    return Validated(validation, (*profiles, answer), row.done)


def profiles_after(
    desk: Desk, expected: Expected, setting: Setting, validation: Validation
) -> list[SubstationProfile]:
    """Return the profiles (I-12) with what is approved, and what comes back of it later.

    Raises:
        NotConverged: a quarter has no power flow.
    """
    activated_va = validation.taken.lasting_va(desk.grid, validation.accepted_w)
    return desk.profiles(expected, setting, "after_validation", activated_va)


def taken_offers(
    grid: Grid, span: Interval, awards: Sequence[Award], offers: Sequence[FlexOffer]
) -> Taken:
    """Return the awards as the validation takes them: offer by offer, whoever buys it.

    `span` are the quarters that are looked at: nothing need be forecast yet.

    Raises:
        Rejected: an award is of an offer that is not given, of another POD than its offer, in a
            quarter outside the span, or with others of more than its offer has in a quarter; a POD
            is none of the grid's.
    """
    known = {(offer.mrid, offer.revision): offer for offer in offers}
    quarters = span.duration_ms // QUARTER_MS
    power_w: dict[str, Floats] = {}
    taken: list[FlexOffer] = []
    for award in awards:
        offer = known.get((award.offer.mrid, award.offer.revision))
        if offer is None:
            raise _wrong(award, "its offer is not among those given")
        if (offer.pod, offer.direction) != (award.pod, award.direction):
            raise _wrong(award, f"its offer is of {offer.pod}, {offer.direction.value}")
        if offer.mrid not in power_w:
            power_w[offer.mrid] = np.zeros(quarters)
            taken.append(offer)
        most_w = {each.start_ms: each.maximum_w for each in offer.quarters}
        for quarter in award.quarters:
            at = (quarter.start_ms - span.start_ms) // QUARTER_MS
            if not 0 <= at < quarters:
                raise _wrong(award, f"quarter {quarter.start_ms} is outside what was forecast")
            power_w[offer.mrid][at] += quarter.power_w
            taken_w, offered_w = power_w[offer.mrid][at], most_w.get(quarter.start_ms, 0)
            if taken_w > offered_w:
                what = f"{taken_w:.0f} W taken, {offered_w} W offered"
                raise _wrong(award, f"quarter {quarter.start_ms}: {what}")
    return Taken.of(
        grid,
        [offer.mrid for offer in taken],
        [offer.pod.code for offer in taken],
        is_up=np.array([offer.direction is Direction.UP for offer in taken], dtype=bool),
        power_w=np.array(list(power_w.values())).reshape(len(taken), quarters),
        rebounds=[rebound_of(offer) for offer in taken],
    )


def _wrong(award: Award, what: str) -> Rejected:
    return Rejected(
        what,
        where=f"award of offer {award.offer.mrid} to {award.pod}",
        remedy="give the preliminary list with the offers that it was made from",
        reason="bad_award",
    )
