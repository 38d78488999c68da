"""The tables of the evidence, as SQLAlchemy Core sees them on every engine.

`arrival` holds the bytes as they came, in order, and is never changed. `registration`,
`segment`, `equivocation`, `ledger_window`, `anchor`, `gap`, `quarter`, `watermark` and
`last_value` are derived from it, in the same transaction, and can be derived again.
`document` holds market documents, signed, in an order of arrival of their own; `market_entry`
is derived from it, `market_seal` is not.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

metadata = MetaData()

# SQLite gives a rowid only to INTEGER; everywhere else these numbers need 64 bits.
_BIG = BigInteger().with_variant(Integer(), "sqlite")


def _big(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, _BIG, nullable=nullable)


def _small(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=nullable)


def _hash(name: str) -> Column[bytes]:
    return Column(name, LargeBinary(32), nullable=False)


arrival = Table(
    "arrival",
    metadata,
    Column("arrival", _BIG, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    _small("node_index", nullable=True),
    _big("reference"),
    _big("arrived_ms"),
    Column("body", LargeBinary, nullable=False),
)

registration = Table(
    "registration",
    metadata,
    Column("arrival", _BIG, primary_key=True, autoincrement=False),
    _small("node_index"),
    Column("pod", Text, nullable=False),
    Index("registration_by_node", "node_index", "arrival"),
    Index("registration_by_pod", "pod"),
)

segment = Table(
    "segment",
    metadata,
    _small("node_index"),
    _big("first_sequence"),
    _small("record_count"),
    _big("first_slot"),
    _big("end_slot"),
    _small("reading_count"),
    _hash("header_hash"),
    _hash("previous_hash"),
    _big("arrival"),
    _big("log_window", nullable=True),
    Column("disputed", Boolean, nullable=False),
    PrimaryKeyConstraint("node_index", "first_sequence"),
    Index("segment_by_slot", "node_index", "end_slot"),
    Index("segment_by_arrival", "arrival", unique=True),
    sqlite_with_rowid=False,
)
Index(
    "segment_outside_windows",
    segment.c.node_index,
    segment.c.first_sequence,
    sqlite_where=segment.c.log_window.is_(None),
    postgresql_where=segment.c.log_window.is_(None),
)
Index(
    "segment_disputed",
    segment.c.node_index,
    segment.c.first_sequence,
    sqlite_where=text("disputed"),
    postgresql_where=text("disputed"),
)

equivocation = Table(
    "equivocation",
    metadata,
    Column("arrival", _BIG, primary_key=True, autoincrement=False),
    _small("node_index"),
    _big("first_sequence"),
    _small("record_count"),
    _hash("header_hash"),
    _big("log_window", nullable=True),
    Index("equivocation_by_node", "node_index", "first_sequence"),
)

gap = Table(
    "gap",
    metadata,
    _small("node_index"),
    _big("sequence"),
    _big("from_slot"),
    _big("to_slot"),
    _small("cause"),
    PrimaryKeyConstraint("node_index", "sequence"),
    Index("gap_by_slot", "node_index", "to_slot"),
    sqlite_with_rowid=False,
)

quarter = Table(
    "quarter",
    metadata,
    _small("node_index"),
    _big("quarter"),
    _small("reading_count"),
    _small("flagged_count"),
    _big("import_ws"),
    _big("export_ws"),
    _big("first_slot"),
    _big("first_import_wh"),
    _big("first_export_wh"),
    _big("last_slot"),
    _big("last_power_w"),
    _big("last_import_wh"),
    _big("last_export_wh"),
    PrimaryKeyConstraint("node_index", "quarter"),
    sqlite_with_rowid=False,
)

watermark = Table(
    "watermark",
    metadata,
    Column("node_index", Integer, primary_key=True, autoincrement=False),
    _big("next_sequence"),
    _big("end_sequence"),
    _big("end_slot"),
    _big("arrived_ms"),
)

last_value = Table(
    "last_value",
    metadata,
    Column("node_index", Integer, primary_key=True, autoincrement=False),
    _big("sequence"),
    _big("slot"),
    _small("offset_ms"),
    _small("latency_ms"),
    _big("power_w"),
    _big("reactive_power_var"),
    _big("voltage_l1_mv"),
    _big("voltage_l2_mv", nullable=True),
    _big("voltage_l3_mv", nullable=True),
    _big("current_l1_ma"),
    _big("current_l2_ma", nullable=True),
    _big("current_l3_ma", nullable=True),
    _big("frequency_mhz"),
    _big("import_wh"),
    _big("export_wh"),
    _small("quality"),
    _big("clock_error_ms", nullable=True),
)

ledger_window = Table(
    "ledger_window",
    metadata,
    Column("log_window", _BIG, primary_key=True, autoincrement=False),
    _big("arrival"),
    _big("registry_arrival"),
    _big("closed_ms"),
    Column("entry", LargeBinary, nullable=False),
)

anchor = Table(
    "anchor",
    metadata,
    Column("size", _BIG, primary_key=True, autoincrement=False),
    _big("arrival"),
)

token = Table(
    "token",
    metadata,
    Column("token_id", Text, primary_key=True),
    _hash("secret_hash"),
    Column("role", Text, nullable=False),
    Column("label", Text, nullable=False),
    _big("created_ms"),
    _big("expires_ms", nullable=True),
    _big("revoked_ms", nullable=True),
    Column("party", Text, nullable=True),
)

token_pod = Table(
    "token_pod",
    metadata,
    Column("token_id", Text, nullable=False),
    Column("pod", Text, nullable=False),
    _big("from_ms"),
    _big("to_ms"),
    PrimaryKeyConstraint("token_id", "pod", "from_ms"),
)

disclosure = Table(
    "disclosure",
    metadata,
    Column("disclosure", _BIG, primary_key=True, autoincrement=True),
    _big("read_ms"),
    Column("token_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("pod", Text, nullable=False),
    Column("what", Text, nullable=False),
    _big("from_ms"),
    _big("to_ms"),
    Index("disclosure_by_pod", "pod", "read_ms"),
)

document = Table(
    "document",
    metadata,
    Column("arrival", _BIG, primary_key=True, autoincrement=False),
    Column("mrid", Text, nullable=False),
    _big("revision"),
    Column("ii", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    _big("from_ms"),
    _big("to_ms"),
    _big("created_ms"),
    _big("opens_ms", nullable=True),
    _big("arrived_ms"),
    Column("is_conflict", Boolean, nullable=False),
    _hash("document_hash"),
    Column("signed", LargeBinary, nullable=False),
    Index("document_by_name", "mrid", "revision", "document_hash", unique=True),
    Index("document_by_kind", "ii", "to_ms"),
    Index("document_by_sender", "sender", "arrival"),
    Index("document_by_hash", "document_hash"),
)

document_pod = Table(
    "document_pod",
    metadata,
    _big("arrival"),
    Column("pod", Text, nullable=False),
    PrimaryKeyConstraint("arrival", "pod"),
)

document_key = Table(
    "document_key",
    metadata,
    Column("client", Text, nullable=False),
    Column("key", Text, nullable=False),
    _hash("document_hash"),
    PrimaryKeyConstraint("client", "key"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("name", Text, primary_key=True),
    _big("arrival"),
)

session_row = Table(
    "session_row",
    metadata,
    Column("place", _BIG, primary_key=True, autoincrement=False),
    Column("session", Text, nullable=False),
    Column("row", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("told", Text, nullable=False),
    _big("ended_ms"),
    Column("documents", LargeBinary, nullable=False),
    Index("session_row_by_session", "session", "place"),
)

market_entry = Table(
    "market_entry",
    metadata,
    Column("position", _BIG, primary_key=True, autoincrement=False),
    _big("arrival"),
    _hash("leaf_hash"),
    Index("market_entry_by_arrival", "arrival", unique=True),
)

market_seal = Table(
    "market_seal",
    metadata,
    Column("place", _BIG, primary_key=True, autoincrement=False),
    _big("size"),
    _hash("root"),
    Column("note", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("session", Text, nullable=False),
    _big("sealed_ms"),
    Index("market_seal_by_size", "size", "place"),
    Index("market_seal_by_session", "session", "place"),
)

market_anchor = Table(
    "market_anchor",
    metadata,
    Column("number", _BIG, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    _big("size"),
    _small("state"),
    Column("chain_part", LargeBinary, nullable=True),
    _big("gas"),
    Index("market_anchor_by_state", "state", "size"),
)

market_attempt = Table(
    "market_attempt",
    metadata,
    _big("number"),
    Column("tx_hash", LargeBinary(32), nullable=False),
    _big("nonce"),
    Column("raw", LargeBinary, nullable=False),
    Column("max_fee_wei", Text, nullable=False),
    Column("priority_fee_wei", Text, nullable=False),
    _big("prepared_ms"),
    PrimaryKeyConstraint("number", "tx_hash"),
)
