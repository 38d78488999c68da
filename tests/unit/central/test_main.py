"""The command: data on stdout, one line of error, the exit statuses of the house."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from central.__main__ import main
from central.calendar import day_interval
from central.documents.encoding import to_json
from ledger.signing import SigningKey
from tests.activations import called
from tests.desks import DAY
from tests.scd import World, lived_in

Told = pytest.CaptureFixture[str]


def config_file(made: World) -> Path:
    config = made.central.config
    path = config.store.evidence.parent / "central.toml"
    path.write_text(
        f'origin = "{config.origin}"\nlog_key = "{config.log_key}"\n'
        '[store]\nevidence = "evidence.db"\nseries = "series"\n[series]\ngrace_s = 0\n'
    )
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with lived_in(tmp_path, minutes=3) as made:
        return config_file(made)


def told(capsys: Told, *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, out, err


def test_an_audit_is_clean_or_names_the_row(file: Path, capsys: Told) -> None:
    status, out, _ = told(capsys, "scd", "audit", "-c", str(file))
    assert (status, "readings 180" in out) == (0, True)
    with closing(sqlite3.connect(file.parent / "evidence.db")) as connection:
        connection.execute("UPDATE last_value SET power_w = 1 WHERE node_index = 2")
        connection.commit()
    status, out, _ = told(capsys, "scd", "audit", "--json", "-c", str(file))
    report = json.loads(out)
    assert (status, report["schema"]) == (1, "certiflex/scd-audit/v1")
    (finding,) = report["findings"]
    assert report["finding_count"] == 1
    assert (finding["table"], finding["row"], finding["column"]) == (
        "last_value", "node 2", "power_w",
    )  # fmt: skip
    status, out, _ = told(capsys, "scd", "audit", "-c", str(file))
    assert out.startswith("last_value  node 2  power_w: expected ")
    assert told(capsys, "scd", "rebuild", "-c", str(file))[0] == 0
    assert told(capsys, "scd", "audit", "-c", str(file))[0] == 0


def test_tokens_are_issued_listed_and_revoked(file: Path, capsys: Told) -> None:
    pod = "IT002E00000001@2026-06-21T00:00:00Z/2026-06-21T01:00:00Z"
    status, token, _ = told(
        capsys, "token", "issue", "--role", "market_operator", "--pod", pod, "--label", "demo",
        "-c", str(file),
    )  # fmt: skip
    assert (status, token.startswith("cfx_")) == (0, True)
    _, out, _ = told(capsys, "token", "list", "--json", "-c", str(file))
    (row,) = json.loads(out)["tokens"]
    assert (row["role"], row["label"], row["valid"]) == ("market_operator", "demo", True)
    assert token.strip().split("_", 2)[2] not in out
    assert told(capsys, "token", "revoke", row["id"], "-c", str(file))[0] == 0
    _, out, _ = told(capsys, "token", "list", "-c", str(file))
    assert "False" in out


@pytest.mark.parametrize(
    "wrong",
    [
        ["--pod", "nonsense"],
        ["--pod", "IT002E00000001@2026-06-21/x"],
        ["--pod", "IT002E00000001@2026-06-22T00:00:00Z/2026-06-21T00:00:00Z"],
        ["--expires", "tomorrow"],
    ],
    ids=["pod", "instant", "interval", "expiry"],
)
def test_a_wrong_grant_is_one_line(file: Path, capsys: Told, wrong: list[str]) -> None:
    status, out, err = told(capsys, "token", "issue", "--role", "dso", *wrong, "-c", str(file))
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_the_token_as_json(file: Path, capsys: Told) -> None:
    _, out, _ = told(
        capsys, "token", "issue", "--role", "dso", "--pod", "*", "--json", "-c", str(file)
    )
    assert json.loads(out)["schema"] == "certiflex/token/v1"


def test_init_makes_an_empty_database_once(tmp_path: Path, file: Path, capsys: Told) -> None:
    other = tmp_path / "other.toml"
    other.write_text(file.read_text().replace("evidence.db", "new/evidence.db"))
    assert told(capsys, "token", "list", "-c", str(other))[0] == 2
    assert told(capsys, "scd", "init", "--dry-run", "-c", str(other))[0] == 0
    assert not (tmp_path / "new").exists()
    status, out, _ = told(capsys, "scd", "init", "-c", str(other))
    assert (status, out) == (0, f"evidence {tmp_path}/new/evidence.db\n")
    assert told(capsys, "serve", "--dry-run", "-c", str(other))[0] == 0


def test_a_damaged_database_is_one_line_and_can_be_salvaged(file: Path, capsys: Told) -> None:
    path = file.parent / "evidence.db"
    with path.open("r+b") as database:
        database.seek(20 * 4_096)
        database.write(b"\xff" * 4_096)
    status, out, err = told(capsys, "serve", "-c", str(file))
    assert (status, out, err.count("\n")) == (70, "", 1)
    assert "scd rebuild --salvage" in err
    status, out, _ = told(capsys, "scd", "rebuild", "--salvage", "--json", "-c", str(file))
    assert (status, json.loads(out)["file"]) == (0, f"{path}.salvaged")


def test_settings_are_shown_with_their_origin(file: Path, capsys: Told) -> None:
    status, out, _ = told(capsys, "config", "show", "--origin", "-c", str(file))
    assert status == 0
    assert f"series.grace_s = 0  ({file})" in out
    assert "api.port = 8080  (default)" in out
    _, out, _ = told(capsys, "config", "show", "--json", "-c", str(file))
    assert json.loads(out)["api.port"]["value"] == "8080"
    _, out, _ = told(capsys, "config", "schema")
    assert json.loads(out)["required"] == ["origin", "log_key"]


# Each verb with the file that it needs written {}, and what the configuration says of files.
READERS: dict[str, tuple[str, str]] = {
    "dso assess": ("dso assess --hours --field {}", ""),
    "dso plan": ("dso plan --hours --field {}", ""),
    "dso request": ("dso request --hours --field {}", ""),
    "dso all": ("dso all --hours --field {}", ""),
    "dso send": ("dso send {}", ""),
    "dso validate": (f"dso validate {{}} --offers none.json --day {DAY}", ""),
    "dso validate, offers": (f"dso validate outcome.json --offers {{}} --day {DAY}", ""),
    "dso dispatch": (
        "dso dispatch {} --outcome none.json --offers none.json --baselines none.json", ""
    ),
    "dso dispatch, baselines": (
        "dso dispatch none.json --outcome none.json --offers none.json --baselines {}", ""
    ),
    "history import": ("history import {}", ""),
    "grid of dso forecast": (f"dso forecast --day {DAY}", '[dso]\ngrid = "{}"\n'),
    "weather of dso forecast": (f"dso forecast --day {DAY}", '[dso]\nweather = "{}"\n'),
    "grid of market run": (f"market run --now --day {DAY}", '[dso]\ngrid = "{}"\n'),
    "weather of market serve": ("market serve", '[dso]\nweather = "{}"\n'),
    "portfolio of market run": (
        f"market run --now --day {DAY}", '[market]\nportfolios = ["{}"]\n'
    ),
    "transmission of market run": (
        f"market run --now --day {DAY}",
        '[market]\ntransmission = "{}"\n[[parties]]\nid = "tso"\nkey = "KEY"\nkey_file = "tso.key"',
    ),
    "trust of market verify": ("market verify --trust {} folder", ""),
    "party file": ("party file {}", ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def desk_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an empty database and the files that are not in question."""
    folder = tmp_path_factory.mktemp("readers")
    key = SigningKey.generate("EdDSA").public.encode().hex()
    (folder / "central.toml").write_text(
        f'origin = "x"\nlog_key = "{key}"\n[store]\nevidence = "evidence.db"\nseries = "series"\n'
    )
    assert main(["scd", "init", "-c", str(folder / "central.toml")]) == 0
    (folder / "none.json").write_text("[]")
    outcome = called(day_interval(DAY), {"IT002E00000001": {48: 200}}).outcomes[0]
    (folder / "outcome.json").write_text(json.dumps(to_json(outcome)))
    (folder / "folder").mkdir()
    SigningKey.generate().save(folder / "tso.key")
    return folder


@pytest.mark.parametrize("bad", ["missing", "folder"])
@pytest.mark.parametrize("verb", READERS)
def test_a_file_that_cannot_be_read_is_told_alike_by_every_verb(
    verb: str, bad: str, desk_folder: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk_folder)
    typed, configured = READERS[verb]
    named = str(desk_folder / bad)
    config = desk_folder / "in-question.toml"
    key = SigningKey.load(desk_folder / "tso.key").public.encode().hex()
    plain = (desk_folder / "central.toml").read_text()
    config.write_text(plain + configured.replace("{}", named).replace("KEY", key))
    capsys.readouterr()
    status, out, err = told(capsys, *typed.format(named).split(), "-c", str(config))
    assert (status, out) == (2, "")
    error = err.splitlines()[-1]
    assert error.startswith(f"error: {named}")
    assert "cannot be read (" in error
    assert error.endswith("; check the path, and that it may be read")


@pytest.mark.parametrize(
    "verb",
    [
        "assess",
        "assess --phases",
        "plan",
        "request",
        "all",
        "validate outcome.json --offers none.json",
        "dispatch none.json --outcome none.json --offers none.json --baselines none.json",
    ],
)
def test_what_sensors_say_now_is_not_left_out_of_a_day_in_silence(
    verb: str, desk_folder: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk_folder)
    capsys.readouterr()
    for when in ("", f"--day {DAY}"):
        typed = f"dso {verb} --field missing.json {when} -c central.toml"
        status, out, err = told(capsys, *typed.split())
        assert (status, out) == (2, "")
        error = err.splitlines()[-1]
        assert error.startswith("error: --field: missing.json is of the grid as it is now")
        assert error.endswith("; give --hours as well, or leave --field out")
