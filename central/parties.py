"""`certiflex central party`: the keys of those who sign documents."""

import argparse
from pathlib import Path

from ledger.command import Exit, show, subcommand
from ledger.signing import SigningKey


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `party` with its verbs to a program."""
    own = verbs.add_parser("party", help="who signs documents").add_subparsers(metavar="VERB")
    key = subcommand(own, "key", "make a party's key if there is none, and show it", _key)
    key.add_argument("id", metavar="PARTY", help="the identifier that its documents bear")
    told = "where the private key is, or is to be"
    key.add_argument("--file", type=Path, required=True, metavar="FILE", help=told)


def _key(arguments: argparse.Namespace) -> int:
    """Show the lines that the configuration must have for a party to be played here."""
    file: Path = arguments.file
    if arguments.dry_run and not file.exists():
        return Exit.OK
    if not file.exists():
        SigningKey.generate().save(file)
    public = SigningKey.load(file).public.encode().hex()
    if arguments.json:
        show({"id": arguments.id, "key": public, "key_file": str(file)}, "party-key")
    else:
        print(f'[[parties]]\nid = "{arguments.id}"\nkey = "{public}"\nkey_file = "{file}"')
    return Exit.OK
