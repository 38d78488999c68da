"""Setting the stage: keys, contract, tokens, and every light node enrolled, by command line."""

import asyncio

from hil.demo.programs import Program, ran
from hil.demo.stage import FIELD, House, Stage
from ledger.errors import CertiflexError

_AT_ONCE = 3
_READERS = ("gateway", "dso", "auditor", "field_sensor")


async def set_up(stage: Stage) -> Program:
    """Write every configuration, make keys and tokens, deploy; return the running chain.

    Raises:
        CertiflexError: a command did not do what it is for.
    """
    stage.clear()
    stage.write_bench()
    stage.write_gateway()
    stage.make_party_keys()
    made, sensors = await asyncio.gather(
        stage.told("gateway", "init", *_with(stage, "gateway")),
        stage.told("hil", "plant", "key", *_with(stage, "bench")),
    )
    stage.log_key, stage.field_key = made["log_key"], sensors["key"]
    chain = stage.chain(made["account"])
    await chain.start()
    try:
        deployed, _, _ = await asyncio.gather(
            stage.told("gateway", "chain", "deploy", *_with(stage, "gateway")),
            _prepare_central(stage),
            _enrol_all(stage),
        )
    except CertiflexError:
        await chain.kill()
        raise
    stage.contract = deployed["contract"]
    return chain


async def _prepare_central(stage: Stage) -> None:
    stage.write_central(stage.path("central.toml"), stage.path("central", "evidence.db"))
    await stage.told("central", "scd", "init", *_with(stage, "central"))
    for role in _READERS:
        pods = [word for house in stage.houses for word in ("--pod", house.pod)]
        named = {"dso": pods, "field_sensor": ["--party", FIELD]}.get(role, [])
        issued = await stage.told(
            "central", "token", "issue", "--role", role, *named, *_with(stage, "central")
        )
        file = stage.token_file(role)
        file.touch(mode=0o600)
        file.write_text(issued["token"], encoding="utf-8")


async def _enrol_all(stage: Stage) -> None:
    """Enrol the houses in their order, so that house n is node n."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def request(house: House) -> None:
        async with turn:
            await _request(stage, house)

    async with asyncio.TaskGroup() as group:
        requests = [group.create_task(request(house)) for house in stage.houses]
        for house, requested in zip(stage.houses, requests, strict=True):
            await requested
            await _grant(stage, house)


async def _request(stage: Stage, house: House) -> None:
    stage.write_node(house)
    meter = f"{'SDM120' if house.is_serial else 'SDM630'} {house.serial_number}"
    await _command(
        stage, "lightnode", "enroll", "--pod", house.pod, "--meter", meter, "-c", str(house.config)
    )


async def _grant(stage: Stage, house: House) -> None:
    """Answer a request where the light node looks for its grant: both are on this machine."""
    request, grant = (str(house.folder / name) for name in ("enrolment.request", "grant.toml"))
    await _command(
        stage, "gateway", "node", "add", request, "--grant", grant, *_with(stage, "gateway")
    )


async def _command(stage: Stage, *arguments: str) -> str:
    return (await ran(arguments, log=stage.path("log", "commands.log")))[1]


def _with(stage: Stage, program: str) -> tuple[str, str]:
    return "-c", str(stage.path(f"{program}.toml"))
