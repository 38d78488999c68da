"""Inspection tells what a file holds, and refuses what it does not know."""

import pytest

from ledger import codec
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.documents import encode_document_bundle
from ledger.errors import Rejected
from ledger.inspecting import inspected
from ledger.signing import RECEIPT_CONTEXT, SigningKey
from tests.segments import TestLog, TestNode
from tests.unit.ledger.codec.test_containers import ENTRY, HEADER, RECEIPT, REGISTRATION
from tests.unit.ledger.test_documents import bundle as document_bundle

NODE = TestNode(0)
SEGMENT = NODE.segment(boots=True)
DECODED = codec.decode_segment(SEGMENT)
KEY = SigningKey.generate("EdDSA")

FILES = [
    ("segment", SEGMENT),
    ("signed header", DECODED.signed_header),
    ("record", DECODED.records[1]),
    ("receipt", KEY.sign(codec.encode_receipt(RECEIPT), RECEIPT_CONTEXT)),
    ("header", codec.encode_header(HEADER)),
    ("window entry", codec.encode_window_entry(ENTRY)),
    ("document bundle", encode_document_bundle(document_bundle())),
    ("document entry", document_bundle().entry),
    ("registration", codec.encode_registration(REGISTRATION)),
    ("checkpoint", sign_checkpoint(Checkpoint("o", 1, bytes(32)), KEY).encode()),
]


@pytest.mark.parametrize(("kind", "content"), FILES, ids=[kind for kind, _ in FILES])
def test_each_kind_is_recognised(kind: str, content: bytes) -> None:
    assert inspected(content)[0] == kind


def test_a_record_is_told_with_time_and_units() -> None:
    found = inspected(DECODED.records[1])[1]
    assert found["kind"] == "Reading"
    assert found["power_w"] == 1_800
    assert found["time"] == "2026-06-21T00:00:00.012Z"
    assert found["quality"] == "GOOD"


def test_a_window_of_a_log_is_recognised() -> None:
    entry, _ = codec.decode(TestLog([TestNode(0)]).close([]))
    assert inspected(entry)[1]["node_count"] == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"hello"])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(Rejected, match="none of: bundle, document bundle, segment"):
        inspected(content)
