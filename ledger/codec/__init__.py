"""Deterministic CBOR for everything that is hashed or signed.

A value has one encoding and only that one is accepted. `docs/certification.md` gives the CDDL.
"""

from ledger.codec.cbor import decode, encode
from ledger.codec.containers import (
    decode_document_entry,
    decode_enrolment,
    decode_header,
    decode_receipt,
    decode_registration,
    decode_segment,
    decode_window_entry,
    decode_window_leaf,
    encode_document_entry,
    encode_enrolment,
    encode_header,
    encode_receipt,
    encode_registration,
    encode_segment,
    encode_window_entry,
    encode_window_leaf,
    encode_window_leaves,
    header_hash,
)
from ledger.codec.records import (
    SALT_BYTES,
    Row,
    decode_record,
    encode_record,
    leaf_salt,
    read_rows,
    record_of,
    row_span,
    skim_readings,
)

__all__ = [
    "SALT_BYTES",
    "Row",
    "decode",
    "decode_document_entry",
    "decode_enrolment",
    "decode_header",
    "decode_receipt",
    "decode_record",
    "decode_registration",
    "decode_segment",
    "decode_window_entry",
    "decode_window_leaf",
    "encode",
    "encode_document_entry",
    "encode_enrolment",
    "encode_header",
    "encode_receipt",
    "encode_record",
    "encode_registration",
    "encode_segment",
    "encode_window_entry",
    "encode_window_leaf",
    "encode_window_leaves",
    "header_hash",
    "leaf_salt",
    "read_rows",
    "record_of",
    "row_span",
    "skim_readings",
]
