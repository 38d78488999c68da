"""Before the first run: keys, journal and contract; and a check of everything `run` needs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.config import GatewayConfig
from gateway.mqtt import MqttUplink
from gateway.opening import connect_ledger, gateway_key, need_ledger, open_journal, token_of
from gateway.scd import CentralHttp
from ledger.chain.account import Account
from ledger.contract import log_id
from ledger.errors import CertiflexError, Rejected
from ledger.log import Log
from ledger.signing import SigningKey, write_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What others must know of this gateway: its log key and its account."""

    origin: str
    log_key: str
    account: str
    state_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One thing that `run` needs, and what is wrong with it; None if nothing is."""

    name: str
    fault: CertiflexError | None


def prepare(config: GatewayConfig) -> Prepared:
    """Make what is missing: keys that only the owner can read, and the journal.

    Raises:
        Rejected: something is there and is not what it should be.
        Unavailable: the disk is away.
    """
    if not config.gateway_key_file.exists():
        SigningKey.generate("EdDSA").save(config.gateway_key_file)
    if not config.chain_account_file.exists():
        Account.generate().save(config.chain_account_file)
    open_journal(config).close()
    return Prepared(
        origin=config.origin,
        log_key=gateway_key(config).public.encode().hex(),
        account=Account.load(config.chain_account_file).address,
        state_dir=config.state_dir,
    )


def missing(config: GatewayConfig) -> list[Path]:
    """Return the files that `prepare` would make."""
    files = (config.gateway_key_file, config.chain_account_file, config.journal_file)
    return [file for file in files if not file.exists()]


def may_deploy(config: GatewayConfig) -> str:
    """Return where `deploy_contract` would put the contract, and from which account.

    Raises:
        Rejected: an address is kept already, no ledger is named, or there is no account.
    """
    if config.contract_file.exists():
        raise Rejected(
            f"a contract is kept already: {config.contract_file.read_text().strip()}",
            where=str(config.contract_file),
            remedy="move the file away if you really want a new contract and an empty ledger",
            reason="contract_exists",
        )
    need_ledger(config)
    return f"{config.chain.urls[0]} {Account.load(config.chain_account_file).address}"


def deploy_contract(config: GatewayConfig, *, timeout_s: float) -> str:
    """Put the contract on the chain, let this gateway's log onto it, and keep the address.

    Raises:
        Rejected: an address is kept already, or no ledger is named.
        Unavailable: the chain is away.
        Refused: the chain said no.
    """
    may_deploy(config)
    # Imported here: nothing else in this module needs the chain libraries.
    from ledger.chain.client import deploy  # noqa: PLC0415

    address = deploy(
        config.chain.urls[0],
        Account.load(config.chain_account_file),
        chain_id=config.chain.chain_id,
        authorise=[log_id(config.origin)],
        timeout_s=timeout_s,
    )
    write_secret(config.contract_file, f"{address}\n".encode(), what="contract")
    return address


async def check(config: GatewayConfig, *, timeout_s: float) -> list[Checked]:
    """Return what `run` needs and what is wrong with each: nothing is changed or sent."""
    checks: dict[str, Callable[[], Awaitable[object]]] = {
        "key": lambda: asyncio.to_thread(gateway_key, config),
        "journal": lambda: asyncio.to_thread(_check_journal, config),
        "log": lambda: asyncio.to_thread(_check_log, config),
        "broker": lambda: _check_broker(config),
        "central": lambda: _check_central(config),
        "ledger": lambda: asyncio.to_thread(_check_ledger, config),
    }
    return [await _checked(name, run, timeout_s) for name, run in checks.items()]


async def _checked(name: str, run: Callable[[], Awaitable[object]], timeout_s: float) -> Checked:
    try:
        async with asyncio.timeout(timeout_s):
            await run()
    except CertiflexError as error:
        return Checked(name=name, fault=error)
    except TimeoutError:
        fault = CertiflexError(f"no answer within {timeout_s} s", where=name)
        return Checked(name=name, fault=fault)
    return Checked(name=name, fault=None)


def _check_journal(config: GatewayConfig) -> None:
    _need_prepared(config.journal_file)
    open_journal(config).close()


def _check_log(config: GatewayConfig) -> None:
    if config.log_dir.exists():
        Log(config.log_dir, config.origin, gateway_key(config).public)


async def _check_broker(config: GatewayConfig) -> None:
    # Under a name of its own: the running gateway must not be thrown out by a check.
    async with MqttUplink(config.broker, client_id=f"{config.broker.client_id}-check").connected():
        pass


async def _check_central(config: GatewayConfig) -> None:
    central = config.central
    async with CentralHttp(
        central.url, token=token_of(config), timeout_s=central.timeout_s
    ) as client:
        await client.reach()


def _check_ledger(config: GatewayConfig) -> None:
    ledger = connect_ledger(config)
    try:
        ledger.head(log_id(config.origin))
    finally:
        ledger.close()


def _need_prepared(file: Path) -> None:
    if not file.exists():
        raise Rejected(
            "is not there", where=str(file), remedy="type: certiflex gateway init -c FILE",
            reason="not_prepared",
        )  # fmt: skip
