"""What every test may ask for."""

from hypothesis import HealthCheck, settings

from tests.servers import anvil, mbpoll, mosquitto, socat, vyper

__all__ = ["anvil", "mbpoll", "mosquitto", "socat", "vyper"]

# A busy machine is no reason to fail a law: the whole test has its time-out, an example has none.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")
