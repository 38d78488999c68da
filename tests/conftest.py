"""What every test may ask for."""

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
