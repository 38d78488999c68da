"""A market day of the examples: two aggregators, three points of delivery, programmes filed."""

from dataclasses import replace
from datetime import date
from typing import Any

from central.calendar import day_interval
from central.documents.baseline import Baseline
from central.documents.customers import CustomerList, ListedCustomer
from central.documents.header import Buyer, QuarterPower
from central.documents.offer import FlexOffer
from central.documents.request import FlexRequest
from central.market.admission import Arrived, Contract, MarketDay
from central.market.gates import Gates, day_ahead
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from tests.documents import AGGREGATOR, BRP, CUSTOMERS, DSO, OFFER, REQUEST, SUBSTATION, TSO, uuid

DAY = date(2026, 10, 25)
GATES = day_ahead(DAY)
SECOND = "aggregator-2"
PODS = (Pod("IT002E00000001"), Pod("IT002E00000002"), Pod("IT002E00000003"))
CONTRACT = Contract(take_w=6_000, give_w=4_500)
BASELINE_W = 1_000
CAP_UEUR_PER_MWH = 400_000_000
ON_TIME_MS = GATES.opens_ms + 60_000


def programme(pod: Pod, power_w: int, interval: Interval, **other: Any) -> Baseline:  # noqa: ANN401
    """Return a programme of one power."""
    quarters = tuple(
        QuarterPower(start_ms=start_ms, power_w=power_w)
        for start_ms in range(interval.start_ms, interval.end_ms, QUARTER_MS)
    )
    named: dict[str, Any] = {
        "mrid": uuid(300 + PODS.index(pod)), "revision": 1, "created_ms": GATES.opens_ms,
        "sender": BRP, "receiver": "scd",
    }  # fmt: skip
    return Baseline(**(named | other), validity=interval, pod=pod, quarters=quarters)


def listed(sender: str, *pods: Pod, **other: Any) -> CustomerList:  # noqa: ANN401
    """Return the list of an aggregator's customers, all alike."""
    (customer,) = CUSTOMERS.customers
    named: list[ListedCustomer] = [replace(customer, pod=pod, **other) for pod in pods]
    return replace(CUSTOMERS, sender=sender, customers=tuple(named))


def market_day(gates: Gates = GATES, power_w: int = BASELINE_W) -> MarketDay:
    """Return the day: the first two PODs are of one aggregator, the third is of the other."""
    day = day_interval(DAY)
    return MarketDay(
        gates=gates, price_cap_ueur_per_mwh=CAP_UEUR_PER_MWH,
        contracts={pod.code: CONTRACT for pod in PODS},
        zones={"node 9": SUBSTATION, "node 12": SUBSTATION},
        portfolios={
            AGGREGATOR: listed(AGGREGATOR, *PODS[:2]), SECOND: listed(SECOND, PODS[2]),
        },
        buyers={DSO: Buyer.DSO, TSO: Buyer.TSO},
        baselines={pod.code: programme(pod, power_w, day) for pod in PODS},
    )  # fmt: skip


def offered(**other: Any) -> FlexOffer:  # noqa: ANN401
    """Return an offer that is admitted, unless what is changed stands against it."""
    named: dict[str, Any] = {
        "session": GATES.session, "gate_closure_ms": GATES.closes_ms, "linked_to": None,
    }  # fmt: skip
    return replace(OFFER, **(named | other))


def requested(**other: Any) -> FlexRequest:  # noqa: ANN401
    """Return a request that is admitted, unless what is changed stands against it."""
    return replace(REQUEST, **({"session": GATES.session} | other))


def on_time(*documents: Any) -> list[Arrived]:  # noqa: ANN401 -- any documents
    """Return documents that arrived together while the gate was open."""
    return [Arrived(each, ON_TIME_MS) for each in documents]
