"""Who may sign for which node, and when: registrations and how they change.

```
 key 1   [created ───────────────rotated + overlap)
 key 2                 [created ─────────────────────── …
 revoked: no key without an end; nothing that arrives is admitted any more
```
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ledger import codec, merkle
from ledger.errors import Rejected
from ledger.facts.registry import EnrolmentRequest, NodeKey, Registration
from ledger.signing import ENROLMENT_CONTEXT, VerifyingKey, payload_of

FUTURE_TOLERANCE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that may sign for a node in `[valid_from_ms, valid_to_ms)`."""

    key: VerifyingKey
    valid_from_ms: int
    valid_to_ms: int | None

    def may_sign(self, first_ms: int, last_ms: int) -> bool:
        """Tell whether the key is valid for records from `first_ms` to `last_ms` inclusive."""
        return self.valid_from_ms <= first_ms and (
            self.valid_to_ms is None or last_ms < self.valid_to_ms
        )


class Keyring:
    """The keys of all nodes, ready to verify with; a key is decoded when it is first used."""

    def __init__(self, registrations: Iterable[Registration] = ()) -> None:
        self._registrations: dict[int, Registration] = {}
        self._ends_ms: dict[int, float] = {}
        self._signers: dict[int, dict[bytes, Signer]] = {}
        self.update(registrations)

    def __len__(self) -> int:
        """Return the number of enrolled nodes."""
        return len(self._registrations)

    def update(self, registrations: Iterable[Registration]) -> None:
        """Take over new and changed registrations."""
        for registration in registrations:
            index = registration.node_index
            self._registrations[index] = registration
            self._ends_ms[index] = _end_ms(registration)
            self._signers.pop(index, None)

    def knows(self, node_index: int) -> bool:
        """Tell whether a node is enrolled, revoked or not."""
        return node_index in self._registrations

    def admits(self, node_index: int, now_ms: int) -> bool:
        """Tell whether a node is enrolled and not revoked."""
        return now_ms < self._ends_ms.get(node_index, 0)

    def signer(self, node_index: int, key_id: bytes, now_ms: int) -> Signer:
        """Return the signer that a node names by its key id.

        Raises:
            Rejected: `unknown_node`, `revoked` or `unknown_key`.
        """
        if now_ms >= self._ends_ms.get(node_index, 0):
            if node_index not in self._registrations:
                raise Rejected(f"node {node_index} is not enrolled", reason="unknown_node")
            raise Rejected(f"node {node_index} is revoked", reason="revoked")
        signers = self._signers.get(node_index)
        if signers is None:
            signers = self._signers[node_index] = _signers(self._registrations[node_index])
        try:
            return signers[key_id]
        except KeyError:
            raise Rejected(
                f"node {node_index} has no key {key_id.hex()}", reason="unknown_key"
            ) from None


def is_revoked(registration: Registration, now_ms: int) -> bool:
    """Tell whether no key of the node is valid now or later."""
    return now_ms >= _end_ms(registration)


def open_request(message: bytes, now_ms: int) -> EnrolmentRequest:
    """Return an enrolment request that is signed with the key it names.

    Raises:
        Rejected: it is no request, signed with another key, or from the future.
    """
    request = codec.decode_enrolment(payload_of(message)[1])
    VerifyingKey.decode(request.public_key).verify(message, ENROLMENT_CONTEXT)
    if request.created_ms > now_ms + FUTURE_TOLERANCE_MS:
        raise Rejected(
            f"was made {request.created_ms - now_ms} ms in the future",
            remedy="set the clock of the light node or of this machine",
            reason="from_the_future",
        )
    return request


def enrol(
    request: EnrolmentRequest, registered: Iterable[Registration], now_ms: int
) -> Registration:
    """Return the registration of a new node, at the next index.

    Raises:
        Rejected: `pod_taken` or `key_taken`.
    """
    next_index = 0
    for other in registered:
        next_index = max(next_index, other.node_index + 1)
        if other.pod == request.pod and not is_revoked(other, now_ms):
            raise Rejected(
                f"{request.pod} is enrolled already, as node {other.node_index}",
                remedy=f"revoke it first, or type: certiflex gateway node rotate "
                f"{other.node_index} REQUEST",
                reason="pod_taken",
            )
        _refuse_known_key(request, other)
    key = NodeKey(
        public_key=request.public_key,
        valid_from_ms=min(request.created_ms, now_ms),
        valid_to_ms=None,
    )
    return Registration(node_index=next_index, pod=request.pod, meter=request.meter, keys=(key,))


def rotate(
    registration: Registration, request: EnrolmentRequest, now_ms: int, *, overlap_ms: int
) -> Registration:
    """Return a registration whose newest key is the request's.

    The key before stays good for `overlap_ms`, for records made before the node changed keys.

    Raises:
        Rejected: `revoked`, `other_pod` or `key_taken`.
    """
    if is_revoked(registration, now_ms):
        raise Rejected(
            f"node {registration.node_index} is revoked and stays so",
            remedy="enrol the new key as a new node: certiflex gateway node add REQUEST",
            reason="revoked",
        )
    if request.pod != registration.pod:
        raise Rejected(
            f"the request is for {request.pod}, node {registration.node_index} is "
            f"{registration.pod}",
            reason="other_pod",
        )
    _refuse_known_key(request, registration)
    newest = NodeKey(
        public_key=request.public_key,
        valid_from_ms=min(request.created_ms, now_ms),
        valid_to_ms=None,
    )
    ended = tuple(_ended(key, now_ms + overlap_ms) for key in registration.keys)
    return replace(registration, meter=request.meter, keys=(*ended, newest))


def revoke(registration: Registration, now_ms: int) -> Registration:
    """Return a registration whose every key has ended by `now_ms`."""
    return replace(registration, keys=tuple(_ended(key, now_ms) for key in registration.keys))


def registry_root(registrations: Iterable[bytes]) -> bytes:
    """Return the root of the registry tree: leaf i is the registration of node i."""
    return merkle.root(list(map(merkle.leaf_hash, registrations)))


def _end_ms(registration: Registration) -> float:
    """Return when the last key of a node ends [ms since 1970]; infinite if one has no end."""
    ends_ms = (math.inf if k.valid_to_ms is None else k.valid_to_ms for k in registration.keys)
    return max(ends_ms, default=0)


def _ended(key: NodeKey, end_ms: int) -> NodeKey:
    known_ms = end_ms if key.valid_to_ms is None else min(end_ms, key.valid_to_ms)
    return replace(key, valid_to_ms=max(known_ms, key.valid_from_ms))


def _refuse_known_key(request: EnrolmentRequest, registration: Registration) -> None:
    if any(key.public_key == request.public_key for key in registration.keys):
        raise Rejected(
            f"this key belongs to node {registration.node_index} already",
            remedy="make a new key on the light node: certiflex lightnode enroll",
            reason="key_taken",
        )


def _signers(registration: Registration) -> dict[bytes, Signer]:
    signers = {}
    for key in registration.keys:
        verifying = VerifyingKey.decode(key.public_key)
        signers[verifying.key_id] = Signer(verifying, key.valid_from_ms, key.valid_to_ms)
    return signers
