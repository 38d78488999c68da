"""TLS towards the broker: the files it takes, and what a connection that failed wants of whom.

There is no way to speak TLS without looking at the broker's certificate and name, and none to
fall back to plain text: where a `Tls` is configured, nothing else is spoken.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import Rejected
from ledger.signing import read_secret

_REMEDY = "check the files that [broker.tls] names: they hold PEM, and the key is the certificate's"


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust, and who we are if the broker asks; the key is for its owner only."""

    ca_file: Path
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")

    def context(self) -> ssl.SSLContext:
        """Return the context of a connection; the files are read now.

        Raises:
            Rejected: a file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise _unusable(self.ca_file, error) from error
        if self.certificate_file and self.key_file:
            read_secret(self.key_file, what="key")
            try:
                # Without a password of ours OpenSSL would ask the terminal for one.
                context.load_cert_chain(self.certificate_file, self.key_file, lambda: "")
            except OSError as error:
                raise _unusable(self.certificate_file, error) from error
        return context


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed connection means; `is_refusal` if it was the broker that said no."""

    what: str
    remedy: str
    is_refusal: bool = False


def meaning(told: str) -> Failure | None:
    """Return what an error of OpenSSL means, None if it is none that is known here.

    Args:
        told: the error as Python tells it, or any text that holds it.
    """
    plain = told.lower().replace("_", " ")
    return next((failure for mark, failure in _FAILURES if mark in plain), None)


def cut(tls: Tls | None) -> Failure:
    """Return what it means that a broker hangs up before its first answer.

    It may have said why, and the reset that follows may have been faster.
    """
    if tls is None:
        return Failure(
            "the broker hangs up at once",
            "if it speaks TLS at this port, name ca_file in [broker.tls]",
        )
    if tls.certificate_file is None:
        return Failure(
            "the broker hangs up at once; it may want a client certificate",
            "name certificate_file and key_file in [broker.tls], "
            "and check that TLS is spoken at this port",
        )
    return Failure(
        "the broker hangs up at once; it may not take our certificate",
        "check certificate_file: of an authority the broker trusts, for clients, not expired; "
        "and that TLS is spoken at this port",
    )


def _unusable(file: Path, error: OSError) -> Rejected:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    plain = " ".join((reason or "no certificate in it").lower().replace("_", " ").split())
    return Rejected(
        f"cannot be used for TLS ({plain})",
        where=str(file),
        remedy=_REMEDY,
        reason="bad_certificate",
    )


_OTHER_NAME = Failure(
    "the broker's certificate is for another host",
    "name in host what the certificate names, or give the broker one for this host",
)
_STRANGER = Failure(
    "ca_file does not vouch for the broker's certificate",
    "name in [broker.tls] the ca_file of the authority that signed it",
)
_OURS_NOT_TAKEN = Failure(
    "the broker does not take our certificate",
    "check certificate_file: issued by an authority the broker trusts, and for clients",
    is_refusal=True,
)
_NO_TLS = Failure("no TLS is spoken at this port", "name the broker's port for TLS")

# Oldest to newest OpenSSL write these words alike; the first that is found counts.
_FAILURES = (
    ("hostname mismatch", _OTHER_NAME),
    ("ip address mismatch", _OTHER_NAME),
    (
        "certificate has expired",
        Failure(
            "the broker's certificate has expired",
            "renew it on the broker, and check the clock of this machine",
        ),
    ),
    (
        "certificate is not yet valid",
        Failure(
            "the broker's certificate is not valid yet",
            "set the clock of this machine: start chrony or systemd-timesyncd",
        ),
    ),
    ("certificate verify failed", _STRANGER),
    (
        "alert certificate required",
        Failure(
            "the broker wants a client certificate",
            "name certificate_file and key_file in [broker.tls]",
            is_refusal=True,
        ),
    ),
    (
        "alert certificate expired",
        Failure(
            "the broker says that our certificate has expired",
            "renew certificate_file, and check the clock of the broker",
            is_refusal=True,
        ),
    ),
    (
        "alert certificate revoked",
        Failure(
            "the broker says that our certificate is revoked",
            "ask the broker's operator for a new one",
            is_refusal=True,
        ),
    ),
    ("alert unknown ca", _OURS_NOT_TAKEN),
    ("alert bad certificate", _OURS_NOT_TAKEN),
    ("alert certificate unknown", _OURS_NOT_TAKEN),
    ("alert unsupported certificate", _OURS_NOT_TAKEN),
    (
        "alert handshake failure",
        Failure(
            "the broker does not shake hands",
            "check that it speaks TLS 1.2 or 1.3, and certificate_file if it wants one",
            is_refusal=True,
        ),
    ),
    ("wrong version number", _NO_TLS),
    ("record layer failure", _NO_TLS),
)
