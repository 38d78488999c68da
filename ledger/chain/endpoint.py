"""The ways to a chain: JSON-RPC over HTTP, or the embedded chain in this very process."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from ledger.codec.jsontext import parsed
from ledger.errors import Refused, Rejected, Unavailable

if TYPE_CHECKING:
    from ledger.chain.embedding import EmbeddedNode

EMBEDDED = "embedded:"

_MAX_ANSWER_BYTES = 64 << 20
_OVERLOADED_CODES = {-32005, -32603}
_LONGEST_QUOTE = 200


class RpcRefusal(Refused):
    """The node understood a request and said no; `data` is what a contract said."""

    def __init__(self, message: str, *, code: int, data: bytes, where: str) -> None:
        super().__init__(message, where=where, reason="rpc")
        self.code = code
        self.data = data


class Endpoint(Protocol):
    """One node of the chain. A request without an answer may have been carried out or not."""

    @property
    def url(self) -> str:
        """Where the node is, without any password."""
        ...

    def request(self, method: str, params: list[Any]) -> Any:  # noqa: ANN401 -- whatever JSON says
        """Return the result of one request.

        Raises:
            Unavailable: no answer in time, or none that is JSON-RPC.
            RpcRefusal: the node said no.
        """
        ...

    def close(self) -> None:
        """Let go of the node."""
        ...


class HttpEndpoint:
    """A node that speaks JSON-RPC over HTTP."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise Rejected(f"no address ({error})", where=url, reason="configuration") from error
        if address.scheme not in {"http", "https"} or not address.host:
            raise Rejected(
                "expected http://…, https://… or embedded:DIRECTORY",
                where=url,
                remedy="correct the chain's urls in the configuration",
                reason="configuration",
            )
        self.url = f"{address.scheme}://{address.host}" + (
            f":{address.port}" if address.port else ""
        )
        self._address = url
        self._timeout_s = timeout_s
        self._client = httpx.Client(
            timeout=timeout_s, follow_redirects=False, trust_env=False, http2=False
        )
        self._numbers = itertools.count(1)

    def request(self, method: str, params: list[Any]) -> Any:  # noqa: ANN401 -- as the Protocol
        """Return the result of one request."""
        number = next(self._numbers)
        asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        deadline_s = time.monotonic() + 2 * self._timeout_s
        try:
            with self._client.stream("POST", self._address, json=asked) as response:
                body = b"".join(_limited(response, self.url, deadline_s))
                status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Unavailable(
                f"no answer from the chain ({type(error).__name__}: {error})",
                where=self.url,
                remedy="check that the node runs and is reachable",
            ) from error
        return _result(body, number=number, status=status, url=self.url)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


class EmbeddedEndpoint:
    """The embedded chain of a directory, run inside this process from the first request on.

    A chain that is new begins with `founder` funded.
    """

    def __init__(self, directory: Path, *, chain_id: int, founder: str | None) -> None:
        self.url = f"{EMBEDDED}{directory}"
        self._directory = directory
        self._chain_id = chain_id
        self._founder = founder
        self._node: EmbeddedNode | None = None

    def request(self, method: str, params: list[Any]) -> Any:  # noqa: ANN401 -- as the Protocol
        """Return the result of one request.

        Raises:
            Rejected: the directory holds a chain of another id, or another process runs it.
        """
        if self._node is None:
            # Loaded here: whoever reaches the chain over HTTP needs no EVM.
            from ledger.chain.embedding import EmbeddedNode  # noqa: PLC0415

            self._node = EmbeddedNode(
                self._directory, chain_id=self._chain_id, founder=self._founder
            )
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._node.answered(json.dumps(asked).encode())
        return _result(answer, number=1, status=200, url=self.url)

    def close(self) -> None:
        """Let go of the directory."""
        if self._node is not None:
            self._node.close()
            self._node = None


def endpoint(url: str, *, chain_id: int, timeout_s: float, founder: str | None = None) -> Endpoint:
    """Return the way to the node of an address, not yet connected.

    Raises:
        Rejected: there is no such kind of address.
    """
    if url.startswith(EMBEDDED):
        directory = Path(url.removeprefix(EMBEDDED))
        return EmbeddedEndpoint(directory, chain_id=chain_id, founder=founder)
    return HttpEndpoint(url, timeout_s=timeout_s)


def _limited(response: httpx.Response, url: str, deadline_s: float) -> Iterator[bytes]:
    """Yield a body that is neither endless nor given out drop by drop."""
    received_bytes = 0
    for chunk in response.iter_bytes():
        received_bytes += len(chunk)
        if received_bytes > _MAX_ANSWER_BYTES:
            raise Unavailable(f"an answer above {_MAX_ANSWER_BYTES} bytes", where=url)
        if time.monotonic() > deadline_s:
            raise Unavailable("an answer that takes too long", where=url)
        yield chunk


def _result(body: bytes, *, number: int, status: int, url: str) -> Any:  # noqa: ANN401 -- as above
    try:
        answer = parsed(body)
    except Rejected:
        answer = None
    match answer:
        case {"jsonrpc": "2.0", "id": identity, "result": result} if identity == number:
            return result
        case {"error": {"code": int(code), "message": str(message), **rest}}:
            if code in _OVERLOADED_CODES:
                raise Unavailable(f"the node cannot answer now: {message}", where=url)
            raise RpcRefusal(message, code=code, data=_said(rest.get("data")), where=url)
        case _:
            quoted = body[:_LONGEST_QUOTE].decode(errors="replace")
            raise Unavailable(f"answered {status} and no JSON-RPC: {quoted}", where=url)


def _said(data: Any) -> bytes:  # noqa: ANN401 -- nodes put different things there
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return b""
    return b""
