"""Whether a measurement can be true: within what this make of meter can show."""

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.meters.profile import Sanity
from lightnode.ports import Measurement

_REGISTER_WH = (0, (1 << 48) - 1)


def check_range(measured: Measurement, sanity: Sanity) -> None:
    """Refuse what this make of meter cannot show.

    Raises:
        MeterFault: METER_RANGE.
    """
    for voltage_mv in measured.voltages_mv:
        _check("voltage [V]", voltage_mv / 1000, sanity.voltage_v)
    for current_ma in measured.currents_ma:
        _check("current [A]", current_ma / 1000, sanity.current_a)
    _check("frequency [Hz]", measured.frequency_mhz / 1000, sanity.frequency_hz)
    _check("power [W]", measured.power_w, sanity.power_w)
    _check("reactive power [var]", measured.reactive_power_var, sanity.power_w)
    _check("import register [Wh]", measured.import_wh, _REGISTER_WH)
    _check("export register [Wh]", measured.export_wh, _REGISTER_WH)


def _check(what: str, value: float, limits: tuple[float, ...]) -> None:
    least, most = limits
    if not least <= value <= most:
        raise MeterFault(
            f"{what} is {value:g}; this meter shows {least:g} … {most:g}",
            cause=GapCause.METER_RANGE,
            remedy="check the meter profile in the configuration",
        )
