"""The admittance matrices behind many situations: one for each setting that differs."""

import numpy as np

from central.dso.grid.admittance import Admittance
from central.dso.grid.model import Grid, Integers
from central.dso.powerflow import Setting


class Configurations:
    """The different configurations of a grid under a setting."""

    def __init__(self, grid: Grid, setting: Setting) -> None:
        self._grid = grid
        self._setting = setting
        self._known: dict[tuple[bytes, ...], Admittance] = {}

    def of(self, situation: int) -> Admittance:
        """Return the matrices of a situation; the same object where the setting is the same."""
        setting = self._setting.of(situation)
        parts = (setting.tap_pos, setting.closed, setting.capacitor_steps)
        key = tuple(b"" if part is None else part.tobytes() for part in parts)
        if key not in self._known:
            self._known[key] = setting.admittance(self._grid)
        return self._known[key]

    def alike(self, situations: int) -> list[tuple[Admittance, Integers]]:
        """Return the matrices, and the situations that have them, for the first so many."""
        rows: dict[int, list[int]] = {}
        made = [self.of(situation) for situation in range(situations)]
        for situation, each in enumerate(made):
            rows.setdefault(id(each), []).append(situation)
        return [(made[each[0]], np.array(each, dtype=np.int64)) for each in rows.values()]
