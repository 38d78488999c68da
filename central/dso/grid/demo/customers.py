"""Who hangs on the demo grid: the 20 metered houses, and a synthetic customer for everything else.

The houses are `IT002E00000000` on, one at each load node of the low-voltage networks behind MV-3,
MV-5, MV-6 and MV-8; all others are `IT002E00001000` on, in the order: low voltage, residential and
commercial loads at medium voltage, resources.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from central.dso.grid.demo import cigre
from central.dso.grid.model import Phases

_FIRST_SYNTHETIC = 1000
_CUSTOMER_W = 4500  # what a household adds to the coincident peak of its node
_CONTRACTS_W = (3_000, 4_500, 6_000, 10_000, 15_000)
_CONTRACT_STEP_W, _HEADROOM = 5_000, 1.1
_HOUSE_W, _LARGE_HOUSE_W = 6_000, 15_000
_SINGLE: tuple[Phases, ...] = ("a", "b", "c")
_LARGE_FACTOR = 0.95  # of loads that stand for whole feeders, not for a works


@dataclass(frozen=True, slots=True)
class Customer:
    """A point of delivery: `peak_w` is its share of the published peak, negative if it gives."""

    pod: str
    node: str
    peak_w: float
    contract_w: int
    phases: Phases
    tan_phi: float
    profile: str


def customers() -> tuple[Customer, ...]:
    """Return all customers of the demo grid."""
    numbers = count(_FIRST_SYNTHETIC)
    return (*_houses(numbers), *_large(numbers), *_resources(numbers))


def _houses(numbers: Iterator[int]) -> Iterator[Customer]:
    metered, turns = count(), count()
    tan_phi = _tan_phi(cigre.LV_POWER_FACTOR)
    for above in cigre.LV_BEHIND:
        for node, peak_va in cigre.LV_LOADS_VA.items():
            place, total_w = f"LV-{above}-{node}", peak_va * cigre.LV_POWER_FACTOR
            homes = max(1, round(total_w / _CUSTOMER_W))
            first = _house(next(metered)) if above in cigre.METERED_BEHIND else None
            for home in range(homes):
                pod, phases, contract_w = first if first and home == 0 else (
                    _pod(next(numbers)), _SINGLE[next(turns) % 3], _contract_w(total_w / homes)
                )  # fmt: skip
                yield Customer(
                    pod, place, total_w / homes, contract_w, phases, tan_phi, "household"
                )


def _house(number: int) -> tuple[str, Phases, int]:
    """Return code, phases and contract of a metered house: every other one has three phases."""
    if number % 2 == 0:
        return _pod(number), "abc", _LARGE_HOUSE_W
    return _pod(number), _SINGLE[number % 3], _HOUSE_W


def _large(numbers: Iterator[int]) -> Iterator[Customer]:
    """Return the loads at medium voltage, less what hangs on the low voltage behind them."""
    below_va = sum(cigre.LV_LOADS_VA.values())
    for factor, peaks_va in cigre.RESIDENTIAL_VA:
        for node, peak_va in peaks_va.items():
            rest_va = peak_va - (below_va if node in cigre.LV_BEHIND else 0)
            yield _load(next(numbers), node, rest_va, factor, "household")
    for factor, peaks_va in cigre.COMMERCIAL_VA:
        profile = "business" if factor >= _LARGE_FACTOR else "industry"
        for node, peak_va in peaks_va.items():
            yield _load(next(numbers), node, peak_va, factor, profile)


def _load(number: int, node: int, peak_va: float, factor: float, profile: str) -> Customer:
    peak_w = peak_va * factor
    return Customer(
        _pod(number), f"MV-{node}", peak_w, _contract_w(peak_w), "abc", _tan_phi(factor), profile
    )


def _resources(numbers: Iterator[int]) -> Iterator[Customer]:
    for profile, peaks_w in cigre.RESOURCES_W:
        for node, peak_w in peaks_w.items():
            yield Customer(
                _pod(next(numbers)), f"MV-{node}", -peak_w, int(peak_w), "abc", 0.0, profile
            )


def _contract_w(peak_w: float) -> int:
    wanted_w = peak_w * _HEADROOM
    usual = [contract_w for contract_w in _CONTRACTS_W if contract_w >= wanted_w]
    return usual[0] if usual else math.ceil(wanted_w / _CONTRACT_STEP_W) * _CONTRACT_STEP_W


def _tan_phi(factor: float) -> float:
    return round(math.tan(math.acos(factor)), 4)


def _pod(number: int) -> str:
    return f"IT002E{number:08}"
