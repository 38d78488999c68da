"""JSON-RPC 2.0 over the embedded chain: any bytes in, an answer out, never a traceback.

Source: JSON-RPC 2.0 specification, §4 … §6; EIP-1474 (error codes).
"""

import json
import logging
from typing import Any

from ledger.chain import methods
from ledger.chain.evm import EmbeddedChain, Reverted
from ledger.codec.jsontext import parsed
from ledger.errors import Refused, Rejected, Unavailable

log = logging.getLogger("ledger")

_MAX_BATCH = 100
_PARSE_ERROR, _INVALID_REQUEST, _NO_METHOD, _BAD_PARAMS, _INTERNAL = (
    -32700, -32600, -32601, -32602, -32603,
)  # fmt: skip
_SERVER_ERROR, _REVERTED = -32000, 3
_SILENT = object()


class JsonRpc:
    """Answers requests, one at a time or in a batch."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain = chain

    def answered(self, request: bytes) -> bytes:
        """Return the answer to a request or a batch; nothing if it was all notifications."""
        try:
            asked = parsed(request)
        except Rejected as error:
            return _encoded(_error(None, _PARSE_ERROR, error.what))
        if not isinstance(asked, list):
            told = self._one(asked)
            return b"" if told is _SILENT else _encoded(told)
        if not 1 <= len(asked) <= _MAX_BATCH:
            what = f"a batch holds 1 … {_MAX_BATCH} requests"
            return _encoded(_error(None, _INVALID_REQUEST, what))
        answers = [told for told in map(self._one, asked) if told is not _SILENT]
        return _encoded(answers) if answers else b""

    def _one(self, request: Any) -> Any:  # noqa: ANN401 -- whatever the JSON was
        match request:
            case {"jsonrpc": "2.0", "method": str(method)}:
                identity = request.get("id")
                params = request.get("params", [])
            case _:
                return _error(None, _INVALID_REQUEST, "no JSON-RPC 2.0 request")
        if not isinstance(identity, str | int | float | None) or not isinstance(params, list):
            return _error(None, _INVALID_REQUEST, "wrong id, or params that are no list")
        told = self._result(method, params, identity)
        return told if "id" in request else _SILENT

    def _result(self, method: str, params: list[Any], identity: Any) -> Any:  # noqa: ANN401
        if method not in methods.METHODS:
            return _error(identity, _NO_METHOD, f"the method {method[:60]} does not exist")
        try:
            result = methods.answer(self._chain, method, params)
        except Exception as error:  # noqa: BLE001 -- whoever asked gets an answer in any case
            return _error(identity, *_told(error, method))
        return {"jsonrpc": "2.0", "id": identity, "result": result}


def _told(error: Exception, method: str) -> tuple[int, str, str | None]:
    """Return code, message and data of an error; a fault of ours is told in the log only."""
    match error:
        case Reverted():
            return _REVERTED, error.what, f"0x{error.output.hex()}"
        case Refused():
            return _SERVER_ERROR, error.what, None
        case Rejected():
            return _BAD_PARAMS, str(error), None
    log.error("chain.failed", extra={"method": method}, exc_info=error)
    message = str(error) if isinstance(error, Unavailable) else "internal error"
    return _INTERNAL, message, None


def _error(identity: Any, code: int, message: str, data: str | None = None) -> dict[str, Any]:  # noqa: ANN401
    told: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        told["data"] = data
    return {"jsonrpc": "2.0", "id": identity, "error": told}


def _encoded(value: Any) -> bytes:  # noqa: ANN401 -- anything JSON can say
    return json.dumps(value, separators=(",", ":")).encode()
