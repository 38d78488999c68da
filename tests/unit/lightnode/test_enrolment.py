"""From a new folder to a node with its place in the log."""

from pathlib import Path

import pytest

from ledger import codec
from ledger.errors import Rejected
from ledger.facts.pod import Pod
from ledger.signing import ENROLMENT_CONTEXT, SigningKey
from lightnode.enrolment import (
    accept_grant,
    load_credentials,
    load_key,
    request_enrolment,
)

POD = Pod("IT002E00000001")
GATEWAY = SigningKey.generate("EdDSA").public.encode().hex()


def grant_file(
    folder: Path, *, node_index: int = 3, key: str = GATEWAY, window_s: int = 60
) -> Path:
    file = folder / "given.toml"
    file.write_text(
        f'origin = "o"\nnode_index = {node_index}\ngateway_key = "{key}"\nwindow_s = {window_s}\n'
    )
    return file


def requested(folder: Path) -> Path:
    return request_enrolment(folder, pod=POD, meter="sdm630 1234", now_ms=17)


def test_the_request_is_signed_with_the_key_it_names(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    signed = requested(folder).read_bytes()
    key = load_key(folder)
    request = codec.decode_enrolment(key.public.verify(signed, ENROLMENT_CONTEXT))
    assert (request.pod, request.meter, request.created_ms) == (POD, "sdm630 1234", 17)
    assert request.public_key == key.public.encode()
    for secret in ("node.key", "node.secret"):
        assert (folder / secret).stat().st_mode & 0o777 == 0o600


def test_asking_again_keeps_key_and_secret(tmp_path: Path) -> None:
    requested(tmp_path)
    before = [(tmp_path / name).read_bytes() for name in ("node.key", "node.secret")]
    requested(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("node.key", "node.secret")] == before


def test_with_the_grant_the_node_is_whole(tmp_path: Path) -> None:
    requested(tmp_path)
    with pytest.raises(Rejected, match=r"no grant yet; take enrolment.request to the gateway"):
        load_credentials(tmp_path)
    accept_grant(tmp_path, grant_file(tmp_path))
    credentials = load_credentials(tmp_path)
    assert credentials.identity.node_index == 3
    assert credentials.identity.window_slots == 15
    assert len(credentials.secret) == 32
    accept_grant(tmp_path, grant_file(tmp_path))


def test_another_place_is_refused(tmp_path: Path) -> None:
    requested(tmp_path)
    accept_grant(tmp_path, grant_file(tmp_path))
    with pytest.raises(Rejected, match="is node 3 of 'o' already; use another folder"):
        accept_grant(tmp_path, grant_file(tmp_path, node_index=4))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"key": "zz"}, "gateway_key is no public key in hexadecimal"),
        ({"key": "00" * 31}, "gateway_key is no public key"),
        ({"window_s": 61}, "a window of 61000 ms is not 4 s"),
        ({"node_index": -1}, "node_index must not be negative"),
    ],
)
def test_what_is_no_grant_is_told(wrong: dict[str, str], told: str, tmp_path: Path) -> None:
    requested(tmp_path)
    with pytest.raises(Rejected, match=told):
        accept_grant(tmp_path, grant_file(tmp_path, **wrong))  # type: ignore[arg-type]


def test_before_anything_is_there(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"no key yet; type: certiflex lightnode enroll --pod POD"):
        load_credentials(tmp_path)
    with pytest.raises(Rejected, match="no key yet"):
        accept_grant(tmp_path, grant_file(tmp_path))


def test_secrets_that_are_open_or_cut_are_told(tmp_path: Path) -> None:
    requested(tmp_path)
    accept_grant(tmp_path, grant_file(tmp_path))
    secret = tmp_path / "node.secret"
    secret.write_bytes(b"short")
    with pytest.raises(Rejected, match="holds 5 bytes; a node secret has 32"):
        load_credentials(tmp_path)
    secret.chmod(0o644)
    with pytest.raises(Rejected, match="open to others; type: chmod 600"):
        load_credentials(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    requested(tmp_path)
    (tmp_path / "enrolment.request.new").mkdir()
    with pytest.raises(Rejected, match="cannot be written"):
        requested(tmp_path)
