"""A certificate authority for the tests: made in a moment, trusted by nobody else."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)
_CLIENT, _SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True)
class Issued:
    """The files of a certificate and its key."""

    certificate_file: Path
    key_file: Path


class Authority:
    """Signs certificates for servers and clients; `file` is what others trust it by."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} authority")])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}-ca.pem"
        public = self._key.public_key()
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            self._builder(self._name, public, -DAY, 2 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def server(self, *names: str, since: dt.timedelta = -DAY, until: dt.timedelta = DAY) -> Issued:
        """Return a certificate for a server with these host names and addresses."""
        return self._issue(names[0], _SERVER, names=names, since=since, until=until)

    def client(
        self,
        name: str,
        *,
        since: dt.timedelta = -DAY,
        until: dt.timedelta = DAY,
        password: bytes = b"",
    ) -> Issued:
        """Return a certificate for a client; with a password its key is encrypted."""
        encryption = BestAvailableEncryption(password) if password else NoEncryption()
        return self._issue(name, _CLIENT, since=since, until=until, encryption=encryption)

    def revocations(self, *revoked: Issued) -> Path:
        """Return the list of certificates that count no more."""
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - DAY)
            .next_update(now + DAY)
        )
        for issued in revoked:
            certificate = x509.load_pem_x509_certificate(issued.certificate_file.read_bytes())
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now - DAY)
                .build()
            )
        file = self._folder / "revoked.pem"
        file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return file

    def _issue(
        self,
        name: str,
        usage: x509.ObjectIdentifier,
        *,
        since: dt.timedelta,
        until: dt.timedelta,
        names: tuple[str, ...] = (),
        encryption: KeySerializationEncryption = NoEncryption(),  # noqa: B008 -- it holds nothing
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        authority = self._key.public_key()
        builder = (
            self._builder(subject, key.public_key(), since, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False
            )
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general(one) for one in names])
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        number = certificate.serial_number
        issued = Issued(self._folder / f"{number:x}.pem", self._folder / f"{number:x}.key")
        issued.certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        issued.key_file.touch(mode=0o600)
        issued.key_file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        )
        return issued

    def _builder(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        since: dt.timedelta,
        until: dt.timedelta,
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
