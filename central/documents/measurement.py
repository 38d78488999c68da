"""I-19: what field sensors see: voltage and current sensors, and low-voltage breakers (LV3G)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from central.documents.elements import Phase
from central.documents.forms import Instant, Whole, Words
from central.documents.header import Document, need
from central.documents.shapes import Each


class BreakerState(StrEnum):
    """The position of a breaker; tripped is open by its own protection."""

    OPEN = "open"
    CLOSED = "closed"
    TRIPPED = "tripped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseReading:
    """What a sensor sees of one phase; null is what it does not measure."""

    phase: Annotated[Phase | None, "the phase; null: all three alike, phase to phase"]
    voltage_mv: Annotated[int | None, Whole("magnitude, phase to neutral", least=0)]
    current_ma: Annotated[int | None, Whole("magnitude", least=0)]
    power_w: Annotated[int | None, Whole("away from the busbar it is mounted at")]
    reactive_power_var: Annotated[int | None, Whole("the same way, positive: inductive")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorReading:
    """What a sensor sees at an instant, and one standard deviation of each kind of figure."""

    sensor: Annotated[str, Words("its name in the operator's registry")]
    measured_ms: Annotated[int, Instant("when it was measured", within=True)]
    phases: Annotated[tuple[PhaseReading, ...], Each("phase by phase", by=("phase",), least=1)]
    voltage_sigma_mv: Annotated[int | None, Whole("of the voltages", least=1)]
    current_sigma_ma: Annotated[int | None, Whole("of the currents", least=1)]
    power_sigma_w: Annotated[int | None, Whole("of the active powers", least=1)]
    reactive_power_sigma_var: Annotated[int | None, Whole("of the reactive powers", least=1)]

    def __post_init__(self) -> None:
        """Refuse a figure without its deviation."""
        for figure, sigma in (
            ("voltage_mv", self.voltage_sigma_mv),
            ("current_ma", self.current_sigma_ma),
            ("power_w", self.power_sigma_w),
            ("reactive_power_var", self.reactive_power_sigma_var),
        ):
            measured = any(getattr(phase, figure) is not None for phase in self.phases)
            need(not measured or sigma is not None, f"{figure} comes without its sigma")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerReading:
    """The position of a breaker at an instant."""

    breaker: Annotated[str, Words("its name in the operator's registry")]
    measured_ms: Annotated[int, Instant("when it was seen", within=True)]
    state: Annotated[BreakerState, "its position"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMeasurements(Document):
    """I-19. Many sensors and instants may stand in one document."""

    ii: ClassVar[str] = "I-19"

    sensors: Annotated[
        tuple[SensorReading, ...], Each("what sensors measured", by=("sensor", "measured_ms"))
    ]
    breakers: Annotated[
        tuple[BreakerReading, ...], Each("what breakers show", by=("breaker", "measured_ms"))
    ]
