"""One example of every kind of market document, about one quarter-hour or a short day."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from central.documents.availability import AvailableQuarter, DerAvailability, Resource
from central.documents.baseline import Baseline
from central.documents.configuration import (
    CapacitorMove,
    Effect,
    GridConfiguration,
    SwitchMove,
    SwitchState,
    TapMove,
)
from central.documents.congestion import CongestionAlert
from central.documents.customers import CustomerList, ListedCustomer
from central.documents.elements import (
    Bound,
    GridElement,
    KeptFree,
    Phase,
    Side,
    Unsolved,
    Violation,
)
from central.documents.encoding import to_json
from central.documents.header import (
    Buyer,
    Direction,
    Document,
    Horizon,
    QuarterPower,
    Reference,
)
from central.documents.measurement import (
    BreakerReading,
    BreakerState,
    FieldMeasurements,
    PhaseReading,
    SensorReading,
)
from central.documents.measures import MeasuredQuarter, Origin, QuarterMeasures
from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter, PriceStep, Rebound
from central.documents.order import Failsafe, FlexOrder, OrderedOffer, SetPoint, SetPointKind
from central.documents.outcome import (
    Award,
    AwardedQuarter,
    AwardKind,
    MarketOutcome,
    NotTaken,
    Stage,
    Unmet,
)
from central.documents.plan import DerPlan
from central.documents.request import FlexRequest, RequestedQuarter, Sensitivity
from central.documents.substation import (
    BalanceQuarter,
    ProfileStage,
    SubstationProfile,
    TransformerQuarter,
)
from central.documents.validation import OfferVerdict, TechnicalValidation, Verdict
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

# 25 October 2026 in Rome has 25 hours: summer time ends.
DAY = Interval(1_792_879_200_000, 1_792_969_200_000)
DAY_QUARTERS = 100
T0, T1 = DAY.start_ms, DAY.start_ms + QUARTER_MS
POD = Pod("IT002E00000001")
SUBSTATION = "CP Roma Nord"
DSO, TSO, MARKET = "10X-DSO-ROMA---X", "10YIT-GRTN-----B", "10X-MERCATO----1"
AGGREGATOR, BRP, OWNER, SENSORS = "aggregator-1", "brp-1", "owner-1", "sensors-1"


def uuid(number: int) -> str:
    """Return an mRID that says which one it is."""
    return str(UUID(int=number))


def reference(number: int) -> Reference:
    """Return the first revision of a document."""
    return Reference(mrid=uuid(number), revision=1)


def header(number: int, sender: str, receiver: str, **other: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the fields of a header."""
    return {
        "mrid": uuid(number), "revision": 1, "created_ms": T0 - 36_000_000, "sender": sender,
        "receiver": receiver, "validity": DAY, **other,
    }  # fmt: skip


def power(*powers_w: int) -> tuple[QuarterPower, ...]:
    """Return powers of quarter-hours, one after the other."""
    return tuple(
        QuarterPower(start_ms=T0 + place * QUARTER_MS, power_w=each)
        for place, each in enumerate(powers_w)
    )


NODE = GridElement(
    element="node 12", bound=Bound.UNDERVOLTAGE, side=None, phase=Phase.B,
    rated_milli=230_940, limit_milli=207_846, margin_milli=1_155,
)  # fmt: skip
LINE = GridElement(
    element="line 4-5", bound=Bound.LINE, side=Side.FROM, phase=None,
    rated_milli=145_000, limit_milli=145_000, margin_milli=2_900,
)  # fmt: skip
DROP = Violation(
    position=0, start_ms=T1, scenario="p90", excess_milli=812, cause="evening peak behind node 12"
)
OVERLOAD = Violation(
    position=1, start_ms=T0, scenario="expected", excess_milli=12_400, cause="wind at node 9"
)
UNSOLVED = Unsolved(
    start_ms=T1, scenario="line 3-4 out", position=None, residual_milli=35,
    why="no solution: the island behind switch 7 has no source",
)  # fmt: skip


MEASURES = QuarterMeasures(
    **header(1, "scd", DSO),
    pod=POD,
    quarters=(
        MeasuredQuarter(start_ms=T0, import_wh=412, export_wh=0, covered_s=900, flagged_s=0,
                        origin=Origin.CERTIFIED),
        MeasuredQuarter(start_ms=T1, import_wh=0, export_wh=31, covered_s=0, flagged_s=0,
                        origin=Origin.IMPORTED),
    ),
)  # fmt: skip
CUSTOMERS = CustomerList(
    **header(2, AGGREGATOR, "scd"),
    customers=(
        ListedCustomer(
            pod=POD, contract_w=6_000, feed_in_w=4_500, owner=OWNER, balance_party=BRP,
            resources=(Resource.BATTERY, Resource.GENERATION), consent_start_ms=T0 - 7,
            consent_end_ms=DAY.end_ms,
        ),
    ),
)  # fmt: skip
BASELINE = Baseline(
    **header(3, BRP, "scd"), pod=POD, quarters=power(*(1_200 - 40 * i for i in range(DAY_QUARTERS)))
)
OFFER = FlexOffer(
    **header(5, AGGREGATOR, MARKET),
    session="day-ahead 2026-10-25", gate_closure_ms=T0 - 18_000_000, expires_ms=DAY.end_ms,
    pod=POD, direction=Direction.UP, acceptance=Acceptance.PER_QUARTER,
    quarters=(
        OfferedQuarter(start_ms=T0, minimum_w=500, steps=(
            PriceStep(up_to_w=2_000, price_ueur_per_mwh=80_000_000),
            PriceStep(up_to_w=3_000, price_ueur_per_mwh=95_500_000),
        )),
        OfferedQuarter(start_ms=T1, minimum_w=0, steps=(
            PriceStep(up_to_w=1_500, price_ueur_per_mwh=80_000_000),
        )),
    ),
    linked_to=uuid(55), exclusive_group="boiler", longest_s=3_600, rest_s=900, call_count=2,
    rebound=Rebound(share_permille=900, delay_s=0, duration_s=5_400),
)  # fmt: skip
REQUEST = FlexRequest(
    **header(6, DSO, MARKET),
    session="day-ahead 2026-10-25", horizon=Horizon.DAY_AHEAD, expires_ms=DAY.end_ms,
    buyer=Buyer.DSO, primary_substation=SUBSTATION, direction=Direction.UP, reason=Bound.LINE,
    quarters=(
        RequestedQuarter(start_ms=T0, power_w=310_000),
        RequestedQuarter(start_ms=T1, power_w=95_000),
    ),
    elements=(NODE, LINE), violations=(DROP, OVERLOAD), nodes=("node 9", "node 12"),
    sensitivities=(
        Sensitivity(position=0, start_ms=T1, p_nano_per_w=(-51, -48_210), q_nano_per_var=(-20, -9)),
        Sensitivity(position=1, start_ms=T0, p_nano_per_w=(28_900, 14), q_nano_per_var=(0, 1)),
    ),
    maximum_price_ueur_per_mwh=400_000_000, reliability_permille=950, confidence_permille=900,
    unsolved=(replace(UNSOLVED, position=1),),
)  # fmt: skip
KEPT_FREE = KeptFree(voltage_ppm=5_000, current_ppm=20_000)
VALIDATION = TechnicalValidation(
    **header(7, DSO, MARKET),
    session="day-ahead 2026-10-25", outcome=reference(8), elements=(NODE, LINE),
    verdicts=(
        OfferVerdict(offer=reference(5), verdict=Verdict.APPROVED, quarters=power(2_000, 1_500),
                     binding=None),
        OfferVerdict(offer=reference(51), verdict=Verdict.CUT, quarters=power(700), binding=DROP),
        OfferVerdict(offer=reference(52), verdict=Verdict.REFUSED, quarters=(), binding=OVERLOAD),
    ),
    scenarios=("expected", "over-delivery", "rebound", "under-delivery"),
    margin=KEPT_FREE, confidence_permille=900, unsolved=(UNSOLVED,),
)  # fmt: skip
AWARDED = (
    AwardedQuarter(start_ms=T0, power_w=2_000, price_ueur_per_mwh=80_000_000),
    AwardedQuarter(start_ms=T1, power_w=1_500, price_ueur_per_mwh=80_000_000),
)
OUTCOME = MarketOutcome(
    **header(8, MARKET, DSO),
    session="day-ahead 2026-10-25", horizon=Horizon.DAY_AHEAD, stage=Stage.PRELIMINARY,
    awards=(
        Award(offer=reference(5), request=reference(6), kind=AwardKind.FIRM, buyer=Buyer.DSO,
              pod=POD, direction=Direction.UP, quarters=AWARDED, effect_nano_per_w=-48_210,
              because="cheapest per volt at node 12"),
    ),
    not_taken=(NotTaken(offer=reference(53), because="no effect on line 4-5"),),
    unmet=(Unmet(request=reference(6), start_ms=T1, power_w=4_000, because="no offer left"),),
)  # fmt: skip
ORDER = FlexOrder(
    **header(9, DSO, MARKET),
    session="day-ahead 2026-10-25", outcome=reference(8), buyer=Buyer.DSO, direction=Direction.UP,
    reason=Bound.UNDERVOLTAGE, expires_ms=T1,
    orders=(OrderedOffer(offer=reference(5), quarters=power(2_000, 1_500)),),
)  # fmt: skip
SET_POINT = SetPoint(
    **header(90, DSO, "node-7", validity=Interval(T0, T1)),
    pod=POD, kind=SetPointKind.ENVELOPE, target_w=1_100, least_w=-3_000, most_w=1_100,
    difference_w=-2_000, baseline=reference(3), outcome=reference(8), order=reference(9),
    offer=reference(5), sequence=12, supersedes=uuid(89), not_before_ms=T0, expires_ms=T1,
    failsafe=Failsafe(least_w=-3_000, most_w=4_200, after_s=120), reason=Bound.UNDERVOLTAGE,
)  # fmt: skip
ALERT = CongestionAlert(
    **header(10, DSO, DSO),
    horizon=Horizon.DAY_AHEAD, primary_substation=SUBSTATION, elements=(NODE, LINE),
    violations=(DROP, OVERLOAD), scenarios=("expected", "p90"),
    margin=KEPT_FREE, confidence_permille=900, unsolved=(UNSOLVED,),
)  # fmt: skip
CONFIGURATION = GridConfiguration(
    **header(11, DSO, "scada-1"),
    horizon=Horizon.DAY_AHEAD, primary_substation=SUBSTATION, effect=Effect.REDUCED,
    because="one step up at the peak keeps the voltages; no tap moves a current",
    taps=(TapMove(transformer="TR1", start_ms=T1, from_tap=9, to_tap=8, because="node 12 is low"),),
    switches=(SwitchMove(switch="S7", start_ms=T0, state=SwitchState.OPEN, because="less loss"),),
    capacitors=(CapacitorMove(capacitor="C1", start_ms=T0, step_count=2, because="line 4-5"),),
    elements=(NODE, LINE), before=(DROP, OVERLOAD), after=(replace(OVERLOAD, excess_milli=3),),
    avoided=power(0, 214_000), avoided_ueur=6_420_000,
    margin=KEPT_FREE, confidence_permille=900, unsolved=(),
)  # fmt: skip
PROFILE = SubstationProfile(
    **header(12, DSO, TSO),
    horizon=Horizon.DAY_AHEAD, primary_substation=SUBSTATION,
    stage=ProfileStage.BEFORE_TSO_REQUEST, scenario="expected",
    transformers=(
        TransformerQuarter(transformer="TR1", start_ms=T0, power_w=18_300_000,
                           reactive_power_var=2_100_000),
        TransformerQuarter(transformer="TR2", start_ms=T0, power_w=-900_000,
                           reactive_power_var=-40_000),
    ),
    balance=(
        BalanceQuarter(start_ms=T0, load_w=21_000_000, generation_w=3_920_000, losses_w=320_001,
                       residual_w=1),
    ),
    confidence_permille=500, unsolved=(UNSOLVED,),
)  # fmt: skip
AVAILABILITY = DerAvailability(
    **header(13, OWNER, AGGREGATOR),
    pod=POD, resource=Resource.BATTERY,
    quarters=(AvailableQuarter(start_ms=T0, up_w=3_000, down_w=2_500),),
    longest_s=None, rest_s=None, call_count=3,
)  # fmt: skip
PLAN = DerPlan(
    **header(14, AGGREGATOR, OWNER),
    session="day-ahead 2026-10-25", pod=POD, outcome=reference(8), offer=reference(5),
    kind=AwardKind.RESERVE, direction=Direction.UP, quarters=AWARDED,
)  # fmt: skip
MEASUREMENTS = FieldMeasurements(
    **header(19, SENSORS, DSO, validity=Interval(T0, T1)),
    sensors=(
        SensorReading(
            sensor="VC-12", measured_ms=T0 + 4_000,
            phases=(
                PhaseReading(phase=Phase.A, voltage_mv=229_800, current_ma=31_200, power_w=-7_000,
                             reactive_power_var=None),
                PhaseReading(phase=Phase.B, voltage_mv=231_100, current_ma=None, power_w=None,
                             reactive_power_var=None),
            ),
            voltage_sigma_mv=460, current_sigma_ma=310, power_sigma_w=70,
            reactive_power_sigma_var=None,
        ),
    ),
    breakers=(
        BreakerReading(breaker="LV3G-2", measured_ms=T0 + 4_000, state=BreakerState.TRIPPED),
    ),
)  # fmt: skip

EXAMPLES: tuple[Document, ...] = (
    MEASURES, CUSTOMERS, BASELINE, OFFER, REQUEST, VALIDATION, OUTCOME, ORDER, SET_POINT, ALERT,
    CONFIGURATION, PROFILE, AVAILABILITY, PLAN, MEASUREMENTS,
)  # fmt: skip


def written(file: Path, documents: Sequence[Document]) -> Path:
    """Return a file with documents as a command line takes them: a JSON list."""
    told = [to_json(each) for each in documents]
    file.write_text(json.dumps(told), encoding="utf-8")
    return file
