"""Three-phase admittances of single elements."""

import numpy as np
import pytest

from hil.feeder.elements import line_block, of_sequences, opened, transformer_block
from hil.feeder.network import built
from tests.hil.networks import two_levels

TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
NETWORK = built(two_levels())
LINE, TRANSFORMER = NETWORK.lines[0], NETWORK.transformers[0]


def test_a_symmetrical_element_keeps_sequences_apart() -> None:
    phases = of_sequences(2 - 3j, 0.5 - 1j)
    assert phases @ TURN == pytest.approx((2 - 3j) * TURN)
    assert phases @ np.ones(3) == pytest.approx((0.5 - 1j) * np.ones(3))


def test_a_line_obeys_ohm() -> None:
    currents = line_block(LINE) @ np.concatenate([100 * TURN, 90 * TURN])
    shunt = 0.5j * LINE.b1_s
    assert currents[:3] == pytest.approx((10 / LINE.z1_ohm + 100 * shunt) * TURN)
    assert currents[3:] == pytest.approx((-10 / LINE.z1_ohm + 90 * shunt) * TURN)


def test_a_line_open_at_an_end_takes_its_charging_current_only() -> None:
    for end in (0, 1):
        currents = opened(line_block(LINE), end) @ np.tile(100 * TURN, 2)
        kept, gone = (currents[3:], currents[:3]) if end == 0 else (currents[:3], currents[3:])
        assert gone == pytest.approx(0)
        assert kept[0].imag == pytest.approx(100 * LINE.b1_s, rel=1e-3)


def test_an_idle_transformer_turns_by_30_degrees_and_steps_down() -> None:
    block = transformer_block(TRANSFORMER, tap=1)
    high_v = 20_000 / np.sqrt(3) * TURN
    low_v = -np.linalg.solve(block[3:, 3:], block[3:, :3] @ high_v)
    assert abs(low_v) == pytest.approx(400 / np.sqrt(3) / 1.025)
    assert np.degrees(np.angle(low_v[0] / high_v[0])) == pytest.approx(-30)


def test_the_delta_lets_no_zero_sequence_through() -> None:
    block = transformer_block(TRANSFORMER, tap=0)
    assert block[:3, 3:] @ np.ones(3) == pytest.approx(0)
    assert block[3:, 3:] @ np.ones(3) == pytest.approx(TRANSFORMER.y_s * np.ones(3))


def test_a_transformer_in_the_air_takes_nothing() -> None:
    assert opened(transformer_block(TRANSFORMER, tap=0), 1) == pytest.approx(0, abs=1e-12)
    # Fed from below, its delta still closes the way of the zero sequence.
    fed_below = opened(transformer_block(TRANSFORMER, tap=0), 0)[3:, 3:]
    assert fed_below @ TURN == pytest.approx(0, abs=1e-9)
    assert fed_below @ np.ones(3) == pytest.approx(TRANSFORMER.y_s * np.ones(3))
