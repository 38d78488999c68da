"""What every unit test has around it."""

from collections.abc import Iterator

import pytest

from tests.verbs import logs_as_before


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Let the next test log as if no program had run."""
    with logs_as_before():
        yield
