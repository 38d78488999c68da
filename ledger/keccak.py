"""Keccak-256 as Ethereum uses it (the original padding, not SHA3-256's), in pure Python.

The verifier needs it for a handful of hashes only, and must not need a chain library for them.
The whole state is one integer, so that a step costs a few long operations instead of 25 short
ones: lane (x, y) of 64 bits stands at bit 64·(x + 5·y), a plane y of five lanes at bit 320·y.

Source: The Keccak reference 3.0, §1.2 and §2.2 … §2.4.
"""

from collections.abc import Callable

_RATE_BYTES = 136
_HASH_BYTES = 32
_STATE_BYTES = 200
_ROUNDS = 24
_LANE = (1 << 64) - 1
_PLANE = (1 << 320) - 1
_PLACES = [(x, y) for y in range(5) for x in range(5)]


def keccak256(message: bytes) -> bytes:
    """Return the Keccak-256 hash of a message, 32 bytes."""
    padding = bytearray(_RATE_BYTES - len(message) % _RATE_BYTES)
    padding[0] = 0x01
    padding[-1] |= 0x80
    padded = message + padding
    state = 0
    for start in range(0, len(padded), _RATE_BYTES):
        state ^= int.from_bytes(padded[start : start + _RATE_BYTES], "little")
        state = _permuted(state)
    return state.to_bytes(_STATE_BYTES, "little")[:_HASH_BYTES]


def _permuted(state: int) -> int:
    """Return Keccak-f[1600] of the state."""
    gather = _MOVED_BYTES.translate
    for constant in _ROUND_CONSTANTS:
        # Theta: each lane takes in the parities of two neighbouring columns.
        parity = state ^ (state >> 640)
        parity = (parity ^ (parity >> 320) ^ (state >> 1280)) & _PLANE
        turned = ((parity & _PLANE_BELOW_TOP) << 1) | ((parity & _PLANE_TOP) >> 63)
        effect = (parity << 64) | (parity >> 256)
        effect ^= (turned >> 64) | (turned << 256)
        state ^= (effect & _PLANE) * _EACH_PLANE
        # Rho: lanes turn by r bits, here by r mod 8; whole bytes move with pi.
        state = (state & _STAY_1) | ((state & _UP_1) << 1) | ((state & _WRAP_1) >> 63)
        state = (state & _STAY_2) | ((state & _UP_2) << 2) | ((state & _WRAP_2) >> 62)
        state = (state & _STAY_4) | ((state & _UP_4) << 4) | ((state & _WRAP_4) >> 60)
        # Pi, a gather of bytes: entry i of the translation is byte i of the state.
        state = int.from_bytes(gather(state.to_bytes(256, "little")), "little")
        # Chi and iota.
        right = ((state >> 64) & _FIRST_4_LANES) | ((state << 256) & _LAST_LANE)
        second = ((state >> 128) & _FIRST_3_LANES) | ((state << 192) & _LAST_2_LANES)
        state ^= (second & ~right) ^ constant
    return state


def _round_constants() -> tuple[int, ...]:
    """Return the constant of each round, from the shift register that makes them."""
    constants = []
    register = 1
    for _ in range(_ROUNDS):
        constant = 0
        for power in range(7):
            constant |= (register & 1) << ((1 << power) - 1)
            register <<= 1
            register ^= (register >> 8) * 0x171
        constants.append(constant)
    return tuple(constants)


def _rotations() -> dict[tuple[int, int], int]:
    """Return by how many bits each lane turns."""
    rotations = {(0, 0): 0}
    x, y = 1, 0
    for t in range(24):
        rotations[x, y] = (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return rotations


def _lanes(lane: Callable[[int, int], int]) -> int:
    """Return a state from the value of each lane."""
    return sum(lane(x, y) << 64 * (x + 5 * y) for x, y in _PLACES)


def _turn(bits: int) -> tuple[int, int, int]:
    """Return which bits stay, go up and wrap where lanes turn by this power of two."""
    turns = {place for place in _PLACES if _ROTATIONS[place] & bits}
    up = _LANE >> bits
    return (
        _lanes(lambda x, y: 0 if (x, y) in turns else _LANE),
        _lanes(lambda x, y: up if (x, y) in turns else 0),
        _lanes(lambda x, y: _LANE ^ up if (x, y) in turns else 0),
    )


def _moved_bytes() -> bytes:
    """Return where each byte of the state comes from in pi, with the whole bytes of rho."""
    sources = bytearray(_STATE_BYTES)
    for x, y in _PLACES:
        target = 8 * (y + 5 * ((2 * x + 3 * y) % 5))
        for byte in range(8):
            sources[target + (byte + _ROTATIONS[x, y] // 8) % 8] = 8 * (x + 5 * y) + byte
    return bytes(sources)


_ROUND_CONSTANTS = _round_constants()
_ROTATIONS = _rotations()
_MOVED_BYTES = _moved_bytes()
_STAY_1, _UP_1, _WRAP_1 = _turn(1)
_STAY_2, _UP_2, _WRAP_2 = _turn(2)
_STAY_4, _UP_4, _WRAP_4 = _turn(4)
_EACH_PLANE = sum(1 << 320 * plane for plane in range(5))
_PLANE_TOP = sum(1 << 64 * x + 63 for x in range(5))
_PLANE_BELOW_TOP = _PLANE ^ _PLANE_TOP
_FIRST_4_LANES = _lanes(lambda x, _: _LANE if x < 4 else 0)  # noqa: PLR2004
_LAST_LANE = _lanes(lambda x, _: _LANE if x == 4 else 0)  # noqa: PLR2004
_FIRST_3_LANES = _lanes(lambda x, _: _LANE if x < 3 else 0)  # noqa: PLR2004
_LAST_2_LANES = _FIRST_4_LANES ^ _FIRST_3_LANES | _LAST_LANE
