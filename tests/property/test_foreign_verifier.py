"""A verifier that is not ours reads our log: checkpoints, inclusion and consistency (C2SP)."""

import base64
import hashlib

import metamorphic_log as foreign
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import merkle
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.signing import SigningKey

ORIGIN = "certiflex.test/rome"
KEY = SigningKey.generate("EdDSA")
LEAVES = [merkle.leaf_hash(b"window %d" % index) for index in range(200)]
TREE = merkle.Tree(LEAVES)


def verifier_key(key: SigningKey) -> str:
    """Return the key as C2SP signed-note writes it: name, hash of the key, type and key."""
    typed = b"\x01" + key.public.encode()
    digest = hashlib.sha256(ORIGIN.encode() + b"\n" + typed).digest()[:4]
    return f"{ORIGIN}+{digest.hex()}+{base64.b64encode(typed).decode()}"


def note(size: int, key: SigningKey = KEY) -> str:
    return sign_checkpoint(Checkpoint(ORIGIN, size, TREE.root(size)), key)


def test_the_foreign_verifier_reads_our_checkpoint() -> None:
    head = foreign.checkpoint_verify(note(42), [verifier_key(KEY)])
    assert (head.origin, head.size, head.root) == (ORIGIN, 42, TREE.root(42))


def test_the_foreign_verifier_refuses_another_key() -> None:
    with pytest.raises(foreign.VerifyError):
        foreign.checkpoint_verify(note(42, SigningKey.generate("EdDSA")), [verifier_key(KEY)])


@settings(max_examples=200)
@given(size=st.integers(1, 200), data=st.data())
def test_the_foreign_verifier_finds_each_entry_where_we_say(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = TREE.inclusion(index, size)
    keys = [verifier_key(KEY)]
    foreign.checkpoint_verify_inclusion(note(size), keys, index, LEAVES[index], proof)
    with pytest.raises(foreign.VerifyError):
        foreign.checkpoint_verify_inclusion(note(size), keys, index, LEAVES[index - 1], proof)


@settings(max_examples=200)
@given(new=st.integers(2, 200), data=st.data())
def test_the_foreign_verifier_sees_that_we_only_append(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    keys, proof = [verifier_key(KEY)], TREE.consistency(old, new)
    foreign.checkpoint_verify_consistency(note(old), note(new), keys, proof)
    with pytest.raises(foreign.VerifyError):
        foreign.checkpoint_verify_consistency(note(old), note(new), keys, [*proof, bytes(32)])
