"""Who may sign for which point of delivery, and when."""

from dataclasses import dataclass

from ledger.facts.pod import Pod


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
