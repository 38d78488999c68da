"""`certiflex central dso` and `history`: what is typed, what is told, and with which status."""

import contextlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from central.__main__ import main
from central.calendar import day_start_ms
from central.config import CentralConfig
from central.documents.header import Horizon
from central.dso.expectation import solved
from central.dso.grid.file import write_grid
from central.dso.grid.model import Grid
from central.dso.powerflow import AS_BUILT, PowerFlow
from central.service import opened
from central.sessions.opening import opened_desk
from ledger.configuration import load
from ledger.facts.interval import QUARTER_MS, Interval
from tests.activations import called
from tests.desks import DAY, demo
from tests.documents import written
from tests.hil.scadas import served_scada
from tests.segments import TestLog
from tests.servers import free_port
from tests.verbs import Told, run, with_scada

ON_DAY = ("--day", DAY.isoformat())


def test_the_forecast_is_told_area_by_area_with_how_far_it_may_be_trusted(
    config: Path, capsys: Told
) -> None:
    status, out, err = run(capsys, config, "dso", "forecast", *ON_DAY)
    assert (status, err) == (0, "")
    assert "feeder 1" in out
    assert "0 % is certified and 100 % imported" in out
    status, out, _ = run(capsys, config, "dso", "forecast", *ON_DAY, "--json")
    document = json.loads(out)
    assert document["schema"] == "certiflex/dso-forecast/v1"
    assert len(document["pods"]) == 248
    assert len(document["pods"][0]["mean_w"]) == 96
    assert {note["reason"] for note in document["notes"]} >= {"imported"}


def test_congestions_are_told_worst_first_and_end_with_status_one(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    status, out, err = run(capsys, config, "dso", "assess", *ON_DAY, "--to", tmp_path)
    assert status == 1
    head, first, *_ = out.splitlines()
    assert head.split()[0] == "element"
    assert "%" in first
    assert "load" in first
    (file,) = tmp_path.glob("I-10-*.json")
    assert str(file) in err
    assert json.loads(file.read_text(encoding="utf-8"))["ii"] == "I-10"


def longer(by: float) -> Grid:
    """Return the demo grid with longer lines."""
    lines = demo().network["line"].copy()
    for column in ("r1", "x1", "r0", "x0"):
        lines[column] *= by
    return replace(demo(), network={**demo().network, "line": lines})


def longer_lines(config: Path, by: float) -> Path:
    """Return a configuration beside another, of the same grid with longer lines."""
    named = config.with_name(f"lines-{by}.grid.json")
    write_grid(longer(by), named)
    file = config.with_name(f"lines-{by}.toml")
    file.write_text(f'{config.read_text(encoding="utf-8")}grid = "{named}"\n', encoding="utf-8")
    return file


def just_solvable(config: Path) -> float:
    """Return how much longer the lines may be so that the day has a power flow, by bisection."""
    settings = load(CentralConfig, config, program="central").value
    with opened(settings) as central:
        inquiry = central.inquiry()
        made = opened_desk(
            settings.dso, central.evidence, inquiry, central.documents, central.clock
        )
        expected = made.expected(made.forecast_day(DAY), Horizon.DAY_AHEAD).expectation
    least, most = 1.0, 4.0
    while most - least > 1e-4:
        middle = (least + most) / 2
        flow = solved(PowerFlow(longer(middle)), expected, AS_BUILT, partial=True)
        least, most = (middle, most) if flow.solved.all() else (least, middle)
    return least


def test_where_there_is_no_power_flow_quarter_island_and_last_step_are_told(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    beyond = longer_lines(config, 4.0)
    for verb in ("assess", "all"):
        status, out, err = run(capsys, beyond, "dso", verb, *ON_DAY, "--to", tmp_path)
        assert (status, out) == (2, "")
        error = err.splitlines()[-1]
        assert re.match(
            r"error: PS-ROMA-DEMO: no power flow for quarter \d+ under p95, .* in the island of "
            r"HV-0, .*: Newton's last step was [0-9.e+]+ pu; ",
            error,
        ), error
    assert list(tmp_path.iterdir()) == [], "nothing is published for it"


def test_where_currents_do_not_settle_newton_does_and_that_is_told(
    config: Path, capsys: Told
) -> None:
    status, out, err = run(
        capsys, longer_lines(config, just_solvable(config)), "dso", "assess", *ON_DAY
    )
    assert status == 1
    assert re.search(r"^[1-9]\d* of 288 power flows by Newton", out, re.MULTILINE)
    assert "dso.fell_back_to_newton" in err


STRANGER = "IT999E99999999"


@pytest.mark.parametrize("verb", ["validate", "dispatch"])
@pytest.mark.parametrize("fault", ["stranger", "no offer", "other day"])
def test_what_is_wrong_with_documents_is_told_before_anything_is_forecast(
    verb: str, fault: str, tmp_path: Path, capsys: Told
) -> None:
    config = without_history(tmp_path)  # whoever forecasts first is told that there is no past
    start_ms = day_start_ms(DAY) + (86_400_000 if fault == "other day" else 0)
    pod = STRANGER if fault == "stranger" else demo().pods[0]
    given = called(Interval(start_ms, start_ms + 86_400_000), {pod: {48: 200}})
    outcome = written(tmp_path / "outcome.json", given.outcomes)
    offers = written(tmp_path / "offers.json", [] if fault == "no offer" else given.offers)
    if verb == "validate":
        typed: tuple[object, ...] = (outcome, "--offers", offers)
    else:
        order = written(
            tmp_path / "order.json", [replace(each, expires_ms=1 << 47) for each in given.orders]
        )
        baselines = written(tmp_path / "baselines.json", given.baselines)
        typed = (order, "--outcome", outcome, "--offers", offers, "--baselines", baselines)
    capsys.readouterr()
    status, out, err = run(capsys, config, "dso", verb, *typed, *ON_DAY)
    assert (status, out) == (2, "")
    (only,) = err.splitlines()
    told = {
        "stranger": f"no pod is called {STRANGER!r}",
        "no offer": "offer is not among those given",
        "other day": f"quarter {start_ms + 48 * QUARTER_MS} is outside what was forecast",
    }
    assert told[fault] in only


def test_phases_are_told_drawn_and_named_in_the_alert(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    verb = ("dso", "assess", "--phases", *ON_DAY)
    status, out, _ = run(capsys, config, *verb, "--to", tmp_path)
    assert status == 1
    named = {line.split("  ")[0] for line in out.splitlines()[1:20]}
    assert {name.split()[-1] for name in named} & set("abc")
    assert (tmp_path / "phases.svg").exists()
    status, out, _ = run(capsys, config, *verb, "--json")
    told = json.loads(out)
    assert list(told["steps"]) == ["DA-3a", "DA-4a", "DA-5a"]
    assert {each["phase"] for each in told["documents"][0]["elements"]} <= set("abc")
    assert told["documents"][0]["violations"]
    assert all(each["value_pct"] > each["limit_pct"] for each in told["unbalances"])


@pytest.fixture(scope="module")
def planned(config: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """Return how the plan of the day ended, what it told, and where it wrote."""
    folder, told = tmp_path_factory.mktemp("plan"), io.StringIO()
    with contextlib.redirect_stdout(told):
        status = main(["dso", "plan", *ON_DAY, "--to", str(folder), "-c", str(config)])
    return status, told.getvalue(), folder


def test_the_plan_is_told_and_drawn(planned: tuple[int, str, Path]) -> None:
    status, out, folder = planned
    assert status == 1
    assert "TR-1" in out
    assert out.splitlines()[-1].endswith("the rest needs flexibility")
    for name in ("feeder.svg", "own-means.svg"):
        assert (folder / name).read_text(encoding="utf-8").startswith("<svg")


def test_requests_are_told_and_who_can_help_is_drawn(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    _, out, _ = run(capsys, config, "dso", "request", *ON_DAY, "--to", tmp_path, "--json")
    assert (tmp_path / "who-can-help.svg").exists()
    documents = json.loads(out)["documents"]
    assert {each["ii"] for each in documents} == {"I-06"}
    assert len(list(tmp_path.glob("I-06-*.json"))) == len(documents)


def test_all_at_once_tells_writes_and_draws_what_the_single_verbs_do(
    config: Path, capsys: Told, tmp_path: Path, planned: tuple[int, str, Path]
) -> None:
    whole = ("dso", "all", *ON_DAY, "--to", tmp_path, "--send", "--json")
    status, out, err = run(capsys, config, *whole)
    told = json.loads(out)
    assert status == 0
    assert not any(request["unsolved"] for request in told["documents"][3:])
    assert list(told["steps"]) == [f"DA-{row}a" for row in range(3, 10)]
    order = [each["ii"] for each in told["documents"]]
    assert order[:3] == ["I-10", "I-11", "I-12"]
    assert order[-1] == "I-06"
    written = {file.name for file in tmp_path.iterdir()}
    documents = {f"{each['ii']}-{each['mrid']}.json" for each in told["documents"]}
    assert written == documents | {"feeder.svg", "own-means.svg", "who-can-help.svg"}
    # Without a SCADA own means are kept all the same, and that nobody has them is said.
    (kept,) = tmp_path.glob("I-11-*.json")
    assert f"{kept}: no SCADA is configured" in err
    status, _, err = run(capsys, config, "dso", "send", kept)
    assert (status, "there is no SCADA" in err) == (2, True)
    _, out, _ = run(capsys, config, "dso", "all", *ON_DAY)
    before, after = out.split(planned[1])
    assert before.splitlines()[0].split()[0] == "element"
    head, first, *_ = after.splitlines()
    assert (head.split()[0], first.split()[0]) == ("direction", "up")


def test_own_means_are_kept_then_sent_and_sent_again_after_scada_was_away(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    away = with_scada(config, f"http://127.0.0.1:{free_port()}")
    sending = ("dso", "all", *ON_DAY, "--send")
    status, _, err = run(capsys, away, *sending)
    assert (status, "say where to keep it" in err) == (2, True)
    status, out, err = run(capsys, away, *sending, "--to", tmp_path)
    assert (status, out) == (5, "")
    assert "SCADA does not answer" in err
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("I-11-"), "nothing was asked for"

    # In the last minute of the day every move is due, and the plant's changer really goes there.
    with served_scada(now_ms=day_start_ms(DAY) + 86_340_000) as served:
        there = with_scada(config, served.url)
        status, out, err = run(capsys, there, "dso", "send", kept)
        assert (status, err) == (0, "")
        assert out == "SCADA took it; 0 moves wait for their time\n"
        taps = json.loads(kept.read_text(encoding="utf-8"))["taps"]
        assert taps, "the case is too easy"
        stands = served.plant.state.taps
        assert [stands[each["transformer"]] for each in taps[-1:]] == [taps[-1]["to_tap"]]
        acts = served.plant.acts
        status, out, _ = run(capsys, there, "dso", "send", kept, "--json")
        assert json.loads(out)["told"].startswith("SCADA took it")
        assert served.plant.acts == acts, "the same again moves nothing"
    with served_scada(now_ms=day_start_ms(DAY) + 2 * 86_400_000) as served:
        there = with_scada(config, served.url)
        status, _, err = run(capsys, there, "dso", "send", kept)
        assert (status, "its time is over" in err) == (4, True)


def test_orders_become_set_points_and_what_was_not_won_is_told(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    start_ms = day_start_ms(DAY)
    given = called(Interval(start_ms, start_ms + 86_400_000), {demo().pods[0]: {48: 200}})
    order = replace(given.orders[0], expires_ms=1 << 47)
    files = {
        "--outcome": written(tmp_path / "outcome.json", given.outcomes),
        "--offers": written(tmp_path / "offers.json", given.offers),
        "--baselines": written(tmp_path / "baselines.json", given.baselines),
    }
    arguments = [each for pair in files.items() for each in pair]
    verb = ("dso", "dispatch", written(tmp_path / "order.json", [order]), *ON_DAY, *arguments)
    status, out, err = run(capsys, config, *verb, "--to", tmp_path / "sent")
    assert status == 0
    head, row = out.splitlines()
    assert head.split()[:3] == ["pod", "from", "to"]
    assert row.split()[:1] == [demo().pods[0]]
    (file,) = (tmp_path / "sent").iterdir()
    assert file.name.startswith("I-09-")
    assert str(file) in err
    status, out, _ = run(capsys, config, *verb, "--json")
    told = json.loads(out)
    assert (status, told["steps"], told["cuts"]) == (0, {"AC-3a": "ok"}, [])
    assert [each["difference_w"] for each in told["documents"]] == [-200]

    written(files["--outcome"], [replace(given.outcomes[0], awards=())])
    status, out, err = run(capsys, config, *verb)
    assert (status, out) == (2, "")
    assert "200 W are ordered" in err
    assert "the dso won 0 W" in err
    written(tmp_path / "order.json", [replace(order, expires_ms=start_ms)])
    status, _, err = run(capsys, config, *verb)
    assert (status, "it ended at" in err) == (2, True)
    more = called(order.validity, {demo().pods[0]: {48: 10**6}})  # beyond any contract
    written(tmp_path / "order.json", [replace(more.orders[0], expires_ms=1 << 47)])
    written(files["--outcome"], more.outcomes)
    written(files["--offers"], more.offers)
    status, out, _ = run(capsys, config, *verb)
    assert (status, "contract of" in out.splitlines()[-1]) == (1, True)


def without_history(folder: Path) -> Path:
    """Return the configuration of a database that is empty."""
    file = folder / "central.toml"
    file.write_text(
        f'origin = "x"\nlog_key = "{TestLog([]).key.public.encode().hex()}"\n'
        '[store]\nevidence = "evidence.db"\nseries = "series"\n[dso]\nimports = "imports"\n',
        encoding="utf-8",
    )
    assert main(["scd", "init", "-c", str(file)]) == 0
    return file


def test_an_import_tells_what_the_grid_does_not_have_and_keeps_it(
    tmp_path: Path, capsys: Told
) -> None:
    config, file = without_history(tmp_path), tmp_path / "last-year.csv"
    strangers = [f"IT999E{number:08}" for number in range(5)]
    rows = [
        f"{pod},2026-06-21T0{hour}:00:00+02:00,100,0"
        for hour in range(2)
        for pod in (demo().pods[0], *strangers)
    ]
    file.write_text("\n".join(["pod,start,import_wh,export_wh", *rows]), encoding="utf-8")
    told = (
        f"10 of them are of PODs that {demo().name} does not have: "
        f"{', '.join(strangers[:3])} and 2 more\n"
    )
    capsys.readouterr()

    status, out, _ = run(capsys, config, "history", "import", file, "--dry-run")
    assert status == 0
    assert out.startswith("12 quarter-hours would be kept in ")
    assert out.endswith(told)
    _, out, _ = run(capsys, config, "history", "import", file, "--dry-run", "--json")
    assert json.loads(out)["kept"] is False
    assert not (tmp_path / "imports").exists(), "nothing is kept"

    status, out, _ = run(capsys, config, "history", "import", file)
    assert (status, out.endswith(told)) == (0, True)
    _, out, _ = run(capsys, config, "history", "import", file, "--json")
    as_json = json.loads(out)
    assert (as_json["rows"], as_json["kept"]) == (12, True)
    assert as_json["not_in_grid"] == {"rows": 10, "pods": strangers}
    (kept,) = (tmp_path / "imports").iterdir()
    assert pq.read_table(kept).num_rows == 12, "nothing is lost"

    file.write_text("\n".join(["pod,start,import_wh,export_wh", *rows[:1]]), encoding="utf-8")
    _, out, _ = run(capsys, config, "history", "import", file)
    assert out.count("\n") == 1, "there is nothing to tell"
    file.write_text("pod,start\n", encoding="utf-8")
    status, _, err = run(capsys, config, "history", "import", file, "--dry-run")
    assert (status, "has no column import_wh" in err) == (2, True)


def test_without_history_the_error_says_what_to_do(tmp_path: Path, capsys: Told) -> None:
    file = without_history(tmp_path)
    capsys.readouterr()
    status, out, err = run(capsys, file, "dso", "forecast", *ON_DAY)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("margin_voltage_pu = 0.5", "margin_voltage_pu must be 0"),
        ("flexible_pct = 0", "flexible_pct must be above 0"),
        ('grid = "nothing.grid.json"', "No such file"),
        ('weather = "nothing.csv"', "nothing.csv: cannot be read"),
        ('scada_url = "scada.example"', "scada_url must be http"),
        ("scada_timeout_s = 0", "scada_timeout_s must be above 0"),
        ("failsafe_after_s = 0", "failsafe_after_s must be at least 1"),
        ("failsafe_floor_w = -1", "failsafe_floor_w must not be negative"),
        ("colour = 3", "unknown key"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(
    setting: str, told: str, tmp_path: Path, capsys: Told
) -> None:
    file = tmp_path / "central.toml"
    file.write_text(
        f'origin = "x"\nlog_key = "{TestLog([]).key.public.encode().hex()}"\n'
        f'[store]\nevidence = "evidence.db"\nseries = "series"\n[dso]\n',
        encoding="utf-8",
    )
    assert main(["scd", "init", "-c", str(file)]) == 0
    file.write_text(file.read_text(encoding="utf-8") + setting + "\n", encoding="utf-8")
    capsys.readouterr()
    status, _, err = run(capsys, file, "dso", "forecast", *ON_DAY)
    assert status == 2
    assert told in err
    assert "Traceback" not in err


def test_other_documents_than_expected_are_refused(
    config: Path, capsys: Told, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text("[]", encoding="utf-8")
    arguments = ("dso", "validate", other, "--offers", other, *ON_DAY)
    status, _, err = run(capsys, config, *arguments)
    assert status == 2
    assert "holds 0 documents, expected one I-08" in err
    other.write_text('{"schema": "x"}', encoding="utf-8")
    status, _, err = run(capsys, config, *arguments)
    assert status == 2
    status, _, err = run(
        capsys, config, "dso", "validate", tmp_path / "no.json", "--offers", other, *ON_DAY
    )
    assert status == 2
    assert "No such file" in err
