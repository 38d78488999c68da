"""`certiflex ledger chain …`: serve the embedded chain on loopback, make accounts, deploy.

Chain libraries are loaded when a verb runs, so that the other verbs of `ledger` do without.
"""

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ledger import command
from ledger.contract import log_id
from ledger.errors import Rejected, Unavailable
from ledger.facts.clock import Clock, ScaledClock, SystemClock

if TYPE_CHECKING:
    from ledger.chain.jsonrpc import JsonRpc

log = logging.getLogger("ledger")

CHAIN_ID = 2742
MAX_REQUEST_BYTES = 1 << 20
_MOST_DROPPED_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 16
_ADDRESS_BYTES = 20
_IDLE_TIMEOUT_S = 60.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "certiflex"
    timeout = _IDLE_TIMEOUT_S
    # One segment for head and body: else each answer waits 40 ms for the peer's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer one JSON-RPC request."""
        length = self.headers.get("Content-Length", "")
        kind = self.headers.get_content_type()
        if not length.isdecimal() or int(length) > MAX_REQUEST_BYTES:
            self._refuse(413, f"a request needs a Content-Length of at most {MAX_REQUEST_BYTES}")
        elif kind != "application/json":
            # A web page can make a browser post to loopback, but not as JSON unasked.
            self._refuse(415, "expected application/json")
        else:
            rpc = cast("_Server", self.server).rpc
            answer = rpc.answered(self.rfile.read(int(length)))
            self._reply(200 if answer else 204, answer)

    def do_GET(self) -> None:
        """Say how to ask."""
        self._refuse(405, "post JSON-RPC here")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the parent's name
        """Log a request as an event."""
        log.debug("chain.http", extra={"said": format % args})

    def _refuse(self, status: int, why: str) -> None:
        self._drop_body()
        self.close_connection = True
        self._reply(status, json.dumps({"error": why}).encode())

    def _drop_body(self) -> None:
        """Read past a body that is not wanted: closed before it, the peer would miss the answer."""
        length = self.headers.get("Content-Length", "")
        left_bytes = min(int(length), _MOST_DROPPED_BYTES) if length.isdecimal() else 0
        while left_bytes > 0 and (read := self.rfile.read(min(left_bytes, _CHUNK_BYTES))):
            left_bytes -= len(read)

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            # Untold, a client would send its next request into a connection that is closing.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], rpc: "JsonRpc") -> None:
        self.rpc = rpc
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Log a connection that broke; the others go on."""
        del request
        log.debug("chain.connection_broken", extra={"peer": str(client_address)})


def add_verbs(ledger: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Give `certiflex ledger` the noun `chain` with its verbs."""
    purpose = "run the embedded chain, make accounts, deploy the contract"
    chain = ledger.add_parser("chain", help=purpose, description=purpose)
    verbs = chain.add_subparsers(title="verbs", metavar="VERB", required=True)
    serve = command.subcommand(verbs, "serve", "run the embedded chain on loopback", _serve)
    serve.add_argument("--path", type=Path, required=True, metavar="DIR", help="where it is kept")
    serve.add_argument("--host", default="127.0.0.1", help="address to bind")
    serve.add_argument("--port", type=_port, default=8545, help="0 takes a free one")
    serve.add_argument("--chain-id", type=_chain_id, default=CHAIN_ID)
    serve.add_argument(
        "--fund",
        type=_address,
        action="append",
        default=[],
        metavar="ADDRESS",
        help="give this account 10,000 ether when the chain begins",
    )
    serve.add_argument("--clock-origin-ms", type=int, help="a scaled clock's origin")
    serve.add_argument("--clock-rate", type=float, help="how much faster than the machine's")
    account = verbs.add_parser("account", help="the key of an Ethereum account")
    keys = account.add_subparsers(title="verbs", metavar="VERB", required=True)
    new = command.subcommand(keys, "new", "make a key file and print its address", _new_account)
    new.add_argument("file", type=Path, metavar="FILE")
    show = command.subcommand(keys, "show", "print the address of a key file", _show_account)
    show.add_argument("file", type=Path, metavar="FILE")
    deploy = command.subcommand(verbs, "deploy", "put the contract on a chain", _deploy)
    _add_account(deploy)
    deploy.add_argument(
        "--origin", action="append", default=[], help="a log that this account may submit to"
    )
    deploy.add_argument("--guardian", metavar="ADDRESS", help="who may pause; default: the account")
    for name, purpose in {
        "pause": "stop all writing to a log, as guardian or admin",
        "resume": "let a paused log go on, as admin",
        "submitter": "name the only account that may write to a log, as admin",
    }.items():
        verb = command.subcommand(verbs, name, purpose, _administer)
        verb.set_defaults(function=name)
        _add_account(verb)
        verb.add_argument("--contract", type=_address, required=True, metavar="ADDRESS")
        verb.add_argument("--origin", required=True, help="name of the log")
        if name == "submitter":
            verb.add_argument("submitter", type=_address, metavar="ADDRESS")


def _add_account(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--url", required=True, help="where the chain speaks JSON-RPC")
    verb.add_argument("--key", type=Path, required=True, metavar="FILE", help="account key")
    verb.add_argument("--chain-id", type=_chain_id, default=CHAIN_ID)


def _serve(arguments: argparse.Namespace) -> int:
    # Loaded here: two seconds and 60 MB that no other verb needs.
    from ledger.chain.evm import FUNDED_WEI, EmbeddedChain  # noqa: PLC0415
    from ledger.chain.jsonrpc import JsonRpc  # noqa: PLC0415

    clock = _clock(arguments)
    if arguments.dry_run:
        return command.Exit.OK
    chain = EmbeddedChain.open(
        arguments.path,
        chain_id=arguments.chain_id,
        funded_wei=dict.fromkeys(arguments.fund, FUNDED_WEI),
        now_s=lambda: clock.now_ms() // 1000,
    )
    try:
        server = _bound(arguments.host, arguments.port, JsonRpc(chain))
        _until_told(server, lambda: _tell_ready(server, arguments))
    finally:
        chain.close()
    return command.Exit.OK


def _clock(arguments: argparse.Namespace) -> Clock:
    origin_ms, rate = arguments.clock_origin_ms, arguments.clock_rate
    if origin_ms is None and rate is None:
        return SystemClock()
    if origin_ms is None or rate is None:
        raise Rejected(
            "a scaled clock needs --clock-origin-ms and --clock-rate", reason="configuration"
        )
    try:
        return ScaledClock(origin_ms, rate)
    except ValueError as error:
        raise Rejected(str(error), where="--clock-rate", reason="configuration") from error


def _bound(host: str, port: int, rpc: "JsonRpc") -> _Server:
    try:
        return _Server((host, port), rpc)
    except OSError as error:
        raise Unavailable(
            f"cannot listen there ({error.strerror})",
            where=f"{host}:{port}",
            remedy="choose another --port, or stop what listens there",
        ) from error


def _tell_ready(server: _Server, arguments: argparse.Namespace) -> None:
    host, port = server.server_address[:2]
    url = f"http://{host!s}:{port}"
    if arguments.json:
        command.show({"url": url, "chain_id": arguments.chain_id}, "chain-ready")
    else:
        sys.stdout.write(f"chain {arguments.chain_id} listens on {url}\n")
    sys.stdout.flush()


def _until_told(server: _Server, ready: Callable[[], None]) -> None:
    """Serve until the process is asked to end."""
    told = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: told.set())
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    serving.start()
    try:
        ready()
        while not told.wait(_IDLE_TIMEOUT_S):
            pass
    finally:
        server.shutdown()
        serving.join(_IDLE_TIMEOUT_S)
        server.server_close()


def _new_account(arguments: argparse.Namespace) -> int:
    from ledger.chain.account import Account  # noqa: PLC0415 -- as in _serve

    account = Account.generate()
    if not arguments.dry_run:
        account.save(arguments.file)
    return _tell_address(account.address, arguments)


def _show_account(arguments: argparse.Namespace) -> int:
    from ledger.chain.account import Account  # noqa: PLC0415 -- as in _serve

    return _tell_address(Account.load(arguments.file).address, arguments)


def _tell_address(address: str, arguments: argparse.Namespace) -> int:
    if arguments.json:
        command.show({"address": address}, "chain-account")
    else:
        sys.stdout.write(f"{address}\n")
    return command.Exit.OK


def _deploy(arguments: argparse.Namespace) -> int:
    from ledger.chain.account import Account  # noqa: PLC0415 -- as in _serve
    from ledger.chain.deployment import deploy  # noqa: PLC0415

    account = Account.load(arguments.key)
    if arguments.dry_run:
        return command.Exit.OK
    address = deploy(
        arguments.url,
        account,
        chain_id=arguments.chain_id,
        authorise=[log_id(origin) for origin in arguments.origin],
        guardian=arguments.guardian,
        timeout_s=arguments.timeout,
    )
    if arguments.json:
        command.show({"contract": address, "chain_id": arguments.chain_id}, "chain-contract")
    else:
        sys.stdout.write(f"{address}\n")
    return command.Exit.OK


def _administer(arguments: argparse.Namespace) -> int:
    from ledger.chain.account import Account  # noqa: PLC0415 -- as in _serve
    from ledger.chain.deployment import administer  # noqa: PLC0415

    function, values = {
        "pause": ("pause(bytes32)", []),
        "resume": ("resume(bytes32)", []),
        "submitter": ("setSubmitter(bytes32,address)", [getattr(arguments, "submitter", b"")]),
    }[arguments.function]
    account = Account.load(arguments.key)
    if arguments.dry_run:
        return command.Exit.OK
    administer(
        arguments.url,
        account,
        arguments.contract,
        (function, log_id(arguments.origin), *values),
        chain_id=arguments.chain_id,
        timeout_s=arguments.timeout,
    )
    return command.Exit.OK


def _address(text: str) -> bytes:
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != _ADDRESS_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no address of 20 bytes")
    return address


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 0xFFFF:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is no port, 0 … 65535")
    return int(text)


def _chain_id(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 63:
        raise argparse.ArgumentTypeError(f"{text!r} is no chain id above 0")
    return int(text)
