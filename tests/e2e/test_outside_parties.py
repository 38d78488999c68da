"""A market day with everybody but DSO and market operator outside: programs, keys and HTTP."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from central.client import ScdRefused
from central.config import PartyConfig
from central.documents.header import Buyer
from central.documents.measures import Origin, QuarterMeasures
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.documents.plan import DerPlan
from central.documents.substation import SubstationProfile
from central.market.gates import Gates
from central.market.rules import Rules
from central.scd.documents import DocumentQuery
from central.scd.roles import EVERY_POD, Grant, Role
from central.scd.sessions_store import SqliteSessions
from central.sessions.day_ahead import day_ahead
from central.sessions.floor import Floor, measures_of
from central.sessions.states import SessionState, is_tso_silent, state_of
from ledger.signing import SigningKey
from tests.books import mrid
from tests.desks import DAY, demo_history, desk
from tests.floors import seat, told_portfolio
from tests.outside import AGGREGATOR, GATES, HISTORY_DAYS, Setting
from tests.scd import World, world

ROLES = {
    "dso": Role.DSO, "market": Role.MARKET_OPERATOR, "tso": Role.TSO, "brp": Role.BRP,
    "owners": Role.DER_OWNER, AGGREGATOR: Role.AGGREGATOR,
}  # fmt: skip
PEAK_SHARE = 0.5
PATIENCE_S = 60


@dataclass
class House:
    """The operator's database, served; and where the parties outside have their files."""

    folder: Path
    world: World
    settings: dict[str, Setting] = field(default_factory=dict)
    gate_shut: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.portfolio = seat(AGGREGATOR, 0, 12).portfolio
        file = self.folder / "portfolio.json"
        file.write_text(json.dumps(told_portfolio(self.portfolio, "brp")))
        pods = [Grant(each) for each in self.portfolio.pods]
        for party, role in ROLES.items():
            grants = [Grant(EVERY_POD)] if role is Role.DSO else pods
            self.settings[party] = Setting(
                party=party, url=self.world.url, key=str(self.folder / f"{party}.key"),
                token=self.world.token(role, *grants, party=party), portfolio=str(file),
            )  # fmt: skip

    def start(self, program: str, party: str) -> subprocess.Popen[str]:
        """Start the program of a party outside."""
        setting = self.settings[party].write(self.folder)
        words = [sys.executable, "-m", "tests.outside", program, str(setting)]
        return subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def await_lists(self) -> None:
        """Wait until the aggregator has told who its customers are: the session begins with it."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not self.world.central.documents.documents(DocumentQuery(ii=("I-02",))):
            assert time.monotonic() < give_up_s, "no list of customers came"
            time.sleep(0.1)

    def history(self) -> None:
        """Hand in the customers' past, I-01, as the operator does with what it has imported."""
        past = demo_history(PEAK_SHARE)
        end = past.position(GATES.opens_ms)
        known = replace(past, power_w=past.power_w[:, :end], origin=past.origin[:, :end])
        pods = [each.pod for each in self.portfolio.customers]
        self.settings["dso"].send(*map(imported, measures_of(pods, known, HISTORY_DAYS)))

    def floor(self) -> Floor:
        """Return the floor on which the DSO and the market operator are played alone."""
        central, clock = self.world.central, self.world.clock
        keys = {party: self.settings[party].signing_key for party in ("dso", "market")}
        return Floor(
            desk=desk(PEAK_SHARE, clock), sessions=SqliteSessions(central.database),
            documents=central.documents, keys=keys, clock=clock, rules=Rules(),
            at_gate=self.stand,
        )  # fmt: skip

    def stand(self, gates: Gates) -> None:
        """Stand at the gate until the clock on the wall says that it is shut."""
        assert self.gate_shut.wait(PATIENCE_S)
        assert self.world.clock.now_ms() >= gates.closes_ms


def imported(measures: QuarterMeasures) -> QuarterMeasures:
    """Return measures as the DSO brings them from elsewhere."""
    quarters = tuple(replace(each, origin=Origin.IMPORTED) for each in measures.quarters)
    start_ms = quarters[0].start_ms
    validity = replace(measures.validity, start_ms=start_ms)
    return replace(
        measures, sender="dso", receiver=AGGREGATOR, validity=validity, quarters=quarters,
        created_ms=GATES.opens_ms, mrid=mrid(measures.pod),
    )  # fmt: skip


def ended(program: "subprocess.Popen[str]") -> None:
    """Wait for a program, and tell what it said if it failed."""
    said, _ = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == 0, said


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    parties = []
    for party in ROLES:
        key = SigningKey.generate()
        key.save(tmp_path / f"{party}.key")
        parties.append(PartyConfig(id=party, key=key.public.encode().hex()))
    with world(tmp_path, parties=tuple(parties)) as made:
        made.clock.at_ms = GATES.opens_ms
        yield House(tmp_path, made)


def test_the_market_takes_the_offers_of_parties_that_are_played_nowhere(house: House) -> None:
    house.history()
    outside = [
        house.start(program, party)
        for program, party in [
            ("aggregator", AGGREGATOR), ("tso", "tso"), ("brp", "brp"), ("owner", "owners"),
        ]
    ]  # fmt: skip
    house.await_lists()
    failed: list[BaseException] = []
    session = threading.Thread(target=run, args=(house, failed))
    session.start()
    for each in outside:
        ended(each)
    house.world.clock.at_ms = GATES.closes_ms
    house.gate_shut.set()
    session.join(PATIENCE_S)
    assert not failed, failed

    rows = SqliteSessions(house.world.central.database).rows(GATES.session)
    assert state_of(rows) is SessionState.PUBLISHED
    assert not is_tso_silent(rows)
    told = {row.row: row.told for row in rows}
    assert "refused" not in told["DA-6b"] + told["DA-3c"] + told["DA-1a"]

    (own,) = [
        each
        for each in house.settings[AGGREGATOR].read(MarketOutcome)
        if each.receiver == AGGREGATOR
    ]
    offers = {each.mrid: each for each in house.settings[AGGREGATOR].read(FlexOffer)}
    assert {each.offer.mrid for each in own.awards} <= set(offers)
    assert {each.buyer for each in own.awards} == {Buyer.TSO}, "the grid itself is calm"
    assert len(house.settings["tso"].read(SubstationProfile)) >= 2, "before and after"

    ended(house.start("plans", AGGREGATOR))
    reserved = house.settings["owners"].read(DerPlan)
    assert {each.offer for each in reserved} == {each.offer for each in own.awards}

    late = replace(next(iter(offers.values())), mrid=mrid("late"))
    with pytest.raises(ScdRefused) as caught:
        house.settings[AGGREGATOR].send(late)
    assert caught.value.reason == "gate-closed"
    query = DocumentQuery(mrid=late.mrid, conflicts=True)
    assert not house.world.central.documents.documents(query)


def run(house: House, failed: list[BaseException]) -> None:
    """Go through the session, in a thread of its own."""
    try:
        day_ahead(house.floor(), DAY)
    except BaseException as error:
        failed.append(error)
        house.gate_shut.set()
        raise
