"""Who takes part in the demo's market: two aggregators, their customers, and what owners allow.

Who has what is the demo's own story. It is told as files, as aggregators and owners would: all of
the street that heat pumps and electric cars have come to, and one in three of the others.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hil.demo.stage import AGGREGATORS, GROWN

_ROME = ZoneInfo("Europe/Rome")
_QUARTER_MS = 900_000
_LEAST_W, _MOST_W, _ONE_IN = 3_000, 50_000, 3
_UEUR_PER_EUR = 1_000_000

Device = dict[str, Any]


def customers(pods: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the customers of each aggregator, of the smaller points of delivery."""
    small = [each for each in pods if _LEAST_W <= each["contract_w"] <= _MOST_W]
    grown = [each for each in small if each["node"].startswith(f"{GROWN}-")]
    others = [each for each in small if each not in grown]
    found: dict[str, list[dict[str, Any]]] = {party: [] for party in AGGREGATORS}
    for number, each in enumerate([*grown, *others[::_ONE_IN]]):
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


def _midnight_ms(day: date) -> int:
    return int(datetime.combine(day, time(), _ROME).timestamp()) * 1_000


def _told(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, _ROME).isoformat()
