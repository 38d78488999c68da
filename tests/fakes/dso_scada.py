"""A SCADA that fails in pairs: a configuration is lost, or taken though it failed."""

from dataclasses import dataclass, field
from enum import Enum, auto

from central.documents.configuration import GridConfiguration
from central.sessions.scada import Standing
from ledger.errors import Refused, Unavailable

LOWEST, HIGHEST = -9, 9


class Failure(Enum):
    """What happens to the next configuration."""

    LOST = auto()
    KEPT = auto()


@dataclass
class FakeScada:
    """Has changers of nine steps either way; what lies after `now_ms` waits.

    Every step that a changer really made is counted.
    """

    now_ms: int
    taps: dict[str, int]
    failures: list[Failure] = field(default_factory=list)
    waiting: int = 0
    steps_made: int = 0
    _taken: dict[str, GridConfiguration] = field(default_factory=dict)

    def standing(self) -> Standing:
        self._fail_if(Failure.LOST)
        return Standing(dict(self.taps), {})

    def configure(self, configuration: GridConfiguration) -> int:
        self._fail_if(Failure.LOST)
        self._take(configuration)
        self._fail_if(Failure.KEPT)
        return self.waiting

    def _fail_if(self, failure: Failure) -> None:
        if self.failures[:1] == [failure]:
            self.failures.pop(0)
            raise Unavailable("away")

    def _take(self, configuration: GridConfiguration) -> None:
        known = self._taken.get(configuration.mrid)
        if known == configuration:
            return
        if known and known.revision >= configuration.revision:
            same = known.revision == configuration.revision
            raise Refused("no", reason="name_taken" if same else "superseded")
        if configuration.validity.end_ms <= self.now_ms:
            raise Refused("no", reason="expired")
        self._need_possible(configuration)
        self._taken[configuration.mrid] = configuration
        due = [move for move in configuration.taps if move.start_ms <= self.now_ms]
        self.waiting = len(configuration.taps) - len(due)
        for move in due:
            self.steps_made += abs(move.to_tap - self.taps[move.transformer])
            self.taps[move.transformer] = move.to_tap

    def _need_possible(self, configuration: GridConfiguration) -> None:
        stands = dict(self.taps)
        for move in configuration.taps:
            if move.transformer not in stands:
                raise Refused("no", reason="unknown_device")
            if not LOWEST <= move.to_tap <= HIGHEST:
                raise Refused("no", reason="out_of_range")
            if stands[move.transformer] != move.from_tap:
                raise Refused("no", reason="unexpected_position")
            stands[move.transformer] = move.to_tap
