"""The command `certiflex hil`: simulated meters, their faults, and the demo."""

import argparse
import asyncio
import importlib
import json
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hil import plant_command
from hil.bench import Bench, clock_of
from hil.config import BenchFile, address_of, read_bench_file
from hil.control import ask
from hil.faults import FaultKind
from hil.meter import Meter
from ledger import command, configuration
from ledger.errors import Rejected

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_MS_PER_UNIT = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def main(argv: Sequence[str]) -> int:
    """Run `certiflex hil …` and return its exit status."""
    if argv and argv[0] == "demo":
        return _demo(argv[1:])
    return command.run(_parser(), argv)


def _demo(argv: Sequence[str]) -> int:
    """Run the demo, which is looked for only here: it needs every extra."""
    try:
        demo = importlib.import_module("hil.demo")
    except ModuleNotFoundError as error:
        if error.name != "hil.demo":
            raise
        _parser().error("this installation has no demo")
    return int(demo.main(argv))


def _parser() -> argparse.ArgumentParser:
    made = command.parser("hil", "Simulated meters that are really there, and the demo.")
    verbs = made.add_subparsers(metavar="COMMAND")
    serve = command.subcommand(verbs, "serve", "serve the meters of a bench file", _serve)
    serve.add_argument("file", type=Path, nargs="?", metavar="FILE", help="bench file (TOML)")
    fault = command.subcommand(verbs, "fault", "give a meter of a running bench a fault", _fault)
    fault.add_argument("meter", metavar="METER", help="name of the meter")
    fault.add_argument("kind", metavar="KIND", choices=list(FaultKind), help=", ".join(FaultKind))
    fault.add_argument("--for", dest="for_ms", type=_duration_ms, metavar="TIME", help="as 20s, 5m")
    fault.add_argument("--every", type=int, metavar="N", help="only each n-th request")
    fault.add_argument("--delay", type=_duration_ms, metavar="TIME", help="lateness, as 1500ms")
    fault.add_argument("--code", type=int, help="exception code of a refusal")
    clear = command.subcommand(verbs, "clear", "forget faults of a running bench", _clear)
    clear.add_argument("meter", nargs="?", metavar="METER", help="name of the meter; else all")
    command.subcommand(verbs, "status", "tell the meters of a running bench", _status)
    command.subcommand(verbs, "schema", "print the JSON Schema of bench files", _schema)
    plant_command.add_verbs(verbs, _ask, _duration_ms)
    verbs.add_parser("demo", help="show the whole system at work", add_help=False)
    return made


def _duration_ms(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a time as 1500ms, 20s or 5m, found {text!r}")
    return round(float(found[1]) * _MS_PER_UNIT[found[2]])


def _serve(arguments: argparse.Namespace) -> int:
    file = read_bench_file(_bench_file(arguments)).value
    asyncio.run(_serve_until_told(Bench(file, clock_of(file)), arguments))
    return command.Exit.OK


async def _serve_until_told(bench: Bench, arguments: argparse.Namespace) -> None:
    def announce() -> None:
        for meter in bench.meters.values():
            _announce(meter, bench.address_of(meter), as_json=arguments.json)

    if arguments.dry_run:
        announce()
        return
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for told in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(told, stop.set)
    await bench.serve(announce, stop)


def _announce(meter: Meter, address: str, *, as_json: bool) -> None:
    plate = meter.nameplate
    if as_json:
        known = {"unit": plate.unit, "serial_number": plate.serial_number, "address": address}
        command.show({"name": meter.name, "model": meter.model.name, **known}, "hil-meter")
    else:
        print(f"{meter.name} {meter.model.name} {plate.serial_number} unit {plate.unit} {address}")
    sys.stdout.flush()


def _fault(arguments: argparse.Namespace) -> int:
    answer = _ask(
        arguments,
        {
            "command": "fault",
            "meter": arguments.meter,
            "kind": arguments.kind,
            "for_ms": arguments.for_ms,
            "every": arguments.every,
            "delay_ms": arguments.delay,
            "code": arguments.code,
        },
    )
    if answer is not None:
        _show(arguments, answer, f"{answer['meter']} {answer['kind']} until {answer['until_ms']}")
    return command.Exit.OK


def _clear(arguments: argparse.Namespace) -> int:
    answer = _ask(arguments, {"command": "clear", "meter": arguments.meter})
    if answer is not None:
        _show(arguments, answer, "\n".join(answer["cleared"]))
    return command.Exit.OK


def _status(arguments: argparse.Namespace) -> int:
    answer = _ask(arguments, {"command": "status"})
    if answer is not None:
        lines = (
            f"{meter['name']} {meter['address']} unit {meter['unit']} "
            f"requests {meter['requests']} faults {','.join(meter['faults']) or '-'}"
            for meter in answer["meters"]
        )
        _show(arguments, answer, "\n".join(lines))
    return command.Exit.OK


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(configuration.schema(BenchFile), indent=2))
    return command.Exit.OK


def _ask(arguments: argparse.Namespace, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the running bench's answer, or nothing for a dry run."""
    path = _bench_file(arguments)
    control = read_bench_file(path).value.bench.control
    if control is None:
        raise Rejected(
            "the bench has no control port",
            where=str(path),
            remedy='add control = "127.0.0.1:PORT" under [bench]',
        )
    if arguments.dry_run:
        return None
    return ask(address_of(control), request, timeout_s=arguments.timeout)


def _show(arguments: argparse.Namespace, answer: Mapping[str, Any], text: str) -> None:
    if arguments.json:
        told = {key: value for key, value in answer.items() if key not in {"schema", "ok"}}
        command.show(told, "hil-control")
    else:
        print(text)


def _bench_file(arguments: argparse.Namespace) -> Path:
    path: Path | None = getattr(arguments, "file", None) or arguments.config
    if path is None:
        raise Rejected(
            "no bench file is named", where="command line", remedy="name it with -c FILE"
        )
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
