"""Tells what any certified file holds, in the words of the glossary."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from ledger import codec, proving
from ledger.checkpoint import read_checkpoint
from ledger.documents import decode_document_bundle
from ledger.errors import Rejected
from ledger.facts.pod import Pod
from ledger.facts.record import Stamp
from ledger.signing import payload_of

Found = dict[str, Any]


def inspected(content: bytes) -> tuple[str, Found]:
    """Return the kind of a certified file and what it holds, for eyes or JSON.

    Nothing is verified.

    Raises:
        Rejected: `wrong_shape`: none of our kinds.
    """
    for kind, reader in _READERS:
        try:
            return kind, reader(content)
        except (Rejected, UnicodeDecodeError):
            continue
    raise Rejected(
        "none of: " + ", ".join(kind for kind, _ in _READERS),
        reason="wrong_shape",
        remedy="name a bundle, segment, record, header, receipt, window entry or checkpoint",
    )


def _bundle(content: bytes) -> Found:
    bundle = proving.decode_bundle(content)
    header = codec.decode_header(payload_of(bundle.signed_header)[1])
    registration = codec.decode_registration(bundle.registration)
    proved: Found
    if isinstance(bundle, proving.RecordBundle):
        proved = {"record": plain(codec.decode_record(bundle.record))}
    else:
        proved = {"headers": len(bundle.headers)}
    anchoring = bundle.anchoring
    tied: Found = {"anchored": anchoring is not None}
    if anchoring is not None:
        tied["window"] = plain(codec.decode_window_entry(anchoring.window_entry))
        tied["checkpoint"] = plain(read_checkpoint(anchoring.checkpoint))
        tied["chain_part_bytes"] = len(anchoring.chain_part or b"")
    return {
        "size_bytes": len(content),
        "registration": plain(registration),
        **proved,
        "header": plain(header),
        **tied,
    }


def _document_bundle(content: bytes) -> Found:
    bundle = decode_document_bundle(content)
    tied: Found = {"logged": bundle.logging is not None}
    if bundle.logging is not None:
        tied["index"] = bundle.logging.index
        tied["checkpoint"] = plain(read_checkpoint(bundle.logging.checkpoint))
        tied["chain_part_bytes"] = len(bundle.logging.chain_part or b"")
    return {
        "size_bytes": len(content),
        "signed_by": payload_of(bundle.signed)[0].hex(),
        "entry": plain(codec.decode_document_entry(bundle.entry)),
        **tied,
    }


def _segment(content: bytes) -> Found:
    segment = codec.decode_segment(content)
    records = [plain(codec.record_of(row)) for row in codec.read_rows(segment.records)]
    return {"header": _signed_header(segment.signed_header), "records": records}


def _signed_header(content: bytes) -> Found:
    key_id, payload = payload_of(content)
    header: Found = plain(codec.decode_header(payload))
    return {"signed_by": key_id.hex(), **header}


def _receipt(content: bytes) -> Found:
    key_id, payload = payload_of(content)
    receipt: Found = plain(codec.decode_receipt(payload))
    return {"signed_by": key_id.hex(), **receipt}


def _record(content: bytes) -> Found:
    record = codec.decode_record(content)
    return {"kind": type(record).__name__, **plain(record)}


def plain(value: Any) -> Any:  # noqa: ANN401 -- walks any of our facts
    """Return a fact as plain values, bytes in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Pod):
        return value.code
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        told = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return told | ({"time": _time(value.time_ms)} if isinstance(value, Stamp) else {})
    return value


def _time(unix_ms: int) -> str:
    instant = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_READERS: tuple[tuple[str, Callable[[bytes], Found]], ...] = (
    ("bundle", _bundle),
    ("document bundle", _document_bundle),
    ("segment", _segment),
    ("signed header", _signed_header),
    ("receipt", _receipt),
    ("record", _record),
    ("header", lambda content: plain(codec.decode_header(content))),
    ("document entry", lambda content: plain(codec.decode_document_entry(content))),
    ("window entry", lambda content: plain(codec.decode_window_entry(content))),
    ("registration", lambda content: plain(codec.decode_registration(content))),
    ("checkpoint", lambda content: plain(read_checkpoint(content.decode()))),
)
