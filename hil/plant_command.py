"""The command `certiflex hil plant`: what can be asked of a plant, and done to it while it runs."""

import argparse
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hil.config import read_bench_file
from hil.plant_file import COUNTED, DEFAULT_SIZE_PCT, Action, PlantSettings, SensorFaultKind
from ledger import command
from ledger.errors import Rejected
from ledger.signing import SigningKey

Request = Mapping[str, Any]
Ask = Callable[[argparse.Namespace, Request], Mapping[str, Any] | None]

_PURPOSES = {
    Action.OUT: "take a line or transformer out of service, whoever goes dark",
    Action.BACK: "bring it back",
    Action.OPEN: "open a switch or breaker, whoever goes dark",
    Action.CLOSE: "close it",
    Action.TAP: "set a tap changer at once, also one that a crew must move",
    Action.CAPACITOR: "switch in so many steps of a capacitor bank",
}


def add_verbs(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    ask: Ask,
    duration_ms: Callable[[str], int],
) -> None:
    """Add the verb `plant` with its own; *ask* reaches a running bench."""
    made = verbs.add_parser("plant", help="ask and rule the plant of a running bench")
    inner = made.add_subparsers(metavar="COMMAND", required=True)
    command.subcommand(inner, "state", "tell where everything stands", _state(ask))
    command.subcommand(inner, "key", "make the sensors' key if there is none, and show it", _key)
    pods = command.subcommand(inner, "pods", "list the points of delivery of a network", _pods)
    pods.add_argument("network", type=Path, nargs="?", metavar="NETWORK", help="network file")
    told = "write the past of every point of delivery of the plant as CSV"
    past = command.subcommand(inner, "history", told, _history)
    past.add_argument("file", type=Path, metavar="FILE", help="quarter-hours")
    past.add_argument("--weather", type=Path, metavar="FILE", help="what the weather service said")
    past.add_argument("--days", type=int, default=36, metavar="N", help="whole days (default 36)")
    told = "its end, as 2026-06-21T12:00Z"
    past.add_argument("--until", type=_instant, required=True, metavar="TIME", help=told)
    for action, purpose in _PURPOSES.items():
        verb = command.subcommand(inner, action, purpose, _act(ask, action))
        verb.add_argument("device", metavar="DEVICE", help="its name, as L-3-4, S1, TR-1")
        if action in COUNTED:
            verb.add_argument("position", type=int, metavar="POSITION", help="tap or steps")
    fault = command.subcommand(inner, "fault", "let a field sensor lie", _fault(ask))
    fault.add_argument("sensor", metavar="SENSOR", help="its name, as VC-MV-3, LV3G-5")
    kinds = list(SensorFaultKind)
    fault.add_argument("kind", metavar="KIND", choices=kinds, help=", ".join(kinds))
    fault.add_argument("--for", dest="for_ms", type=duration_ms, metavar="TIME", help="as 20s, 5m")
    fault.add_argument(
        "--size", type=float, default=DEFAULT_SIZE_PCT, metavar="PCT", help="of bias and noise"
    )
    clear = command.subcommand(inner, "clear", "forget faults of field sensors", _clear(ask))
    clear.add_argument("sensor", nargs="?", metavar="SENSOR", help="its name; else all")


def _state(ask: Ask) -> Callable[[argparse.Namespace], int]:
    return lambda arguments: _told(arguments, ask(arguments, _plant("state")))


def _act(ask: Ask, action: Action) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        position = getattr(arguments, "position", None)
        asked = _plant(action, device=arguments.device, position=position)
        return _told(arguments, ask(arguments, asked))

    return run


def _fault(ask: Ask) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        asked = _plant(
            "fault",
            sensor=arguments.sensor,
            kind=arguments.kind,
            for_ms=arguments.for_ms,
            size_pct=arguments.size,
        )
        return _told(arguments, ask(arguments, asked))

    return run


def _clear(ask: Ask) -> Callable[[argparse.Namespace], int]:
    return lambda arguments: _told(
        arguments, ask(arguments, _plant("clear", sensor=arguments.sensor))
    )


def _plant(action: str, **settings: object) -> Request:
    return {"command": "plant", "action": action, **settings}


def _told(
    arguments: argparse.Namespace, answer: Mapping[str, Any] | None, schema: str = "hil-plant"
) -> int:
    """Show a running bench's answer: one line a value, or JSON."""
    if answer is None:
        return command.Exit.OK
    told = {key: value for key, value in answer.items() if key not in {"schema", "ok"}}
    if arguments.json:
        command.show(told, schema)
    else:
        for key, value in told.items():
            print(f"{key} {_plain(value)}")  # noqa: T201 -- a command's data
    return command.Exit.OK


def _plain(value: object) -> str:
    match value:
        case Mapping():
            return " ".join(f"{key}={_plain(inner)}" for key, inner in value.items()) or "-"
        case list():
            return " ".join(map(str, value)) or "-"
        case None:
            return "-"
        case _:
            return str(value)


def _key(arguments: argparse.Namespace) -> int:
    """Show the public key that the collector must know of the sensors' documents."""
    if arguments.config is None:
        raise Rejected(
            "no bench file is named", where="command line", remedy="name it with -c FILE"
        )
    plant = read_bench_file(arguments.config).value.plant
    if plant is None or plant.sensors.key is None:
        raise Rejected(
            "the sensors have no key", where=str(arguments.config), remedy="set plant.sensors.key"
        )
    if not plant.sensors.key.exists() and not arguments.dry_run:
        SigningKey.generate().save(plant.sensors.key)
    public = SigningKey.load(plant.sensors.key).public.encode().hex()
    told = {"party": plant.sensors.sender, "key": public}
    if arguments.json:
        command.show(told, "hil-key")
    else:
        print(f"{told['party']} {public}")  # noqa: T201 -- a command's data
    return command.Exit.OK


def _history(arguments: argparse.Namespace) -> int:
    """Write what the customers of a bench file's plant took, and what their weather was to be."""
    # Numerics are loaded by who asks for a plant.
    from hil.consumption import Consumption  # noqa: PLC0415
    from hil.feeder.customers import customers_of  # noqa: PLC0415
    from hil.feeder.description import CIGRE, read_description  # noqa: PLC0415
    from hil.past import write_history, write_weather  # noqa: PLC0415

    if arguments.config is None:
        raise Rejected(
            "no bench file is named", where="command line", remedy="name it with -c FILE"
        )
    file = read_bench_file(arguments.config).value
    plant, weather_seed = file.plant or PlantSettings(), file.bench.weather_seed
    customers = customers_of(read_description(plant.network or CIGRE))
    consumption = Consumption(
        customers, seed=plant.seed, weather_seed=weather_seed, growth=plant.growth
    )
    if arguments.dry_run:
        return command.Exit.OK
    span = {"days": arguments.days, "until_ms": arguments.until}
    told = {"rows": write_history(arguments.file, customers, consumption, **span)}
    if arguments.weather is not None:
        told["weather_rows"] = write_weather(arguments.weather, weather_seed, **span)
    return _told(arguments, told, "hil-history")


def _instant(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a time as 2026-06-21T12:00Z, found {text!r}")
    return round(instant.timestamp() * 1000)


def _pods(arguments: argparse.Namespace) -> int:
    """List who hangs where; the register that operator and plant agree on."""
    # Numerics are loaded by who asks for a plant.
    from hil.feeder.customers import customers_of  # noqa: PLC0415
    from hil.feeder.description import CIGRE, read_description  # noqa: PLC0415

    network = arguments.network
    if network is None and arguments.config is not None:
        plant = read_bench_file(arguments.config).value.plant
        network = plant.network if plant is not None else None
    customers = customers_of(read_description(network or CIGRE))
    if arguments.json:
        told = [
            {
                "pod": one.pod,
                "node": one.node,
                "kind": str(one.kind),
                "phases": ["abc"[phase] for phase in one.phases],
                "contract_w": one.contract_w,
                "metered": one.metered,
            }
            for one in customers
        ]
        command.show({"pods": told}, "hil-pods")
    else:
        for one in customers:
            phases = "".join("abc"[phase] for phase in one.phases)
            print(f"{one.pod} {one.node} {one.kind} {phases} {one.contract_w} W")  # noqa: T201 -- data
    return command.Exit.OK
