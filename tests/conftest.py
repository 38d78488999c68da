"""What every test may ask for."""

import gc

import pytest
from hypothesis import HealthCheck, settings

from tests.chains import anvil_chain, chain_server, embedded_chain, ledger_chain
from tests.servers import anvil, mbpoll, mosquitto, socat, vyper

__all__ = [
    "anvil",
    "anvil_chain",
    "chain_server",
    "embedded_chain",
    "ledger_chain",
    "mbpoll",
    "mosquitto",
    "socat",
    "vyper",
]

# A busy machine is no reason to fail a law: the whole test has its time-out, an example has none.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")


@pytest.fixture(autouse=True, scope="module")
def _what_others_left_is_nobodys_burden() -> None:
    """Set aside what earlier modules keep: the collector would walk it again and again.

    A light node or a reader with 20 ms to spare, tested in this process, stands still meanwhile.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let go of what was set aside, so that libraries can tell what they lost from what we kept."""
    gc.unfreeze()
