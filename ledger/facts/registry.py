"""Who may sign for which point of delivery, and when."""

from dataclasses import dataclass

from ledger.facts.pod import Pod
from ledger.facts.segment import slots_per_window


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKey:
    """A node's public key (see `signing.VerifyingKey.encode`), valid in `[valid_from, valid_to)`.

    `valid_to_ms` is None while the key is neither rotated nor revoked.
    """

    public_key: bytes
    valid_from_ms: int
    valid_to_ms: int | None

    def is_valid_at(self, unix_ms: int) -> bool:
        """Tell whether the key may sign for an instant."""
        return self.valid_from_ms <= unix_ms and (
            self.valid_to_ms is None or unix_ms < self.valid_to_ms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Leaf `node_index` of the registry: every key the node ever had, oldest first."""

    node_index: int
    pod: Pod
    meter: str
    keys: tuple[NodeKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRequest:
    """What a new node asks for, signed with the key it names."""

    pod: Pod
    meter: str
    public_key: bytes
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The node's place in a log, and whose receipts count: the gateway's answer to a request.

    `gateway_key` is a public key in hexadecimal (see `signing.VerifyingKey.encode`).
    """

    origin: str
    node_index: int
    gateway_key: str
    window_s: int

    def __post_init__(self) -> None:
        slots_per_window(self.window_s * 1000)
        if self.node_index < 0:
            raise ValueError(f"node_index must not be negative, not {self.node_index}")

    @property
    def window_slots(self) -> int:
        """Return how many slots a window of this log has."""
        return slots_per_window(self.window_s * 1000)
