"""What SCADA's answers mean: again later, never, or that it is no SCADA at all."""

from typing import Any

import httpx
import pytest

from central.sessions.scada_http import HttpScada, ScadaAway, ScadaRefused
from tests.documents import CONFIGURATION

TAKEN = {"mrid": CONFIGURATION.mrid, "revision": CONFIGURATION.revision, "waiting": [{}, {}]}


def scada(status: int, body: Any) -> HttpScada:  # noqa: ANN401 -- any JSON
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path in {"/bay/v1/grid-configuration", "/bay/v1/state"}
        return httpx.Response(status, json=body)

    transport = httpx.MockTransport(answer)
    return HttpScada("http://scada.example/bay/", timeout_s=1.0, transport=transport)


def test_what_waits_is_counted() -> None:
    assert scada(200, TAKEN).configure(CONFIGURATION) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, "later"), (500, None), (429, {}), (408, {}), (409, {"reason": "busy"})],
)
def test_the_same_may_be_sent_again(status: int, body: object) -> None:
    with pytest.raises(ScadaAway) as away:
        scada(status, body).configure(CONFIGURATION)
    assert CONFIGURATION.mrid in str(away.value)
    assert "send it again: certiflex central dso send" in str(away.value)


@pytest.mark.parametrize(
    ("status", "body", "reason", "told"),
    [
        (409, {"reason": "off_load", "detail": "by a crew"}, "off_load", "by a crew"),
        (401, {}, "401", "answers 401 Unauthorized"),
        (404, [], "404", "answers 404"),
        (302, "elsewhere", "302", "answers 302"),
        (200, {}, "no_scada", "no SCADA"),
        (200, {**TAKEN, "revision": 7}, "no_scada", "no SCADA"),
        (200, {**TAKEN, "waiting": 2}, "no_scada", "no SCADA"),
        (200, "hello", "no_scada", "no SCADA"),
    ],
)
def test_what_will_never_be_taken_is_told(
    status: int, body: object, reason: str, told: str
) -> None:
    with pytest.raises(ScadaRefused) as refused:
        scada(status, body).configure(CONFIGURATION)
    assert refused.value.reason == reason
    assert told in str(refused.value)


@pytest.mark.parametrize("body", [{}, {"taps": 3, "capacitors": {}}, {"taps": {"T": 1.5}}])
def test_a_state_without_positions_is_none(body: object) -> None:
    with pytest.raises(ScadaRefused, match="no SCADA"):
        scada(200, body).standing()


def test_an_address_that_is_none_is_away() -> None:
    with pytest.raises(ScadaAway, match="does not answer"):
        HttpScada("http://[", timeout_s=1.0).configure(CONFIGURATION)
