"""The numbers of the method: what no forecast could be made with is refused."""

from typing import Any

import pytest

from central.dso.forecast.method import Method
from ledger.errors import Rejected


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": (0.5, 0.1)},
        {"levels": (0.1, 0.1)},
        {"levels": (0.0, 0.5)},
        {"levels": (0.5, 1.0)},
        {"trained_days": 0},
        {"earlier_days": 0},
        {"block": 0},
        {"penalty": 0.0},
    ],
)
def test_wrong_numbers_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        Method(**wrong)


def test_the_usual_numbers_are_right() -> None:
    usual = Method()
    assert usual.least_days < usual.trained_days
    assert usual.least_weather_days <= usual.trained_days
