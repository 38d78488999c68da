"""Registrations and keys: enrolled, rotated, revoked, and what may be signed when."""

import pytest

from gateway.registry import (
    FUTURE_TOLERANCE_MS,
    Keyring,
    enrol,
    is_revoked,
    open_request,
    registry_root,
    revoke,
    rotate,
)
from ledger.codec import encode_enrolment
from ledger.errors import Rejected
from ledger.facts.pod import Pod
from ledger.facts.registry import EnrolmentRequest, Registration
from ledger.merkle import EMPTY_ROOT, leaf_hash
from ledger.signing import ENROLMENT_CONTEXT, SEGMENT_CONTEXT, SigningKey

NOW_MS = 1_000_000


def request(
    pod: str = "IT002E00000000", *, created_ms: int = NOW_MS, key: SigningKey | None = None
) -> EnrolmentRequest:
    public = (key or SigningKey.generate()).public
    return EnrolmentRequest(
        pod=Pod(pod), meter="sdm630", public_key=public.encode(), created_ms=created_ms
    )


def enrolled() -> Registration:
    return enrol(request(), [], NOW_MS)


def test_nodes_are_enrolled_densely() -> None:
    first = enrolled()
    second = enrol(request("IT002E00000001"), [first], NOW_MS)
    assert (first.node_index, second.node_index) == (0, 1)
    assert second.keys[0].valid_from_ms == NOW_MS
    assert second.keys[0].valid_to_ms is None


def test_a_key_is_good_from_when_it_was_made_but_not_from_the_future() -> None:
    for created_ms, valid_from_ms in ((5, 5), (NOW_MS + 9, NOW_MS)):
        made = enrol(request(created_ms=created_ms), [], NOW_MS)
        assert made.keys[0].valid_from_ms == valid_from_ms


def test_a_pod_has_one_node_until_it_is_revoked() -> None:
    first = enrolled()
    with pytest.raises(Rejected, match="rotate 0"):
        enrol(request(), [first], NOW_MS)
    again = enrol(request(), [revoke(first, NOW_MS)], NOW_MS)
    assert again.node_index == 1


def test_a_key_belongs_to_one_node() -> None:
    key = SigningKey.generate()
    first = enrol(request(key=key), [], NOW_MS)
    with pytest.raises(Rejected) as refused:
        enrol(request("IT002E00000001", key=key), [first], NOW_MS)
    assert refused.value.reason == "key_taken"
    with pytest.raises(Rejected) as refused:
        rotate(first, request(key=key), NOW_MS, overlap_ms=0)
    assert refused.value.reason == "key_taken"


def test_rotation_leaves_an_overlap() -> None:
    made = rotate(enrolled(), request(created_ms=NOW_MS + 5), NOW_MS + 10, overlap_ms=100)
    old, new = made.keys
    assert (old.valid_from_ms, old.valid_to_ms) == (NOW_MS, NOW_MS + 110)
    assert (new.valid_from_ms, new.valid_to_ms) == (NOW_MS + 5, None)


def test_rotation_needs_the_same_pod_and_a_node_that_lives() -> None:
    with pytest.raises(Rejected) as refused:
        rotate(enrolled(), request("IT002E00000009"), NOW_MS, overlap_ms=0)
    assert refused.value.reason == "other_pod"
    with pytest.raises(Rejected) as refused:
        rotate(revoke(enrolled(), NOW_MS), request(), NOW_MS, overlap_ms=0)
    assert refused.value.reason == "revoked"


def test_revocation_ends_every_key_now_and_for_good() -> None:
    rotated = rotate(enrolled(), request(), NOW_MS, overlap_ms=1_000)
    revoked = revoke(rotated, NOW_MS + 10)
    assert [key.valid_to_ms for key in revoked.keys] == [NOW_MS + 10, NOW_MS + 10]
    assert not is_revoked(rotated, NOW_MS + 10)
    assert is_revoked(revoked, NOW_MS + 10)
    assert not is_revoked(revoked, NOW_MS + 9)
    assert revoke(revoked, NOW_MS + 99) == revoked


def test_the_keyring_tells_strangers_the_revoked_and_foreign_keys_apart() -> None:
    key = SigningKey.generate()
    live = enrol(request(key=key), [], NOW_MS)
    gone = revoke(enrol(request("IT002E00000001"), [live], NOW_MS), NOW_MS)
    keyring = Keyring([live, gone])
    assert len(keyring) == 2
    signer = keyring.signer(0, key.public.key_id, NOW_MS)
    assert signer.key == key.public
    for index, key_id, reason in (
        (2, key.public.key_id, "unknown_node"),
        (1, key.public.key_id, "revoked"),
        (0, bytes(8), "unknown_key"),
    ):
        with pytest.raises(Rejected) as refused:
            keyring.signer(index, key_id, NOW_MS)
        assert refused.value.reason == reason
    assert [keyring.knows(index) for index in range(3)] == [True, True, False]
    assert [keyring.admits(index, NOW_MS) for index in range(3)] == [True, False, False]


def test_the_keyring_forgets_old_keys_with_an_update() -> None:
    key, fresh = SigningKey.generate(), SigningKey.generate()
    live = enrol(request(key=key), [], NOW_MS)
    keyring = Keyring([live])
    keyring.signer(0, key.public.key_id, NOW_MS)
    keyring.update([rotate(live, request(key=fresh), NOW_MS, overlap_ms=50)])
    assert keyring.signer(0, fresh.public.key_id, NOW_MS).valid_to_ms is None
    assert keyring.signer(0, key.public.key_id, NOW_MS).valid_to_ms == NOW_MS + 50
    keyring.update([revoke(live, NOW_MS)])
    with pytest.raises(Rejected, match="revoked"):
        keyring.signer(0, key.public.key_id, NOW_MS)


def test_a_request_is_signed_with_the_key_it_names() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    wanted = request(key=key)
    encoded = encode_enrolment(wanted)
    assert open_request(key.sign(encoded, ENROLMENT_CONTEXT), NOW_MS) == wanted
    for message in (
        other.sign(encoded, ENROLMENT_CONTEXT),
        key.sign(encoded, SEGMENT_CONTEXT),
        b"no request",
    ):
        with pytest.raises(Rejected):
            open_request(message, NOW_MS)


def test_a_request_from_the_future_is_refused() -> None:
    key = SigningKey.generate()
    early = request(key=key, created_ms=NOW_MS + FUTURE_TOLERANCE_MS + 1)
    with pytest.raises(Rejected) as refused:
        open_request(key.sign(encode_enrolment(early), ENROLMENT_CONTEXT), NOW_MS)
    assert refused.value.reason == "from_the_future"


def test_the_registry_root_covers_every_registration() -> None:
    assert registry_root([]) == EMPTY_ROOT
    assert registry_root([b"zero"]) == leaf_hash(b"zero")
    assert registry_root([b"zero", b"one"]) != registry_root([b"one", b"zero"])
