"""The command line: data on stdout, one clear line for each fault, an exit status for each turn."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.journal import Journal
from gateway.ports import Equivocation, Examined, Link, LinkState, Refusal
from ledger.codec import encode_enrolment
from ledger.command import Exit
from ledger.facts.clock import SystemClock
from ledger.facts.pod import Pod
from ledger.facts.registry import EnrolmentRequest
from ledger.signing import ENROLMENT_CONTEXT, SigningKey
from tests.fakes.gateway_forger import hash_of
from tests.segments import TestNode, header_of
from tests.servers import free_port

Told = tuple[int, str, str]
Run = Callable[..., Told]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    file = tmp_path / "gateway.toml"
    file.write_text(
        'origin = "log"\nstate_dir = "state"\n'
        '[broker]\nport = 1\n[central]\nurl = "http://127.0.0.1:1"\n'
        '[chain]\nurls = ["http://127.0.0.1:1"]\ntimeout_s = 1.0\n'
    )

    def verb(*arguments: str) -> Told:
        status = main([*arguments, "-c", str(file)])
        told = capsys.readouterr()
        return status, told.out, told.err

    return verb


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    return _request(tmp_path, SigningKey.generate())


def _request(folder: Path, key: SigningKey) -> Path:
    wanted = EnrolmentRequest(
        pod=Pod("IT002E00000001"), meter="sdm120", public_key=key.public.encode(),
        created_ms=SystemClock().now_ms() - 5_000,
    )  # fmt: skip
    file = folder / "enrolment.request"
    file.write_bytes(key.sign(encode_enrolment(wanted), ENROLMENT_CONTEXT))
    return file


def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == Exit.USAGE
    assert "quarantine" in capsys.readouterr().err


def test_init_makes_keys_once(run: Run) -> None:
    status, out, _ = run("init", "--json")
    told = json.loads(out)
    assert (status, told["schema"]) == (Exit.OK, "certiflex/gateway-init/v1")
    assert len(bytes.fromhex(told["log_key"])) == 32
    assert told["log_key"] in run("init")[1]


def test_a_node_is_enrolled_listed_rotated_and_revoked(
    run: Run, request_file: Path, tmp_path: Path
) -> None:
    run("init")
    grant = tmp_path / "grant.toml"
    status, out, _ = run("node", "add", str(request_file), "--grant", str(grant))
    assert status == Exit.OK
    assert "node 0 is IT002E00000001" in out
    assert "node_index = 0" in grant.read_text()
    assert run("node", "add", str(request_file))[1] == grant.read_text()
    assert json.loads(run("node", "add", str(request_file), "--json")[1])["node_index"] == 0
    other = _request(tmp_path, SigningKey.generate())
    assert run("node", "rotate", "0", str(other))[0] == Exit.OK
    (row,) = json.loads(run("node", "list", "--json")[1])["nodes"]
    assert (row["keys"], row["revoked"]) == (2, False)
    assert "is revoked" in run("node", "revoke", "0")[1]
    assert "revoked" in run("node", "list")[1]
    assert json.loads(run("node", "revoke", "0", "--json")[1])["revoked"] is True


def test_a_dry_run_checks_everything_and_changes_nothing(
    run: Run, request_file: Path, tmp_path: Path
) -> None:
    assert run("init", "--dry-run")[1].count("\n") == 3
    assert not (tmp_path / "state").exists()
    run("init")
    assert run("init", "--dry-run")[1] == ""
    grant = tmp_path / "grant.toml"
    asked = ("node", "add", str(request_file), "--grant", str(grant))
    assert run(*asked, "--dry-run")[0] == Exit.OK
    assert not grant.exists()
    assert run("node", "list")[1] == ""
    run(*asked)
    other = _request(tmp_path, SigningKey.generate())
    assert run("node", "rotate", "0", str(other), "--dry-run")[0] == Exit.OK
    assert run("node", "revoke", "0", "--dry-run")[0] == Exit.OK
    (row,) = json.loads(run("node", "list", "--json")[1])["nodes"]
    assert (row["keys"], row["revoked"]) == (1, False)
    assert run("node", "revoke", "3", "--dry-run")[0] == Exit.USAGE
    assert run("chain", "deploy", "--dry-run")[1].startswith("http://127.0.0.1:1 0x")


def test_a_broker_is_tried_without_serving(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["broker", "--port", str(free_port()), "--dry-run"]) == Exit.OK
    assert capsys.readouterr().out == ""


def test_a_grant_that_cannot_be_written_is_told(run: Run, request_file: Path) -> None:
    run("init")
    status, _, err = run("node", "add", str(request_file), "--grant", "/nowhere/grant.toml")
    assert status == Exit.USAGE
    assert "/nowhere/grant.toml" in err


@pytest.mark.parametrize(
    "verb",
    [
        ("node", "list"),
        ("quarantine", "list"),
        ("evidence", "list"),
        ("node", "revoke", "0"),
    ],
    ids=" ".join,
)
def test_before_init_the_next_command_is_named(run: Run, verb: tuple[str, ...]) -> None:
    status, out, err = run(*verb)
    assert (status, out) == (Exit.USAGE, "")
    assert "gateway init" in err
    assert err.count("\n") == 1


def _put_aside(folder: Path) -> None:
    journal = Journal.open(folder / "state/journal.sqlite")
    node = TestNode(4)
    body, other = node.segment(), node.segment()
    header = header_of(body)
    held = Link(
        node_index=4, first_sequence=0, next_sequence=15, header_hash=b"\x01" * 32,
        previous_hash=bytes(32), first_slot=header.first_slot, end_slot=header.end_slot,
        state=LinkState.STORED,
    )  # fmt: skip
    examined = Examined(header=header, header_hash=hash_of(other), payload=other)
    with journal.segments.batch() as batch:
        batch.quarantine(
            Refusal(node_index=None, reason="unknown_node", detail="node 9 is not enrolled",
                    payload=b"\xab\xcd", received_ms=1_700_000_000_000)
        )  # fmt: skip
        batch.keep_evidence(
            Equivocation(kind="equivocation", held=held, other=examined, detected_ms=1)
        )
    journal.close()


def test_what_was_refused_is_listed_and_shown(run: Run, tmp_path: Path) -> None:
    run("init")
    _put_aside(tmp_path)
    (entry,) = json.loads(run("quarantine", "list", "--json")[1])["entries"]
    assert (entry["node_index"], entry["reason"], entry["times"]) == (None, "unknown_node", 1)
    line = run("quarantine", "list")[1]
    assert "stranger" in line
    assert "node 9 is not enrolled" in line
    assert run("quarantine", "show", "1")[1].endswith("abcd\n")
    assert json.loads(run("quarantine", "show", "1", "--json")[1])["payload"] == "abcd"
    status, _, err = run("quarantine", "show", "7")
    assert status == Exit.USAGE
    assert "quarantine list" in err


def test_contradictions_are_listed(run: Run, tmp_path: Path) -> None:
    run("init")
    _put_aside(tmp_path)
    (entry,) = json.loads(run("evidence", "list", "--json")[1])["evidence"]
    assert (entry["kind"], entry["node_index"], entry["held"]) == ("equivocation", 4, "01" * 32)
    assert "node 4 sequence 0" in run("evidence", "list")[1]


def test_settings_are_shown_with_their_origin(run: Run) -> None:
    assert "broker.port = 1\n" in run("config", "show")[1]
    assert "gateway.toml" in run("config", "show", "--origin")[1]
    told = json.loads(run("config", "show", "--json")[1])
    assert told["settings"]["window_s"] == {"value": "60", "origin": "default"}
    assert json.loads(run("config", "schema")[1])["required"] == ["origin", "state_dir"]


def test_check_names_every_fault_and_says_false(run: Run) -> None:
    run("init")
    status, out, _ = run("check")
    assert status == Exit.FALSE
    assert "key      ok" in out
    assert "broker.port" in out
    told = json.loads(run("check", "--json")[1])
    assert told["ok"] is False
    assert told["checks"]["journal"] == ""
    assert run("run", "--dry-run")[0] == Exit.FALSE


def test_a_chain_that_is_away_is_a_matter_of_transport(run: Run) -> None:
    run("init")
    status, _, err = run("chain", "deploy", "--timeout", "1")
    assert status == Exit.TRANSPORT
    assert err.startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('origin = "log"\n', "state_dir"),
        ('origin = "log"\nstate_dir = "s"\nwindows = 3\n', "windows"),
        ("origin = \n", "not TOML"),
    ],
)
def test_a_wrong_configuration_is_one_line_with_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    assert main(["run", "-c", str(file)]) == Exit.USAGE
    err = capsys.readouterr().err
    assert str(file) in err
    assert told in err
    assert "Traceback" not in err


def test_a_damaged_journal_is_one_line(run: Run, tmp_path: Path) -> None:
    run("init")
    for file in (tmp_path / "state").glob("journal.sqlite*"):
        file.write_bytes(b"not a database" * 1_000)
    status, _, err = run("node", "list")
    assert status == Exit.USAGE
    assert "journal.sqlite" in err
    assert "restore" in err
    assert err.count("\n") == 1
