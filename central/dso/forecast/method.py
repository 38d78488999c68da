"""The numbers that a forecast is made with: chosen on two towns, measured on others."""

from dataclasses import dataclass

from ledger.errors import Rejected


@dataclass(frozen=True, slots=True)
class Method:
    """How much past is used, and how.

    Args:
        trained_days: days that the ridge is fitted to, up to two days before the day forecast.
        earlier_days: days before these, from which alone the first of them is forecast.
        least_days: days of quarters that a POD must have to be forecast out of itself.
        least_weather_days: days of weather to learn its effect from.
        penalty: of the ridge, as a share of its rows.
        levels: quantiles, rising, between 0 and 1.
        block: PODs calculated at once; as many as fit into a core's cache.

    Raises:
        Rejected: the levels do not rise between 0 and 1, or a count is not above 0.
    """

    trained_days: int = 21
    earlier_days: int = 14
    least_days: int = 7
    least_weather_days: int = 14
    penalty: float = 0.1
    levels: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    block: int = 48

    def __post_init__(self) -> None:
        """Refuse what no forecast could be made with."""
        if any(not 0 < level < 1 for level in self.levels) or list(self.levels) != sorted(
            set(self.levels)
        ):
            raise Rejected(
                f"quantile levels must rise between 0 and 1, not {self.levels}",
                remedy="for example 0.05, 0.5, 0.95",
                reason="levels",
            )
        counts = (self.trained_days, self.earlier_days, self.least_days, self.block)
        if min(counts) < 1 or not self.penalty > 0:
            raise Rejected(
                f"days, PODs at once and penalty must be above 0, not {counts}, {self.penalty}",
                reason="method",
            )
