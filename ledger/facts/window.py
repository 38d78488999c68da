"""One minute of all nodes: entry k of the gateway's log is window k."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowEntry:
    """The root over exactly `node_count` leaves, one for each enrolled node, present or absent.

    `registry_root` is the root over the registrations of the same nodes at `closed_ms`, so a
    key's validity is part of what the ledger vouches for.
    """

    origin: str
    window: int
    closed_ms: int
    node_count: int
    root: bytes
    registry_root: bytes
