"""What a task consists of: settings and states of some of its situations."""

import numpy as np
import pytest
from scipy import sparse

from central.dso.levers import Levers
from central.dso.limits import Limits
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.tasks import Part, State, Task, rows_of
from tests.grids import feeder, loads_va

GRID = feeder(10, seed=1)
TASK = Task(PowerFlow(GRID), loads_va(GRID, situations=3), AS_BUILT, Limits.of(GRID), [])


def test_rows_of_a_setting_are_those_of_its_situations() -> None:
    setting = Setting(
        tap_pos=np.array([[0], [1], [2]]), closed=np.ones(9, dtype=bool),
        source_pu=np.array([1.0, 1.01, 1.02]),
    )  # fmt: skip
    some = rows_of(setting, np.array([2, 0]))
    assert some.tap_pos is not None
    assert some.tap_pos.tolist() == [[2], [0]]
    assert some.closed is setting.closed
    assert some.source_pu is not None
    assert some.source_pu.tolist() == [1.02, 1.0]


def test_states_are_taken_apart_and_put_back_where_they_belong() -> None:
    whole = State.of(TASK, np.arange(3), TASK.drawn_va)
    some = whole.part(slice(1, 3)).among(np.array([0, 2]), 3)
    assert some.flow.solved.tolist() == [True, False, True]
    assert some.flow.u_pu[[0, 2]] == pytest.approx(whole.flow.u_pu[[1, 2]])
    some.put(np.array([0, 1]), whole.part(slice(0, 2)))
    assert some.flow.solved.all()
    assert some.excess_pu == pytest.approx(whole.excess_pu)
    assert some.drawn_va == pytest.approx(TASK.drawn_va)


def test_a_situation_is_told_by_itself_unless_it_resembles_another() -> None:
    none = Levers(10, np.zeros(0, dtype=int), np.zeros(0, dtype=complex), sparse.csr_array((3, 0)))
    part = Part(np.array([4, 5, 6]), np.array([0, 0, 2]), none, np.zeros(0), np.zeros(0))
    assert part.is_told_by_itself.tolist() == [True, False, True]
