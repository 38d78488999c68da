"""Enrolling, rotating and revoking light nodes, and the grant that a node gets back."""

from pathlib import Path

from gateway.config import GatewayConfig
from gateway.journal import Journal
from gateway.registry import enrol, open_request, revoke, rotate
from ledger.errors import Rejected
from ledger.facts.registry import EnrolmentRequest, Grant, Registration
from ledger.signing import VerifyingKey

_MOST_REQUEST_BYTES = 4_096


class Enrolment:
    """The registry of one gateway, changed in its journal; a running gateway follows.

    Without `writes` every check is made and nothing is changed.
    """

    def __init__(
        self, config: GatewayConfig, journal: Journal, key: VerifyingKey, *, writes: bool = True
    ) -> None:
        self._config = config
        self._writes = writes
        self._registry = journal.registry
        self._key = key
        self._clock = config.clock.clock()

    def add(self, request_file: Path) -> tuple[Registration, Grant]:
        """Enrol the node of a request, durably; asked twice, the same grant is given twice.

        Raises:
            Rejected: the request is not right, or its POD or key are taken.
        """
        request = self._request(request_file)
        for registration in self._registry.registrations():
            if _is_answered(request, registration):
                return registration, self._grant(registration)
        now_ms = self._clock.now_ms()
        made = self._registry.enrol(
            lambda registered: enrol(request, registered, now_ms), writes=self._writes
        )
        return made, self._grant(made)

    def rotate(self, node_index: int, request_file: Path) -> tuple[Registration, Grant]:
        """Give a node the key of a request, durably.

        Raises:
            Rejected: the request is not right, or there is no such node.
        """
        request = self._request(request_file)
        now_ms = self._clock.now_ms()
        overlap_ms = self._config.rotation_overlap_s * 1000
        made = self._registry.change(
            node_index,
            lambda known: rotate(known, request, now_ms, overlap_ms=overlap_ms),
            writes=self._writes,
        )
        return made, self._grant(made)

    def revoke(self, node_index: int) -> Registration:
        """End every key of a node, durably and now.

        Raises:
            Rejected: there is no such node.
        """
        now_ms = self._clock.now_ms()
        return self._registry.change(
            node_index, lambda known: revoke(known, now_ms), writes=self._writes
        )

    def _grant(self, registration: Registration) -> Grant:
        return Grant(
            origin=self._config.origin,
            node_index=registration.node_index,
            gateway_key=self._key.encode().hex(),
            window_s=self._config.window_s,
        )

    def _request(self, file: Path) -> EnrolmentRequest:
        try:
            message = file.read_bytes()[: _MOST_REQUEST_BYTES + 1]
        except OSError as error:
            raise Rejected(
                f"the request cannot be read ({error.strerror})",
                where=str(file),
                remedy="make one on the light node: certiflex lightnode enroll",
                reason="unreadable_request",
            ) from error
        try:
            return open_request(message, self._clock.now_ms())
        except Rejected as error:
            raise Rejected(
                f"is no enrolment request: {error.what}",
                where=str(file),
                remedy=error.remedy or "make one on the light node: certiflex lightnode enroll",
                reason=error.reason,
            ) from error


def _is_answered(request: EnrolmentRequest, registration: Registration) -> bool:
    return request.pod == registration.pod and any(
        key.public_key == request.public_key and key.valid_to_ms is None
        for key in registration.keys
    )
