"""What a sender is told at once: what its session, as it stands, would refuse its document for."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from central.config import PartyConfig
from central.documents.baseline import Baseline
from central.documents.customers import CustomerList
from central.documents.encoding import sign
from central.documents.header import Buyer, Document, Horizon
from central.documents.offer import FlexOffer
from central.documents.request import FlexRequest
from central.market.rules import Rules
from central.scd.documents import checked
from central.scd.roles import Role
from central.scd.sessions import RowState, SessionRow
from central.sessions.arriving import Arrivals
from central.sessions.day_ahead import GATE, gates_of
from central.sessions.desk import Parties
from central.sessions.real_time import gates_of as hours_of
from ledger.errors import Rejected
from ledger.facts.interval import Interval
from ledger.facts.pod import Pod
from ledger.signing import SigningKey
from tests import admissions
from tests.desks import DAY, demo
from tests.documents import ALERT, CUSTOMERS, uuid
from tests.exchange import envelope
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_sessions import FakeSessions
from tests.scd import World, world

GATES = gates_of(DAY)
PODS = tuple(map(Pod, demo().pods[:3]))
AREA = ", ".join(each.name for each in demo().substations)
KEY = SigningKey.generate("EdDSA")


def listed(
    sender: str, *pods: Pod, number: int = 1, revision: int = 1, span: Interval = GATES.interval
) -> CustomerList:
    (customer,) = CUSTOMERS.customers
    many = tuple(
        replace(
            customer, pod=pod, balance_party="brp", consent_start_ms=span.start_ms,
            consent_end_ms=span.end_ms,
        )
        for pod in pods
    )  # fmt: skip
    return replace(
        CUSTOMERS, sender=sender, mrid=uuid(number), revision=revision, validity=span,
        customers=many,
    )  # fmt: skip


def programme(power_w: int, interval: Interval = GATES.interval, **other: Any) -> Baseline:  # noqa: ANN401
    made = admissions.programme(admissions.PODS[0], power_w, interval, sender="brp")
    return replace(made, **({"pod": PODS[0]} | other))


def offered(most_w: int = 1_000, **other: Any) -> FlexOffer:  # noqa: ANN401
    made = admissions.offered()
    quarter = made.quarters[0]
    quarters = (
        replace(
            quarter, start_ms=GATES.interval.start_ms, minimum_w=0,
            steps=(replace(quarter.steps[0], up_to_w=most_w),),
        ),
    )  # fmt: skip
    named: dict[str, Any] = {
        "session": GATES.session, "gate_closure_ms": GATES.closes_ms, "quarters": quarters,
        "expires_ms": GATES.interval.end_ms, "validity": GATES.interval, "pod": PODS[0],
        "sender": "aggregator-1",
    }  # fmt: skip
    return replace(made, **(named | other))


def requested(**other: Any) -> FlexRequest:  # noqa: ANN401
    made = admissions.requested()
    quarters = (replace(made.quarters[0], start_ms=GATES.interval.start_ms),)
    named: dict[str, Any] = {
        "session": GATES.session, "expires_ms": GATES.interval.end_ms, "sender": "tso",
        "validity": GATES.interval, "buyer": Buyer.TSO, "primary_substation": AREA,
        "nodes": (), "elements": (), "violations": (), "sensitivities": (), "unsolved": (),
        "quarters": quarters,
    }  # fmt: skip
    return replace(made, **(named | other))


@dataclass
class Hall:
    """A doorkeeper before stores in memory."""

    at_ms: int = GATES.opens_ms
    documents: FakeDocuments = field(default_factory=FakeDocuments)

    def __post_init__(self) -> None:
        self.sessions = FakeSessions(self.documents)
        self.door = Arrivals(demo(), Rules(), Parties(), self.documents, self.sessions)

    def refusal(self, document: Document) -> str:
        """Return the reason and place why a document is refused; store it if it is not."""
        try:
            self.door.check(document, self.at_ms)
        except Rejected as error:
            return f"{error.reason} {error.where}"
        self.documents.commit_documents([checked(sign(document, KEY))[0]], self.at_ms)
        return ""

    def ends(self, row: str, told: str = "", session: str = GATES.session) -> None:
        """Let a row of a session end."""
        self.sessions.commit_row(SessionRow(
            session=session, row=row, state=RowState.OK, told=told, ended_ms=self.at_ms,
        ))  # fmt: skip


def test_an_offer_is_told_at_once_what_stands_against_it() -> None:
    hall = Hall()
    assert hall.refusal(offered()) == "not_in_portfolio $.pod"
    assert hall.refusal(listed("aggregator-1", *PODS[:2])) == ""
    assert hall.refusal(offered(pod=PODS[2])) == "not_in_portfolio $.pod"
    assert hall.refusal(offered(pod=Pod("IT002E99999999"))) == "unknown_pod $.pod"
    assert hall.refusal(offered(999_999)).startswith("above_contract_power")
    assert hall.refusal(offered(session="day-ahead 2026-02-30")) == "unknown_session $.session"
    assert hall.refusal(offered(session="yesterday")) == "unknown_session $.session"
    outside = (replace(offered().quarters[0], start_ms=GATES.interval.end_ms),)
    where = "$.quarters[0].start_at"
    assert hall.refusal(offered(quarters=outside)) == f"outside_market_day {where}"


def test_a_programme_may_still_come_and_then_leaves_so_much_room() -> None:
    hall = Hall()
    hall.refusal(listed("aggregator-1", PODS[0]))
    assert hall.refusal(offered()) == "", "its programme may still come"
    assert hall.refusal(programme(0, revision=1)) == ""
    top = "$.quarters[0].steps[0].up_to_w"
    assert hall.refusal(offered(4_501, mrid=uuid(60))) == f"above_baseline_room {top}"
    assert hall.refusal(offered(4_500, mrid=uuid(60))) == ""
    assert hall.refusal(programme(-4_000, revision=2)) == ""
    assert hall.refusal(offered(501, mrid=uuid(61))) == f"above_baseline_room {top}"
    assert hall.refusal(programme(1_000, revision=3)) == ""
    assert hall.refusal(offered(501, mrid=uuid(61))) == "", "the same document, later"


def test_a_programme_waits_for_a_list_and_is_the_balance_partys() -> None:
    hall = Hall()
    assert hall.refusal(programme(5)) == "", "its list may still come"
    hall.refusal(listed("aggregator-1", PODS[0]))
    assert hall.refusal(programme(5, sender="brp-9")) == "not_the_balance_party $.sender"
    short = Interval(GATES.interval.start_ms, GATES.interval.end_ms - 900_000)
    assert hall.refusal(programme(5, short)) == "outside_market_day $.validity"
    longer = Interval(GATES.interval.start_ms, GATES.interval.end_ms + 900_000)
    assert hall.refusal(programme(5, longer, revision=2)) == "", "one of its days takes it"
    hall.at_ms = GATES.closes_ms
    assert hall.refusal(programme(6, revision=3)) == "frozen $"


def test_a_link_to_anothers_offer_is_told_and_one_to_come_is_not() -> None:
    hall = Hall()
    hall.refusal(listed("aggregator-1", PODS[0]))
    hall.refusal(listed("aggregator-2", PODS[1], number=2))
    for number, pod in enumerate(PODS[:2]):
        made = programme(0, mrid=uuid(300 + number), pod=pod)
        assert hall.refusal(made) == ""
    theirs = offered(mrid=uuid(50), sender="aggregator-2", pod=PODS[1])
    assert hall.refusal(offered(linked_to=uuid(51))) == ""
    assert hall.refusal(theirs) == ""
    assert hall.refusal(offered(mrid=uuid(52), linked_to=uuid(50))) == "foreign_link $.linked_to"


def test_the_gate_is_the_one_that_the_session_keeps() -> None:
    hall = Hall(at_ms=GATES.opens_ms - 1)
    assert hall.refusal(requested()) == "gate_not_open $"
    hall.at_ms = GATES.closes_ms
    assert hall.refusal(requested()) == "gate_closed $"
    closes_ms = GATES.closes_ms + 3_600_000
    hall.ends(GATE, str(closes_ms))
    assert hall.refusal(requested()) == "", "it was run with --now"
    hall.refusal(listed("aggregator-1", PODS[0]))
    assert hall.refusal(offered()) == "other_gate $.gate_closure_at"
    hall.at_ms = closes_ms - 1
    assert hall.refusal(offered(gate_closure_ms=closes_ms)) == ""
    hall.at_ms = closes_ms
    assert hall.refusal(requested(mrid=uuid(70))) == "gate_closed $"


def test_a_session_that_has_taken_its_book_takes_nothing_more_though_its_gate_is_open() -> None:
    hall = Hall()
    hall.refusal(listed("aggregator-1", PODS[0]))
    hall.ends(GATE, str(GATES.closes_ms))
    hall.ends("DA-5b")
    assert hall.refusal(requested()) == ""
    hall.ends("DA-6b")
    assert hall.refusal(requested(mrid=uuid(71))) == "gate_closed $"
    assert hall.refusal(offered()) == "gate_closed $"
    assert hall.refusal(programme(0)) == "frozen $"


def test_real_time_takes_requests_until_its_first_quarter_hour() -> None:
    start_ms = GATES.interval.start_ms
    gates = hours_of(start_ms - 1)
    hall = Hall(at_ms=start_ms - 1)
    made = requested(session=gates.session, horizon=Horizon.REAL_TIME)
    assert hall.refusal(made) == ""
    assert hall.refusal(replace(made, mrid=uuid(72), horizon=Horizon.DAY_AHEAD)).startswith("other")
    hall.at_ms = start_ms
    assert hall.refusal(replace(made, mrid=uuid(73))) == "gate_closed $"


def test_a_pod_that_another_aggregator_lists_is_refused_until_it_is_dropped() -> None:
    hall = Hall()
    assert hall.refusal(listed("aggregator-1", *PODS[:2])) == ""
    greedy = listed("aggregator-2", PODS[1], PODS[2], number=2)
    assert hall.refusal(greedy) == "listed_by_another $.customers[0].pod"
    assert hall.refusal(listed("aggregator-1", PODS[0], revision=2)) == ""
    assert hall.refusal(greedy) == ""
    assert hall.refusal(offered(pod=PODS[1])) == "not_in_portfolio $.pod"


def test_what_is_over_is_forgotten_and_what_comes_later_is_seen() -> None:
    hall = Hall()
    hall.refusal(listed("aggregator-1", PODS[0]))
    assert hall.refusal(offered()) == ""
    tomorrow = gates_of(DAY + timedelta(days=1))
    hall.at_ms = tomorrow.opens_ms
    assert hall.refusal(listed("aggregator-2", PODS[0], number=2, span=tomorrow.interval)) == ""
    hall.at_ms = GATES.interval.end_ms
    third = listed("aggregator-3", PODS[0], number=3, span=tomorrow.interval)
    assert hall.refusal(third) == "listed_by_another $.customers[0].pod"


def test_what_belongs_to_no_market_passes() -> None:
    assert Hall(at_ms=GATES.closes_ms).refusal(ALERT) == ""


# ── over the API ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def served(tmp_path: Path) -> Iterator[World]:
    parties = (PartyConfig(id="tso", key=KEY.public.encode().hex()),)
    with world(tmp_path, parties=parties) as made:
        yield made


def test_the_api_answers_with_the_reason_and_keeps_nothing(served: World) -> None:
    client = served.client(Role.TSO, party="tso")
    served.clock.at_ms = GATES.closes_ms
    answer = client.post("/v1/documents", json=envelope(requested(), KEY))
    assert (answer.status_code, answer.json()["code"]) == (422, "gate-closed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "send it to the next session" in answer.json()["detail"]
    assert client.get(f"/v1/documents/{requested().mrid}").status_code == 404
    served.clock.at_ms = GATES.closes_ms - 1
    assert client.post("/v1/documents", json=envelope(requested(), KEY)).status_code == 201
    served.clock.at_ms = GATES.closes_ms
    assert client.post("/v1/documents", json=envelope(requested(), KEY)).status_code == 200
