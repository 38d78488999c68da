"""How a node comes to its identity: its own key and secret, a request, and the gateway's grant.

The key and the secret are made here and never leave; the request carries the public key, signed
with the private one, to the gateway; the grant comes back with the node's place in the log.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from ledger import codec
from ledger.configuration import load
from ledger.errors import Rejected
from ledger.facts.pod import Pod
from ledger.facts.registry import EnrolmentRequest, Grant
from ledger.signing import (
    ENROLMENT_CONTEXT,
    SigningKey,
    VerifyingKey,
    read_secret,
    write_secret,
)
from lightnode.sealing import Identity

_KEY, _SECRET, _GRANT, _REQUEST = "node.key", "node.secret", "grant.toml", "enrolment.request"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What an enrolled node has."""

    key: SigningKey
    secret: bytes
    grant: Grant

    @property
    def identity(self) -> Identity:
        """Return who the node is to its log."""
        grant = self.grant
        return Identity(
            origin=grant.origin, node_index=grant.node_index, window_slots=grant.window_slots
        )

    @property
    def gateway_key(self) -> VerifyingKey:
        """Return the key whose receipts count."""
        return _key_of(self.grant)


def load_key(folder: Path) -> SigningKey:
    """Return the node's key.

    Raises:
        Rejected: there is none that can be used.
    """
    _need(folder / _KEY, "this node has no key yet", "type: certiflex lightnode enroll --pod POD")
    return SigningKey.load(folder / _KEY)


def load_credentials(folder: Path) -> Credentials:
    """Return key, secret and grant.

    Raises:
        Rejected: one of them is missing or cannot be used, and what to do.
    """
    key = load_key(folder)
    secret = read_secret(folder / _SECRET, what="secret")
    if len(secret) != _SECRET_BYTES:
        raise Rejected(
            f"holds {len(secret)} bytes; a node secret has {_SECRET_BYTES}",
            where=str(folder / _SECRET),
            remedy="restore the file from its backup, or enrol again with a new key",
            reason="bad_secret",
        )
    _need(
        folder / _GRANT,
        "this node has no grant yet",
        "take enrolment.request to the gateway, then type: certiflex lightnode enroll --grant FILE",
    )
    return Credentials(key=key, secret=secret, grant=read_grant(folder / _GRANT))


def request_enrolment(folder: Path, *, pod: Pod, meter: str, now_ms: int) -> Path:
    """Make key and secret where there are none, and return the request's file.

    Args:
        folder: the node's own.
        pod: the point of delivery that the meter measures.
        meter: make and serial number, for people.
        now_ms: the instant of the request [ms since 1970, UTC].

    Raises:
        Rejected: a file cannot be read or written.
    """
    if not (folder / _KEY).exists():
        SigningKey.generate("ES256").save(folder / _KEY)
    if not (folder / _SECRET).exists():
        write_secret(folder / _SECRET, os.urandom(_SECRET_BYTES), what="secret")
    key = load_key(folder)
    request = EnrolmentRequest(
        pod=pod, meter=meter, public_key=key.public.encode(), created_ms=now_ms
    )
    signed = key.sign(codec.encode_enrolment(request), ENROLMENT_CONTEXT)
    _write(folder / _REQUEST, signed)
    return folder / _REQUEST


def read_grant(file: Path) -> Grant:
    """Return the grant in a file.

    Raises:
        Misconfigured: it is none; with every fault.
        Rejected: it names no key.
    """
    grant = load(Grant, file, program="grant", environ={}).value
    try:
        _key_of(grant)
    except (ValueError, Rejected) as error:
        raise Rejected(
            f"gateway_key is no public key in hexadecimal ({error})",
            where=str(file),
            remedy="take the grant as the gateway wrote it",
            reason="bad_grant",
        ) from error
    return grant


def accept_grant(folder: Path, file: Path) -> Grant:
    """Store a grant beside the key.

    Raises:
        Rejected: it is no grant, or there is another one for another place already.
    """
    grant = read_grant(file)
    load_key(folder)
    stored = folder / _GRANT
    if stored.exists() and read_grant(stored) != grant:
        present = read_grant(stored)
        raise Rejected(
            f"this node is node {present.node_index} of {present.origin!r} already",
            where=str(stored),
            remedy="use another folder for another node; its outbox belongs to this one",
            reason="already_enrolled",
        )
    _write(stored, file.read_bytes())
    return grant


def _key_of(grant: Grant) -> VerifyingKey:
    return VerifyingKey.decode(bytes.fromhex(grant.gateway_key))


def _need(file: Path, what: str, remedy: str) -> None:
    if not file.exists():
        raise Rejected(what, where=str(file), remedy=remedy, reason="not_enrolled")


def _write(file: Path, content: bytes) -> None:
    sheet = file.with_name(f"{file.name}.new")
    try:
        with sheet.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        sheet.replace(file)
    except OSError as error:
        raise Rejected(
            f"cannot be written ({error.strerror})",
            where=str(file),
            remedy="check who owns the folder",
            reason="unwritable",
        ) from error
