"""A whole day-ahead session of the demo grid, by the command line and on a real database."""

import time
from pathlib import Path

import pytest

from tests.bench.conftest import Figure, Figures
from tests.desks import DAY, demo
from tests.rooms import Told, demo_room

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


def test_a_day_ahead_session(figures: Figures, tmp_path: Path, capsys: Told) -> None:
    room = demo_room(tmp_path)
    room.open(capsys)
    begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
    status, told = room.run(capsys, "market", "run", "--day", DAY.isoformat())
    taken_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    assert (status, told["state"]) == (0, "published")
    outcome = told["outcome"]
    offers = {each["offer"]["mrid"] for each in [*outcome["awards"], *outcome["not_taken"]]}
    taken = {each["offer"]["mrid"] for each in outcome["awards"]}
    assert taken < offers
    figures.take(
        Figure(
            subject="Market: a day-ahead session of the demo grid", unit="s", ours=taken_s,
            size=f"{len(demo().pods)} PODs, {len(offers)} offers, {len(taken)} taken, "
            f"{len(told['steps'])} rows", reach="≤ 30 s",
            note="Forecast, assessment, own means and need of the DSO, offers of two aggregators, "
            "programmes, TSO, clearing and validation in rounds, outcomes and orders, every "
            f"document signed and in the database; {cpu_s:.1f} s of it processor time",
        )
    )  # fmt: skip
