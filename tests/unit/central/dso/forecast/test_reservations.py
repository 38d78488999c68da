"""Reservations: each with its reason, its PODs and what they lack."""

from datetime import date

import numpy as np
import pytest

from central.dso.forecast.features import Span, shared_features
from central.dso.forecast.history import Customers, History, Past
from central.dso.forecast.reservations import refuse_other_customers, reservations, silent
from central.dso.forecast.result import Reason
from ledger.errors import Rejected

PODS = tuple(f"IT002E0000000{n}" for n in range(3))
ORIGIN = np.array([[3, 3, 3, 3], [3, 0, 3, 2], [0, 0, 0, 0]], np.uint8)
HISTORY = History(PODS, 0, np.zeros(ORIGIN.shape), ORIGIN)
PAST = Past.of(HISTORY, HISTORY.interval)
NEW = np.array([False, False, True])
BARE = shared_features(None, Span.of(date(2026, 6, 10), trained_days=3, earlier_days=3), 1)


def test_each_reason_names_its_pods() -> None:
    cold, gaps, weather = reservations(PAST, NEW, None, BARE)
    assert (cold.reason, cold.pods, cold.missing) == (Reason.COLD_START, PODS[2:], (4,))
    assert (gaps.reason, gaps.pods, gaps.missing) == (Reason.GAPS, PODS[1:2], (1,))
    assert gaps.said.startswith("1 PODs lack 1 quarters")
    assert weather.reason is Reason.NO_WEATHER


def test_nothing_to_say_of_a_whole_certified_past() -> None:
    whole = History(PODS[:1], 0, np.zeros((1, 4)), ORIGIN[:1])
    found = list(reservations(Past.of(whole, whole.interval), NEW[:1], None, BARE))
    assert [note.reason for note in found] == [Reason.NO_WEATHER]


def test_imports_are_counted() -> None:
    imported = History(PODS, 0, np.zeros(ORIGIN.shape), np.minimum(ORIGIN, 1))
    notes = reservations(Past.of(imported, imported.interval), NEW, None, BARE)
    (note,) = (note for note in notes if note.reason is Reason.IMPORTED)
    assert note.said.startswith("7 quarters")


def test_silence_is_not_told_of_new_pods() -> None:
    assert list(silent(PAST, NEW)) == []
    (note,) = silent(PAST, np.zeros(3, np.bool_))
    assert (note.reason, note.pods) == (Reason.NOTHING_RECENT, PODS[2:])


def test_customers_are_those_of_the_history() -> None:
    refuse_other_customers(HISTORY, Customers(np.ones(3), ("a", "b", "c")))
    with pytest.raises(Rejected, match="2 customers for a history of 3 PODs"):
        refuse_other_customers(HISTORY, Customers(np.ones(2), ("a", "b")))
