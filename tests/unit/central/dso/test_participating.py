"""What could be moved while nobody has offered."""

import numpy as np

from central.dso.expectation import expected
from central.dso.participating import assumed_resources
from tests.grids import feeder

GRID = feeder(6, contract_w=20_000)
DAY = expected(GRID, 0, {"mean": np.zeros((len(GRID.pods), 3))})


def test_a_share_of_each_contract_in_both_directions() -> None:
    found = assumed_resources(GRID, DAY, 25.0)
    assert found.up_w.tolist() == [[5000.0] * 4] * 3
    assert found.down_w.tolist() == found.up_w.tolist()
    assert found.node.tolist() == GRID.pod_node.tolist()
    assert found.tan_phi.tolist() == [0.3] * 4


def test_only_who_takes_part() -> None:
    found = assumed_resources(GRID, DAY, 25.0, frozenset(GRID.pods[1:3]))
    assert found.node.tolist() == GRID.pod_node[1:3].tolist()
    nobody = assumed_resources(GRID, DAY, 25.0, frozenset())
    assert nobody.up_w.shape == (3, 0)
