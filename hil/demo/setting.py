"""Setting the stage: keys, contract, tokens, and every light node enrolled, by command line."""

import asyncio

from hil.demo.programs import Program, ran
from hil.demo.stage import CHAIN_ID, FIELD, MARKET_ORIGIN, House, Stage

_AT_ONCE = 3
_READERS = ("gateway", "dso", "auditor", "field_sensor", "market_operator")


async def set_up(stage: Stage) -> Program:
    """Write every configuration, make keys and tokens, deploy; return the running chain.

    Raises:
        CertiflexError: a command did not do what it is for.
    """
    stage.clear()
    stage.write_bench()
    stage.write_gateway()
    stage.make_party_keys()
    made, sensors, payer = await asyncio.gather(
        stage.told("gateway", "init", *_with(stage, "gateway")),
        stage.told("hil", "plant", "key", *_with(stage, "bench")),
        _payer(stage),
    )
    stage.log_key, stage.field_key = made["log_key"], sensors["key"]
    chain = stage.chain(made["account"], payer)
    stage.contract, _, _ = await asyncio.gather(
        _deploy(stage, chain, payer), _prepare_central(stage), _enrol_all(stage)
    )
    _write_central(stage)
    return chain


async def _payer(stage: Stage) -> str:
    """Make the account that anchors the market log; return its address."""
    told = await stage.told("ledger", "chain", "account", "new", str(stage.market_account))
    return str(told["address"])


async def _deploy(stage: Stage, chain: Program, payer: str) -> str:
    """Start the chain; return its contract, with the market log opened for who anchors that."""
    await chain.start()
    deployed = await stage.told("gateway", "chain", "deploy", *_with(stage, "gateway"))
    contract = str(deployed["contract"])
    await _command(
        stage, "ledger", "chain", "submitter", "--url", stage.chain_url,
        "--chain-id", str(CHAIN_ID), "--key", str(stage.gateway_account),
        "--contract", contract, "--origin", MARKET_ORIGIN, payer,
    )  # fmt: skip
    return contract


def _write_central(stage: Stage) -> None:
    stage.write_central(stage.path("central.toml"), stage.path("central", "evidence.db"))


async def _prepare_central(stage: Stage) -> None:
    _write_central(stage)
    await stage.told("central", "scd", "init", *_with(stage, "central"))
    for role in _READERS:
        pods = [word for house in stage.houses for word in ("--pod", house.pod)]
        named = {
            "dso": ["--party", "dso", *pods],
            "field_sensor": ["--party", FIELD],
            "market_operator": ["--party", "market"],
        }.get(role, [])
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
