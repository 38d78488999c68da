"""`certiflex central`: serve the database, audit and rebuild it, issue tokens, keep grids."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from central import marketlogs, parties
from central.dsos.verbs import add_verbs as add_dso_verbs
from central.grids.verbs import add_verbs as add_grid_verbs
from central.markets.verbs import add_verbs as add_market_verbs
from central.scd.roles import ALWAYS, EVERY_POD, Grant, Role
from ledger import command
from ledger.command import Exit, parser, show, subcommand
from ledger.errors import Rejected
from ledger.facts.interval import Interval
from ledger.facts.pod import Pod


def main(argv: Sequence[str]) -> int:
    """Run `certiflex central …` and return the exit status."""
    made = parser("central", "the Shared Customer Database and its API")
    verbs = made.add_subparsers(metavar="VERB")
    subcommand(verbs, "serve", "serve the HTTP API, and seal the series", _serve)
    subcommand(verbs, "openapi", "print the description of the API", _openapi)

    scd = verbs.add_parser("scd", help="the database itself").add_subparsers(metavar="VERB")
    subcommand(scd, "init", "make an empty database", _init)
    checking = subcommand(scd, "audit", "check every stored row against its evidence", _audit)
    checking.add_argument("--most", type=int, default=100, help="findings to tell, at most")
    again = subcommand(scd, "rebuild", "derive everything again from evidence", _rebuild)
    again.add_argument(
        "--salvage", action="store_true", help="out of a damaged file, into a new one beside it"
    )

    tokens = verbs.add_parser("token", help="who may read").add_subparsers(metavar="VERB")
    issue = subcommand(tokens, "issue", "make a token, and show it this once", _issue)
    issue.add_argument("--role", required=True, choices=[role.value for role in Role])
    issue.add_argument("--pod", action="append", default=[], metavar="POD[@FROM/TO]",
                       help=f"a POD of the holder's, or {EVERY_POD}; may be repeated")  # fmt: skip
    issue.add_argument("--party", help="the identifier that the holder's documents bear")
    issue.add_argument("--label", default="", help="what it is for")
    issue.add_argument("--expires", metavar="INSTANT", help="RFC 3339 with offset")
    subcommand(tokens, "list", "list tokens, without their secrets", _list)
    revoke = subcommand(tokens, "revoke", "close a token at once", _revoke)
    revoke.add_argument("token_id", metavar="ID")

    add_grid_verbs(verbs)
    add_dso_verbs(verbs)
    add_market_verbs(verbs)
    parties.add_verbs(verbs)
    marketlogs.add_verbs(verbs)

    config = verbs.add_parser("config", help="settings").add_subparsers(metavar="VERB")
    told = subcommand(config, "show", "show every setting", _show)
    told.add_argument("--origin", action="store_true", help="and where its value comes from")
    subcommand(config, "schema", "print the JSON Schema of the file", _schema)
    return command.run(made, argv)


def _serve(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.service import opened
    from central.serving import run

    with opened(configured(arguments.config)) as central:
        if not arguments.dry_run:
            asyncio.run(run(central))
    return Exit.OK


def _openapi(_: argparse.Namespace) -> int:
    from central.api.app import application, description

    print(json.dumps(description(application(None)), indent=2, sort_keys=True))
    return Exit.OK


def _init(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.service import opened

    config = configured(arguments.config)
    if not arguments.dry_run:
        with opened(config, create=True) as central:
            _say(arguments, "scd-init", evidence=str(central.database.path))
    return Exit.OK


def _audit(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.scd.audit import audit
    from central.service import opened

    with opened(configured(arguments.config)) as central:
        report = audit(
            central.database, central.evidence, central.config.store.series,
            origin=central.config.origin, log_key=central.config.verifying_key(),
            parties=central.config.party_keys(), most=arguments.most,
        )  # fmt: skip
    figures = {"rows": report.row_count, "readings": report.reading_count,
               "windows": report.window_count, "seconds": round(report.duration_s, 3)}  # fmt: skip
    if arguments.json:
        found = [asdict(finding) for finding in report.findings]
        show({**figures, "finding_count": report.finding_count, "findings": found}, "scd-audit")
    else:
        for finding in report.findings:
            print(finding)
        print("  ".join(f"{name} {value}" for name, value in figures.items()))
    return Exit.FALSE if report.findings else Exit.OK


def _rebuild(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.scd.rebuilding import rebuild, salvage
    from central.service import opened

    config = configured(arguments.config)
    if arguments.salvage:
        salvaged = salvage(config.store.evidence)
        _say(arguments, "scd-salvage", file=str(salvaged.file), kept=salvaged.kept_count,
             lost=salvaged.lost_count)  # fmt: skip
        return Exit.OK
    with opened(config) as central:
        arrivals = rebuild(central.database, config.origin)
        hours = central.sealer.rebuild(central.clock.now_ms())
        _say(arguments, "scd-rebuild", arrivals=arrivals, hours=hours)
    return Exit.OK


def _issue(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.service import opened

    grants = [_grant(text) for text in arguments.pod]
    expires_ms = _instant(arguments.expires, "--expires") if arguments.expires else None
    with opened(configured(arguments.config)) as central:
        token = central.tokens.issue(
            Role(arguments.role), grants, label=arguments.label,
            created_ms=central.clock.now_ms(), expires_ms=expires_ms, party=arguments.party,
        )  # fmt: skip
    if arguments.json:
        show({"token": token, "role": arguments.role}, "token")
    else:
        print(token)
    return Exit.OK


def _list(arguments: argparse.Namespace) -> int:
    from central.api.instants import told_instant
    from central.config import configured
    from central.service import opened

    with opened(configured(arguments.config)) as central:
        tokens = central.tokens.tokens()
        now_ms = central.clock.now_ms()
    rows = [
        {
            "id": token.token_id, "role": token.role.value, "label": token.label,
            "valid": token.is_valid_at(now_ms), "created": told_instant(token.created_ms),
            "pods": [grant.pod for grant in token.grants], "party": token.party,
        }
        for token in tokens
    ]  # fmt: skip
    if arguments.json:
        show({"tokens": rows}, "tokens")
    for row in [] if arguments.json else rows:
        print("  ".join(str(value) for value in row.values()))
    return Exit.OK


def _revoke(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.service import opened

    with opened(configured(arguments.config)) as central:
        central.tokens.revoke(arguments.token_id, central.clock.now_ms())
    return Exit.OK


def _show(arguments: argparse.Namespace) -> int:
    from central.config import CentralConfig
    from ledger.configuration import load, shown

    settings = shown(load(CentralConfig, arguments.config, program="central"))
    if arguments.json:
        show({key: {"value": value, "origin": origin} for key, value, origin in settings}, "config")
    for key, value, origin in [] if arguments.json else settings:
        print(f"{key} = {value}  ({origin})" if arguments.origin else f"{key} = {value}")
    return Exit.OK


def _schema(_: argparse.Namespace) -> int:
    from central.config import CentralConfig
    from ledger.configuration import schema

    print(json.dumps(schema(CentralConfig), indent=2))
    return Exit.OK


def _grant(text: str) -> Grant:
    """Return the grant of ``POD`` or ``POD@FROM/TO``."""
    pod, _, span = text.partition("@")
    try:
        code = pod if pod == EVERY_POD else Pod(pod).code
    except ValueError as error:
        raise Rejected(str(error), where="--pod", reason="bad_pod") from error
    if not span:
        return Grant(code, ALWAYS)
    start, _, end = span.partition("/")
    start_ms, end_ms = _instant(start, "--pod"), _instant(end, "--pod")
    if end_ms <= start_ms:
        raise Rejected("the interval ends before it starts", where="--pod", reason="bad_interval")
    return Grant(code, Interval(start_ms, end_ms))


def _instant(text: str, name: str) -> int:
    from central.api.instants import instant_ms
    from central.api.problems import Problem

    try:
        return instant_ms(text, name)
    except Problem as problem:
        raise Rejected(problem.detail, where=name, reason="bad_time") from problem


def _say(arguments: argparse.Namespace, name: str, **figures: object) -> None:
    if arguments.json:
        show(figures, name)
    else:
        print("  ".join(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
