"""The program `certiflex lightnode`: run, check, enroll, meter read."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ledger.command import Exit, parser, run, show, subcommand
from ledger.configuration import Misconfigured, load, schema, shown
from ledger.errors import Rejected
from ledger.facts.pod import Pod
from lightnode import agent, checking, enrolment
from lightnode.config import Settings
from lightnode.meters.profile import Profile, load_profile, shipped_profiles
from lightnode.ports import Measurement

_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"
_MILLI = 1000


def main(argv: Sequence[str]) -> int:
    """Run the program and return its exit status."""
    made = parser("lightnode", "read a meter, sign what it says, keep it safe, deliver it")
    verbs = made.add_subparsers(title="verbs", metavar="VERB")
    subcommand(verbs, "run", "run the light node until it is told to stop", _run)
    subcommand(verbs, "check", "look whether everything is there that a node needs", _check)
    enroll = subcommand(verbs, "enroll", "make the node's key and ask for its place", _enroll)
    enroll.add_argument("--pod", help="point of delivery that the meter measures")
    enroll.add_argument("--meter", help="make and serial number, for people")
    enroll.add_argument("--grant", type=Path, metavar="FILE", help="store the gateway's grant")
    meter = verbs.add_parser("meter", help="talk to the meter")
    meter_verbs = meter.add_subparsers(title="verbs", metavar="VERB", required=True)
    subcommand(meter_verbs, "read", "read the meter once and print what it says", _meter_read)
    subcommand(meter_verbs, "list", "list the meter profiles that are shipped", _meter_list)
    subcommand(meter_verbs, "schema", "print the JSON Schema of a meter profile", _meter_schema)
    config = verbs.add_parser("config", help="the configuration file")
    config_verbs = config.add_subparsers(title="verbs", metavar="VERB", required=True)
    settings = subcommand(config_verbs, "show", "print every setting", _config_show)
    settings.add_argument("--origin", action="store_true", help="and where its value came from")
    subcommand(config_verbs, "schema", "print the JSON Schema of the file", _config_schema)
    return run(made, argv)


def _run(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    if arguments.dry_run:
        enrolment.load_credentials(settings.node.folder)
        load_profile(settings.meter.profile)
        if settings.broker.tls:
            settings.broker.tls.context()
        return Exit.OK
    asyncio.run(agent.run(settings))
    return Exit.OK


def _check(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    findings = asyncio.run(checking.check(settings, arguments.timeout))
    if arguments.json:
        listed = [{"what": f.what, "ok": f.is_ok, "detail": f.detail} for f in findings]
        show({"checks": listed}, "lightnode-check")
    else:
        for finding in findings:
            word = _colored("ok    " if finding.is_ok else "failed", finding.is_ok, arguments)
            print(f"{word}  {finding.what}: {finding.detail}")
    return Exit.OK if all(finding.is_ok for finding in findings) else Exit.FALSE


def _enroll(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    folder = settings.node.folder
    if arguments.grant:
        grant = enrolment.read_grant(arguments.grant)
        if not arguments.dry_run:
            enrolment.accept_grant(folder, arguments.grant)
        _tell(arguments, {"node_index": grant.node_index, "origin": grant.origin})
        return Exit.OK
    if not arguments.pod:
        raise Rejected(
            "expected --pod POD, to ask for a place, or --grant FILE, to store it",
            remedy="type: certiflex lightnode enroll --help",
        )
    pod = _pod(arguments.pod)
    meter = arguments.meter or load_profile(settings.meter.profile).title
    if arguments.dry_run:
        return Exit.OK
    now_ms = settings.clock.clock().now_ms()
    request = enrolment.request_enrolment(folder, pod=pod, meter=meter, now_ms=now_ms)
    key_id = enrolment.load_key(folder).public.key_id.hex()
    _tell(arguments, {"request": str(request), "pod": pod.code, "key_id": key_id})
    return Exit.OK


def _meter_read(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    meter, measured = asyncio.run(checking.read_meter(settings, arguments.timeout))
    if arguments.json:
        reading = {"address": str(meter.address), **asdict(measured)}
        show({"reading": reading}, "lightnode-meter-reading")
        return Exit.OK
    for quantity, value in _rows(measured):
        print(f"{quantity:<16}{value}")
    return Exit.OK


def _meter_list(arguments: argparse.Namespace) -> int:
    profiles = [load_profile(name) for name in shipped_profiles()]
    if arguments.json:
        listed = [{"id": p.id, "version": p.version, "title": p.title} for p in profiles]
        show({"profiles": listed}, "lightnode-meter-profiles")
        return Exit.OK
    for profile in profiles:
        print(
            f"{profile.id:<20}{profile.phases} phase{'s' * (profile.phases > 1):<3}{profile.title}"
        )
    return Exit.OK


def _meter_schema(_: argparse.Namespace) -> int:
    print(json.dumps(schema(Profile), indent=2))
    return Exit.OK


def _config_show(arguments: argparse.Namespace) -> int:
    rows = shown(load(Settings, arguments.config, program="lightnode"))
    if arguments.json:
        listed = {key: {"value": value, "origin": origin} for key, value, origin in rows}
        show({"settings": listed}, "lightnode-config")
        return Exit.OK
    for key, value, origin in rows:
        print(f"{key} = {value}" + (f"    # {origin}" if arguments.origin else ""))
    return Exit.OK


def _config_schema(_: argparse.Namespace) -> int:
    print(json.dumps(schema(Settings), indent=2))
    return Exit.OK


def _settings(arguments: argparse.Namespace) -> Settings:
    if arguments.config is None:
        raise Misconfigured(["no configuration is given; name it with -c FILE"])
    return load(Settings, arguments.config, program="lightnode").value


def _pod(code: str) -> Pod:
    try:
        return Pod(code)
    except ValueError as error:
        raise Rejected(str(error), where="--pod", reason="bad_pod") from error


def _rows(measured: Measurement) -> list[tuple[str, str]]:
    phases = zip(measured.voltages_mv, measured.currents_ma, strict=True)
    return [
        ("power", f"{measured.power_w:>10,} W   (positive: taken from the grid)"),
        ("reactive power", f"{measured.reactive_power_var:>10,} var"),
        *(
            (f"phase {number}", f"{voltage_mv / _MILLI:>10.1f} V {current_ma / _MILLI:>8.2f} A")
            for number, (voltage_mv, current_ma) in enumerate(phases, 1)
        ),
        ("frequency", f"{measured.frequency_mhz / _MILLI:>10.3f} Hz"),
        ("import", f"{measured.import_wh / _MILLI:>10.3f} kWh"),
        ("export", f"{measured.export_wh / _MILLI:>10.3f} kWh"),
    ]


def _tell(arguments: argparse.Namespace, facts: dict[str, Any]) -> None:
    if arguments.json:
        show(facts, "lightnode-enrolment")
        return
    for name, value in facts.items():
        print(f"{name:<12}{value}")


def _colored(word: str, is_good: bool, arguments: argparse.Namespace) -> str:  # noqa: FBT001 -- of a word
    if arguments.no_color or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return word
    return f"{_GREEN if is_good else _RED}{word}{_PLAIN}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
