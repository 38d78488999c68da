"""A database with an imported history and a weather file, for verbs to work on."""

from pathlib import Path

import pytest

from central.__main__ import main
from tests.desks import demo_history, demo_town
from tests.importing import write_history, write_weather
from tests.segments import TestLog
from tests.verbs import logs_as_before


@pytest.fixture(scope="package")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a database with an imported history and a weather file."""
    folder = tmp_path_factory.mktemp("platform")
    history = demo_history(2.2)
    write_history(folder / "history.csv", history, history.interval.end_ms, 42 * 96)
    write_weather(folder / "weather.csv", demo_town().weather)
    file = folder / "central.toml"
    file.write_text(
        f'origin = "x"\nlog_key = "{TestLog([]).key.public.encode().hex()}"\n'
        '[store]\nevidence = "evidence.db"\nseries = "series"\n'
        f'[dso]\nimports = "imports"\nweather = "{folder / "weather.csv"}"\n',
        encoding="utf-8",
    )
    with logs_as_before():
        assert main(["scd", "init", "-c", str(file)]) == 0
        assert main(["history", "import", str(folder / "history.csv"), "-c", str(file)]) == 0
    return file
