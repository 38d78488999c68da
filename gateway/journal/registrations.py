"""The registry of nodes in the journal: changed by commands, followed by the running gateway."""

from collections.abc import Callable, Sequence

from gateway.journal.store import Store
from ledger import codec
from ledger.errors import InvariantBroken, Rejected
from ledger.facts.registry import Registration

_VERSION = "registry_version"


class RegistryJournal:
    """Registrations; see the port of the same name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def registry_version(self) -> int:
        """Return the version now, also when another process changed it."""
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT number FROM meta WHERE name = ?", (_VERSION,)
            ).fetchone()
        return int(row[0]) if row else 0

    def registrations_since(self, version: int) -> list[bytes]:
        """Return the registrations that changed after a version, by node index."""
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT registration FROM nodes WHERE version > ? ORDER BY node_index", (version,)
            ).fetchall()
        return [row[0] for row in rows]

    def registrations(self) -> list[Registration]:
        """Return all registrations, by node index."""
        return [codec.decode_registration(encoded) for encoded in self.registrations_since(-1)]

    def enrol(
        self, make: Callable[[Sequence[Registration]], Registration], *, writes: bool = True
    ) -> Registration:
        """Write down, durably, the registration that `make` returns for the next index.

        Without `writes` everything is checked and nothing written.

        Raises:
            Rejected: what `make` raises; nothing was written.
        """
        with self._store.writing():
            registered = self.registrations()
            made = make(registered)
            if made.node_index != len(registered):
                raise InvariantBroken(f"node {made.node_index} is not the next one")
            if writes:
                self._put(made)
        return made

    def change(
        self,
        node_index: int,
        make: Callable[[Registration], Registration],
        *,
        writes: bool = True,
    ) -> Registration:
        """Write down, durably, what `make` returns for the registration of a node.

        Without `writes` everything is checked and nothing written.

        Raises:
            Rejected: `unknown_node`, or what `make` raises; nothing was written.
        """
        with self._store.writing() as connection:
            row = connection.execute(
                "SELECT registration FROM nodes WHERE node_index = ?", (node_index,)
            ).fetchone()
            if row is None:
                raise Rejected(
                    f"node {node_index} is not enrolled",
                    remedy="type: certiflex gateway node list",
                    reason="unknown_node",
                )
            made = make(codec.decode_registration(row[0]))
            if writes:
                self._put(made)
        return made

    def undelivered_registrations(self) -> list[tuple[int, bytes]]:
        """Return index and registration of every node that changed since it was delivered."""
        with self._store.reading() as connection:
            return connection.execute(
                "SELECT node_index, registration FROM nodes"
                " WHERE delivered IS NOT registration ORDER BY node_index"
            ).fetchall()

    def registrations_offered(self, offered: Sequence[tuple[int, bytes]]) -> None:
        """Write down, durably, what is about to be handed to the Shared Customer Database."""
        with self._store.writing() as connection:
            connection.executemany(
                "UPDATE nodes SET offered = ? WHERE node_index = ?",
                [(encoded, node_index) for node_index, encoded in offered],
            )

    def registrations_delivered(self, delivered: Sequence[tuple[int, bytes]]) -> None:
        """Write down, durably, what the Shared Customer Database has confirmed."""
        with self._store.writing() as connection:
            connection.executemany(
                "UPDATE nodes SET delivered = ? WHERE node_index = ?",
                [(encoded, node_index) for node_index, encoded in delivered],
            )

    def _put(self, made: Registration) -> None:
        with self._store.reading() as connection:
            version = self.registry_version() + 1
            connection.execute(
                "INSERT INTO meta (name, number) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET number = excluded.number",
                (_VERSION, version),
            )
            connection.execute(
                "INSERT INTO nodes (node_index, registration, version) VALUES (?, ?, ?)"
                " ON CONFLICT (node_index) DO UPDATE SET registration = excluded.registration,"
                " version = excluded.version",
                (made.node_index, codec.encode_registration(made), version),
            )
