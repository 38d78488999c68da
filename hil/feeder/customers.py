"""Who hangs on the network: each point of delivery with its node, phases and contract.

The metered houses are `IT002E00000000` on, one at each low-voltage load node behind the nodes that
have them; all other load and every resource is a customer `IT002E00001000` on, in the order: low
voltage, medium-voltage loads, resources, each as in the network file.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from hil.feeder.description import Description, LoadEntry, LoadKind, LowVoltage
from hil.feeder.network import low_voltage_node

_FIRST_SYNTHETIC = 1000
_ALL = (0, 1, 2)
# What Italian households contract; larger ones by the step below.
_CONTRACTS_W = (3_000, 4_500, 6_000, 10_000, 15_000)
_CONTRACT_STEP_W = 5_000
_HOUSE_W, _LARGE_HOUSE_W = 6_000, 15_000
_HEADROOM = 1.1


class CustomerKind(StrEnum):
    """How a customer's power goes through the day."""

    HOME = "home"
    DISTRICT = "district"
    BUSINESS = "business"
    SOLAR = "solar"
    WIND = "wind"
    BATTERY = "battery"
    FUEL_CELL = "fuel_cell"
    HEAT_AND_POWER = "heat_and_power"


@dataclass(frozen=True, slots=True)
class Customer:
    """A point of delivery.

    Args:
        pod: its identifier.
        node: where it hangs.
        kind: how its power goes.
        phases: the phases it is connected to, 0 to 2.
        peak_w: its greatest power, consumed or, for a resource, given.
        power_factor: of its consumption, inductive.
        contract_w: what it may take, or give.
        metered: whether a meter of the bench may stand here.
    """

    pod: str
    node: str
    kind: CustomerKind
    phases: tuple[int, ...]
    peak_w: float
    power_factor: float
    contract_w: int
    metered: bool = False


def customers_of(description: Description) -> tuple[Customer, ...]:
    """Return every customer of a network, the metered houses among them."""
    numbers = count(_FIRST_SYNTHETIC)
    found: list[Customer] = []
    if description.low_voltage is not None:
        found += _low_voltage_customers(description.low_voltage, numbers)
    for many in sorted(description.load, key=lambda one: one.kind is LoadKind.BUSINESS):
        found += _medium_voltage_loads(many, description.low_voltage, numbers)
    for resource in description.resource:
        kind = CustomerKind(resource.kind)
        found += [
            Customer(_pod(next(numbers)), at.node, kind, _ALL, at.rated_w, 1.0, at.rated_w)
            for at in resource.at
        ]
    return tuple(found)


def phases_of_house(pod: str, count_: int) -> tuple[int, ...]:
    """Return the phases a metered house is connected to: all, or one of them in turn."""
    return _ALL if count_ == len(_ALL) else (int(pod[-8:]) % len(_ALL),)


def _low_voltage_customers(low: LowVoltage, numbers: Iterator[int]) -> Iterator[Customer]:
    houses = count()
    turn = count()
    for above in low.behind:
        for peak in low.at:
            total_w = peak.peak_va * low.power_factor
            many = max(1, round(total_w / low.customer_w))
            for place in range(many):
                metered = place == 0 and above in low.metered_behind
                number = next(houses if metered else numbers)
                pod = _pod(number)
                phases = _house_phases(pod) if metered else (next(turn) % len(_ALL),)
                yield Customer(
                    pod,
                    low_voltage_node(above, peak.node),
                    CustomerKind.HOME,
                    phases,
                    total_w / many,
                    low.power_factor,
                    _house_contract_w(phases) if metered else _contract_w(total_w / many),
                    metered,
                )


def _house_phases(pod: str) -> tuple[int, ...]:
    """Return the phases of a house as the demo equips them: even ones have all three."""
    return phases_of_house(pod, 1 if int(pod[-8:]) % 2 else len(_ALL))


def _house_contract_w(phases: tuple[int, ...]) -> int:
    return _LARGE_HOUSE_W if len(phases) > 1 else _HOUSE_W


def _medium_voltage_loads(
    many: LoadEntry, low: LowVoltage | None, numbers: Iterator[int]
) -> Iterator[Customer]:
    home = many.kind is LoadKind.RESIDENTIAL
    kind = CustomerKind.DISTRICT if home else CustomerKind.BUSINESS
    for at in many.at:
        below = low is not None and home and at.node in low.behind
        peak_va = at.peak_va - (sum(one.peak_va for one in low.at) if low and below else 0)
        if peak_va <= 0:
            continue
        peak_w = peak_va * many.power_factor
        yield Customer(
            _pod(next(numbers)), at.node, kind, _ALL, peak_w, many.power_factor, _contract_w(peak_w)
        )


def _contract_w(peak_w: float) -> int:
    wanted_w = peak_w * _HEADROOM
    usual = [contract_w for contract_w in _CONTRACTS_W if contract_w >= wanted_w]
    return usual[0] if usual else math.ceil(wanted_w / _CONTRACT_STEP_W) * _CONTRACT_STEP_W


def _pod(number: int) -> str:
    return f"IT002E{number:08}"
