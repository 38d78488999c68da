"""The head of the gateway's log as a signed note that any transparency-log tool reads.

```
certiflex.example/rome          origin, also the name of the key
42                              size
q9z…=                           root, base64

— certiflex.example/rome AbCd…  signature line: key hash (4 bytes) ‖ Ed25519 signature, base64
```

Signature lines of other keys (witnesses) are kept and ignored here.

Source: C2SP tlog-checkpoint and signed-note, https://c2sp.org/.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import Rejected
from ledger.signing import SigningKey, VerifyingKey

_ED25519 = b"\x01"
_KEY_HASH_BYTES = 4
_ED25519_BYTES = 32
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_LINES = 3
_MAX_NOTE = 16_384
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and root of a log at one moment."""

    origin: str
    size: int
    root: bytes


def checkpoint_key(path: Path) -> SigningKey:
    """Return the key in a file, if it is of the kind that signs checkpoints.

    Raises:
        Rejected: the file is missing, open to others, or holds a key of another kind.
    """
    key = SigningKey.load(path)
    if len(key.public.encode()) != _ED25519_BYTES:
        raise Rejected(
            "holds a key of another kind; checkpoints are signed with Ed25519",
            where=str(path),
            remedy="name the log's own key",
            reason="bad_key",
        )
    return key


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """Return the signed note of a checkpoint; `key` is the log's Ed25519 key.

    Raises:
        ValueError: the origin cannot stand in a note.
    """
    if not re.fullmatch(r"[^\s+\x00-\x1f]+", checkpoint.origin):
        msg = f"an origin has neither spaces nor plus signs: {checkpoint.origin!r}"
        raise ValueError(msg)
    body = _body(checkpoint)
    signature = key.sign_raw(body.encode())
    line = base64.b64encode(_key_hash(checkpoint.origin, key.public) + signature).decode()
    return f"{body}\n{_DASH}{checkpoint.origin} {line}\n"


def verify_checkpoint(note: str, key: VerifyingKey) -> Checkpoint:
    """Return the checkpoint of a note that the log's key has signed.

    Raises:
        Rejected: `wrong_shape`, `wrong_key` (no line of this key) or `bad_signature`.
    """
    checkpoint, lines = _parse(note)
    expected = _key_hash(checkpoint.origin, key)
    for name, signature in lines:
        if name == checkpoint.origin and signature[:_KEY_HASH_BYTES] == expected:
            key.verify_raw(signature[_KEY_HASH_BYTES:], _body(checkpoint).encode())
            return checkpoint
    raise Rejected("the checkpoint bears no signature of this log's key", reason="wrong_key")


def read_checkpoint(note: str) -> Checkpoint:
    """Return what a note says, whoever signed it.

    Raises:
        Rejected: `wrong_shape`.
    """
    return _parse(note)[0]


def _body(checkpoint: Checkpoint) -> str:
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n"


def _key_hash(name: str, key: VerifyingKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.encode()).digest()[
        :_KEY_HASH_BYTES
    ]


def _parse(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    body, separator, tail = note.partition("\n\n")
    lines = body.split("\n")
    if not (
        len(note) <= _MAX_NOTE
        and separator
        and len(lines) == _LINES
        and lines[0]
        and _SIZE.fullmatch(lines[1])
        and tail.endswith("\n")
    ):
        raise Rejected("no checkpoint: expected origin, size, root, signatures", reason=_SHAPE)
    root = _base64(lines[2])
    if len(root) != hashlib.sha256().digest_size:
        raise Rejected("the root of a checkpoint has 32 bytes", reason=_SHAPE)
    signatures = [_signature_line(line) for line in tail[:-1].split("\n")]
    return Checkpoint(lines[0], int(lines[1]), root), signatures


def _signature_line(line: str) -> tuple[str, bytes]:
    name, separator, signature = line.removeprefix(_DASH).rpartition(" ")
    if not (line.startswith(_DASH) and separator and name):
        raise Rejected("a signature line has a dash, a name and a signature", reason=_SHAPE)
    return name, _base64(signature)


def _base64(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected(f"no base64: {error}", reason=_SHAPE) from error
    if base64.b64encode(decoded).decode() != text:
        raise Rejected("not the one base64 of its bytes", reason=_SHAPE)
    return decoded


_SHAPE = "wrong_shape"
