"""Enrolling from a request file: a grant comes back, and asking twice changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import GatewayConfig
from gateway.enrolling import Enrolment
from gateway.journal import Journal
from gateway.registry import is_revoked
from ledger.codec import encode_enrolment
from ledger.configuration import written
from ledger.errors import Rejected
from ledger.facts.clock import SystemClock
from ledger.facts.pod import Pod
from ledger.facts.registry import EnrolmentRequest
from ledger.signing import ENROLMENT_CONTEXT, SigningKey

KEY = SigningKey.generate("EdDSA")
NODE = SigningKey.generate()


@pytest.fixture
def enrolment(tmp_path: Path) -> Iterator[Enrolment]:
    config = GatewayConfig(origin="log", state_dir=tmp_path)
    journal = Journal.open(config.journal_file)
    yield Enrolment(config, journal, KEY.public)
    journal.close()


def request(folder: Path, key: SigningKey = NODE, pod: str = "IT002E00000001") -> Path:
    wanted = EnrolmentRequest(
        pod=Pod(pod), meter="sdm120", public_key=key.public.encode(),
        created_ms=SystemClock().now_ms() - 1_000,
    )  # fmt: skip
    file = folder / "enrolment.request"
    file.write_bytes(key.sign(encode_enrolment(wanted), ENROLMENT_CONTEXT))
    return file


def test_a_grant_says_all_that_a_node_needs(tmp_path: Path, enrolment: Enrolment) -> None:
    registration, grant = enrolment.add(request(tmp_path))
    assert registration.pod == Pod("IT002E00000001")
    assert written(grant) == (
        'origin = "log"\nnode_index = 0\n'
        f'gateway_key = "{KEY.public.encode().hex()}"\nwindow_s = 60\n'
    )


def test_asking_twice_enrols_once(tmp_path: Path, enrolment: Enrolment) -> None:
    file = request(tmp_path)
    assert enrolment.add(file) == enrolment.add(file)


def test_a_pod_with_another_key_is_refused(tmp_path: Path, enrolment: Enrolment) -> None:
    enrolment.add(request(tmp_path))
    with pytest.raises(Rejected) as refused:
        enrolment.add(request(tmp_path, SigningKey.generate()))
    assert refused.value.reason == "pod_taken"


def test_a_key_is_rotated_and_a_node_revoked(tmp_path: Path, enrolment: Enrolment) -> None:
    enrolment.add(request(tmp_path))
    fresh = SigningKey.generate()
    registration, grant = enrolment.rotate(0, request(tmp_path, fresh))
    assert (grant.node_index, len(registration.keys)) == (0, 2)
    assert registration.keys[1].public_key == fresh.public.encode()
    assert is_revoked(enrolment.revoke(0), SystemClock().now_ms())


def test_a_node_that_is_not_there_is_told(tmp_path: Path, enrolment: Enrolment) -> None:
    with pytest.raises(Rejected, match="node list"):
        enrolment.revoke(7)
    with pytest.raises(Rejected, match="node list"):
        enrolment.rotate(7, request(tmp_path))


@pytest.mark.parametrize("content", [None, b"", b"no request", bytes(5_000)], ids=repr)
def test_what_is_no_request_is_told(
    tmp_path: Path, enrolment: Enrolment, content: bytes | None
) -> None:
    file = tmp_path / "wrong.request"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Rejected, match="lightnode enroll") as refused:
        enrolment.add(file)
    assert str(file) in str(refused.value)
