"""Orders to the ledger in SQLite, beside the seals they anchor: durable before they are sent."""

import sqlalchemy as sa

from central.scd import schema
from central.scd.database import Database
from central.scd.documents_entries import Anchored
from ledger.chain.orders import decode_order, encode_order
from ledger.chain.values import Anchor, Attempt, Final, Order, Submission
from ledger.errors import InvariantBroken, Unavailable

_A = schema.market_anchor.c
_T = schema.market_attempt.c
_UNDER_WAY, _FINAL, _VOID = 0, 1, 2


class SqliteAnchors:
    """The journal of `ports.AnchorStore`, in the file of the evidence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def anchor_under_way(self) -> Anchor | None:
        """Return the order that is not final yet; see `ledger.chain.orders.OrderJournal`."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(*_A).where(_A.state == _UNDER_WAY)).first()
            if row is None:
                return None
            return Anchor(
                number=row.number, order=decode_order(row.body),
                attempts=_attempts(connection, row.number),
            )  # fmt: skip

    def begin_anchor(self, order: Order, attempt: Attempt) -> None:
        """Write down an order and its first attempt; see `ledger.chain.orders.OrderJournal`.

        Raises:
            Unavailable: another process has begun one meanwhile; the next step goes on with it.
        """
        with self._database.writing() as connection:
            _insert_attempt(connection, _insert_order(connection, order), attempt)

    def keep_attempt(self, number: int, attempt: Attempt) -> None:
        """Write down one more attempt; see `ledger.chain.orders.OrderJournal`."""
        with self._database.writing() as connection:
            _insert_attempt(connection, number, attempt)

    def next_nonce(self) -> int | None:
        """Return the nonce after the highest kept; see `ledger.chain.orders.OrderJournal`."""
        statement = sa.select(sa.func.max(_T.nonce)).where(
            _T.number == _A.number, _A.state != _VOID
        )
        with self._database.reading() as connection:
            highest = connection.execute(statement).scalar()
        return None if highest is None else int(highest) + 1

    def end_anchor(self, number: int | None, order: Order, final: Final, part: bytes) -> None:
        """Write down that an order is final; see `ledger.chain.orders.OrderJournal`."""
        with self._database.writing() as connection:
            known = _insert_order(connection, order) if number is None else number
            connection.execute(
                sa.update(schema.market_anchor)
                .where(_A.number == known)
                .values(state=_FINAL, chain_part=part or None, gas=final.gas_used)
            )

    def void_anchor(self, number: int) -> None:
        """Give an order up; see `ledger.chain.orders.OrderJournal`."""
        with self._database.writing() as connection:
            given_up = sa.update(schema.market_anchor).where(
                _A.number == number, _A.state == _UNDER_WAY
            )
            connection.execute(given_up.values(state=_VOID))

    def anchored(self) -> Anchored | None:
        """Return the largest head that is final; see `ports.AnchorStore`."""
        statement = (
            sa.select(_A.size, _A.chain_part, _A.gas)
            .where(_A.state == _FINAL)
            .order_by(_A.size.desc(), _A.number.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else Anchored(row.size, row.chain_part, row.gas)


def _insert_order(connection: sa.Connection, order: Order) -> int:
    if not isinstance(order, Submission):
        raise InvariantBroken("the market log has no registry to anchor")
    if connection.execute(sa.select(_A.number).where(_A.state == _UNDER_WAY)).first():
        raise Unavailable("another process anchors the market log at this moment")
    number = int(connection.execute(sa.select(sa.func.max(_A.number))).scalar() or 0) + 1
    row = {
        "number": number, "body": encode_order(order), "size": order.size, "state": _UNDER_WAY,
        "chain_part": None, "gas": 0,
    }  # fmt: skip
    connection.execute(sa.insert(schema.market_anchor), row)
    return number


def _insert_attempt(connection: sa.Connection, number: int, attempt: Attempt) -> None:
    row = {
        "number": number, "tx_hash": attempt.tx_hash, "nonce": attempt.nonce, "raw": attempt.raw,
        "max_fee_wei": str(attempt.max_fee_wei),
        "priority_fee_wei": str(attempt.priority_fee_wei), "prepared_ms": attempt.prepared_ms,
    }  # fmt: skip
    connection.execute(sa.insert(schema.market_attempt), row)


def _attempts(connection: sa.Connection, number: int) -> tuple[Attempt, ...]:
    rows = connection.execute(sa.select(*_T).where(_T.number == number))
    found = [
        Attempt(
            tx_hash=row.tx_hash, raw=row.raw, nonce=row.nonce, max_fee_wei=int(row.max_fee_wei),
            priority_fee_wei=int(row.priority_fee_wei), prepared_ms=row.prepared_ms,
        )
        for row in rows
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (each.prepared_ms, each.nonce, each.max_fee_wei)))
