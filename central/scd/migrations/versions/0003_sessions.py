"""Market sessions: the rows that have ended, and what they filed; documents found by hash."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "session_row",
        sa.Column("place", _BIG, autoincrement=False, nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("ended_ms", _BIG, nullable=False),
        sa.Column("documents", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    names = ["session", "place"]
    op.create_index("session_row_by_session", "session_row", names, unique=False)
    op.create_index("document_by_hash", "document", ["document_hash"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("document_by_hash", "document")
    op.drop_table("session_row")
