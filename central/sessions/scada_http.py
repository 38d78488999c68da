"""The way to SCADA over HTTP, for grid configurations (I-11); `docs/plant.md` has the routes."""

import json
from typing import Any

import httpx

from central.documents.configuration import GridConfiguration
from central.documents.encoding import to_json
from central.sessions.scada import Standing
from ledger.errors import Refused, Unavailable

_CONFIGURATION, _STATE = "/v1/grid-configuration", "/v1/state"
_TAKEN, _CONFLICT = 200, 409
_LATER = frozenset({408, 425, 429})
_FIRST_FAULT_OF_SERVERS = 500
_BUSY = "busy"
_REFUSED = "nothing was moved; see where the plant stands, and plan again"
_AGAIN = "the document is kept; send it again: certiflex central dso send FILE"


class ScadaAway(Unavailable):
    """SCADA does not answer, or is busy; whether it took what was sent is not known."""


class ScadaRefused(Refused):
    """SCADA understood the configuration, said no, and moved nothing."""


class HttpScada:
    """A SCADA behind HTTP.

    Args:
        url: where it is reached, without the route.
        timeout_s: longest wait; SCADA answers when the moves that are due are made.
        transport: how requests travel; httpx's own by default.
    """

    def __init__(
        self, url: str, *, timeout_s: float, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._transport = transport

    def standing(self) -> Standing:
        """Return where taps and capacitors stand now.

        Raises:
            ScadaAway: it does not answer.
            ScadaRefused: it does not say.
        """
        where = self._url + _STATE
        told = self._asked("GET", _STATE, where, "")
        return Standing(_positions(told, "taps", where), _positions(told, "capacitors", where))

    def configure(self, configuration: GridConfiguration) -> int:
        """Return how many moves wait for their time, once SCADA has taken a configuration.

        Raises:
            ScadaAway: it may or may not have been taken; the same may be sent again.
            ScadaRefused: nothing has moved; `reason` is SCADA's own.
        """
        name = configuration.mrid, configuration.revision
        where = f"{self._url}{_CONFIGURATION}, I-11 {name[0]}, revision {name[1]}"
        body = json.dumps(to_json(configuration), ensure_ascii=False).encode()
        told = self._asked("POST", _CONFIGURATION, where, _AGAIN, body)
        waiting = told.get("waiting")
        if (told.get("mrid"), told.get("revision")) != name or not isinstance(waiting, list):
            raise _no_scada(where)
        return len(waiting)

    def _asked(
        self, method: str, route: str, where: str, remedy: str, body: bytes | None = None
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            with httpx.Client(timeout=self._timeout_s, transport=self._transport) as client:
                answer = client.request(method, self._url + route, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise ScadaAway(f"SCADA does not answer ({why})", where=where, remedy=remedy) from error
        told = _object(answer)
        status, reason = answer.status_code, str(told.get("reason", ""))
        if status >= _FIRST_FAULT_OF_SERVERS or status in _LATER:
            raise ScadaAway(f"SCADA answers {status}", where=where, remedy=remedy)
        if status == _CONFLICT and reason == _BUSY:
            what = "SCADA carries out another configuration"
            raise ScadaAway(what, where=where, remedy=remedy)
        if status != _TAKEN:
            what = str(told.get("detail") or f"answers {status} {answer.reason_phrase}")
            raise ScadaRefused(what, where=where, remedy=_REFUSED, reason=reason or str(status))
        return told


def _positions(told: dict[str, Any], name: str, where: str) -> dict[str, int]:
    given = told.get(name)
    if not isinstance(given, dict) or not all(type(at) is int for at in given.values()):
        raise _no_scada(where)
    return {str(device): at for device, at in given.items()}


def _no_scada(where: str) -> ScadaRefused:
    what, remedy = "what answers there is no SCADA", "correct dso.scada_url"
    return ScadaRefused(what, where=where, remedy=remedy, reason="no_scada")


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
