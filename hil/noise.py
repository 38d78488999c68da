"""Chance that repeats: everything random on the bench is a function of a seed."""

import hashlib

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E37_79B9_7F4A_7C15


def seed_of(*parts: int | str) -> int:
    """Return one 64-bit seed for a list of names and numbers, the same on every machine."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def mixed(value: int) -> int:
    """Return 64 well-mixed bits for *value*.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014),
    the finaliser of SplitMix64.
    """
    bits = (value + _GOLDEN) & _MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
    return bits ^ (bits >> 31)


def wander(seed: int, unix_ms: int, knot_ms: int) -> float:
    """Return a value in [-1, 1) that drifts in straight lines between knots *knot_ms* apart."""
    knot, into_ms = divmod(unix_ms, knot_ms)
    here, there = _signed(seed, knot), _signed(seed, knot + 1)
    return here + (there - here) * into_ms / knot_ms


def _signed(seed: int, index: int) -> float:
    return mixed(seed ^ (index * _GOLDEN & _MASK)) / (1 << 63) - 1.0


class Dice:
    """A stream of draws; the same seed throws the same numbers in every Python."""

    __slots__ = ("_state",)

    def __init__(self, *parts: int | str) -> None:
        self._state = seed_of(*parts)

    def fraction(self) -> float:
        """Return a number in [0, 1)."""
        self._state = (self._state + _GOLDEN) & _MASK
        return mixed(self._state) / (1 << 64)

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.fraction()

    def chance(self, probability: float) -> bool:
        """Return true once in 1 / *probability* throws."""
        return self.fraction() < probability

    def pick(self, count: int) -> int:
        """Return one of 0 … *count* - 1."""
        return int(self.fraction() * count)
