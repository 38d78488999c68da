"""One day of a household, laid out in steps of constant power whose energy is exact.

```
 power ▲      ripple: leans over a step, adds nothing to its energy
       │   ╲__      step i: [starts[i], starts[i+1])
       │      ╲ ┊‾‾╲__
       └────────┴───────► time
```

Powers are integer milliwatts and times integer milliseconds, so energies are integer
microjoules: registers never run back and never lose a watt-hour to rounding.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from hil.sky import MS_PER_DAY

UJ_PER_WH = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy counted since a start [µJ, and µvar·s]: from the grid, to it, and reactive."""

    import_uj: int = 0
    export_uj: int = 0
    import_uvars: int = 0
    export_uvars: int = 0

    def __add__(self, more: "Energies") -> "Energies":
        """Return the two counts added."""
        return Energies(
            self.import_uj + more.import_uj,
            self.export_uj + more.export_uj,
            self.import_uvars + more.import_uvars,
            self.export_uvars + more.export_uvars,
        )

    def __sub__(self, less: "Energies") -> "Energies":
        """Return what this count has beyond another."""
        return Energies(
            self.import_uj - less.import_uj,
            self.export_uj - less.export_uj,
            self.import_uvars - less.import_uvars,
            self.export_uvars - less.export_uvars,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """Where an instant falls: in step *index*, *into_ms* after its start, of *length_ms*."""

    index: int
    into_ms: int
    length_ms: int


class Channel:
    """Power and energy of one phase, or of the sum of phases, through the day.

    Positive is taken from the grid. A ripple never exceeds the power it rides on, so the
    direction of the flow does not change within a step.

    Args:
        lengths_ms: the length of each step.
        powers_mw: the mean power of each step.
        ripples_mw: what is added at the start of a step and taken away at its end.
        reactives_mvar: the reactive power of each step; positive is inductive.
    """

    __slots__ = ("_import_uj", "_import_uvars", "_net_uj", "_net_uvars", "_p", "_q", "_ripple")

    def __init__(
        self,
        lengths_ms: Sequence[int],
        powers_mw: Sequence[int],
        ripples_mw: Sequence[int],
        reactives_mvar: Sequence[int],
    ) -> None:
        self._p = array("q", powers_mw)
        self._q = array("q", reactives_mvar)
        self._ripple = array("q", ripples_mw)
        self._import_uj, self._net_uj = _counted(lengths_ms, powers_mw)
        self._import_uvars, self._net_uvars = _counted(lengths_ms, reactives_mvar)

    def power_mw(self, step: Step) -> int:
        """Return the active power at an instant [mW]."""
        lean_mw = self._ripple[step.index] * (step.length_ms - 2 * step.into_ms)
        return self._p[step.index] + lean_mw // step.length_ms

    def reactive_mvar(self, step: Step) -> int:
        """Return the reactive power at an instant [mvar]."""
        return self._q[step.index]

    def energies(self, step: Step) -> Energies:
        """Return the energy from the start of the day to an instant."""
        index, into_ms = step.index, step.into_ms
        lean = self._ripple[index] * into_ms * (step.length_ms - into_ms) // step.length_ms
        active_uj = self._p[index] * into_ms + lean
        import_uj = self._import_uj[index] + max(0, active_uj)
        reactive_uvars = self._q[index] * into_ms
        import_uvars = self._import_uvars[index] + max(0, reactive_uvars)
        return Energies(
            import_uj,
            import_uj - self._net_uj[index] - active_uj,
            import_uvars,
            import_uvars - self._net_uvars[index] - reactive_uvars,
        )


def _counted(
    lengths_ms: Sequence[int], powers_mw: Sequence[int]
) -> tuple["array[int]", "array[int]"]:
    """Return what was imported, and the net, up to the start of each step and of the next day."""
    energies_uj = [length * power for length, power in zip(lengths_ms, powers_mw, strict=True)]
    imported_uj = (max(0, energy_uj) for energy_uj in energies_uj)
    return (
        array("q", accumulate(imported_uj, initial=0)),
        array("q", accumulate(energies_uj, initial=0)),
    )


class DayPlan:
    """A whole UTC day: the sum of the phases first, then each phase.

    Args:
        starts_ms: the start of each step, from the start of the day; the first is 0.
        channels: the sum, then one channel for each phase (the sum alone for one phase).
        charge_end_uj: what is in the battery when the day ends.
    """

    __slots__ = ("_starts_ms", "channels", "charge_end_uj")

    def __init__(
        self, starts_ms: Sequence[int], channels: tuple[Channel, ...], charge_end_uj: int
    ) -> None:
        self._starts_ms = array("q", starts_ms)
        self.channels = channels
        self.charge_end_uj = charge_end_uj

    def step_at(self, offset_ms: int) -> Step:
        """Return the step that an offset from the start of the day falls into."""
        index = bisect_right(self._starts_ms, offset_ms) - 1
        start_ms = self._starts_ms[index]
        last = index + 1 == len(self._starts_ms)
        end_ms = MS_PER_DAY if last else self._starts_ms[index + 1]
        return Step(index, offset_ms - start_ms, end_ms - start_ms)

    def totals(self) -> tuple[Energies, ...]:
        """Return the energies of the whole day, one for each channel."""
        start_ms = self._starts_ms[-1]
        length_ms = MS_PER_DAY - start_ms
        whole = Step(len(self._starts_ms) - 1, length_ms, length_ms)
        return tuple(channel.energies(whole) for channel in self.channels)
