"""`certiflex central dso … --hours`: what the field shows is used, and told by each verb."""

import json
from dataclasses import replace
from pathlib import Path

from central.calendar import day_start_ms
from central.dso.forecast.intraday import coming_hours
from hil.plant_file import Action
from tests.activations import called
from tests.desks import DAY, demo
from tests.documents import written
from tests.hil.scadas import served_scada
from tests.sensors import dead_at
from tests.verbs import Told, at_instant, run, with_scada

NAMED = "put aside, sensor VC-MV-1: voltage 0 V: the phase or its sensor is dead"


def test_the_next_hours_are_planned_from_where_the_changers_stand(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    evening_ms = day_start_ms(DAY) + 19 * 3_600_000
    with served_scada(now_ms=evening_ms) as served:
        served.plant.act(Action.TAP, "TR-1", 2, evening_ms)
        there = at_instant(with_scada(config, served.url), evening_ms)
        sending = ("dso", "all", "--hours", "--send", "--to", tmp_path, "--json")
        _, out, err = run(capsys, there, *sending)
        told = json.loads(out)
        assert list(told["steps"]) == [f"RT-{row}a" for row in range(1, 8)]
        (own,) = (each for each in told["documents"] if each["ii"] == "I-11")
        moves = [each for each in own["taps"] if each["transformer"] == "TR-1"]
        assert moves, "the case is too easy"
        assert moves[0]["from_tap"] == 2
        assert "SCADA took it" in err
        dead = ("--hours", "--field", written(tmp_path / "field.json", [dead_at(evening_ms)]))
        _, out, _ = run(capsys, there, "dso", "assess", *dead)
        assert "silent sensors: " in out
        assert NAMED in out.splitlines()
        _, out, _ = run(capsys, there, "dso", "request", *dead)
        assert NAMED in out.splitlines()
    status, out, err = run(capsys, there, "dso", "assess", "--hours")
    assert (status, out) == (5, "")
    assert "SCADA does not answer" in err, "nobody guesses where they stand"


def test_validation_and_dispatch_tell_what_the_field_shows(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    evening_ms = day_start_ms(DAY) + 19 * 3_600_000
    given = called(coming_hours(evening_ms), {demo().pods[0]: {3: 200}})
    order = replace(given.orders[0], expires_ms=1 << 47)
    there = at_instant(config, evening_ms)
    outcome = written(tmp_path / "outcome.json", given.outcomes)
    offers = written(tmp_path / "offers.json", given.offers)
    dead = ("--hours", "--field", written(tmp_path / "field.json", [dead_at(evening_ms)]))
    orders = ("--baselines", written(tmp_path / "baselines.json", given.baselines))
    for verb in (
        ("validate", outcome, "--offers", offers),
        ("dispatch", written(tmp_path / "order.json", [order]), "--outcome", outcome,
         "--offers", offers, *orders),
    ):  # fmt: skip
        _, out, err = run(capsys, there, "dso", *verb, *dead)
        assert NAMED in out.splitlines(), err
        _, out, _ = run(capsys, there, "dso", *verb, *dead, "--json")
        assert [each["sensor"] for each in json.loads(out)["seen"]["put_aside"]] == ["VC-MV-1"]
