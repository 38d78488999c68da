"""What the terminal shows: the first rows of long lists, how many more, and what is not known."""

import numpy as np
import pytest

from central.dso import relief
from central.dso.delivering import Taken
from central.dso.limits import Limits
from central.dso.validation import validate
from central.dsos.screen import tell_validated
from central.sessions.dso_validation import Validated
from tests.desks import demo, demo_history, desk

COUNT = 30


def cut() -> Validated:
    """Return what the demo grid says to 30 customers who draw 3 MW more in a quarter."""
    made, grid = desk(1.0), demo()
    taken = Taken.of(
        grid, [f"offer-{number}" for number in range(COUNT)], grid.pods[:COUNT],
        is_up=np.zeros(COUNT, dtype=bool), power_w=np.full((COUNT, 1), 3e6),
    )  # fmt: skip
    drawn_va = grid.at_nodes(demo_history(1.0).power_w[:, 0]).astype(complex)[None]
    return Validated(validate(made.power_flow, drawn_va, taken, Limits.of(grid)), (), [])


def test_a_long_list_says_how_many_rows_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    validated = cut()
    tell_validated(desk(1.0), validated)
    lines = capsys.readouterr().out.splitlines()
    count = len(validated.validation.cuts)
    assert count > 20
    assert f"and {count - 20} more; --json tells all" in lines
    assert "% of what was taken is accepted" in lines[-1]


def test_a_search_that_was_cut_short_says_that_more_may_be_borne(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = "the search ended before it was known that the grid bears no more"
    tell_validated(desk(1.0), cut())
    assert unknown not in capsys.readouterr().out
    monkeypatch.setattr(relief, "MOST_ROUNDS", 0)
    tell_validated(desk(1.0), cut())
    assert capsys.readouterr().out.splitlines()[-1] == unknown
