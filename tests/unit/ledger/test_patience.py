"""Pauses that grow, with one line for away and one for back."""

import logging

import pytest

from ledger.errors import Unavailable
from ledger.patience import Patience

LOG = logging.getLogger("lightnode")


async def test_away_and_back_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    patience = Patience("broker", LOG, first_s=0.0001)
    with caplog.at_level(logging.INFO, "lightnode"):
        patience.back()
        for _ in range(3):
            await patience.wait_out(Unavailable("gone", where="there"))
            assert patience.is_away
        patience.back()
        patience.back()
    assert not patience.is_away
    told = [(entry.getMessage(), vars(entry)["peer"]) for entry in caplog.records]
    assert told == [("lightnode.away", "broker"), ("lightnode.back", "broker")]
    assert vars(caplog.records[0])["error"] == "there: gone"
    assert vars(caplog.records[1])["tries"] == 3


def test_pauses_grow_with_jitter_up_to_their_bound() -> None:
    patience = Patience("broker", LOG, first_s=1.0, longest_s=4.0)
    for bound_s in (1.0, 2.0, 4.0, 4.0):
        patience.away(Unavailable("gone"))
        pauses_s = [patience.pause_s() for _ in range(200)]
        assert bound_s / 10 <= min(pauses_s) < bound_s / 2 < max(pauses_s) <= bound_s
    for _ in range(5_000):
        patience.away(Unavailable("still gone"))
    assert patience.pause_s() <= 4.0, "nothing overflows in a year of tries"


def test_a_peer_that_is_not_waited_for_costs_no_pause() -> None:
    patience = Patience("meter", LOG, longest_s=0.0)
    patience.away(Unavailable("gone"))
    assert patience.pause_s() == 0.0
