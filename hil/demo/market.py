"""The market of the demo's day: day ahead and real time, all who trade, by command line.

What is told of a session comes from its rows, and from its documents as the API gives them to the
market operator and the DSO. Whether it is true is asked of its export, and of the chain.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from hil.demo.central import Central
from hil.demo.merit import Place, cuts_of, merit_order
from hil.demo.portfolios import availabilities, customers
from hil.demo.programs import ran
from hil.demo.proof import write_trust
from hil.demo.stage import MARKET_ORIGIN, Stage
from ledger.errors import InvariantBroken

_TIMEOUT_S = 120.0
_ENDED, _NOT_SAME = 0, 1
_VERDICTS = 0, 1, 3
SAME, DIFFERENT, WANTING = "same", "different", "indeterminate"
_FEWEST_OFFERS = 40
_WQUARTERS_PER_MWH = 4_000_000
_W_PER_MW, _W_PER_KW = 1_000_000, 1_000

Tell = Callable[[str, str], None]
Document = Mapping[str, Any]
_DAY_AHEAD = "day-ahead"
ROWS: Mapping[str, frozenset[str]] = {
    _DAY_AHEAD: frozenset(
        [*(f"DA-{number}a" for number in range(1, 19)),
         *(f"DA-{number}b" for number in range(1, 7)), *(f"DA-{number}c" for number in range(1, 4))]
    ),
    "real-time": frozenset(
        [*(f"RT-{number}a" for number in range(1, 16) if number != 13),  # noqa: PLR2004 -- in two
         "RT-13a-profile", "RT-13a-approved", *(f"RT-{number}c" for number in range(1, 4))]
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """What one buyer asked for and what was taken for it for sure, all quarter-hours together."""

    asked_mwh: float
    taken_mwh: float
    offers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileQuarter:
    """What the primary substation takes (I-12) in a quarter-hour in which the TSO asks for less."""

    start_at: str
    asked_w: int
    before_w: int
    after_w: int

    def told(self) -> str:
        """Return it in a line."""
        before_mw, after_mw = self.before_w / _W_PER_MW, self.after_w / _W_PER_MW
        asked = f"the TSO asks {self.asked_w / _W_PER_KW:.0f} kW less at {self.start_at[11:16]}Z"
        return f"{asked}: {before_mw:.3f} MW as asked by the DSO, {after_mw:.3f} MW as taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSession:
    """What came of one session of the market.

    Args:
        steps: how each row ended.
        documents: of each row, what it filed and took, as `I-05 mRID`.
        bought: by buyer.
        offers: in the book; `cut` of them the grid did not bear as they were taken.
        pods: that were sold.
        unmet: quarter-hours of requests that nobody could meet.
        profile: before and after the market, where the TSO asks.
        merit: every offer, in its place.
    """

    session: str
    state: str
    steps: Mapping[str, str]
    documents: Mapping[str, Sequence[str]]
    bought: Mapping[str, Traded]
    offers: int
    taken: int
    cut: int
    pods: int
    unmet: int
    profile: Sequence[ProfileQuarter]
    merit: Sequence[Place]

    def holds(self) -> bool:
        """Tell whether every row ended well, and something was taken."""
        return (
            self.state == "published"
            and self.steps.keys() >= ROWS[self.session.split(" ")[0]]
            and set(self.steps.values()) <= {"ok", "nothing"}
            and self.taken > 0
        )

    def summary(self) -> str:
        """Return it in a line."""
        bought = ", ".join(
            f"{buyer.upper()} {each.taken_mwh:.3f} of {each.asked_mwh:.3f} MWh"
            for buyer, each in self.bought.items()
        )
        return f"{self.taken} of {self.offers} offers taken, {self.cut} cut by the grid; {bought}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What anybody finds of an exported session who trusts the chain, and no word of the operator.

    `verdict` is SAME only if each proof ends at a head of the chain and each byte comes out again.
    """

    documents: int
    rounds: int
    outcomes: int
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDay:
    """The day ahead, the next hours, and the proof of both; `anchored_size` documents are final."""

    day_ahead: MarketSession
    real_time: MarketSession
    anchored_size: int
    proven: Mapping[str, Proven]

    def holds(self) -> bool:
        """Tell whether all traded, the grid cut something, and anybody comes to the same."""
        sessions = self.day_ahead, self.real_time
        relieved = any(each.after_w < each.before_w for each in self.day_ahead.profile)
        return (
            all(each.holds() for each in sessions)
            and self.day_ahead.offers >= _FEWEST_OFFERS
            and len({each.aggregator for each in self.day_ahead.merit}) > 1
            and all(self.day_ahead.bought[buyer].taken_mwh > 0 for buyer in ("dso", "tso"))
            and relieved
            and any(each.cut for each in sessions)
            and self.anchored_size > 0
            and self.proven.keys() == {each.session for each in sessions}
            and all(each.verdict == SAME for each in self.proven.values())
        )

    def summary(self) -> str:
        """Return how the proof stands, in a line."""
        same = sum(each.verdict == SAME for each in self.proven.values())
        return (
            f"{same} of {len(self.proven)} sessions recomputed to the same bytes; "
            f"{self.anchored_size} documents anchored"
        )


@dataclass
class Market:
    """The market as it is gone through, told of, and proved.

    Args:
        stage: with the database up.
        tell: tells a line of the story.
    """

    stage: Stage
    tell: Tell
    _offers: dict[str, Document] = field(default_factory=dict, init=False)
    _nodes: dict[str, str] = field(default_factory=dict, init=False)

    async def day_ahead(self, day: str) -> MarketSession:
        """Return what came of the market of a day, whose gate is open from now on.

        Raises:
            CertiflexError: a command did not do what it is for.
        """
        await self._owners_say(day)
        return await self.session(await self.ran("--now", "--day", day))

    async def ran(self, *when: str) -> Document:
        """Go through a session; return what the command says of it.

        Raises:
            CertiflexError: a row failed, or the session ended without an outcome.
        """
        told = await self._central("market", "run", *when, ok=(_ENDED, _NOT_SAME))
        if told["outcome"] is None:
            raise InvariantBroken(f"the market ended as {told['state']}", where=told["session"])
        return told

    async def session(self, told: Document) -> MarketSession:
        """Return a session by its rows, and by its documents as the API gives them.

        Raises:
            CertiflexError: a document cannot be read.
        """
        outcome, named = told["outcome"], _named(told)
        listed = _offers(outcome["awards"]) | _offers(outcome["not_taken"])
        market, dso = Central(self.stage, "market_operator"), Central(self.stage, "dso")
        try:
            offers = await market.documents(sorted(listed - self._offers.keys()))
            requests = await market.documents(named.get("I-06", ()))
            validations = await market.documents(named.get("I-07", ()))
            profiles = await dso.documents(named.get("I-12", ()))
        finally:
            await asyncio.gather(market.close(), dso.close())
        self._offers |= {each["mrid"]: each for each in offers}
        cuts = cuts_of(validations)
        session = MarketSession(
            session=told["session"],
            state=told["state"],
            steps=told["steps"],
            documents={
                row["row"]: [f"{each['ii']} {each['mrid']}" for each in row["documents"]]
                for row in told["rows"]
            },
            bought={buyer: _traded(buyer, requests, outcome) for buyer in ("dso", "tso")},
            offers=len(listed),
            taken=len(_offers(outcome["awards"])),
            cut=len(cuts),
            pods=len({award["pod"] for award in outcome["awards"]}),
            unmet=len(outcome["unmet"]),
            profile=_profile(requests, profiles),
            merit=merit_order(outcome, self._offers, self._nodes, cuts),
        )
        self.tell("seen", f"{session.session}: {session.summary()}")
        for each in session.profile:
            self.tell("seen", each.told())
        return session

    async def proved(self, sessions: Sequence[str]) -> tuple[int, dict[str, Proven]]:
        """Return how much of the market log is anchored, and what a stranger finds of each session.

        Raises:
            CertiflexError: a command did not do what it is for.
        """
        stage = self.stage
        anchored = await self._central("log", "anchor", "--wait", "60")
        trust = await write_trust(stage, MARKET_ORIGIN, stage.market_log_key, "market-trust.toml")
        with trust.open("a", encoding="utf-8") as file:
            file.write(stage.trusted_parties())
        found = await asyncio.gather(*(self._proved(each, trust) for each in sessions))
        for session, each in zip(sessions, found, strict=True):
            certified = f"{each.documents} certified documents"
            self.tell("seen", f"{session} recomputed from {certified}: {each.verdict}")
        return anchored["anchored_size"], dict(zip(sessions, found, strict=True))

    async def _proved(self, session: str, trust: Path) -> Proven:
        export = str(self.stage.path("market", session.replace(" ", "-").replace(":", "")))
        exported = await self._central("market", "export", session, "--to", export)
        found = await self._central(
            "market", "verify", export, "--trust", str(trust), ok=tuple(_VERDICTS)
        )
        return Proven(
            documents=exported["documents"],
            rounds=found["rounds"],
            outcomes=found["outcomes"],
            verdict=_verdict(found),
        )

    async def _owners_say(self, day: str) -> None:
        """Write the aggregators' files, and let owners hand in what they allow."""
        stage = self.stage
        told = await stage.told("hil", "plant", "pods", "-c", str(stage.path("bench.toml")))
        self._nodes = {each["pod"]: each["node"] for each in told["pods"]}
        listed = customers(told["pods"])
        for party, own in listed.items():
            portfolio = {
                "schema": "certiflex/portfolio/v1",
                "aggregator": party,
                "brp": "brp",
                "customers": own,
            }
            stage.portfolio(party).write_text(json.dumps(portfolio), encoding="utf-8")
        file = stage.path("availability.json")
        available = availabilities(listed, date.fromisoformat(day))
        file.write_text(json.dumps(available), encoding="utf-8")
        await self._central("party", "file", str(file))

    async def _central(self, *words: str, ok: tuple[int, ...] = (_ENDED,)) -> dict[str, Any]:
        _, output = await ran(
            ["central", *words, "--json", "-c", str(self.stage.path("central.toml"))],
            log=self.stage.path("log", "market.log"),
            timeout_s=_TIMEOUT_S,
            ok=ok,
        )
        told: dict[str, Any] = json.loads(output)
        return told


# ── what documents say ──────────────────────────────────────────────────────────────────────


def _named(told: Document) -> dict[str, list[str]]:
    """Return the names of a session's documents by their kind, each once, in order."""
    found: dict[str, dict[str, None]] = {}
    for row in told["rows"]:
        for each in row["documents"]:
            found.setdefault(each["ii"], {})[each["mrid"]] = None
    return {ii: list(mrids) for ii, mrids in found.items()}


def _offers(listed: Sequence[Document]) -> set[str]:
    return {each["offer"]["mrid"] for each in listed}


def _traded(buyer: str, requests: Sequence[Document], outcome: Document) -> Traded:
    own = [each for each in requests if each["buyer"] == buyer]
    awards = [
        each for each in outcome["awards"] if each["buyer"] == buyer and each["kind"] == "firm"
    ]
    return Traded(
        asked_mwh=_energy_mwh(own), taken_mwh=_energy_mwh(awards), offers=len(_offers(awards))
    )


def _energy_mwh(documents: Sequence[Document]) -> float:
    power_w = sum(quarter["power_w"] for each in documents for quarter in each["quarters"])
    return float(power_w / _WQUARTERS_PER_MWH)


def _profile(
    requests: Sequence[Document], profiles: Sequence[Document]
) -> tuple[ProfileQuarter, ...]:
    """Return the first and the last profile (I-12) where the TSO asks for less."""
    asked_w = {
        quarter["start_at"]: quarter["power_w"]
        for each in requests
        if each["buyer"] == "tso" and each["direction"] == "up"
        for quarter in each["quarters"]
    }
    before_w, after_w = _taken_w(profiles[0]), _taken_w(profiles[-1])
    return tuple(
        ProfileQuarter(
            start_at=at, asked_w=asked_w[at], before_w=before_w[at], after_w=after_w[at]
        )
        for at in sorted(asked_w)
    )  # fmt: skip


def _taken_w(profile: Document) -> dict[str, int]:
    taken_w: dict[str, int] = {}
    for each in profile["transformers"]:
        taken_w[each["start_at"]] = taken_w.get(each["start_at"], 0) + each["power_w"]
    return taken_w


def _verdict(found: Document) -> str:
    return DIFFERENT if found["difference"] else WANTING if found["wanting"] else SAME
