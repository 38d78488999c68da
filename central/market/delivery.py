"""How surely each POD has delivered so far: what reserve by history rests on."""

from collections.abc import Iterable
from dataclasses import dataclass

_DOUBT = 8
"""Quarter-hours of everybody's mean that a POD's own history is weighed against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a POD was ordered in a quarter-hour, and what it delivered [W], both 0 or more."""

    pod: str
    ordered_w: int
    delivered_w: int


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
