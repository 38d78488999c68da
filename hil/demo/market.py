"""The market of the next day: two aggregators, their customers, and all who trade, by command line.

Who has what is the demo's own story. It is told as files, as aggregators and owners would.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hil.demo.programs import ran
from hil.demo.stage import AGGREGATORS, Stage
from ledger.errors import InvariantBroken

_ROME = ZoneInfo("Europe/Rome")
_TIMEOUT_S = 120.0
_ENDED, _NOT_SAME = 0, 1
_QUARTER_MS = 900_000
_LEAST_W, _MOST_W, _ONE_IN = 3_000, 50_000, 3
_UEUR_PER_EUR = 1_000_000
_FEWEST_PODS = 40
_TOLD_AWARDS = 3

Tell = Callable[[str, str], None]
Device = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDay:
    """What came of the market of a day; `same` is what the recomputation of its export said."""

    session: str
    state: str
    steps: Mapping[str, str]
    offers: int
    awards: int
    pods: int
    aggregators: int
    not_taken: int
    taken_mwh: float
    unmet: int
    documents_exported: int
    same: bool

    def holds(self) -> bool:
        """Tell whether many traded, every row ended, and anybody comes to the same outcome."""
        return (
            self.state == "published"
            and set(self.steps.values()) <= {"ok", "nothing"}
            and self.offers >= _FEWEST_PODS
            and self.awards > 0
            and self.aggregators == len(AGGREGATORS)
            and self.same
        )

    def summary(self) -> str:
        """Return it in a line."""
        same = "recomputed to the same bytes" if self.same else "NOT the same when recomputed"
        return (
            f"{self.awards} of {self.offers} offers taken at {self.pods} PODs, "
            f"{self.taken_mwh:.3f} MWh; {same}"
        )


async def market_day(stage: Stage, day: str, tell: Tell) -> MarketDay:
    """Return what came of the market of a day.

    Raises:
        CertiflexError: a command did not do what it is for.
    """
    await _owners_say(stage, day)
    told = await _central(stage, "market", "run", "--now", "--day", day, ok=(_ENDED, _NOT_SAME))
    outcome = told["outcome"]
    if outcome is None:
        raise InvariantBroken(f"the market ended as {told['state']}", where=told["session"])
    for award in outcome["awards"][:_TOLD_AWARDS]:
        tell("seen", f"taken: {award['pod']} {award['because']}")
    for left in outcome["not_taken"][:1]:
        tell("seen", f"not taken: {left['because']}")
    export, trust = str(stage.path("market")), str(stage.path("market-trust.toml"))
    exported = await _central(
        stage, "market", "export", told["session"], "--to", export, "--trust-to", trust
    )
    verified = await _central(
        stage, "market", "verify", export, "--trust", trust, ok=(_ENDED, _NOT_SAME)
    )
    return _day(told, outcome, exported["documents"], verified)


def _day(
    told: Mapping[str, Any], outcome: Mapping[str, Any], documents: int, verified: Mapping[str, Any]
) -> MarketDay:
    awards, not_taken = outcome["awards"], outcome["not_taken"]
    offers = {each["offer"]["mrid"] for each in [*awards, *not_taken]}
    power_w = sum(quarter["power_w"] for award in awards for quarter in award["quarters"])
    return MarketDay(
        session=told["session"],
        state=told["state"],
        steps=told["steps"],
        offers=len(offers),
        awards=len({award["offer"]["mrid"] for award in awards}),
        pods=len({award["pod"] for award in awards}),
        aggregators=verified["outcomes"] - 2,
        not_taken=len(not_taken),
        taken_mwh=round(power_w / 4 / 1e6, 6),
        unmet=len(outcome["unmet"]),
        documents_exported=documents,
        same=not verified["difference"] and not verified["wanting"],
    )


# ── who takes part ──────────────────────────────────────────────────────────────────────────


def customers(pods: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the customers of each aggregator: one in three of the smaller points of delivery."""
    small = [each for each in pods if _LEAST_W <= each["contract_w"] <= _MOST_W]
    found: dict[str, list[dict[str, Any]]] = {party: [] for party in AGGREGATORS}
    for number, each in enumerate(small[::_ONE_IN]):
        found[AGGREGATORS[number % len(AGGREGATORS)]].append(
            {
                "pod": each["pod"],
                "contract_w": each["contract_w"],
                "owner": "owners",
                "devices": _devices(number, each["contract_w"]),
            }
        )
    return found


def availabilities(
    listed: Mapping[str, Sequence[Mapping[str, Any]]], day: date
) -> list[dict[str, Any]]:
    """Return what owners allow: each device as far as it goes, the whole day (I-13)."""
    start_ms, end_ms = (_midnight_ms(day + timedelta(days=after)) for after in (0, 1))
    return [
        {
            "schema": "certiflex/der-availability/v1",
            "ii": "I-13",
            "mrid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{one['pod']} {device['resource']} {day}")),
            "revision": 1,
            "created_at": _told(start_ms - 86_400_000),
            "sender": "owners",
            "receiver": party,
            "validity": {"start_at": _told(start_ms), "end_at": _told(end_ms)},
            "pod": one["pod"],
            "resource": device["resource"],
            "quarters": [
                {"start_at": _told(ms), "up_w": device["power_w"], "down_w": device["power_w"]}
                for ms in range(start_ms, end_ms, _QUARTER_MS)
            ],
            "longest_s": None,
            "rest_s": None,
            "call_count": None,
        }
        for party, own in listed.items()
        for one in own
        for device in one["devices"]
    ]


def _devices(number: int, contract_w: int) -> list[Device]:
    half_w = contract_w // 2
    load = _device("load", half_w, 20 + number % 7 * 5)
    battery = _device("battery", half_w, 40 + number % 5 * 9)
    battery |= {"capacity_wh": contract_w * 2, "charge_wh": contract_w}
    vehicle = _device("vehicle", half_w, 15)
    vehicle |= {"arrives_slot": 70, "leaves_slot": 28, "energy_wh": contract_w}
    return [[load], [battery], [vehicle], [load, battery]][number % 4]


def _device(resource: str, power_w: int, burden_eur_per_mwh: int) -> Device:
    burden_ueur_per_mwh = burden_eur_per_mwh * _UEUR_PER_EUR
    return {
        "resource": resource,
        "power_w": power_w,
        "burden_ueur_per_mwh": burden_ueur_per_mwh,
    }


async def _owners_say(stage: Stage, day: str) -> None:
    """Write the aggregators' files, and let owners hand in what they allow."""
    pods = await stage.told("hil", "plant", "pods", "-c", str(stage.path("bench.toml")))
    listed = customers(pods["pods"])
    for party, own in listed.items():
        told = {
            "schema": "certiflex/portfolio/v1",
            "aggregator": party,
            "brp": "brp",
            "customers": own,
        }
        stage.portfolio(party).write_text(json.dumps(told), encoding="utf-8")
    file = stage.path("availability.json")
    file.write_text(json.dumps(availabilities(listed, date.fromisoformat(day))), encoding="utf-8")
    await _central(stage, "party", "file", str(file))


async def _central(stage: Stage, *words: str, ok: tuple[int, ...] = (_ENDED,)) -> dict[str, Any]:
    _, output = await ran(
        ["central", *words, "--json", "-c", str(stage.path("central.toml"))],
        log=stage.path("log", "market.log"),
        timeout_s=_TIMEOUT_S,
        ok=ok,
    )
    told: dict[str, Any] = json.loads(output)
    return told


def _midnight_ms(day: date) -> int:
    return int(datetime.combine(day, time(), _ROME).timestamp()) * 1_000


def _told(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, _ROME).isoformat()
