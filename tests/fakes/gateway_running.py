"""A whole gateway inside the test, on a ledger that it is given; everything else is real."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from gateway.config import GatewayConfig
from gateway.journal import Journal
from gateway.mqtt import MqttUplink
from gateway.scd import CentralHttp
from gateway.service import Gateway
from ledger.log import Log
from ledger.signing import SigningKey
from tests.fakes.gateway_ledger import FakeLedger


@contextlib.asynccontextmanager
async def running(
    made: GatewayConfig, key: SigningKey, ledger: FakeLedger
) -> AsyncIterator[Gateway]:
    journal = Journal.open(made.journal_file)
    with ThreadPoolExecutor(2) as executor:
        async with CentralHttp(made.central.url, token="t", timeout_s=2) as central:
            gateway = Gateway(
                made, journal=journal, uplink=MqttUplink(made.broker), central=central,
                ledger=ledger, key=key, window_log=Log(made.log_dir, made.origin, key.public),
                executor=executor,
            )  # fmt: skip
            task = asyncio.ensure_future(gateway.run())
            yield gateway
            assert not task.done(), task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    journal.close()
