"""`certiflex ledger`: verify and inspect what is certified, fetch proofs, run the chain."""

import argparse
import http.client
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger import codec, proving
from ledger.command import Exit, parser, run, show, subcommand
from ledger.documents import is_document_bundle, verify_document
from ledger.errors import Refused, Rejected, Unavailable
from ledger.inspecting import inspected, plain
from ledger.proving import Status, Trust, Verdict

_EXITS = {
    Status.VALID: Exit.OK,
    Status.INVALID: Exit.FALSE,
    Status.INDETERMINATE: Exit.UNKNOWN,
}
_COLORS = {Status.VALID: "32", Status.INVALID: "31", Status.INDETERMINATE: "33"}
_MAX_BUNDLE_BYTES = 1 << 22
_REFUSALS = range(400, 500)


def main(argv: Sequence[str]) -> int:
    """Run one verb and return its exit status."""
    made = parser("ledger", "Verify, inspect and prove what is certified; run the embedded chain.")
    verbs = made.add_subparsers(title="verbs", metavar="VERB")

    verify = subcommand(verbs, "verify", "check a proof bundle, offline", _verify)
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle file, - for stdin")
    verify.add_argument("--trust", type=Path, required=True, metavar="FILE", help="trust file")

    inspect = subcommand(verbs, "inspect", "show what a certified file holds", _inspect)
    inspect.add_argument("file", type=Path, metavar="FILE", help="any certified file, - for stdin")

    proof = subcommand(verbs, "proof", "fetch the proof bundle of one reading", _proof)
    proof.add_argument("--pod", required=True, help="point of delivery")
    proof.add_argument("--at", required=True, metavar="TIME", help="RFC 3339 with offset")
    proof.add_argument("--scd", required=True, metavar="URL", help="Shared Customer Database")
    proof.add_argument("--token-file", type=Path, metavar="FILE", help="bearer token")
    proof.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")

    trust = subcommand(
        verbs, "trust", "ask the chain for the last heads, write a trust file", _trust
    )
    trust.add_argument("--rpc", required=True, metavar="URL", help="Ethereum JSON-RPC")
    trust.add_argument("--chain-id", type=int, required=True)
    trust.add_argument("--contract", required=True, metavar="ADDRESS")
    trust.add_argument("--origin", required=True, help="name of the log")
    trust.add_argument("--log-key", required=True, metavar="HEX", help="public key of the log")
    trust.add_argument(
        "--heads", type=int, default=20, metavar="N",
        help="how many: a bundle fetched before the last N windows is to be fetched again",
    )  # fmt: skip
    trust.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")

    _add_chain(verbs)
    return run(made, argv)


def _add_chain(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    # The chain is an extra: who only verifies has neither it nor its packages.
    from ledger.chain import serving  # noqa: PLC0415

    serving.add_verbs(verbs)


def _verify(arguments: argparse.Namespace) -> int:
    bundle, trust = _read(arguments.bundle), Trust.load(arguments.trust)
    recipe = verify_document if is_document_bundle(bundle) else proving.verify
    verdict = recipe(bundle, trust)
    if arguments.json:
        show(_as_json(verdict), "verify")
    else:
        _tell(verdict, color=sys.stdout.isatty() and not arguments.no_color)
    return _EXITS[verdict.status]


def _tell(verdict: Verdict, *, color: bool) -> None:
    for step in verdict.held:
        print(f"  {step.number}  {step.name:<11}{step.found}")
    if verdict.record is not None:
        for name, value in inspected(codec.encode_record(verdict.record))[1].items():
            print(f"     {name:<20}{value}")
    word = verdict.status.value
    shown = f"\x1b[{_COLORS[verdict.status]};1m{word}\x1b[0m" if color else word
    print(f"{shown}  {verdict.step}: {verdict.reason}" if verdict.step else shown)


def _as_json(verdict: Verdict) -> dict[str, Any]:
    record = verdict.record
    return {
        "verdict": verdict.status.value,
        "step": verdict.step or None,
        "reason": verdict.reason or None,
        "held": [{"step": step.name, "found": step.found} for step in verdict.held],
        "pod": verdict.registration.pod.code if verdict.registration else None,
        "record": inspected(codec.encode_record(record))[1] if record else None,
        "entry": plain(verdict.entry) if verdict.entry else None,
        "reading_slots": verdict.reading_slots,
        "gap_slots": verdict.gap_slots,
        "anchored_s": verdict.anchored_s,
    }


def _inspect(arguments: argparse.Namespace) -> int:
    kind, found = inspected(_read(arguments.file))
    if arguments.json:
        show({"kind": kind, **found}, "inspect")
        return Exit.OK
    print(kind)
    for name, value in found.items():
        print(f"  {name:<18}{value}")
    return Exit.OK


def _proof(arguments: argparse.Namespace) -> int:
    pod, at = (urllib.parse.quote(text, safe="") for text in (arguments.pod, arguments.at))
    url = f"{arguments.scd.rstrip('/')}/v1/pods/{pod}/proof?at={at}"
    token = _read(arguments.token_file).decode().strip() if arguments.token_file else ""
    bundle = _fetch(url, token, arguments.timeout)
    proving.decode_bundle(bundle)
    _write(arguments.output, bundle)
    print(f"{arguments.output}: {len(bundle)} bytes", file=sys.stderr)
    return Exit.OK


def _trust(arguments: argparse.Namespace) -> int:
    from ledger.chain.client import AnchorLedger  # noqa: PLC0415 -- the chain is an extra
    from ledger.contract import log_id  # noqa: PLC0415 -- goes with the chain

    if arguments.heads < 1:
        raise Rejected("the last head is the least that is trusted", where="--heads")
    chain = AnchorLedger.connect(
        [arguments.rpc],
        contract=arguments.contract,
        account=None,
        chain_id=arguments.chain_id,
        timeout_s=arguments.timeout,
    )
    try:
        heads = chain.newest_heads(log_id(arguments.origin), arguments.heads)
    finally:
        chain.close()
    lines = [
        f'origin = "{arguments.origin}"',
        f'log_key = "{arguments.log_key}"',
        "",
        "[ledger]",
        f'contract = "{arguments.contract}"',
        "heads = [",
        *(f'  "{size} {root.hex()}",' for size, root in heads),
        "]",
    ]
    _write(arguments.output, ("\n".join(lines) + "\n").encode())
    print(f"{arguments.output}: head of size {heads[0][0]}", file=sys.stderr)
    return Exit.OK


def _fetch(url: str, token: str, timeout_s: float) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise Rejected(f"{url!r} is no http or https address", where="--scd")
    headers = {"Accept": "application/cbor"} | (
        {"Authorization": f"Bearer {token}"} if token else {}
    )
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 -- scheme checked above
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 -- as above
            return bytes(answer.read(_MAX_BUNDLE_BYTES))
    except urllib.error.HTTPError as error:
        said = error.read(1000).decode(errors="replace")
        if error.code in _REFUSALS:
            raise Refused(f"answered {error.code}: {said}", where=url) from error
        raise Unavailable(f"answered {error.code}: {said}", where=url) from error
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        raise Unavailable(
            f"cannot be reached ({error})", where=url, remedy="check --scd, and that it runs"
        ) from error


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise Rejected(f"cannot be read ({error.strerror})", where=str(path)) from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Rejected(f"cannot be written ({error.strerror})", where=str(path)) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
