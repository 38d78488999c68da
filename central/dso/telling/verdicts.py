"""The technical validation as a document (I-07): offer by offer, with what binds."""

import math

from central.documents.elements import Unsolved, Violation
from central.documents.forms import MOST
from central.documents.header import Envelope, QuarterPower, Reference
from central.documents.validation import OfferVerdict, TechnicalValidation, Verdict
from central.dso.expectation import Expectation
from central.dso.grid.model import Grid
from central.dso.limits import Margin
from central.dso.scenarios import OF_THE_MEAN
from central.dso.telling.elements import Elements, kept_free
from central.dso.validation import Cut, Validation
from ledger.facts.interval import Interval

_LEAST_W = 1.0
_READ_AS_W = 10_000
_PER_K = 1_000


def technical_validation(
    grid: Grid,
    found: Validation,
    expectation: Expectation,
    *,
    envelope: Envelope,
    margin: Margin,
    session: str,
    outcome: Reference,
    offers: dict[str, Reference],
) -> TechnicalValidation:
    """Return what the grid says to the offers of a preliminary list.

    Powers are rounded down to whole watts: what was checked is never exceeded. The validation
    rests on the mean of the forecast alone, and so does its confidence.

    Args:
        grid: that was checked.
        found: the validation.
        expectation: whose quarters it is about.
        envelope: header.
        margin: that was kept.
        session: the market session.
        outcome: the preliminary list.
        offers: reference of each offer by its mrid.
    """
    elements = Elements(grid, margin)
    cuts: dict[int, list[Cut]] = {}
    for cut in found.cuts:
        cuts.setdefault(cut.offer, []).append(cut)
    verdicts = [
        _verdict(
            elements, found, expectation, offer, reference=offers[mrid], cuts=cuts.get(offer, [])
        )
        for offer, mrid in enumerate(found.taken.mrids)
    ]
    last = expectation.interval_of(expectation.quarters - 1)
    unsolved = [
        Unsolved(
            start_ms=expectation.interval_of(each.situation).start_ms,
            scenario=found.scenarios[0],
            position=elements.position(each.name(grid), each.bound),
            residual_milli=max(
                1, math.ceil(elements.milli(each.name(grid), each.bound, each.excess))
            ),
            why="it is broken without any offer",
        )
        for each in found.residual
    ]
    return TechnicalValidation(
        mrid=envelope.mrid,
        revision=envelope.revision,
        created_ms=envelope.created_ms,
        sender=envelope.sender,
        receiver=envelope.receiver,
        validity=Interval(expectation.start_ms, last.end_ms),
        session=session,
        outcome=outcome,
        elements=tuple(elements.listed),
        verdicts=tuple(sorted(verdicts, key=lambda one: one.offer)),
        scenarios=found.scenarios,
        margin=kept_free(margin),
        confidence_permille=round(OF_THE_MEAN * 1_000),
        unsolved=tuple(sorted(unsolved, key=_place)),
    )


def _verdict(
    elements: Elements,
    found: Validation,
    expectation: Expectation,
    offer: int,
    *,
    reference: Reference,
    cuts: list[Cut],
) -> OfferVerdict:
    quarters = tuple(
        QuarterPower(
            start_ms=expectation.interval_of(quarter).start_ms, power_w=math.floor(power_w + 1e-6)
        )
        for quarter, power_w in enumerate(found.accepted_w[offer])
        if power_w >= _LEAST_W
    )
    if not cuts:
        return OfferVerdict(
            offer=reference, verdict=Verdict.APPROVED, quarters=quarters, binding=None
        )
    worst = max(cuts, key=lambda cut: cut.offered_w - cut.accepted_w)
    return OfferVerdict(
        offer=reference,
        verdict=Verdict.CUT if quarters else Verdict.REFUSED,
        quarters=quarters,
        binding=_binding(elements, expectation, worst),
    )


def _binding(elements: Elements, expectation: Expectation, cut: Cut) -> Violation:
    """Return what binds; an excess beyond all numbers where there is no power flow at all."""
    name = cut.binding.name(elements.grid)
    beyond = elements.milli(name, cut.binding.bound, cut.binding.excess)
    solved = math.isfinite(beyond)
    return Violation(
        position=elements.position(name, cut.binding.bound),
        start_ms=expectation.interval_of(cut.binding.situation).start_ms,
        scenario=cut.scenario,
        excess_milli=max(1, math.ceil(beyond)) if solved else MOST,
        cause=f"{_in_words(cut.offered_w - cut.accepted_w)} of it"
        + ("" if solved else ", with which there is no power flow"),
    )


def _in_words(power_w: float) -> str:
    """Return a power as one reads it: four digits or more, in W, kW or MW."""
    if power_w < _READ_AS_W:
        return f"{power_w:.0f} W"
    if power_w < _READ_AS_W * _PER_K:
        return f"{power_w / _PER_K:.1f} kW"
    return f"{power_w / _PER_K**2:.3f} MW"


def _place(one: Unsolved) -> tuple[int, str, int]:
    return one.start_ms, one.scenario, -1 if one.position is None else one.position
