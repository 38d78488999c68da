"""What a grid lost on its way here: nothing is left out, or bent, without being told."""

from dataclasses import dataclass, field
from enum import StrEnum


class Effect(StrEnum):
    """What became of something that the platform's own file cannot hold as it is."""

    DROPPED = "dropped"  # what is calculated stays the same
    APPROXIMATED = "approximated"  # it is calculated with what stands in the reason
    REFUSED = "refused"  # without it every result would be another: there is no grid


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of loss and the elements it happened to, named as in the origin."""

    effect: Effect
    table: str
    elements: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        """Return the loss in one line."""
        told = ", ".join(self.elements[:_MOST])
        more = f" and {len(self.elements) - _MOST} more" if len(self.elements) > _MOST else ""
        return f"{self.effect}: {self.table} {told}{more}: {self.what}"


_MOST = 4


@dataclass(slots=True)
class ImportReport:
    """Collects losses; the same loss of many elements is one."""

    _found: dict[tuple[Effect, str, str], list[str]] = field(default_factory=dict)

    def dropped(self, table: str, element: str, what: str) -> None:
        """Note what was left out and is not calculated with."""
        self._note(Effect.DROPPED, table, element, what)

    def approximated(self, table: str, element: str, what: str) -> None:
        """Note what is calculated with instead."""
        self._note(Effect.APPROXIMATED, table, element, what)

    def refused(self, table: str, element: str, what: str) -> None:
        """Note what cannot be had here and cannot be left out."""
        self._note(Effect.REFUSED, table, element, what)

    def _note(self, effect: Effect, table: str, element: str, what: str) -> None:
        self._found.setdefault((effect, table, what), []).append(element)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Return every loss, the gravest first."""
        order = list(reversed(Effect))
        found = [Loss(effect, t, tuple(names), w) for (effect, t, w), names in self._found.items()]
        return tuple(sorted(found, key=lambda loss: order.index(loss.effect)))

    @property
    def is_refused(self) -> bool:
        """Tell whether there is no grid to be had."""
        return any(effect is Effect.REFUSED for effect, _, _ in self._found)
