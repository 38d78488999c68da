"""Field sensors that have failed."""

from central.documents.measurement import FieldMeasurements, PhaseReading, SensorReading
from ledger.facts.interval import QUARTER_MS, Interval


def dead_at(unix_ms: int, sensor: str = "VC-MV-1") -> FieldMeasurements:
    """Return what a dead sensor says at an instant: no voltage at all."""
    row = PhaseReading(
        phase=None, voltage_mv=0, current_ma=None, power_w=None, reactive_power_var=None
    )
    reading = SensorReading(
        sensor=sensor, measured_ms=unix_ms, voltage_sigma_mv=60_000, current_sigma_ma=None,
        power_sigma_w=None, reactive_power_sigma_var=None, phases=(row,),
    )  # fmt: skip
    return FieldMeasurements(
        mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1, created_ms=unix_ms, sender="field",
        receiver="dso", validity=Interval(unix_ms, unix_ms + QUARTER_MS), sensors=(reading,),
        breakers=(),
    )  # fmt: skip
