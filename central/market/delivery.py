"""How surely each POD has delivered so far: what reserve by history rests on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Place = tuple[str, int]
"""A POD, by its code, and the start of a quarter-hour [ms since 1970, UTC]."""

_DOUBT = 8
"""Quarter-hours of everybody's mean that a POD's own history is weighed against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a POD was ordered in a quarter-hour [W]: less taken or more given is positive."""

    pod: str
    start_ms: int
    up_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a POD was ordered in a quarter-hour, and what it delivered [W], both 0 or more."""

    pod: str
    ordered_w: int
    delivered_w: int


def deliveries(
    calls: Iterable[Call], programme_w: Mapping[Place, int], measured_w: Mapping[Place, float]
) -> list[Delivery]:
    """Return what came of each quarter-hour that was called, where it can be told.

    What was delivered is the programme less what was measured, in the direction of the call.

    Args:
        calls: several of a POD in one quarter-hour are added up.
        programme_w: of the balance responsible party (I-03), load convention.
        measured_w: mean power, load convention.
    """
    called_w: dict[Place, int] = {}
    for each in calls:
        place = each.pod, each.start_ms
        called_w[place] = called_w.get(place, 0) + each.up_w
    found = []
    for place, up_w in sorted(called_w.items()):
        if up_w and place in programme_w and place in measured_w:
            less_w = round(programme_w[place] - measured_w[place])
            delivered_w = max(0, less_w if up_w > 0 else -less_w)
            found.append(Delivery(pod=place[0], ordered_w=abs(up_w), delivered_w=delivered_w))
    return found


def delivered_shares(deliveries: Iterable[Delivery]) -> dict[str, float]:
    """Return the share of what was ordered that each POD has delivered, 0 … 1.

    Never more than was ordered counts. A short history is drawn to the mean of all, as if each
    POD had `_DOUBT` quarter-hours of it; a POD that was never ordered is not told.
    """
    shares: dict[str, list[float]] = {}
    for each in deliveries:
        if each.ordered_w > 0:
            share = min(max(each.delivered_w, 0), each.ordered_w) / each.ordered_w
            shares.setdefault(each.pod, []).append(share)
    known = [share for own in shares.values() for share in sorted(own)]
    mean = sum(sorted(known)) / len(known) if known else 1.0
    return {
        pod: (sum(sorted(own)) + _DOUBT * mean) / (len(own) + _DOUBT)
        for pod, own in sorted(shares.items())
    }
