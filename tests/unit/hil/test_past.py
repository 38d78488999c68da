"""The past of a plant: energies that its powers make, files that say so, and growth where it is."""

import csv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from hil.consumption import Consumption
from hil.feeder.customers import customers_of
from hil.feeder.description import read_description
from hil.past import quarters_wh, write_history, write_weather
from hil.plant_file import Growth
from ledger.errors import Unavailable
from ledger.facts.interval import QUARTER_MS

CUSTOMERS = customers_of(read_description())
NOON_MS = 1_796_122_800_000
DAY_MS = 86_400_000


def consumption(growth: Growth | None = None) -> Consumption:
    return Consumption(CUSTOMERS, seed=1, weather_seed=7, growth=growth)


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_a_quarter_holds_what_its_seconds_add_up_to() -> None:
    asked = consumption()
    every_s = [asked.at_va(NOON_MS + s * 1000).real for s in range(0, 900, 5)]
    exact_wh = np.mean(every_s, axis=0) / 4
    found_wh = quarters_wh(asked, NOON_MS)
    assert found_wh.sum() == pytest.approx(exact_wh.sum(), rel=0.02)
    assert np.abs(found_wh - exact_wh).max() < 0.2 * np.abs(exact_wh).max()


def test_every_customer_has_every_quarter_once_up_to_the_instant(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    written = write_history(file, CUSTOMERS, consumption(), days=2, until_ms=NOON_MS + 60_000)
    rows = rows_of(file)
    assert written == len(rows) == len(CUSTOMERS) * 2 * 96
    assert len({(row["pod"], row["start"]) for row in rows}) == len(rows)
    last = datetime.fromisoformat(rows[-1]["start"]).timestamp() * 1000
    assert last == NOON_MS - NOON_MS % QUARTER_MS - QUARTER_MS
    first_wh = quarters_wh(consumption(), NOON_MS - NOON_MS % QUARTER_MS - 2 * DAY_MS)
    told_wh = [float(r["import_wh"]) - float(r["export_wh"]) for r in rows[: len(CUSTOMERS)]]
    assert told_wh == pytest.approx(first_wh, abs=0.06)
    assert all(min(float(r["import_wh"]), float(r["export_wh"])) == 0 for r in rows)
    assert any(float(row["export_wh"]) > 0 for row in rows)


def test_growth_is_of_homes_where_it_is_and_of_nobody_else() -> None:
    before, after = (
        consumption(growth).at_va(NOON_MS).real for growth in (None, Growth(35.0, ("LV-6",)))
    )
    for customer, was_w, is_w in zip(CUSTOMERS, before, after, strict=True):
        factor = 1.35 if customer.node.startswith("LV-6-") else 1.0
        assert is_w == pytest.approx(factor * was_w)
    everywhere = consumption(Growth(50.0)).at_va(NOON_MS).real
    assert {round(float(r), 9) for r in everywhere[before != 0] / before[before != 0]} == {1.0, 1.5}


def test_the_forecaster_knows_the_future_nearly_and_says_it_in_time(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    write_weather(file, 7, days=3, until_ms=NOON_MS)
    rows = rows_of(file)
    assert {
        datetime.fromisoformat(row["issued"]).timestamp() * 1000 <= NOON_MS for row in rows
    } == {True}
    end_ms = max(datetime.fromisoformat(row["start"]).timestamp() for row in rows) * 1000
    assert end_ms > NOON_MS + 2 * DAY_MS
    by_start: dict[str, set[float]] = {}
    for row in rows:
        by_start.setdefault(row["start"], set()).add(float(row["irradiance_w_m2"]))
    sunny = [values for values in by_start.values() if max(values) > 50 and len(values) > 1]
    assert sunny
    assert all(max(values) < 1.6 * min(values) for values in sunny)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        write_weather(tmp_path / "none" / "weather.csv", 7, days=1, until_ms=NOON_MS)


def test_homes_cannot_shrink_to_nothing() -> None:
    with pytest.raises(ValueError, match="growth"):
        Growth(-100.0)
