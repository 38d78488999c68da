"""Days of 92, 96 and 100 quarters through the DSO's rows: real database, real files, both ways."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from central.calendar import day_interval, gate_ms, quarter_count
from central.config import CentralConfig, DsoConfig, StoreConfig
from central.documents.configuration import GridConfiguration
from central.documents.congestion import CongestionAlert
from central.documents.encoding import opened, sign
from central.documents.header import Document
from central.documents.request import FlexRequest
from central.documents.substation import SubstationProfile
from central.dso.forecast.day_ahead import day_ahead
from central.dso.forecast.features import HEATS_BELOW_C
from central.dso.forecast.history import Floats, History, Origin
from central.dso.forecast.weather import IRRADIANCE, TEMPERATURE
from central.dso.grid.demo import demo_grid
from central.dso.telling.set_points import Silence
from central.scd.documents import DocumentQuery, checked
from central.scd.stored import Outcome as Kept
from central.service import Central
from central.service import opened as opened_central
from central.sessions.desk import Desk
from central.sessions.dso_day_ahead import dso_day_ahead
from central.sessions.dso_dispatch import admitted, dso_dispatch, held_set_points
from central.sessions.imports import keep_import, read_import
from central.sessions.opening import opened_desk
from central.sessions.scada import hand_over
from central.sessions.scada_http import HttpScada
from central.sessions.steps import Outcome
from central.weather import load_weather
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.signing import SigningKey
from tests.activations import called
from tests.hil.scadas import ServedScada, served_scada
from tests.importing import write_history, write_weather
from tests.neighbourhood import Town, town
from tests.scd import HandClock
from tests.segments import TestLog

DAYS = {
    92: date(2026, 3, 29),  # summer time begins
    96: date(2026, 6, 18),
    100: date(2026, 10, 25),  # summer time ends
}
DAYS_BEFORE = 21
KEY = SigningKey.generate("EdDSA")


@cache
def town_until(day: date) -> Town:
    """Return a town whose last day is the market day."""
    pods, days = len(demo_grid().pods), DAYS_BEFORE + 6
    return town(pods, day - timedelta(days=days - 1), days, seed=5)


def strained(day: date) -> History:
    """Return the town's past, each customer's peak at twice the contract."""
    grid, lent = demo_grid(), town_until(day).history
    contract_w = np.array([each.contract_w for each in grid.connections], dtype=np.float64)
    peak_w = np.maximum(np.abs(lent.power_w).max(axis=1), 1.0)
    scale = 2.2 * contract_w / peak_w
    return History(grid.pods, lent.start_ms, lent.power_w * scale[:, None], lent.origin)


@dataclass(frozen=True)
class Room:
    """A database with an imported past, and the desk over it at the gate of the day."""

    central: Central
    desk: Desk
    rows: int


@contextmanager
def room(folder: Path, day: date) -> Iterator[Room]:
    history_file, weather_file = folder / "history.csv", folder / "weather.csv"
    rows = write_history(history_file, strained(day), gate_ms(day), DAYS_BEFORE * 96)
    write_weather(weather_file, town_until(day).weather)
    config = CentralConfig(
        origin="x",
        log_key=TestLog([]).key.public.encode().hex(),
        store=StoreConfig(folder / "evidence.db", folder / "series"),
        dso=DsoConfig(imports=folder / "imports", weather=str(weather_file)),
    )
    imported = read_import(history_file)
    assert imported.rows == rows
    keep_import(imported, config.dso.imports)
    clock = HandClock(gate_ms(day))
    with opened_central(config, create=True, clock=clock) as central:
        inquiry = central.inquiry()
        made = opened_desk(config.dso, central.evidence, inquiry, central.documents, clock)
        yield Room(central, made, rows)


@pytest.mark.parametrize("quarters", DAYS)
def test_a_day_goes_through_all_rows_into_the_database_and_back(
    quarters: int, tmp_path: Path
) -> None:
    day = DAYS[quarters]
    span = day_interval(day)
    assert quarter_count(day) == quarters
    with room(tmp_path, day) as made, served_scada(now_ms=span.end_ms - 60_000) as plant:
        scada = HttpScada(plant.url, timeout_s=60.0)
        outcome = dso_day_ahead(made.desk, day, carry_out=partial(hand_over, scada))
        assert outcome.steps == [f"DA-{row}a" for row in range(3, 10)]
        provenance = outcome.expected.forecast.provenance
        assert (provenance.certified_pct, provenance.imported_pct) == (0.0, 100.0)
        assert "100 % imported" in outcome.expected.forecast.statement()
        assert made.central.evidence.tally().segment_count == 0, "nothing imported is evidence"
        store = made.central.documents
        signed = [checked(sign(each, KEY))[0] for each in outcome.documents]
        assert set(store.commit_documents(signed, gate_ms(day))) == {Kept.STORED}
        back = [opened(each.signed)[0] for each in store.documents(DocumentQuery(span=span))]
        assert tuple(back) == outcome.documents
        for document in back:
            assert document.validity == span
            check(document, quarters, plant)
        assert {each.ii for each in back} == {"I-06", "I-10", "I-11", "I-12"}
        dispatch_at_the_end(made, outcome)


def check(document: Document, quarters: int, plant: ServedScada) -> None:
    """Look at every quarter of a document."""
    every = list(range(document.validity.start_ms, document.validity.end_ms, QUARTER_MS))
    assert len(every) == quarters
    match document:
        case SubstationProfile():
            assert [each.start_ms for each in document.balance] == every
            names = {each.transformer for each in document.transformers}
            assert len(document.transformers) == quarters * len(names)
        case CongestionAlert():
            assert {each.start_ms for each in document.violations} <= {*every}
        case FlexRequest():
            assert {each.start_ms for each in document.quarters} <= {*every}
        case GridConfiguration():
            assert document.because
            assert document.taps, "the case is too easy"
            last = {each.transformer: each.to_tap for each in document.taps}
            assert {name: plant.plant.state.taps[name] for name in last} == last


def dispatch_at_the_end(made: Room, outcome: Outcome) -> None:
    """Call flexibility in the last quarter of the day, twice: what was sent is in the database."""
    expected = outcome.expected
    span, pod = expected.forecast.interval, made.desk.grid.pods[0]
    last = expected.expectation.quarters - 1
    store, sent = made.central.documents, []
    for power_w in (200, 150):
        held = held_set_points(store, frozenset(made.desk.grid.pods))
        orders = admitted(made.desk, span, called(span, {pod: {last: power_w}}), held)
        setting = outcome.plan.setting
        found = dso_dispatch(made.desk, expected, setting, orders, silence=Silence())
        (only,) = found.documents
        assert only.validity == Interval(span.end_ms - QUARTER_MS, span.end_ms)
        assert store.commit_documents([checked(sign(only, KEY))[0]], span.start_ms)
        sent.append(only)
    assert [(each.sequence, each.difference_w) for each in sent] == [(0, -200), (1, -150)]
    assert sent[1].supersedes == sent[0].mrid


def heated(made: Town, w_per_k: float) -> tuple[History, Floats]:
    """Return history and truth of a town where every home has a heat pump as well.

    They follow the temperature that the service saw that very morning.
    """
    start_ms, end_ms = made.history.start_ms, made.history.interval.end_ms
    column = made.weather.columns.index(TEMPERATURE)
    cold_k = np.zeros((end_ms - start_ms) // QUARTER_MS)
    for issue in made.weather.issues:
        first = (issue.start_ms - start_ms) // QUARTER_MS
        said = np.maximum(HEATS_BELOW_C - issue.values[:, column], 0.0)
        cold_k[first : first + len(said)] = said[: len(cold_k) - first]
    known = made.history.origin != Origin.MISSING
    power_w = np.where(known, made.history.power_w + w_per_k * cold_k, 0.0)
    return replace(made.history, power_w=power_w), made.power_w + w_per_k * cold_k


def test_the_temperature_that_a_service_told_is_used(tmp_path: Path) -> None:
    """Heat pumps follow the frost, which neither the sun nor the days before tell."""
    first = date(2026, 1, 1)
    made = town(40, first, 60, seed=11)
    history, truth_w = heated(made, w_per_k=200.0)
    mean_errors_w = []
    for columns in ((IRRADIANCE,), (IRRADIANCE, TEMPERATURE)):
        file = tmp_path / f"{len(columns)}.csv"
        write_weather(file, made.weather, columns)
        weather = load_weather(str(file))
        assert weather.columns == columns
        errors_w = []
        for day in (first + timedelta(days=number) for number in range(52, 58)):
            found = day_ahead(history, made.customers, day, weather=weather)
            start = (found.start_ms - history.start_ms) // QUARTER_MS
            span = slice(start, start + found.mean_w.shape[1])
            errors_w.append((found.mean_w - truth_w[:, span]).sum(axis=0))
        mean_errors_w.append(np.abs(errors_w).mean())
    with_sun_w, with_both_w = mean_errors_w
    assert with_both_w < 0.8 * with_sun_w
