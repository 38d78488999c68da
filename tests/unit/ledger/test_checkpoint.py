"""Checkpoints: signed notes that others can read, and that nobody else can write."""

from pathlib import Path

import pytest

from ledger.checkpoint import (
    Checkpoint,
    checkpoint_key,
    read_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from ledger.errors import Rejected
from ledger.signing import SigningKey

KEY = SigningKey.generate("EdDSA")
HEAD = Checkpoint("certiflex.test/rome", 42, bytes(range(32)))


def test_what_was_signed_is_read_and_verified() -> None:
    note = sign_checkpoint(HEAD, KEY)
    assert verify_checkpoint(note, KEY.public) == read_checkpoint(note) == HEAD
    assert note.splitlines()[:2] == ["certiflex.test/rome", "42"]


def test_signatures_of_witnesses_are_passed_over() -> None:
    note = sign_checkpoint(HEAD, KEY)
    witness = sign_checkpoint(HEAD, SigningKey.generate("EdDSA")).splitlines()[-1]
    assert verify_checkpoint(f"{note}{witness}\n", KEY.public) == HEAD


def test_another_key_vouches_for_nothing() -> None:
    with pytest.raises(Rejected, match="no signature of this log's key"):
        verify_checkpoint(sign_checkpoint(HEAD, KEY), SigningKey.generate("EdDSA").public)


def test_a_changed_size_is_noticed() -> None:
    note = sign_checkpoint(HEAD, KEY).replace("\n42\n", "\n43\n")
    with pytest.raises(Rejected, match="signature does not match"):
        verify_checkpoint(note, KEY.public)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n42\n", "\n042\n"),
        ("\n42\n", "\n-1\n"),
        ("\n42\n", "\n42\nextra\n"),
        ("\n\n", "\n"),
        ("AAEC", "AAE"),
        ("\u2014 ", "- "),
        ("Hh8=", "Hh9="),
    ],
)
def test_other_shapes_are_refused(old: str, new: str) -> None:
    note = sign_checkpoint(HEAD, KEY)
    assert old in note
    with pytest.raises(Rejected) as refused:
        read_checkpoint(note.replace(old, new, 1))
    assert refused.value.reason == "wrong_shape"


def test_an_origin_must_fit_into_a_note() -> None:
    with pytest.raises(ValueError, match="neither spaces nor plus"):
        sign_checkpoint(Checkpoint("a b", 0, bytes(32)), KEY)


def test_only_a_key_of_its_kind_signs_checkpoints(tmp_path: Path) -> None:
    KEY.save(tmp_path / "log.key")
    assert checkpoint_key(tmp_path / "log.key").public == KEY.public
    SigningKey.generate("ES256").save(tmp_path / "node.key")
    with pytest.raises(Rejected, match="another kind"):
        checkpoint_key(tmp_path / "node.key")
