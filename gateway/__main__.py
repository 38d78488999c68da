"""`certiflex gateway`: run it, prepare it, look after its nodes and its quarantine."""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import broker
from gateway.config import GatewayConfig
from gateway.enrolling import Enrolment
from gateway.journal import Journal, Quarantined
from gateway.opening import gateway_key
from gateway.registry import is_revoked
from ledger import configuration
from ledger.command import Exit, parser, run, show, subcommand
from ledger.configuration import Loaded
from ledger.errors import Rejected
from ledger.facts.registry import Grant, Registration

Subparsers = Any


def main(argv: Sequence[str]) -> int:
    """Run `certiflex gateway …` and return its exit status."""
    return run(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    made = parser("gateway", "Verify what light nodes send, store it, anchor it on the ledger.")
    verbs = made.add_subparsers(metavar="COMMAND")
    subcommand(verbs, "run", "run the gateway until SIGTERM", _run)
    subcommand(verbs, "check", "check everything that run needs, change nothing", _check)
    subcommand(verbs, "init", "make keys and journal where they are missing", _init)
    serve = subcommand(verbs, "broker", "run the embedded MQTT broker, for demos", _broker)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument("--port", type=int, default=1883, help="port to listen on")
    _add_nodes(verbs)
    _add_quarantine(verbs)
    settings = _nouns(verbs, "config", "look at the configuration")
    shown = subcommand(settings, "show", "show every setting", _config_show)
    shown.add_argument("--origin", action="store_true", help="and where it comes from")
    subcommand(settings, "schema", "print the JSON Schema of the file", _config_schema)
    chain = _nouns(verbs, "chain", "the contract on the ledger")
    subcommand(chain, "deploy", "put the contract on the chain and keep its address", _deploy)
    return made


def _add_nodes(verbs: Subparsers) -> None:
    nodes = _nouns(verbs, "node", "enrol, list, rotate and revoke light nodes")
    for name, purpose, verb in (
        ("add", "enrol the light node of a request and write its grant", _node_add),
        ("rotate", "give a node the key of a new request", _node_rotate),
    ):
        made = subcommand(nodes, name, purpose, verb)
        if name == "rotate":
            made.add_argument("node_index", type=int, metavar="NODE")
        made.add_argument("request", type=Path, metavar="REQUEST", help="from lightnode enroll")
        made.add_argument("--grant", type=Path, metavar="FILE", help="write it here, not to stdout")
    subcommand(nodes, "list", "list all nodes", _node_list)
    revoked = subcommand(nodes, "revoke", "refuse a node from now on", _node_revoke)
    revoked.add_argument("node_index", type=int, metavar="NODE")


def _add_quarantine(verbs: Subparsers) -> None:
    quarantine = _nouns(verbs, "quarantine", "look at what was refused")
    listed = subcommand(quarantine, "list", "list refused messages, newest first", _refused_list)
    listed.add_argument("--limit", type=int, default=100, help="at most so many")
    shown = subcommand(quarantine, "show", "show one refused message", _refused_show)
    shown.add_argument("number", type=int, metavar="NUMBER")
    evidence = _nouns(
        verbs,
        "evidence",
        "look at contradictions that nodes have signed, to themselves or to the log",
    )
    told = subcommand(evidence, "list", "list contradictions, newest first", _evidence_list)
    told.add_argument("--limit", type=int, default=100, help="at most so many")


def _nouns(verbs: Subparsers, name: str, purpose: str) -> Subparsers:
    made = verbs.add_parser(name, help=purpose, description=purpose)
    return made.add_subparsers(metavar="COMMAND", required=True)


# ── running ─────────────────────────────────────────────────────────────────────────────────


def _run(arguments: argparse.Namespace) -> int:
    # The chain client is heavy: commands that need none start without it.
    from gateway.service import serve  # noqa: PLC0415

    config = _load(arguments).value
    if arguments.dry_run:
        return _check(arguments)
    asyncio.run(serve(config))
    return Exit.OK


def _check(arguments: argparse.Namespace) -> int:
    from gateway.preparing import check  # noqa: PLC0415

    checked = asyncio.run(check(_load(arguments).value, timeout_s=arguments.timeout))
    faults = {one.name: str(one.fault) for one in checked if one.fault is not None}
    if arguments.json:
        show(
            {"ok": not faults, "checks": {one.name: faults.get(one.name, "") for one in checked}},
            "gateway-check",
        )
    else:
        for one in checked:
            print(f"{one.name:<9}{faults.get(one.name, 'ok')}")
    return Exit.FALSE if faults else Exit.OK


def _init(arguments: argparse.Namespace) -> int:
    from gateway.preparing import missing, prepare  # noqa: PLC0415

    config = _load(arguments).value
    if arguments.dry_run:
        for file in missing(config):
            print(file)
        return Exit.OK
    made = prepare(config)
    if arguments.json:
        show(
            {"origin": made.origin, "log_key": made.log_key, "account": made.account},
            "gateway-init",
        )
    else:
        print(f"origin   {made.origin}\nlog key  {made.log_key}\naccount  {made.account}")
    return Exit.OK


def _deploy(arguments: argparse.Namespace) -> int:
    from gateway.preparing import deploy_contract, may_deploy  # noqa: PLC0415

    config = _load(arguments).value
    if arguments.dry_run:
        print(may_deploy(config))
        return Exit.OK
    address = deploy_contract(config, timeout_s=arguments.timeout)
    if arguments.json:
        show({"contract": address}, "gateway-contract")
    else:
        print(address)
    return Exit.OK


def _broker(arguments: argparse.Namespace) -> int:
    asyncio.run(broker.serve(arguments.host, arguments.port, only_try=arguments.dry_run))
    return Exit.OK


# ── nodes ───────────────────────────────────────────────────────────────────────────────────


def _node_add(arguments: argparse.Namespace) -> int:
    with _enrolment(arguments) as enrolment:
        registration, grant = enrolment.add(arguments.request)
    return _give(arguments, registration, grant)


def _node_rotate(arguments: argparse.Namespace) -> int:
    with _enrolment(arguments) as enrolment:
        registration, grant = enrolment.rotate(arguments.node_index, arguments.request)
    return _give(arguments, registration, grant)


def _node_revoke(arguments: argparse.Namespace) -> int:
    with _enrolment(arguments) as enrolment:
        registration = enrolment.revoke(arguments.node_index)
    if arguments.json:
        show({"node_index": registration.node_index, "revoked": True}, "gateway-node")
    else:
        print(f"node {registration.node_index} ({registration.pod}) is revoked")
    return Exit.OK


def _node_list(arguments: argparse.Namespace) -> int:
    config = _load(arguments).value
    with _journal(config) as journal:
        registrations = journal.registry.registrations()
    now_ms = config.clock.clock().now_ms()
    rows = [
        {
            "node_index": one.node_index,
            "pod": one.pod.code,
            "meter": one.meter,
            "keys": len(one.keys),
            "revoked": is_revoked(one, now_ms),
        }
        for one in registrations
    ]
    if arguments.json:
        show({"nodes": rows}, "gateway-nodes")
    else:
        for row in rows:
            state = "revoked" if row["revoked"] else "enrolled"
            print(f"{row['node_index']:>8}  {row['pod']:<16}{state:<10}{row['meter']}")
    return Exit.OK


def _give(arguments: argparse.Namespace, registration: Registration, grant: Grant) -> int:
    if arguments.grant is not None and not arguments.dry_run:
        try:
            arguments.grant.write_text(configuration.written(grant), encoding="utf-8")
        except OSError as error:
            raise Rejected(
                f"the grant cannot be written ({error.strerror})",
                where=str(arguments.grant),
                remedy="the node is enrolled: name another --grant and ask again",
            ) from error
    if arguments.json:
        show(
            {
                "node_index": grant.node_index,
                "pod": registration.pod.code,
                "origin": grant.origin,
                "gateway_key": grant.gateway_key,
                "window_s": grant.window_s,
            },
            "gateway-grant",
        )
    elif arguments.grant is None:
        print(configuration.written(grant), end="")
    else:
        print(f"node {grant.node_index} is {registration.pod}: {arguments.grant}")
    return Exit.OK


# ── quarantine and evidence ─────────────────────────────────────────────────────────────────


def _refused_list(arguments: argparse.Namespace) -> int:
    with _journal(_load(arguments).value) as journal:
        entries = journal.quarantine.entries(arguments.limit)
    if arguments.json:
        show({"entries": [_refused_json(entry) for entry in entries]}, "gateway-quarantine")
    else:
        for entry in entries:
            print(_refused_line(entry))
    return Exit.OK


def _refused_show(arguments: argparse.Namespace) -> int:
    with _journal(_load(arguments).value) as journal:
        found = journal.quarantine.entry(arguments.number)
    if found is None:
        raise Rejected(
            f"there is no message {arguments.number} in quarantine",
            remedy="type: certiflex gateway quarantine list",
            reason="unknown_message",
        )
    entry, payload = found
    if arguments.json:
        show({**_refused_json(entry), "payload": payload.hex()}, "gateway-quarantined")
    else:
        print(f"{_refused_line(entry)}\n{payload.hex()}")
    return Exit.OK


def _evidence_list(arguments: argparse.Namespace) -> int:
    with _journal(_load(arguments).value) as journal:
        rows = journal.segments.evidence(arguments.limit)
    if arguments.json:
        names = ("number", "kind", "node_index", "first_sequence", "held", "other", "detected_ms")
        told = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
        show({"evidence": told}, "gateway-evidence")
    else:
        for number, kind, node, sequence, held, other, detected_ms in rows:
            print(
                f"{number:>6}  {_time(detected_ms)}  node {node} sequence {sequence}  {kind}  "
                f"{held.hex()[:16]} {other.hex()[:16]}"
            )
    return Exit.OK


def _refused_json(entry: Quarantined) -> dict[str, Any]:
    return {
        "number": entry.number,
        "node_index": entry.node_index,
        "reason": entry.reason,
        "detail": entry.detail,
        "first_ms": entry.first_ms,
        "last_ms": entry.last_ms,
        "times": entry.times,
        "size_bytes": entry.size_bytes,
    }


def _refused_line(entry: Quarantined) -> str:
    node = "stranger" if entry.node_index is None else f"node {entry.node_index}"
    return (
        f"{entry.number:>6}  {_time(entry.last_ms)}  {node:<10}{entry.reason:<20}"
        f"{entry.times:>5} times  {entry.detail}"
    )


# ── configuration ───────────────────────────────────────────────────────────────────────────


def _config_show(arguments: argparse.Namespace) -> int:
    loaded = _load(arguments)
    rows = configuration.shown(loaded)
    if arguments.json:
        show({"settings": {key: {"value": v, "origin": o} for key, v, o in rows}}, "gateway-config")
    else:
        for key, value, origin in rows:
            print(f"{key} = {value}" + (f"    # {origin}" if arguments.origin else ""))
    return Exit.OK


def _config_schema(_: argparse.Namespace) -> int:
    print(json.dumps(configuration.schema(GatewayConfig), indent=2))
    return Exit.OK


def _load(arguments: argparse.Namespace) -> Loaded[GatewayConfig]:
    return configuration.load(GatewayConfig, arguments.config, program="gateway")


@contextmanager
def _journal(config: GatewayConfig) -> Iterator[Journal]:
    if not config.journal_file.exists():
        raise Rejected(
            "there is no journal",
            where=str(config.journal_file),
            remedy="type: certiflex gateway init -c FILE",
            reason="not_prepared",
        )
    journal = Journal.open(config.journal_file)
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def _enrolment(arguments: argparse.Namespace) -> Iterator[Enrolment]:
    config = _load(arguments).value
    with _journal(config) as journal:
        yield Enrolment(config, journal, gateway_key(config).public, writes=not arguments.dry_run)


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
