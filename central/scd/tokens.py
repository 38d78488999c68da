"""Tokens: made from the system's randomness, shown once, kept as a hash only."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from central.scd import schema
from central.scd.database import Database
from central.scd.roles import Grant, Holder, Role
from ledger.errors import Rejected
from ledger.facts.interval import Interval

_PREFIX = "cfx"
_ID_BYTES = 6
_SECRET_BYTES = 32
_PARTS = 3
_MAX_TOKEN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token; its secret is not."""

    token_id: str
    role: Role
    label: str
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    grants: tuple[Grant, ...]
    party: str | None

    def is_valid_at(self, unix_ms: int) -> bool:
        """Tell whether the token opens anything at an instant."""
        return self.revoked_ms is None and (self.expires_ms is None or unix_ms < self.expires_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """Somebody read a POD's 4-second profile over an interval."""

    read_ms: int
    token_id: str
    role: str
    pod: str
    what: str
    interval: Interval


class TokenStore:
    """Tokens and the readings disclosed to their holders, durable in the evidence database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(
        self,
        role: Role,
        grants: Sequence[Grant],
        *,
        label: str,
        created_ms: int,
        expires_ms: int | None = None,
        party: str | None = None,
    ) -> str:
        """Return a new token; this is the only time that it can be seen.

        Raises:
            StoreAway: nothing was stored.
        """
        token_id = secrets.token_hex(_ID_BYTES)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        with self._database.writing() as connection:
            connection.execute(
                sa.insert(schema.token),
                {
                    "token_id": token_id, "secret_hash": _hash(secret), "role": role.value,
                    "label": label, "created_ms": created_ms, "expires_ms": expires_ms,
                    "party": party,
                },
            )  # fmt: skip
            rows = [
                {"token_id": token_id, "pod": grant.pod, "from_ms": grant.interval.start_ms,
                 "to_ms": grant.interval.end_ms}
                for grant in grants
            ]  # fmt: skip
            if rows:
                connection.execute(sa.insert(schema.token_pod), rows)
        return f"{_PREFIX}_{token_id}_{secret}"

    def holder(self, presented: str, now_ms: int) -> Holder | None:
        """Return who holds a token; None if it is not one of ours, expired or revoked."""
        parts = presented.split("_", _PARTS - 1)
        if len(presented) > _MAX_TOKEN or len(parts) != _PARTS or parts[0] != _PREFIX:
            return None
        token_id, secret = parts[1:]
        table = schema.token
        with self._database.reading() as connection:
            row = connection.execute(sa.select(table).where(table.c.token_id == token_id)).first()
            grants = _grants(connection, token_id)
        if row is None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
            return None
        if not _token(row, grants).is_valid_at(now_ms):
            return None
        return Holder(token_id=token_id, role=Role(row.role), grants=grants, party=row.party)

    def tokens(self) -> list[Token]:
        """Return what is known of every token, oldest first."""
        table = schema.token
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.created_ms)).all()
            return [_token(row, _grants(connection, row.token_id)) for row in rows]

    def revoke(self, token_id: str, now_ms: int) -> None:
        """Close a token at once and for good.

        Raises:
            Rejected: there is no such token.
        """
        table = schema.token
        here = (table.c.token_id == token_id) & table.c.revoked_ms.is_(None)
        with self._database.writing() as connection:
            connection.execute(sa.update(table).where(here).values(revoked_ms=now_ms))
            known = connection.execute(sa.select(table).where(table.c.token_id == token_id)).first()
        if known is None:
            raise Rejected(
                f"there is no token {token_id!r}",
                remedy="type: certiflex central token list",
                reason="unknown_token",
            )

    def disclosed(self, disclosure: Disclosure) -> None:
        """Write down, durably, that a profile is about to be read."""
        with self._database.writing() as connection:
            connection.execute(
                sa.insert(schema.disclosure),
                {
                    "read_ms": disclosure.read_ms, "token_id": disclosure.token_id,
                    "role": disclosure.role, "pod": disclosure.pod, "what": disclosure.what,
                    "from_ms": disclosure.interval.start_ms, "to_ms": disclosure.interval.end_ms,
                },
            )  # fmt: skip

    def disclosures(self, pod: str, interval: Interval, limit: int) -> list[Disclosure]:
        """Return who read a POD's profile at any instant of an interval, latest first."""
        column = schema.disclosure.c
        query = (
            sa.select(schema.disclosure)
            .where(
                column.pod == pod,
                column.read_ms >= interval.start_ms,
                column.read_ms < interval.end_ms,
            )
            .order_by(column.read_ms.desc(), column.disclosure.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [
                Disclosure(
                    read_ms=row.read_ms, token_id=row.token_id, role=row.role, pod=row.pod,
                    what=row.what, interval=Interval(row.from_ms, row.to_ms),
                )
                for row in connection.execute(query)
            ]  # fmt: skip


def _hash(secret: str) -> bytes:
    # The secret is 256 random bits: nothing is gained by a slow hash.
    return hashlib.sha256(secret.encode()).digest()


def _grants(connection: sa.Connection, token_id: str) -> tuple[Grant, ...]:
    table = schema.token_pod
    rows = connection.execute(sa.select(table).where(table.c.token_id == token_id))
    return tuple(Grant(row.pod, Interval(row.from_ms, row.to_ms)) for row in rows)


def _token(row: "sa.Row[tuple[object, ...]]", grants: tuple[Grant, ...]) -> Token:
    return Token(
        token_id=row.token_id, role=Role(row.role), label=row.label, created_ms=row.created_ms,
        expires_ms=row.expires_ms, revoked_ms=row.revoked_ms, grants=grants, party=row.party,
    )  # fmt: skip
