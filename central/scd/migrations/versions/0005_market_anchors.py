"""How the market log's heads reach the ledger: orders, and the attempts to carry them out."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "market_anchor",
        sa.Column("number", _BIG, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("chain_part", sa.LargeBinary(), nullable=True),
        sa.Column("gas", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("market_anchor_by_state", "market_anchor", ["state", "size"], unique=False)
    op.create_table(
        "market_attempt",
        sa.Column("number", _BIG, nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("nonce", _BIG, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("max_fee_wei", sa.Text(), nullable=False),
        sa.Column("priority_fee_wei", sa.Text(), nullable=False),
        sa.Column("prepared_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("number", "tx_hash"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("market_attempt")
    op.drop_table("market_anchor")
