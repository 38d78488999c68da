"""A market floor over the demo grid: two aggregators with devices, owners who allow them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from central.aggregator.devices.declared import Battery, Device, Generation, Load, Vehicle
from central.aggregator.portfolio import Customer, Portfolio
from central.aggregator.pricing import Terms
from central.calendar import day_interval, gate_ms
from central.documents.availability import AvailableQuarter, DerAvailability
from central.documents.encoding import sign, to_json
from central.documents.header import Document
from central.dso.grid.model import Grid
from central.market.rules import Rules
from central.scd.documents import checked
from central.scd.documents_entries import SealReason
from central.sessions.desk import Desk
from central.sessions.floor import Floor, Seat
from ledger.facts.interval import QUARTER_MS
from ledger.facts.pod import Pod
from ledger.signing import SigningKey
from tests.books import mrid
from tests.desks import DAY, demo, desk
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_sessions import FakeSessions
from tests.scd import HandClock

AGGREGATORS = ("aggregator-1", "aggregator-2")
PARTIES = ("dso", "market", "tso", "brp", "owners", *AGGREGATORS)
KEYS = {party: SigningKey.generate("EdDSA") for party in PARTIES}
EUR = 1_000_000


def devices_of(number: int, contract_w: int) -> tuple[Device, ...]:
    """Return the devices of a customer: some have one, some another, some two."""
    load = Load(power_w=contract_w // 2, burden_ueur_per_mwh=(20 + number % 7 * 5) * EUR)
    battery = Battery(
        power_w=contract_w // 2, capacity_wh=contract_w * 2, charge_wh=contract_w,
        burden_ueur_per_mwh=(40 + number % 5 * 9) * EUR,
    )  # fmt: skip
    vehicle = Vehicle(
        power_w=max(1_500, contract_w // 2), arrives_slot=70, leaves_slot=28,
        energy_wh=max(2_000, contract_w), burden_ueur_per_mwh=15 * EUR,
    )  # fmt: skip
    roof = Generation(power_w=contract_w // 2, burden_ueur_per_mwh=30 * EUR)
    kinds: list[tuple[Device, ...]] = [
        (load,), (battery,), (vehicle,), (load, battery), (roof,),
    ]  # fmt: skip
    return kinds[number % 5]


def seat(party: str, every: int, of: int, grid: Grid | None = None) -> Seat:
    """Return an aggregator with one of so many of a grid's customers: the demo grid's if None."""
    customers = [
        Customer(
            pod=Pod(each.pod), contract_w=int(each.contract_w), owner="owners",
            devices=devices_of(number, int(each.contract_w)),
        )
        for number, each in enumerate((grid or demo()).connections)
        if number % of == every and each.contract_w >= 3_000
    ]  # fmt: skip
    terms = Terms(
        retail_ueur_per_mwh=280 * EUR, feed_in_ueur_per_mwh=90 * EUR, fee_ueur_per_mwh=10 * EUR
    )
    return Seat(portfolio=Portfolio.of(party, customers), brp="brp", terms=terms)


def told_portfolio(portfolio: Portfolio, brp: str) -> dict[str, Any]:
    """Return what an aggregator's file of customers says."""
    return {
        "schema": "certiflex/portfolio/v1",
        "aggregator": portfolio.aggregator,
        "brp": brp,
        "customers": [
            {
                "pod": each.pod.code, "contract_w": each.contract_w, "owner": each.owner,
                "devices": [
                    {"resource": device.resource.value, **{
                        name: getattr(device, name) for name in device.__dataclass_fields__
                        if name != "rebound"
                    }}
                    for device in each.devices
                ],
            }
            for each in portfolio.customers
        ],
    }  # fmt: skip


def availabilities(seats: Sequence[Seat], market_day: date = DAY) -> list[DerAvailability]:
    """Return what the owners allow: everything, the whole day."""
    day = day_interval(market_day)
    return [
        DerAvailability(
            mrid=mrid(f"{customer.pod} {device.resource}"), revision=1, created_ms=1,
            sender="owners", receiver=one.portfolio.aggregator, validity=day, pod=customer.pod,
            resource=device.resource,
            quarters=tuple(
                AvailableQuarter(start_ms=ms, up_w=device.power_w, down_w=device.power_w)
                for ms in range(day.start_ms, day.end_ms, QUARTER_MS)
            ),
            longest_s=None, rest_s=None, call_count=None,
        )
        for one in seats
        for customer in one.portfolio.customers
        for device in customer.devices
    ]  # fmt: skip


def without_names(document: Document) -> str:
    """Return what a document says, apart from names that are drawn and when it was made.

    Drawn names decide the order of its parts, too: they are told in an order of their own.
    """
    told = {
        name: str(sorted(map(_nameless, part)) if isinstance(part, list) else part)
        for name, part in to_json(document).items()
    }
    return _nameless(told)


def _nameless(part: object) -> str:
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|'created_at': '[^']*'"
    return re.sub(pattern, "*", str(part))


@dataclass
class Scene:
    """A floor with stores that can fail, and the seals that were made on it."""

    peak_share: float = 2.2
    desk_at: Callable[[float, HandClock], Desk] = desk
    rules: Rules = field(default_factory=Rules)
    seats: Sequence[Seat] = field(
        default_factory=lambda: [seat(party, at, 4) for at, party in enumerate(AGGREGATORS)]
    )
    documents: FakeDocuments = field(default_factory=FakeDocuments)
    seals: list[tuple[SealReason, str]] = field(default_factory=list)
    clock: HandClock = field(default_factory=lambda: HandClock(gate_ms(DAY) - 60_000))

    def __post_init__(self) -> None:
        self.sessions = FakeSessions(self.documents)

    def floor(self) -> Floor:
        """Return the floor, as a process that starts finds it."""
        return Floor(
            desk=self.desk_at(self.peak_share, self.clock), sessions=self.sessions,
            documents=self.documents, keys=KEYS, clock=self.clock, rules=self.rules,
            seats=self.seats, seal=lambda reason, session: self.seals.append((reason, session)),
        )  # fmt: skip

    def file(self, documents: Sequence[Document]) -> None:
        """Hand documents in, as others do."""
        signed = [checked(sign(each, KEYS[each.sender]))[0] for each in documents]
        self.documents.commit_documents(signed, self.clock.now_ms())
