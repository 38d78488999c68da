"""Parties that are played nowhere: programs of their own, with a key, a token and an address.

`python -m tests.outside PROGRAM SETTING` is one of them. What they know of the market comes by the
API, and what they say goes there, signed by themselves; the way of `curl` is the BRP's.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import httpx

from central.aggregator.history import History
from central.aggregator.offering import make_offers
from central.aggregator.planning import reservations
from central.aggregator.portfolio import Customer
from central.aggregator.pricing import Terms
from central.brp.programme import programmes
from central.calendar import day_of
from central.client import ScdClient
from central.documents.availability import AvailableQuarter, DerAvailability
from central.documents.baseline import Baseline
from central.documents.encoding import opened, sign, to_json
from central.documents.header import Document, Envelope, Horizon
from central.documents.measures import QuarterMeasures
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.documents.substation import ProfileStage, SubstationProfile
from central.market.gates import day_ahead
from central.sessions.portfolio_file import PortfolioFile, read_portfolio
from central.tso.simulator import Asking, need, requests
from central.tso.transmission import Transmission
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.signing import SigningKey
from tests.books import mrid

Kind = TypeVar("Kind", bound=Document)

AGGREGATOR = "aggregator-1"
GATES = day_ahead(date(2026, 6, 18))
TERMS = Terms(
    retail_ueur_per_mwh=280_000_000, feed_in_ueur_per_mwh=90_000_000, fee_ueur_per_mwh=10_000_000
)
HISTORY_DAYS = 15
PRICE_UEUR_PER_MWH = 400_000_000
WANTED_W = 20_000
_LINE = "150 kV Nord B - Est"
_POLLING_S = 0.3
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a program is told by whoever runs it."""

    party: str
    url: str
    token: str
    key: str
    portfolio: str

    def write(self, folder: Path) -> Path:
        """Write it into a file of the party's."""
        file = folder / f"{self.party}.json"
        file.write_text(json.dumps(asdict(self)))
        return file

    @property
    def signing_key(self) -> SigningKey:
        """Return the key that the party signs with."""
        return SigningKey.load(Path(self.key))

    @property
    def customers(self) -> PortfolioFile:
        """Return who the customers are, as they have told the parties that serve them."""
        return read_portfolio(Path(self.portfolio))

    def client(self) -> ScdClient:
        """Return a client of the database."""
        return ScdClient(self.url, self.token)

    def send(self, *documents: Document) -> None:
        """Sign documents and hand them in."""
        with self.client() as client:
            for each in documents:
                client.hand_in(sign(each, self.signing_key))

    def read(self, kind: type[Kind]) -> list[Kind]:
        """Return the documents of a kind that the party may read."""
        with self.client() as client:
            found = [opened(signed)[0] for _, signed in client.documents(kind.ii)]
        return [each for each in found if isinstance(each, kind)]

    def envelope(self, name: str, receiver: str) -> Envelope:
        """Return the header of a document."""
        return Envelope(mrid=name, created_ms=GATES.opens_ms, sender=self.party, receiver=receiver)


def owner(own: Setting) -> None:
    """Allow everything, the whole day."""
    day = GATES.interval
    own.send(*(
        DerAvailability(
            **own.envelope(mrid(f"{each.pod} {device.resource}"), AGGREGATOR).header(day),
            pod=each.pod, resource=device.resource, longest_s=None, rest_s=None, call_count=None,
            quarters=tuple(
                AvailableQuarter(start_ms=ms, up_w=device.power_w, down_w=device.power_w)
                for ms in range(day.start_ms, day.end_ms, QUARTER_MS)
            ),
        )
        for each in own.customers.portfolio.customers
        for device in each.devices
    ))  # fmt: skip


def brp(own: Setting) -> None:
    """File programmes, signed by the command and handed in as `curl` would."""
    made = programmes(
        [each.pod for each in own.customers.portfolio.customers], own.read(QuarterMeasures),
        day_of(GATES.interval.start_ms),
        envelope=lambda name: own.envelope(name, "scd"),
    )  # fmt: skip
    file = Path(own.key).with_suffix(".documents")
    file.write_text(json.dumps([to_json(each) for each in made.baselines]))
    # A process of its own: it brings the operator's whole side along, which no party needs.
    words = [sys.executable, "-m", "central", "party", "sign", "--key", own.key, str(file)]
    lines = subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE).stdout
    with httpx.Client(base_url=own.url, trust_env=False) as client:
        for body in lines.splitlines():
            answer = client.post(
                "/v1/documents", content=body,
                headers={
                    "Authorization": f"Bearer {own.token}", "Content-Type": "application/json",
                },
            )  # fmt: skip
            assert answer.status_code == 201, answer.text


def _offers(own: Setting) -> tuple[FlexOffer, ...]:
    portfolio, measured = own.customers.portfolio, own.read(QuarterMeasures)
    pods = portfolio.pods
    allowed = _awaited(lambda: own.read(DerAvailability), sum(map(_devices, portfolio.customers)))
    filed = _awaited(lambda: own.read(Baseline), len(pods))
    known = Interval(
        min(each.validity.start_ms for each in measured),
        max(each.validity.end_ms for each in measured),
    )
    return make_offers(
        portfolio,
        History.of_measures(measured, pods, known),
        allowed,
        TERMS,
        session=GATES.session,
        interval=GATES.interval,
        gate_closure_ms=GATES.closes_ms,
        expires_ms=GATES.interval.end_ms,
        envelope=lambda name: own.envelope(name, "market"),
        filed=filed,
    ).offers


def _devices(customer: Customer) -> int:
    return len(customer.devices)


def aggregator(own: Setting) -> None:
    """List the customers, then offer what they can move."""
    to_all = own.envelope(mrid("list"), "scd")
    told = own.customers
    own.send(told.portfolio.listing(told.brp, to_all, GATES.interval))
    own.send(*_offers(own))


def tso(own: Setting) -> None:
    """Wait for the profile, find a line that is too full by so much, and ask."""
    profiles = _awaited(
        lambda: [
            each
            for each in own.read(SubstationProfile)
            if each.stage is ProfileStage.BEFORE_TSO_REQUEST
        ]
    )
    grid = Transmission.read()
    full_w = _fullest_w(grid, profiles)
    needed = need(_limited(grid, full_w - WANTED_W), profiles, GATES.interval)
    asking = Asking(
        session=GATES.session, horizon=Horizon.DAY_AHEAD, interval=GATES.interval,
        expires_ms=GATES.interval.end_ms, maximum_price_ueur_per_mwh=PRICE_UEUR_PER_MWH,
    )  # fmt: skip
    own.send(*requests(needed, asking, lambda name: own.envelope(name, "market")))


def plans(own: Setting) -> None:
    """Tell owners what was won, I-14."""
    (outcome,) = [each for each in own.read(MarketOutcome) if each.receiver == own.party]
    made = reservations(outcome, own.read(FlexOffer), own.customers.portfolio, own.envelope)
    own.send(*made)


def _limited(grid: Transmission, limit_w: float) -> Transmission:
    lines = tuple(
        replace(each, limit_w=limit_w if each.name == _LINE else 1e12) for each in grid.lines
    )
    return replace(grid, lines=lines)


def _fullest_w(grid: Transmission, profiles: list[SubstationProfile]) -> float:
    """Return the most that flows in the line, found as the limit below which it is too full."""
    low_w, high_w = 0.0, 1e9
    while high_w - low_w > 1:
        middle_w = (low_w + high_w) / 2
        found = need(_limited(grid, middle_w), profiles, GATES.interval)
        low_w, high_w = (middle_w, high_w) if found.breaches else (low_w, middle_w)
    return high_w


def _awaited(read: Callable[[], list[Kind]], count: int = 1) -> list[Kind]:
    give_up_s = time.monotonic() + _PATIENCE_S
    while len(found := read()) < count:
        assert time.monotonic() < give_up_s, f"{len(found)} came, not {count}"
        time.sleep(_POLLING_S)
    return found


PROGRAMS: dict[str, Callable[[Setting], None]] = {
    each.__name__: each for each in (owner, brp, aggregator, tso, plans)
}


if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](Setting(**json.loads(Path(sys.argv[2]).read_text())))
