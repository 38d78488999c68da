"""One matrix for each setting that differs."""

import numpy as np

from central.dso.configurations import Configurations
from central.dso.powerflow import AS_BUILT, Setting
from tests.grids import feeder

GRID = feeder(6)


def test_situations_with_the_same_setting_share_their_matrices() -> None:
    found = Configurations(GRID, Setting(tap_pos=np.array([[0], [3], [0], [3]]))).alike(4)
    assert [rows.tolist() for _, rows in found] == [[0, 2], [1, 3]]
    assert abs(found[0][0].nodal - found[1][0].nodal).max() > 0


def test_one_setting_is_one_configuration() -> None:
    ((admittance, rows),) = Configurations(GRID, AS_BUILT).alike(3)
    assert rows.tolist() == [0, 1, 2]
    assert abs(admittance.nodal - AS_BUILT.admittance(GRID).nodal).max() == 0
