"""Localisation (I-10), own means (I-11) and the substations' profile (I-12) as documents."""

from collections.abc import Mapping, Sequence

from central.documents.configuration import (
    CapacitorMove,
    Effect,
    GridConfiguration,
    SwitchMove,
    SwitchState,
    TapMove,
)
from central.documents.congestion import CongestionAlert
from central.documents.elements import BASE_CASE, Unsolved
from central.documents.header import Envelope, Horizon, QuarterPower
from central.documents.substation import (
    BalanceQuarter,
    ProfileStage,
    SubstationProfile,
    TransformerQuarter,
)
from central.dso.assessment import Assessment
from central.dso.expectation import Expectation
from central.dso.grid.model import Grid
from central.dso.phases import PhaseAssessment
from central.dso.profile import SubstationProfile as Profile
from central.dso.remedies.plan import Move, Plan
from central.dso.scenarios import OF_THE_MEAN
from central.dso.telling.elements import Elements, kept_free, scenario_names
from ledger.facts.interval import Interval

_MOST_NAMED = 5


def congestion_alert(
    grid: Grid,
    assessed: Assessment | PhaseAssessment,
    envelope: Envelope,
    horizon: Horizon,
    confidence: float,
) -> CongestionAlert:
    """Return the localisation, I-10.

    Args:
        grid: that was assessed.
        assessed: what was found, phase by phase or not; whom nothing feeds, and lines whose loss
            cuts customers off, are told as unsolved.
        envelope: header.
        horizon: day ahead or real time.
        confidence: the quantile of the forecast that its outer scenarios are, 0 … 1.
    """
    elements = Elements(grid, assessed.margin)
    found = elements.violations(assessed.congestions)
    validity = _validity(assessed.expectation)
    unsolved = [
        Unsolved(
            start_ms=validity.start_ms,
            scenario=BASE_CASE,
            position=None,
            residual_milli=0,
            why=f"nothing feeds {_some(assessed.unfed)}",
        )
        for _ in assessed.unfed[:1]
    ]
    unsolved += [
        Unsolved(
            start_ms=validity.start_ms,
            scenario=f"{BASE_CASE} without {line}",
            position=None,
            residual_milli=0,
            why=f"no switch that is closed feeds {_some(nodes)} then",
        )
        for line, nodes in assessed.cut_off
    ]
    return CongestionAlert(
        **envelope.header(validity),
        horizon=horizon,
        primary_substation=_substations(grid),
        elements=tuple(elements.listed),
        violations=found,
        scenarios=scenario_names(assessed.expectation.scenarios),
        margin=kept_free(assessed.margin),
        confidence_permille=_permille(confidence),
        unsolved=tuple(sorted(unsolved, key=lambda one: (one.start_ms, one.scenario))),
    )


def grid_configuration(
    grid: Grid,
    plan: Plan,
    envelope: Envelope,
    horizon: Horizon,
    confidence: float,
    *,
    avoided_w: Mapping[int, float],
    avoided_eur: float,
) -> GridConfiguration:
    """Return the plan of own means, I-11.

    Args:
        grid: that was planned for.
        plan: moves, and what is broken before and after them.
        envelope: header.
        horizon: day ahead or real time.
        confidence: as in `congestion_alert`.
        avoided_w: flexibility that need not be bought, by quarter [W].
        avoided_eur: what that would have cost.
    """
    expectation = plan.before.expectation
    elements = Elements(grid, plan.before.margin)
    before = elements.violations(plan.before.congestions)
    after = elements.violations(plan.after.congestions)
    moves = {
        kind: [m for m in plan.moves if m.kind == kind] for kind in ("tap", "switch", "capacitor")
    }
    return GridConfiguration(
        **envelope.header(_validity(expectation)),
        horizon=horizon,
        primary_substation=_substations(grid),
        effect=_effect(plan),
        because=plan.reason,
        taps=tuple(sorted((
            TapMove(
                transformer=move.device, start_ms=_start_ms(expectation, move),
                from_tap=move.before, to_tap=move.after, because=plan.reason,
            )
            for move in moves["tap"]
        ), key=lambda one: (one.start_ms, one.transformer))),
        switches=tuple(sorted((
            SwitchMove(
                switch=move.device, start_ms=_start_ms(expectation, move),
                state=SwitchState.CLOSED if move.after else SwitchState.OPEN, because=plan.reason,
            )
            for move in moves["switch"]
        ), key=lambda one: (one.start_ms, one.switch))),
        capacitors=tuple(sorted((
            CapacitorMove(
                capacitor=move.device, start_ms=_start_ms(expectation, move),
                step_count=move.after, because=plan.reason,
            )
            for move in moves["capacitor"]
        ), key=lambda one: (one.start_ms, one.capacitor))),
        elements=tuple(elements.listed),
        before=before,
        after=after,
        avoided=tuple(
            QuarterPower(start_ms=expectation.interval_of(quarter).start_ms, power_w=round(power_w))
            for quarter, power_w in sorted(avoided_w.items())
            if round(power_w) > 0
        ),
        avoided_ueur=round(avoided_eur * 1_000_000),
        margin=kept_free(plan.before.margin),
        confidence_permille=_permille(confidence),
        unsolved=(),
    )  # fmt: skip


def profile_document(
    profile: Profile,
    station: str,
    expectation: Expectation,
    *,
    envelope: Envelope,
    horizon: Horizon,
) -> SubstationProfile:
    """Return the profile of one primary substation, I-12.

    The balance is that of the whole grid behind all of its substations. It rests on the mean
    alone, and says so.
    """
    return SubstationProfile(
        **envelope.header(_validity(expectation)),
        horizon=horizon,
        primary_substation=station,
        stage=ProfileStage(profile.stage),
        scenario=BASE_CASE,
        transformers=tuple(sorted((
            TransformerQuarter(
                transformer=name, start_ms=interval.start_ms,
                power_w=round(float(profile.power_w[row, quarter])),
                reactive_power_var=round(float(profile.reactive_var[row, quarter])),
            )
            for row, (where, name) in enumerate(profile.transformers) if where == station
            for quarter, interval in enumerate(profile.intervals)
        ), key=lambda one: (one.transformer, one.start_ms))),
        balance=tuple(
            BalanceQuarter(
                start_ms=interval.start_ms,
                load_w=round(float(profile.load_w[quarter])),
                generation_w=round(float(profile.generation_w[quarter])),
                losses_w=max(0, round(float(profile.losses_w[quarter]))),
                residual_w=round(float(profile.residual_w[quarter])),
            )
            for quarter, interval in enumerate(profile.intervals)
        ),
        confidence_permille=_permille(OF_THE_MEAN),
        unsolved=(),
    )  # fmt: skip


def _validity(expectation: Expectation) -> Interval:
    last = expectation.interval_of(expectation.quarters - 1)
    return Interval(expectation.start_ms, last.end_ms)


def _start_ms(expectation: Expectation, move: Move) -> int:
    return expectation.interval_of(move.quarter).start_ms


def _effect(plan: Plan) -> Effect:
    left = bool(plan.after.congestions)
    if not plan.before.congestions:
        return Effect.NOT_NEEDED
    if not plan.moves:
        return Effect.NOTHING_HELPS
    return Effect.REDUCED if left else Effect.SOLVED


def _substations(grid: Grid) -> str:
    return ", ".join(each.name for each in grid.substations)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _permille(share: float) -> int:
    return round(share * 1_000)
