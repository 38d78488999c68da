"""Generation: less can be given, and that does not come back."""

import numpy as np

from central.aggregator.devices.declared import Generation
from central.aggregator.devices.generation import move_generation
from central.aggregator.devices.moving import UNLIMITED, Leeway
from central.documents.header import Direction


def test_holding_back_is_down_and_there_is_no_up() -> None:
    given_w = np.array([[0.0, 500.0, 4_000.0]])
    wide = np.full(given_w.shape, 9_000.0)
    down_w = np.array([[9_000.0, 300.0, 9_000.0]])
    none = np.zeros(1, dtype=np.int64)
    within = Leeway(
        given_w, wide, wide, wide, down_w, none + UNLIMITED, none + 2, none + UNLIMITED
    )  # fmt: skip
    (found,) = move_generation([Generation(power_w=3_000)], within)
    assert found.direction is Direction.DOWN
    assert found.power_w.tolist() == [[0.0, 300.0, 3_000.0]]
    assert found.back_permille.tolist() == [0]
    assert found.rest.tolist() == [2]
