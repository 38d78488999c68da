"""The evidence: what arrived, and what is derived from it; tokens and disclosures."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_arrival()
    _create_registration()
    _create_segment()
    _create_equivocation()
    _create_gap()
    _create_quarter()
    _create_watermark()
    _create_last_value()
    _create_ledger_window()
    _create_anchor()
    _create_token()
    _create_token_pod()
    _create_disclosure()


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "disclosure",
        "token_pod",
        "token",
        "anchor",
        "ledger_window",
        "last_value",
        "watermark",
        "quarter",
        "gap",
        "equivocation",
        "segment",
        "registration",
        "arrival",
    ):
        op.drop_table(table)


def _create_arrival() -> None:
    op.create_table(
        "arrival",
        sa.Column("arrival", _BIG, autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("node_index", sa.Integer(), nullable=True),
        sa.Column("reference", _BIG, nullable=False),
        sa.Column("arrived_ms", _BIG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arrival"),
    )


def _create_registration() -> None:
    op.create_table(
        "registration",
        sa.Column("arrival", _BIG, autoincrement=False, nullable=False),
        sa.Column("node_index", sa.Integer(), nullable=False),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("arrival"),
    )
    op.create_index("registration_by_node", "registration", ["node_index", "arrival"], unique=False)
    op.create_index("registration_by_pod", "registration", ["pod"], unique=False)


def _create_segment() -> None:
    op.create_table(
        "segment",
        sa.Column("node_index", sa.Integer(), nullable=False),
        sa.Column("first_sequence", _BIG, nullable=False),
        sa.Column("record_count", sa.Integer(), nullable=False),
        sa.Column("first_slot", _BIG, nullable=False),
        sa.Column("end_slot", _BIG, nullable=False),
        sa.Column("reading_count", sa.Integer(), nullable=False),
        sa.Column("header_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("arrival", _BIG, nullable=False),
        sa.Column("log_window", _BIG, nullable=True),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("node_index", "first_sequence"),
        sqlite_with_rowid=False,
    )
    op.create_index("segment_by_arrival", "segment", ["arrival"], unique=True)
    op.create_index("segment_by_slot", "segment", ["node_index", "end_slot"], unique=False)
    op.create_index(
        "segment_disputed",
        "segment",
        ["node_index", "first_sequence"],
        unique=False,
        sqlite_where=sa.text("disputed"),
        postgresql_where=sa.text("disputed"),
    )
    op.create_index(
        "segment_outside_windows",
        "segment",
        ["node_index", "first_sequence"],
        unique=False,
        sqlite_where=sa.text("log_window IS NULL"),
        postgresql_where=sa.text("log_window IS NULL"),
    )


def _create_equivocation() -> None:
    op.create_table(
        "equivocation",
        sa.Column("arrival", _BIG, autoincrement=False, nullable=False),
        sa.Column("node_index", sa.Integer(), nullable=False),
        sa.Column("first_sequence", _BIG, nullable=False),
        sa.Column("record_count", sa.Integer(), nullable=False),
        sa.Column("header_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("log_window", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("arrival"),
    )
    op.create_index(
        "equivocation_by_node", "equivocation", ["node_index", "first_sequence"], unique=False
    )


def _create_gap() -> None:
    op.create_table(
        "gap",
        sa.Column("node_index", sa.Integer(), nullable=False),
        sa.Column("sequence", _BIG, nullable=False),
        sa.Column("from_slot", _BIG, nullable=False),
        sa.Column("to_slot", _BIG, nullable=False),
        sa.Column("cause", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("node_index", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_index("gap_by_slot", "gap", ["node_index", "to_slot"], unique=False)


def _create_quarter() -> None:
    op.create_table(
        "quarter",
        sa.Column("node_index", sa.Integer(), nullable=False),
        sa.Column("quarter", _BIG, nullable=False),
        sa.Column("reading_count", sa.Integer(), nullable=False),
        sa.Column("flagged_count", sa.Integer(), nullable=False),
        sa.Column("import_ws", _BIG, nullable=False),
        sa.Column("export_ws", _BIG, nullable=False),
        sa.Column("first_slot", _BIG, nullable=False),
        sa.Column("first_import_wh", _BIG, nullable=False),
        sa.Column("first_export_wh", _BIG, nullable=False),
        sa.Column("last_slot", _BIG, nullable=False),
        sa.Column("last_power_w", _BIG, nullable=False),
        sa.Column("last_import_wh", _BIG, nullable=False),
        sa.Column("last_export_wh", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("node_index", "quarter"),
        sqlite_with_rowid=False,
    )


def _create_watermark() -> None:
    op.create_table(
        "watermark",
        sa.Column("node_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_sequence", _BIG, nullable=False),
        sa.Column("end_sequence", _BIG, nullable=False),
        sa.Column("end_slot", _BIG, nullable=False),
        sa.Column("arrived_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("node_index"),
    )


def _create_last_value() -> None:
    op.create_table(
        "last_value",
        sa.Column("node_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", _BIG, nullable=False),
        sa.Column("slot", _BIG, nullable=False),
        sa.Column("offset_ms", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("power_w", _BIG, nullable=False),
        sa.Column("reactive_power_var", _BIG, nullable=False),
        sa.Column("voltage_l1_mv", _BIG, nullable=False),
        sa.Column("voltage_l2_mv", _BIG, nullable=True),
        sa.Column("voltage_l3_mv", _BIG, nullable=True),
        sa.Column("current_l1_ma", _BIG, nullable=False),
        sa.Column("current_l2_ma", _BIG, nullable=True),
        sa.Column("current_l3_ma", _BIG, nullable=True),
        sa.Column("frequency_mhz", _BIG, nullable=False),
        sa.Column("import_wh", _BIG, nullable=False),
        sa.Column("export_wh", _BIG, nullable=False),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.Column("clock_error_ms", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("node_index"),
    )


def _create_ledger_window() -> None:
    op.create_table(
        "ledger_window",
        sa.Column("log_window", _BIG, autoincrement=False, nullable=False),
        sa.Column("arrival", _BIG, nullable=False),
        sa.Column("registry_arrival", _BIG, nullable=False),
        sa.Column("closed_ms", _BIG, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_window"),
    )


def _create_anchor() -> None:
    op.create_table(
        "anchor",
        sa.Column("size", _BIG, autoincrement=False, nullable=False),
        sa.Column("arrival", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )


def _create_token() -> None:
    op.create_table(
        "token",
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_ms", _BIG, nullable=False),
        sa.Column("expires_ms", _BIG, nullable=True),
        sa.Column("revoked_ms", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("token_id"),
    )


def _create_token_pod() -> None:
    op.create_table(
        "token_pod",
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.Column("from_ms", _BIG, nullable=False),
        sa.Column("to_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("token_id", "pod", "from_ms"),
    )


def _create_disclosure() -> None:
    op.create_table(
        "disclosure",
        sa.Column("disclosure", _BIG, autoincrement=True, nullable=False),
        sa.Column("read_ms", _BIG, nullable=False),
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("from_ms", _BIG, nullable=False),
        sa.Column("to_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("disclosure"),
    )
    op.create_index("disclosure_by_pod", "disclosure", ["pod", "read_ms"], unique=False)
