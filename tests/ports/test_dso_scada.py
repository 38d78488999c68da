"""The guarantees of SCADA, on the fake and on the bench's own over HTTP."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import httpx
import pytest

from central.documents.configuration import Effect, GridConfiguration, TapMove
from central.sessions.scada import Scada
from central.sessions.scada_http import HttpScada
from ledger.errors import Refused, Unavailable
from ledger.facts.clock import SystemClock
from ledger.facts.interval import QUARTER_MS, Interval
from tests.documents import CONFIGURATION
from tests.fakes.dso_scada import Failure, FakeScada
from tests.hil.scadas import served_scada

NOW_MS = SystemClock().now_ms()
QUARTER = NOW_MS // QUARTER_MS * QUARTER_MS


class Wire(httpx.HTTPTransport):
    """A wire that loses requests, or answers."""

    def __init__(self, failures: list[Failure]) -> None:
        super().__init__()
        self._failures = failures

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        failure = self._failures.pop(0) if self._failures else None
        if failure is Failure.LOST:
            raise httpx.ConnectError("lost", request=request)
        answer = super().handle_request(request)
        if failure is Failure.KEPT:
            answer.read()
            raise httpx.ReadTimeout("no answer", request=request)
        return answer


@dataclass
class Rig:
    """A SCADA, what fails next, and how many steps its changers have made."""

    scada: Scada
    failures: list[Failure]
    steps_made: Callable[[], int]

    @property
    def stands(self) -> int:
        return self.scada.standing().taps["TR-1"]


@pytest.fixture(params=["fake", "hil"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    failures: list[Failure] = []
    if request.param == "fake":
        fake = FakeScada(NOW_MS, {"TR-1": 0, "TR-2": 0}, failures)
        yield Rig(fake, failures, lambda: fake.steps_made)
        return
    with served_scada() as served:
        scada = HttpScada(served.url, timeout_s=20.0, transport=Wire(failures))
        yield Rig(scada, failures, lambda: served.plant.acts)


def asked(
    to_tap: int,
    *,
    from_tap: int = 0,
    revision: int = 1,
    start_ms: int = QUARTER,
    device: str = "TR-1",
) -> GridConfiguration:
    """Return a configuration that moves one changer."""
    move = TapMove(
        transformer=device, start_ms=start_ms, from_tap=from_tap, to_tap=to_tap, because="u"
    )
    return replace(
        CONFIGURATION, revision=revision, validity=Interval(QUARTER, QUARTER + 4 * QUARTER_MS),
        effect=Effect.SOLVED, taps=(move,), switches=(), capacitors=(), before=(), after=(),
        avoided=(), unsolved=(),
    )  # fmt: skip


def test_what_is_due_is_moved(rig: Rig) -> None:
    assert rig.scada.configure(asked(-3)) == 0
    assert (rig.stands, rig.steps_made() > 0) == (-3, True)


def test_what_is_later_waits(rig: Rig) -> None:
    assert rig.scada.configure(asked(-3, start_ms=QUARTER + 2 * QUARTER_MS)) == 1
    assert (rig.stands, rig.steps_made()) == (0, 0)


def test_the_same_again_moves_nothing(rig: Rig) -> None:
    rig.scada.configure(asked(-2))
    made = rig.steps_made()
    assert rig.scada.configure(asked(-2)) == 0
    assert (rig.stands, rig.steps_made()) == (-2, made)


def test_a_later_revision_is_another_configuration(rig: Rig) -> None:
    rig.scada.configure(asked(-2))
    rig.scada.configure(asked(1, from_tap=-2, revision=2))
    assert rig.stands == 1


def test_what_was_lost_is_sent_again(rig: Rig) -> None:
    rig.failures.append(Failure.LOST)
    with pytest.raises(Unavailable):
        rig.scada.configure(asked(-2))
    assert (rig.stands, rig.steps_made()) == (0, 0)
    rig.scada.configure(asked(-2))
    assert rig.stands == -2


def test_what_was_taken_though_it_failed_is_taken_once(rig: Rig) -> None:
    rig.failures.append(Failure.KEPT)
    with pytest.raises(Unavailable):
        rig.scada.configure(asked(-2))
    made = rig.steps_made()
    assert made > 0
    rig.scada.configure(asked(-2))
    assert (rig.stands, rig.steps_made()) == (-2, made)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (asked(12, from_tap=-1, revision=2), "out_of_range"),
        (asked(3, from_tap=7, revision=2), "unexpected_position"),
        (asked(3, device="TR-9", revision=2), "unknown_device"),
        (asked(3), "name_taken"),
    ],
)
def test_what_cannot_be_done_is_refused_and_moves_nothing(
    rig: Rig, second: GridConfiguration, reason: str
) -> None:
    rig.scada.configure(asked(-1))
    made = rig.steps_made()
    with pytest.raises(Refused) as refused:
        rig.scada.configure(second)
    assert refused.value.reason == reason
    assert (rig.stands, rig.steps_made()) == (-1, made)


def test_an_older_revision_and_one_that_is_over_are_refused(rig: Rig) -> None:
    rig.scada.configure(asked(-1, revision=2))
    with pytest.raises(Refused) as refused:
        rig.scada.configure(asked(-1))
    assert refused.value.reason == "superseded"
    over = replace(
        asked(0, from_tap=-1, revision=3, start_ms=QUARTER - QUARTER_MS),
        validity=Interval(QUARTER - QUARTER_MS, QUARTER),
    )
    with pytest.raises(Refused) as refused:
        rig.scada.configure(over)
    assert refused.value.reason == "expired"
    assert rig.stands == -1


def test_who_cannot_say_where_it_stands_is_away(rig: Rig) -> None:
    rig.failures.append(Failure.LOST)
    with pytest.raises(Unavailable):
        rig.scada.standing()


def test_a_port_where_nobody_listens_is_told_with_the_address_and_what_to_type() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    scada = HttpScada(f"http://127.0.0.1:{port}", timeout_s=2.0)
    with pytest.raises(Unavailable, match=f"{port}/v1/grid-configuration.*dso send FILE"):
        scada.configure(asked(-1))
