"""TLS towards the broker: files that cannot be used, and what OpenSSL's words mean."""

import re
from pathlib import Path

import pytest

from ledger.errors import Rejected
from ledger.tls import Tls, cut, meaning
from tests.certificates import Authority
from tests.servers import ROOT

DOCUMENT = ROOT / "docs/tls.md"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_good_files_make_a_context_that_looks_at_certificate_and_name(authority: Authority) -> None:
    ours = authority.client("cf-3")
    context = Tls(authority.file, ours.certificate_file, ours.key_file).context()
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    assert context.minimum_version >= context.minimum_version.TLSv1_2
    assert len(context.get_ca_certs()) == 1, "whom the system trusts is not trusted here"


def test_half_a_certificate_is_none(tmp_path: Path) -> None:
    for half in ({"certificate_file": tmp_path}, {"key_file": tmp_path}):
        with pytest.raises(ValueError, match="go together"):
            Tls(tmp_path, **half)


def test_a_file_that_cannot_be_used_is_named(authority: Authority, tmp_path: Path) -> None:
    ours, other = authority.client("cf-3"), authority.client("cf-4")
    locked = authority.client("cf-3", password=b"long and good")
    missing, garbage = tmp_path / "none.pem", tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    exposed = tmp_path / "exposed.key"
    exposed.write_bytes(ours.key_file.read_bytes())
    exposed.chmod(0o644)
    ca, certificate = authority.file, ours.certificate_file
    for tls, told in [
        (Tls(missing), r"none\.pem: cannot be used for TLS \(no such file"),
        (Tls(garbage), r"garbage\.pem: cannot be used for TLS \(no certificate"),
        (Tls(ca, missing, ours.key_file), r"none\.pem: cannot be used for TLS \(no such file"),
        (Tls(ca, certificate, missing), r"none\.pem: the key file cannot be read"),
        (Tls(ca, certificate, exposed), r"exposed\.key: the key file is open to others.*chmod"),
        (Tls(ca, certificate, other.key_file), r"key values mismatch"),
        (Tls(ca, locked.certificate_file, locked.key_file), r"cannot be used for TLS"),
    ]:
        with pytest.raises(Rejected, match=told) as refused:
            tls.context()
        assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert …", "wants a client certificate"),
        ("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] ssl/tls alert …", "our certificate has expired"),
        ("[SSL: SSLV3_ALERT_CERTIFICATE_REVOKED] …", "our certificate is revoked"),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", "does not take our certificate"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "no TLS is spoken"),
        ("[SSL: RECORD_LAYER_FAILURE] record layer failure", "no TLS is spoken"),
    ],
)
def test_what_openssl_says_has_a_meaning(told: str, what: str) -> None:
    failure = meaning(f"failed to receive on socket: {told} (_ssl.c:2580)")
    assert failure is not None
    assert what in failure.what
    assert failure.remedy


def test_the_document_quotes_what_is_told() -> None:
    quoted = re.findall(r"^\| `([^`]+ [^`]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert len(quoted) >= 8
    told = (ROOT / "ledger/tls.py").read_text()
    assert [words for words in quoted if words not in told] == []


def test_what_is_not_about_tls_has_none() -> None:
    assert meaning("[Errno 111] Connection refused") is None
    assert meaning("the broker refuses the connection (Not authorized)") is None


def test_a_connection_that_is_cut_points_at_what_is_missing(authority: Authority) -> None:
    ours = authority.client("cf-3")
    assert "[broker.tls]" in cut(None).remedy
    assert "may want a client certificate" in cut(Tls(authority.file)).what
    whole = Tls(authority.file, ours.certificate_file, ours.key_file)
    assert "may not take our certificate" in cut(whole).what
