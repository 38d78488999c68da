"""`certiflex central party`: the keys of those who sign documents, and what they hand in."""

import argparse
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.command import Exit, show, subcommand
from ledger.errors import Rejected

if TYPE_CHECKING:
    from central.documents.header import Document
    from ledger.signing import SigningKey


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `party` with its verbs to a program."""
    own = verbs.add_parser("party", help="who signs documents").add_subparsers(metavar="VERB")
    key = subcommand(own, "key", "make a party's key if there is none, and show it", _key)
    key.add_argument("id", metavar="PARTY", help="the identifier that its documents bear")
    told = "where the private key is, or is to be"
    key.add_argument("--file", type=Path, required=True, metavar="FILE", help=told)
    purpose = "sign documents with one's own key: a line for each, as the API takes it"
    signing = subcommand(own, "sign", purpose, _sign)
    told = "where one's private key is"
    signing.add_argument("--key", type=Path, required=True, metavar="FILE", help=told)
    told = "documents as JSON: one, or a list"
    signing.add_argument("files", type=Path, nargs="+", metavar="FILE", help=told)
    purpose = "sign documents for the parties that are played here, and keep them"
    filed = subcommand(own, "file", purpose, _file)
    filed.add_argument("files", type=Path, nargs="+", metavar="FILE", help=told)


def _key(arguments: argparse.Namespace) -> int:
    """Show the lines that the configuration must have for a party to be played here."""
    from ledger.signing import SigningKey

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


def _sign(arguments: argparse.Namespace) -> int:
    """Print bodies for `POST /v1/documents`; nothing of the operator's is needed for it."""
    from central.documents.encoding import sign, to_json
    from central.documents.files import many
    from central.documents.header import Document
    from ledger.signing import SigningKey

    key = SigningKey.load(arguments.key)
    documents = [each for file in arguments.files for each in many(file, Document)]
    for each in [] if arguments.dry_run else documents:
        signed = base64.b64encode(sign(each, key)).decode()
        print(json.dumps({"document": to_json(each), "signed": signed}, ensure_ascii=False))
    return Exit.OK


def _file(arguments: argparse.Namespace) -> int:
    """Sign and keep what others would hand in by the API; all of it, or nothing."""
    from central.config import configured
    from central.documents.encoding import sign
    from central.documents.files import many
    from central.documents.header import Document
    from central.scd.documents import checked
    from central.scd.stored import Outcome
    from central.service import opened

    config = configured(arguments.config)
    keys = config.played_keys()
    documents = [each for file in arguments.files for each in many(file, Document)]
    signed = [checked(sign(each, _key_of(each, keys)))[0] for each in documents]
    if arguments.dry_run:
        return Exit.OK
    with opened(config) as central:
        outcomes = central.documents.commit_documents(signed, central.clock.now_ms())
    told = {each.value: outcomes.count(each) for each in Outcome}
    if arguments.json:
        show({"documents": len(documents), **told}, "party-filed")
    else:
        print("  ".join(f"{name} {count}" for name, count in told.items()))
    fine = told[Outcome.STORED] + told[Outcome.DUPLICATE] == len(documents)
    return Exit.OK if fine else Exit.FALSE


def _key_of(document: "Document", keys: Mapping[str, "SigningKey"]) -> "SigningKey":
    if document.sender not in keys:
        raise Rejected(
            f"{document.sender} is not played here",
            where=f"{document.ii} {document.mrid}",
            remedy="set key_file of that party under [[parties]], or hand it in by the API",
            reason="no_key",
        )
    return keys[document.sender]
