"""Keys and COSE_Sign1: who signed, in which context, and files that only their owner reads."""

from pathlib import Path

import pytest

from ledger import codec
from ledger.errors import Rejected
from ledger.signing import (
    RECEIPT_CONTEXT,
    SEGMENT_CONTEXT,
    Algorithm,
    SigningKey,
    VerifyingKey,
    payload_of,
    read_secret,
    write_secret,
)

ALGORITHMS: list[Algorithm] = ["ES256", "EdDSA"]
KEYS = [SigningKey.generate(algorithm) for algorithm in ALGORITHMS]


@pytest.fixture(params=KEYS, ids=ALGORITHMS)
def key(request: pytest.FixtureRequest) -> SigningKey:
    made = request.param
    assert isinstance(made, SigningKey)
    return made


def test_what_was_signed_is_verified(key: SigningKey) -> None:
    message = key.sign(b"payload", SEGMENT_CONTEXT)
    assert VerifyingKey.decode(key.public.encode()).verify(message, SEGMENT_CONTEXT) == b"payload"
    assert payload_of(message) == (key.public.key_id, b"payload")


def test_another_context_is_another_message(key: SigningKey) -> None:
    with pytest.raises(Rejected) as refused:
        key.public.verify(key.sign(b"payload", SEGMENT_CONTEXT), RECEIPT_CONTEXT)
    assert refused.value.reason == "bad_signature"


def test_another_key_is_named_so(key: SigningKey) -> None:
    with pytest.raises(Rejected) as refused:
        SigningKey.generate().public.verify(key.sign(b"payload", b""), b"")
    assert refused.value.reason == "wrong_key"


def test_every_changed_byte_is_refused(key: SigningKey) -> None:
    message = key.sign(b"payload", SEGMENT_CONTEXT)
    for at in range(len(message)):
        changed = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
        with pytest.raises(Rejected):
            key.public.verify(changed, SEGMENT_CONTEXT)


def test_a_message_is_a_tagged_cose_sign1(key: SigningKey) -> None:
    message = key.sign(b"payload", b"")
    assert message[0] == 0xD2
    protected, unprotected, payload, signature = codec.decode(message[1:])
    assert codec.decode(protected) == {1: -7 if key is KEYS[0] else -8, 4: key.public.key_id}
    assert (unprotected, payload, len(signature)) == ({}, b"payload", 64)


@pytest.mark.parametrize("encoded", [b"", bytes(33), bytes(31), b"\x02" + b"\xff" * 32])
def test_bytes_that_are_no_key_are_refused(encoded: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        VerifyingKey.decode(encoded)
    assert refused.value.reason == "bad_key"


def test_a_saved_key_is_loaded_again_and_never_overwritten(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "node.pem"
    key.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path).public == key.public
    with pytest.raises(Rejected, match="never overwritten"):
        key.save(path)


def test_a_key_open_to_others_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    KEYS[0].save(path)
    path.chmod(0o640)
    with pytest.raises(Rejected, match="chmod 600"):
        SigningKey.load(path)


def test_a_missing_or_damaged_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="No such file"):
        SigningKey.load(tmp_path / "none.pem")
    write_secret(tmp_path / "bad.pem", b"no key", what="key")
    with pytest.raises(Rejected, match="holds no private key"):
        SigningKey.load(tmp_path / "bad.pem")
    assert read_secret(tmp_path / "bad.pem", what="key") == b"no key"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Rejected, match="cannot be written"):
        KEYS[0].save(tmp_path / "file" / "node.pem")
