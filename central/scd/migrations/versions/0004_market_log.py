"""The log of market documents: its entries, and the seals over them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "market_entry",
        sa.Column("position", _BIG, autoincrement=False, nullable=False),
        sa.Column("arrival", _BIG, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("market_entry_by_arrival", "market_entry", ["arrival"], unique=True)
    op.create_table(
        "market_seal",
        sa.Column("place", _BIG, autoincrement=False, nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("sealed_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_index("market_seal_by_size", "market_seal", ["size", "place"], unique=False)
    op.create_index("market_seal_by_session", "market_seal", ["session", "place"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("market_seal")
    op.drop_table("market_entry")
