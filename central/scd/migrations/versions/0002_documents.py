"""Market documents, how far alerts were delivered, and the parties that tokens stand for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and the column."""
    _create_document()
    op.create_table(
        "document_pod",
        sa.Column("arrival", _BIG, nullable=False),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("arrival", "pod"),
    )
    op.create_table(
        "document_key",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("document_hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("client", "key"),
    )
    op.create_table(
        "delivery",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arrival", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("token", sa.Column("party", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("token") as token:
        token.drop_column("party")
    for table in ("delivery", "document_key", "document_pod", "document"):
        op.drop_table(table)


def _create_document() -> None:
    op.create_table(
        "document",
        sa.Column("arrival", _BIG, autoincrement=False, nullable=False),
        sa.Column("mrid", sa.Text(), nullable=False),
        sa.Column("revision", _BIG, nullable=False),
        sa.Column("ii", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("from_ms", _BIG, nullable=False),
        sa.Column("to_ms", _BIG, nullable=False),
        sa.Column("created_ms", _BIG, nullable=False),
        sa.Column("opens_ms", _BIG, nullable=True),
        sa.Column("arrived_ms", _BIG, nullable=False),
        sa.Column("is_conflict", sa.Boolean(), nullable=False),
        sa.Column("document_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arrival"),
    )
    name = ["mrid", "revision", "document_hash"]
    op.create_index("document_by_name", "document", name, unique=True)
    op.create_index("document_by_kind", "document", ["ii", "to_ms"], unique=False)
    op.create_index("document_by_sender", "document", ["sender", "arrival"], unique=False)
