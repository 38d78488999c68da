"""The DSO's desk: the grid with its engine, where inputs come from, who is who.

Everything that the platform's sessions share. What is worked out here is handed to the actors of
`central.dso`, which know neither database nor clock.
"""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from central.calendar import day_start_ms, gate_ms
from central.documents.configuration import GridConfiguration
from central.documents.congestion import CongestionAlert
from central.documents.header import Envelope, Horizon, Reference
from central.documents.request import FlexRequest
from central.documents.substation import SubstationProfile as ProfileDocument
from central.documents.validation import TechnicalValidation
from central.dso.assessment import Assessment, assess
from central.dso.delivering import Taken
from central.dso.estimation.estimate import Estimate, Estimator
from central.dso.estimation.measuring import Metered, injections
from central.dso.expectation import Expectation
from central.dso.forecast.day_ahead import day_ahead
from central.dso.forecast.history import History
from central.dso.forecast.intraday import intraday
from central.dso.forecast.method import Method
from central.dso.forecast.result import Forecast, Note, Reason
from central.dso.forecast.weather import Weather
from central.dso.grid.checking import check
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.limits import Limits, Margin
from central.dso.participating import assumed_resources
from central.dso.phases import PhaseAssessment, assess_phases
from central.dso.powerflow import PowerFlow, Setting
from central.dso.profile import Stage, substation_profile
from central.dso.remedies.plan import Plan, plan_own_means
from central.dso.requesting import Need, size_need
from central.dso.scenarios import (
    confidence_of,
    feeders_of,
    scenario_expectation,
    scenario_powers_w,
)
from central.dso.telling.incoming import Heard
from central.dso.telling.outgoing import congestion_alert, grid_configuration, profile_document
from central.dso.telling.requests import flex_requests
from central.dso.telling.verdicts import technical_validation
from central.dso.unbalanced import PhaseFlowSolver
from central.dso.validation import Validation, validate
from central.market.delivery import Call
from central.sessions.history import customers_of
from ledger.facts.clock import Clock
from ledger.facts.interval import QUARTER_MS, Interval

log = logging.getLogger("central")

_MS_PER_DAY = 86_400_000
_SPARE_DAYS = 2
_SIGMAS_BETWEEN_OUTER = 3.29  # of a normal distribution, from 5 % to 95 %
_FULL_PCT = 100.0
_HOURS_PER_QUARTER = 0.25
_W_PER_MW = 1e6


@dataclass(frozen=True, slots=True)
class Parties:
    """Who sends and receives the platform's documents."""

    dso: str = "dso"
    operator: str = "dso-operator"
    scada: str = "scada"
    tso: str = "tso"
    market: str = "market"


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms the DSO asks for flexibility.

    Args:
        flexible_pct: share of a contract that is taken to be movable while nobody has offered.
        maximum_price_eur_per_mwh: the most that is paid.
        reliability_pct: how sure delivery must be.
    """

    flexible_pct: float = 30.0
    maximum_price_eur_per_mwh: float = 500.0
    reliability_pct: float = 90.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected, for which market, and the quantile it is sure to, 0 … 1."""

    horizon: Horizon
    forecast: Forecast
    expectation: Expectation
    sure: float

    def moved(self, changed_va: Phasors) -> "Expected":
        """Return it with what is moved at each node, shape (quarters, nodes) [VA]."""
        drawn_va = self.expectation.drawn_va + changed_va
        return replace(self, expectation=replace(self.expectation, drawn_va=drawn_va))


@dataclass(frozen=True)
class Desk:
    """What the platform's sessions work with.

    Args:
        grid: checked when the desk is set up.
        past: returns the history of the grid's PODs in an interval.
        weather: what a service says, None if there is none.
        clock: for the instant that documents are made at.
        margin: kept free of every limit.
        terms: on which flexibility is asked for.
        parties: names in the documents' headers.
        method: how much past the forecast uses.
        names: makes the documents' identifiers.
        moves: returns what calls moved in an interval, what came back of them too, as known at an
            instant [ms since 1970, UTC].

    Raises:
        BadGrid: the grid has faults.
    """

    grid: Grid
    past: Callable[[Interval], History]
    weather: Weather | None
    clock: Clock
    margin: Margin = field(default_factory=Margin)
    terms: Terms = field(default_factory=Terms)
    parties: Parties = field(default_factory=Parties)
    method: Method = field(default_factory=Method)
    names: Callable[[], str] = lambda: str(uuid.uuid4())
    moves: Callable[[Interval, int], Sequence[Call]] = lambda _span, _by_ms: ()
    power_flow: PowerFlow = field(init=False)

    def __post_init__(self) -> None:
        """Refuse a grid that nothing good could come of."""
        check(self.grid)
        object.__setattr__(self, "power_flow", PowerFlow(self.grid))

    def forecast_day(self, day: date) -> Forecast:
        """Return the forecast of a market day, as known at its gate.

        Raises:
            Rejected: no POD has a past.
        """
        usual, notes = self._usual_past(day_start_ms(day), gate_ms(day))
        found = day_ahead(
            usual,
            customers_of(self.grid),
            day,
            weather=self.weather,
            feeders=feeders_of(self.grid),
            method=self.method,
        )
        return replace(found, notes=(*found.notes, *notes))

    def forecast_hours(self, now_ms: int) -> Forecast:
        """Return the forecast of the sixteen quarters from the next one on.

        Raises:
            Rejected: no POD has a past.
        """
        usual, notes = self._usual_past(now_ms, now_ms)
        found = intraday(
            usual,
            customers_of(self.grid),
            now_ms,
            weather=self.weather,
            feeders=feeders_of(self.grid),
            method=self.method,
        )
        return replace(found, notes=(*found.notes, *notes))

    def _usual_past(self, start_ms: int, known_ms: int) -> tuple[History, list[Note]]:
        """Return the past as if flexibility had never been called for: what was is added back.

        Else what was moved would be taken for what customers do by themselves, and what is moved
        now, or comes back, would be counted twice: as usual for the next hours, and as bought.

        Source: PJM: Manual 19, Load Forecasting and Analysis, on addbacks of load management.
        """
        span = self.before(start_ms, known_ms)
        moved_w = [(each.pod, each.start_ms, each.up_w) for each in self.moves(span, known_ms)]
        if not moved_w:
            return self.past(span), []
        said = f"what was called for, or came back of it, in {len(moved_w)} quarters is taken out"
        return self.past(span).with_added(moved_w), [Note(Reason.CALLED, said)]

    def expected(self, forecast: Forecast, horizon: Horizon) -> Expected:
        """Return what the grid must carry."""
        expectation = scenario_expectation(self.grid, forecast)
        return Expected(horizon, forecast, expectation, confidence_of(forecast))

    # ── rows of the use case ────────────────────────────────────────────────────────────────

    def assess(self, expected: Expected, setting: Setting, *, outages: bool = False) -> Assessment:
        """Return where limits break.

        Raises:
            NotConverged: a quarter has no power flow.
        """
        assessed = assess(
            self.power_flow,
            expected.expectation,
            setting=setting,
            margin=self.margin,
            outages=outages,
        )
        if newton := int(assessed.flow.by_newton.sum()):
            log.warning("dso.fell_back_to_newton", extra={"power_flows": newton})
        return assessed

    def estimate(
        self, now_ms: int, setting: Setting, seen: Heard, metered: Mapping[str, Metered]
    ) -> Estimate:
        """Return the grid as it is, from what is seen, metered, and forecast for this instant.

        The forecast is that of the quarter under way and the next, each met in its middle. The
        next quarter's alone would make liars of honest sensors whenever many customers rise. What
        is called for in the quarter under way, or comes back in it, is taken to come.

        Raises:
            NotObservable: something that is needed is not known.
            Rejected: no POD has a past.
        """
        begun_ms = now_ms - now_ms % QUARTER_MS
        forecast = self.forecast_hours(begun_ms)
        order = [forecast.pods.index(pod) for pod in self.grid.pods]
        after_middle = (now_ms - begun_ms) / QUARTER_MS - 0.5
        this_w, next_w = forecast.mean_w[order, 0], forecast.mean_w[order, 1]
        mean_w = this_w + after_middle * (next_w - this_w)
        mean_w -= self._moved_w(begun_ms, now_ms)
        spread_w = forecast.quantile_w[-1, order, 0] - forecast.quantile_w[0, order, 0]
        known = injections(
            self.grid,
            (mean_w * (1 + 1j * self.grid.tan_phi)).astype(np.complex128),
            spread_w / _SIGMAS_BETWEEN_OUTER,
            metered,
        )
        return Estimator(self.grid, setting).estimate([*seen.measured, *known])

    def _moved_w(self, start_ms: int, known_ms: int) -> Floats:
        """Return by how much calls make each POD draw less in a quarter [W], in grid order."""
        row = {pod: number for number, pod in enumerate(self.grid.pods)}
        moved_w = np.zeros(len(row))
        for each in self.moves(Interval(start_ms, start_ms + QUARTER_MS), known_ms):
            if each.pod in row:
                moved_w[row[each.pod]] += each.up_w
        return moved_w

    def assess_phases(self, expected: Expected, setting: Setting) -> PhaseAssessment:
        """Return where limits break, phase by phase.

        Raises:
            Rejected: `no_zero_sequence`: the grid does not say what three phases need;
                `not_converged`: a quarter has no power flow.
        """
        return assess_phases(
            PhaseFlowSolver(self.grid),
            expected.expectation,
            scenario_powers_w(self.grid, expected.forecast),
            setting=setting,
            margin=self.margin,
        )

    def alert(self, expected: Expected, assessed: Assessment | PhaseAssessment) -> CongestionAlert:
        """Return the localisation, I-10."""
        return congestion_alert(
            self.grid,
            assessed,
            self.envelope(self.parties.operator),
            expected.horizon,
            expected.sure,
        )

    def own_means(
        self, expected: Expected, setting: Setting, progress: Callable[[str], None]
    ) -> Plan:
        """Return what taps, capacitors and switches can do.

        Raises:
            NotConverged: a quarter has no power flow.
        """
        return plan_own_means(
            self.power_flow,
            expected.expectation,
            setting=setting,
            margin=self.margin,
            progress=progress,
        )

    def need(
        self, expected: Expected, assessed: Assessment, active: frozenset[str] | None = None
    ) -> Need:
        """Return what customers would have to move so that every limit holds.

        Args:
            expected: what the grid must carry.
            assessed: the grid as it would be run.
            active: PODs that take part in the market (I-02); all if None.

        Raises:
            NotConverged: a situation has no power flow.
        """
        resources = assumed_resources(
            self.grid, assessed.expectation, self.terms.flexible_pct, active
        )
        return size_need(self.power_flow, assessed, resources, confidence=expected.sure)

    def configuration(
        self, expected: Expected, plan: Plan, need: Need, active: frozenset[str] | None = None
    ) -> GridConfiguration:
        """Return own means with what they avoid buying of the PODs in the market, I-11."""
        avoided_w = self._avoided_w(expected, plan, need, active)
        return grid_configuration(
            self.grid,
            plan,
            self.envelope(self.parties.scada),
            expected.horizon,
            expected.sure,
            avoided_w=avoided_w,
            avoided_eur=self._worth_eur(avoided_w),
        )

    def profiles(
        self, expected: Expected, setting: Setting, stage: Stage, activated_va: Phasors
    ) -> list[ProfileDocument]:
        """Return the profile of each primary substation, I-12, with an activation in it.

        Raises:
            NotConverged: a quarter has no power flow.
        """
        profile = substation_profile(
            self.power_flow,
            expected.expectation,
            stage,
            setting=setting,
            activated_va=activated_va,
        )
        return [
            profile_document(
                profile,
                station.name,
                expected.expectation,
                envelope=self.envelope(self.parties.tso),
                horizon=expected.horizon,
            )
            for station in self.grid.substations
        ]

    def requests(
        self, expected: Expected, need: Need, *, session: str, expires_ms: int
    ) -> tuple[FlexRequest, ...]:
        """Return what the market is asked for, I-06."""
        return flex_requests(
            self.grid,
            need,
            [self.envelope(self.parties.market) for _ in range(2)],
            session=session,
            horizon=expected.horizon,
            expires_ms=expires_ms,
            maximum_price_eur_per_mwh=self.terms.maximum_price_eur_per_mwh,
            reliability=self.terms.reliability_pct / _FULL_PCT,
        )

    def validate(self, expected: Expected, setting: Setting, taken: Taken) -> Validation:
        """Return the largest volume of a preliminary list that breaks no limit.

        Raises:
            NotConverged: a quarter has no power flow without any offer.
        """
        return validate(
            self.power_flow,
            expected.expectation.drawn_va[0],
            taken,
            Limits.of(self.grid, self.margin),
            setting=setting,
        )

    def verdicts(
        self,
        expected: Expected,
        validation: Validation,
        *,
        session: str,
        outcome: Reference,
        offers: dict[str, Reference],
    ) -> TechnicalValidation:
        """Return what is approved, cut or refused, I-07."""
        return technical_validation(
            self.grid,
            validation,
            expected.expectation,
            envelope=self.envelope(self.parties.market),
            margin=self.margin,
            session=session,
            outcome=outcome,
            offers=offers,
        )

    # ── means ───────────────────────────────────────────────────────────────────────────────

    def _avoided_w(
        self, expected: Expected, plan: Plan, need: Need, active: frozenset[str] | None
    ) -> dict[int, float]:
        """Return the flexibility that own means make unnecessary, by quarter [W]."""
        if not plan.moves:
            return {}
        less_w = _asked_w(self.need(expected, plan.before, active)) - _asked_w(need)
        return {int(quarter): float(less_w[quarter]) for quarter in np.flatnonzero(less_w > 0)}

    def _worth_eur(self, power_w: Mapping[int, float]) -> float:
        """Return what power held over quarters would cost at the most that is paid."""
        energy_mwh = sum(power_w.values()) * _HOURS_PER_QUARTER / _W_PER_MW
        return energy_mwh * self.terms.maximum_price_eur_per_mwh

    def envelope(self, receiver: str) -> Envelope:
        """Return the header of a new document of the DSO."""
        return Envelope(
            mrid=self.names(),
            created_ms=self.clock.now_ms(),
            sender=self.parties.dso,
            receiver=receiver,
        )

    def before(self, start_ms: int, known_ms: int) -> Interval:
        """Return the past that a forecast may look at, on quarters."""
        days = self.method.trained_days + self.method.earlier_days + _SPARE_DAYS
        first_ms = start_ms - days * _MS_PER_DAY
        return Interval(first_ms - first_ms % QUARTER_MS, known_ms - known_ms % QUARTER_MS)


def activation_va(need: Need) -> Phasors:
    """Return what a need changes at each node, load convention, shape (quarters, nodes)."""
    drawn_w = need.down_w - need.up_w
    drawn_var = drawn_w * need.resources.tan_phi + need.reactive_var
    changed: Phasors = need.at_nodes(drawn_w) + 1j * need.at_nodes(drawn_var)
    return changed


def _asked_w(need: Need) -> Floats:
    total_w: Floats = (need.up_w + need.down_w).sum(axis=1)
    return total_w
