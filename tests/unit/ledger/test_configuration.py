"""Configuration: who wins, and every fault at once."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.configuration import Loaded, Misconfigured, filled, load, schema, shown, written


class Lane(Enum):
    """A choice."""

    LIVE = "live"
    BACKFILL = "backfill"


@dataclass(frozen=True, slots=True)
class Broker:
    """A table."""

    host: str = "127.0.0.1"
    port: int = 1883
    protocol: Literal["5", "3.1.1"] = "5"

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            msg = f"port {self.port} is not within 1 … 65535"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Meter:
    """One of a list of tables."""

    name: str


@dataclass(frozen=True, slots=True)
class Flat:
    """What can be written."""

    text: str
    whole: int
    real: float
    is_true: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """All kinds of settings."""

    pod: str
    key: Path
    broker: Broker = field(default_factory=Broker)
    meter: tuple[Meter, ...] = ()
    lane: Lane = Lane.LIVE
    rate: float | None = field(default=None, metadata={"help": "speed of the clock"})
    strict: bool = True
    tags: tuple[str, ...] = ()


GOOD = 'pod = "x"\nkey = "node.pem"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "node.toml"


def loaded(
    file: Path, text: str, environ: dict[str, str] | None = None, **flags: str
) -> Loaded[Settings]:
    file.write_text(text)
    return load(Settings, file, program="lightnode", environ=environ or {}, flags=flags)


def faults(file: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(Misconfigured) as refused:
        loaded(file, text, environ)
    return [fault.removeprefix(str(file)) for fault in refused.value.faults]


def test_defaults_and_paths_from_the_files_folder(file: Path) -> None:
    settings = loaded(file, GOOD).value
    assert settings.broker == Broker()
    assert settings.key == file.parent / "node.pem"


def test_a_flag_wins_over_environment_over_file(file: Path) -> None:
    text = GOOD + "rate = 2\n[broker]\nport = 1\nhost = 'file'\n"
    environ = {"CERTIFLEX_LIGHTNODE__BROKER__PORT": "2", "CERTIFLEX_LIGHTNODE__RATE": "3"}
    made = loaded(file, text, environ, rate="4")
    assert (made.value.broker.host, made.value.broker.port, made.value.rate) == ("file", 2, 4.0)
    origins = {key: origin for key, _, origin in shown(made)}
    assert origins["rate"] == "flag"
    assert origins["broker.port"] == "environment CERTIFLEX_LIGHTNODE__BROKER__PORT"
    assert origins["broker.host"] == str(file)
    assert origins["lane"] == "default"


def test_texts_from_the_environment_become_what_they_must(file: Path) -> None:
    environ = {
        "CERTIFLEX_LIGHTNODE__STRICT": "no",
        "CERTIFLEX_LIGHTNODE__TAGS": "a,b",
        "CERTIFLEX_LIGHTNODE__LANE": "backfill",
        "CERTIFLEX_LIGHTNODE__BROKER__PROTOCOL": "3.1.1",
    }
    settings = loaded(file, GOOD, environ).value
    assert (settings.strict, settings.tags, settings.lane) == (False, ("a", "b"), Lane.BACKFILL)
    assert settings.broker.protocol == "3.1.1"


def test_every_fault_is_told_at_once_with_its_line(file: Path) -> None:
    text = 'pdo = "x"\nkey = 5\nlane = "fast"\n[broker]\nport = "x"\n[[meter]]\nnme = "a"\n'
    told = faults(file, text)
    assert told == [
        ":1: pdo: unknown key; did you mean pod?",
        ":2: key: expected a path, found 5",
        (
            ":5: broker.port: expected an integer, found 'x' "
            "(invalid literal for int() with base 10: 'x')"
        ),
        ":7: meter[0].nme: unknown key; did you mean name?",
        ":6: meter[0].name: is missing; expected a text",
        ":3: lane: expected one of 'live', 'backfill', found 'fast' ('fast' is not a valid Lane)",
        ": pod: is missing; expected a text",
    ]


def test_a_fault_in_the_environment_names_the_variable(file: Path) -> None:
    told = faults(file, GOOD, {"CERTIFLEX_LIGHTNODE__BROKER__PORT": "70000"})
    assert "port 70000 is not within" in told[0]
    told = faults(file, GOOD, {"CERTIFLEX_LIGHTNODE__BRKER__PORT": "1"})
    assert "brker: unknown key; did you mean broker?" in told[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pod = ", "not TOML"),
        ('pod = "x"\nkey = "k"\nbroker = 5\n', "broker: expected a table, found 5"),
        ('pod = "x"\nkey = "k"\nmeter = "a"\n', "meter[0]: expected a table"),
        ('pod = "x"\nkey = "k"\nstrict = "maybe"\n', "expected true or false, found 'maybe'"),
        ('pod = "x"\nkey = "k"\ntags = 5\n', "expected a list, each a text"),
        ('pod = 5\nkey = "k"\n', "pod: expected a text, found 5"),
    ],
)
def test_a_wrong_type_is_told_in_words(file: Path, text: str, told: str) -> None:
    assert told in " ".join(faults(file, text))


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(Settings, tmp_path / "none.toml", program="x", environ={})


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    whole=st.integers(-(2**63), 2**63 - 1),
    real=st.floats(allow_nan=False, allow_infinity=False),
)
def test_what_is_written_is_loaded_again(
    tmp_path_factory: pytest.TempPathFactory, text: str, whole: int, real: float
) -> None:
    file = tmp_path_factory.getbasetemp() / "flat.toml"
    flat = Flat(text, whole, real, is_true=whole > 0)
    file.write_text(written(flat), encoding="utf-8", newline="")
    assert load(Flat, file, program="x", environ={}).value == flat


def test_the_schema_knows_every_key() -> None:
    made = schema(Settings)
    assert made["required"] == ["pod", "key"]
    assert made["additionalProperties"] is False
    assert made["properties"]["broker"]["properties"]["port"] == {
        "type": "integer",
        "default": 1883,
    }
    assert made["properties"]["rate"]["description"] == "speed of the clock"
    assert made["properties"]["lane"]["enum"] == ["live", "backfill"]
    assert made["properties"]["meter"]["items"]["required"] == ["name"]


def test_what_another_kind_of_file_holds_fills_a_dataclass(file: Path) -> None:
    given = {"pod": "x", "key": "node.pem", "meter": [{"name": "a"}], "rate": 2}
    made = filled(Settings, given, file)
    assert made == Settings("x", file.parent / "node.pem", meter=(Meter("a"),), rate=2.0)


def test_every_fault_of_another_kind_of_file_is_told_with_its_key(file: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        filled(Settings, {"pod": 5, "broker": {"port": 0}, "meter": [{"nme": "a"}]}, file)
    assert refused.value.faults == [
        f"{file}: pod: expected a text, found 5",
        f"{file}: broker: port 0 is not within 1 … 65535",
        f"{file}: meter[0].nme: unknown key; did you mean name?",
        f"{file}: meter[0].name: is missing; expected a text",
        f"{file}: key: is missing; expected a path",
    ]
