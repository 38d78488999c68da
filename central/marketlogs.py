"""`certiflex central log`: the key of the market log, and how far the log has come."""

import argparse
from pathlib import Path

from ledger.command import Exit, show, subcommand


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `log` with its verbs to a program."""
    own = verbs.add_parser("log", help="the log of market documents").add_subparsers(metavar="VERB")
    key = subcommand(own, "key", "make the log's key if there is none, and show it", _key)
    key.add_argument("--origin", required=True, metavar="NAME", help="name of the log")
    told = "where the private key is, or is to be"
    key.add_argument("--file", type=Path, required=True, metavar="FILE", help=told)
    subcommand(own, "status", "show the newest checkpoint, and what it was made at", _status)
    now = subcommand(own, "anchor", "anchor what is sealed, and wait until it is final", _anchor)
    now.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="at most so long")


def _key(arguments: argparse.Namespace) -> int:
    """Show the lines that the configuration and a verifier's trust file must have."""
    from ledger.checkpoint import checkpoint_key
    from ledger.signing import SigningKey

    file: Path = arguments.file
    if arguments.dry_run and not file.exists():
        return Exit.OK
    if not file.exists():
        SigningKey.generate("EdDSA").save(file)
    public = checkpoint_key(file).public.encode().hex()
    if arguments.json:
        told = {"origin": arguments.origin, "key_file": str(file), "log_key": public}
        show(told, "market-log-key")
    else:
        print(f'[market_log]\norigin = "{arguments.origin}"\nkey_file = "{file}"')
        print(f'# whoever verifies: log_key = "{public}"')
    return Exit.OK


def _status(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.service import opened

    with opened(configured(arguments.config)) as central:
        seal, anchored = central.market_log().latest(), central.anchors.anchored()
    size = anchored.size if anchored else 0
    if arguments.json:
        told = seal and {
            "size": seal.size, "root": seal.root.hex(), "reason": seal.reason.value,
            "session": seal.session, "sealed_ms": seal.sealed_ms,
        }  # fmt: skip
        show({"seal": told, "anchored_size": size}, "market-log-status")
    elif seal is None:
        print("nothing is sealed yet")
    else:
        print(f"{seal.note}\n{seal.reason} of {seal.session}; {size} of {seal.size} anchored")
    return Exit.OK


def _anchor(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.service import opened

    with opened(configured(arguments.config)) as central, central.anchorer() as anchorer:
        if not arguments.dry_run:
            anchorer.settle(give_up_s=arguments.wait)
        anchored = central.anchors.anchored()
    size = anchored.size if anchored else 0
    if arguments.json:
        show({"anchored_size": size}, "market-log-anchor")
    else:
        print(f"{size} anchored")
    return Exit.OK
