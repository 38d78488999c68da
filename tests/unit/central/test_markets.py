"""`certiflex central market` where there is little to do; whole days: tests/e2e/test_market_day."""

import json
from pathlib import Path

import pytest

from central.__main__ import main
from central.calendar import gate_ms
from central.config import CentralConfig, MarketConfig
from central.documents.encoding import sign
from central.market.rules import Pricing, ReserveRule, Rules
from central.markets.running import waiting
from central.scd.documents import checked
from central.scd.sessions import RowState, SessionRow
from central.scd.sessions_store import SqliteSessions
from central.service import opened
from central.sessions.day_ahead import gates_of
from central.sessions.opening import rules_of, seats_of, transmission_of
from ledger.configuration import load
from ledger.errors import Rejected
from ledger.signing import SigningKey
from tests.desks import DAY
from tests.scd import HandClock
from tests.unit.central.sessions.test_leftovers import outcome

NAME = f"day-ahead {DAY.isoformat()}"
Told = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of a database with one session that failed."""
    file = tmp_path / "central.toml"
    key = SigningKey.generate("EdDSA").public.encode().hex()
    file.write_text(f'origin = "o"\nlog_key = "{key}"\n[store]\nevidence = "e.db"\nseries = "s"\n')
    with opened(load(CentralConfig, file, program="central").value, create=True) as central:
        SqliteSessions(central.database).commit_row(
            SessionRow(
                session=NAME, row="DA-3a", state=RowState.FAILED, told="no past", ended_ms=1,
            )
        )  # fmt: skip
    return file


def ran(config: Path, *arguments: str) -> int:
    return main(["market", *arguments, "-c", str(config)])


def test_sessions_are_listed_with_what_became_of_them(config: Path, capsys: Told) -> None:
    assert ran(config, "show") == 0
    assert capsys.readouterr().out.startswith(f"{NAME}  failed: a row failed; put right")
    assert ran(config, "show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sessions"] == {NAME: "failed"}


def test_a_session_is_shown_row_by_row(config: Path, capsys: Told) -> None:
    assert ran(config, "show", NAME) == 0
    out = capsys.readouterr().out
    assert "! DA-3a              no past" in out
    assert ran(config, "show", NAME, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["steps"], told["outcome"]) == ("failed", {"DA-3a": "failed"}, None)


def test_the_outcome_is_the_sessions_own_and_its_documents_are_named(
    config: Path, capsys: Told
) -> None:
    """A session of real time takes the outcomes of its hours so far."""
    hours, key = "real-time 2026-05-28T19:00Z", SigningKey.generate()
    day, own = (outcome(each, {}, {}) for each in (NAME, hours))
    filed = [checked(sign(each, key))[0] for each in (day, own)]
    with opened(load(CentralConfig, config, program="central").value) as central:
        SqliteSessions(central.database).commit_row(
            SessionRow(
                session=hours, row="RT-14a", state=RowState.OK, told="", ended_ms=1,
                documents=tuple(each.document_hash for each in filed),
            ),
            filed,
        )  # fmt: skip
    assert ran(config, "show", hours, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"]["session"] == hours
    (row,) = told["rows"]
    assert row["documents"] == [
        {"ii": "I-08", "mrid": each.mrid, "revision": 1, "sender": "market",
         "hash": each.document_hash.hex()}
        for each in filed
    ]  # fmt: skip


def test_a_session_is_stopped_and_says_so(config: Path, capsys: Told) -> None:
    assert ran(config, "stop", NAME, "--why", "the grid is rebuilt", "--dry-run") == 0
    assert ran(config, "stop", NAME, "--why", "the grid is rebuilt") == 0
    assert ran(config, "show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sessions"] == {NAME: "stopped"}


def test_a_name_that_no_session_has_stops_nothing(config: Path, capsys: Told) -> None:
    assert ran(config, "stop", "day-ahed 2026-05-28", "--why", "the grid is rebuilt") == 2
    assert "no session is called 'day-ahed 2026-05-28'" in capsys.readouterr().err
    assert ran(config, "show", "--json") == 0
    assert "day-ahed 2026-05-28" not in json.loads(capsys.readouterr().out)["sessions"]


def test_an_unknown_session_is_told_with_those_known(config: Path, capsys: Told) -> None:
    assert ran(config, "show", "day-ahead 1999-01-01") == 2
    assert f"there is no such session; known are: {NAME}" in capsys.readouterr().err


def test_a_gate_that_has_closed_is_told(config: Path, capsys: Told) -> None:
    assert ran(config, "run", "--day", "2020-01-02") == 2
    err = capsys.readouterr().err
    assert "the gate of 2020-01-02 closed at 2020-01-01 10:00" in err
    assert "--now" in err


def test_what_is_no_export_is_told(config: Path, tmp_path: Path, capsys: Told) -> None:
    trust = tmp_path / "trust.toml"
    key = SigningKey.generate("EdDSA").public.encode().hex()
    trust.write_text(f'origin = "o"\nlog_key = "{key}"\n')
    assert ran(config, "verify", str(tmp_path / "nothing"), "--trust", str(trust)) == 2
    assert "there is no manifest" in capsys.readouterr().err


def test_an_export_needs_a_market_log_and_an_outcome(
    config: Path, tmp_path: Path, capsys: Told
) -> None:
    folder = str(tmp_path / "out")
    assert ran(config, "export", NAME, "--to", folder) == 2
    assert "market_log" in capsys.readouterr().err


def test_the_gates_of_a_day_are_open_until_the_operator_says() -> None:
    usual, now = gates_of(DAY), gates_of(DAY, gate_ms(DAY) + 5)
    assert (usual.closes_ms, now.closes_ms, now.opens_ms) == (gate_ms(DAY), gate_ms(DAY) + 5, 0)
    assert now.publishes_ms >= now.closes_ms


def test_rules_and_those_who_are_played_come_from_the_configuration(tmp_path: Path) -> None:
    assert rules_of(MarketConfig()) == Rules()
    chosen = MarketConfig(pricing="pay_as_cleared", reserve="none", most_rounds=2)
    assert rules_of(chosen) == Rules(
        pricing=Pricing.PAY_AS_CLEARED, reserve=ReserveRule.NONE, most_rounds=2
    )
    assert seats_of(MarketConfig()) == []
    with pytest.raises(Rejected, match="cannot be read"):
        seats_of(MarketConfig(portfolios=(tmp_path / "nobody.json",)))
    assert transmission_of(MarketConfig(), played=False) is None
    example = transmission_of(MarketConfig(), played=True)
    assert example is not None
    assert "PS-ROMA-DEMO" in example.at_bus


def test_with_wait_a_session_stands_at_its_gate_until_it_has_closed() -> None:
    gates, clock = gates_of(DAY), HandClock(gate_ms(DAY) - 9)
    waiting(clock)(gates)
    assert clock.at_ms > gates.closes_ms
