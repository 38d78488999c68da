"""The elements of a network as three-phase admittances between their two ends.

A block is 6 × 6: currents into the element at both ends [A], from the voltages to earth there
[V], phases a, b, c of the first end, then of the second.

Source: J. Arrillaga, N. R. Watson, "Computer Modelling of Electrical Power Systems" (2001),
chapter 2: phase admittances from sequence values (2.3), transformer windings (2.4).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.feeder.network import Line, Transformer

Complexes = NDArray[np.complex128]

# Each star phase of a Dyn1 transformer shares its leg with a delta phase: a with A and C.
_DELTA = np.array([[1, 0, -1], [-1, 1, 0], [0, -1, 1]], dtype=float)
_STAR = np.eye(3)


def of_sequences(positive: complex, zero: complex) -> Complexes:
    """Return the 3 × 3 phase matrix of a symmetrical element; negative is as positive."""
    own, mutual = (zero + 2.0 * positive) / 3.0, (zero - positive) / 3.0
    phases: Complexes = np.full((3, 3), mutual) + (own - mutual) * np.eye(3)
    return phases


def line_block(line: Line) -> Complexes:
    """Return the admittances of a line [S], half of its capacitance at each end."""
    along = of_sequences(1.0 / line.z1_ohm, 1.0 / line.z0_ohm)
    across = of_sequences(0.5j * line.b1_s, 0.5j * line.b0_s)
    return np.block([[along + across, -along], [-along, along + across]])


def transformer_block(transformer: Transformer, tap: int) -> Complexes:
    """Return the admittances of a Dyn1 transformer [S], its changer at position *tap*."""
    leakage: NDArray[Any] = np.hstack([-_DELTA / transformer.turns_at(tap), _STAR])
    block: Complexes = transformer.y_s * (leakage.T @ leakage)
    return block


def opened(block: Complexes, end: int) -> Complexes:
    """Return the block of an element whose *end* (0 or 1) hangs in the air: no current there."""
    kept, gone = slice(3 - 3 * end, 6 - 3 * end), slice(3 * end, 3 * end + 3)
    # A delta in the air has no way to earth: its own block is singular.
    through = block[kept, gone] @ np.linalg.pinv(block[gone, gone]) @ block[gone, kept]
    left = np.zeros_like(block)
    left[kept, kept] = block[kept, kept] - through
    return left
