"""The shapes that `docs/certification.md` writes down in CDDL are the shapes on the wire."""

import re

import pytest
from cddl_verifier import validate

from ledger import codec, proving
from ledger.documents import encode_document_bundle
from ledger.facts.record import (
    Answer,
    Boot,
    ClockStep,
    EmsAnswer,
    Gap,
    GapCause,
    SetPointReceived,
    Verdict,
)
from ledger.receipts import ChainPart, encode_chain_part
from ledger.signing import payload_of
from tests.architecture.tree import ROOT
from tests.segments import TestNode
from tests.unit.ledger.codec.test_containers import (
    DOCUMENT_ENTRY,
    ENTRY,
    RECEIPT,
    REGISTRATION,
    REQUEST,
)
from tests.unit.ledger.test_documents import PLACE, SIGNED
from tests.unit.ledger.test_documents import bundle as document_bundle
from tests.unit.ledger.test_proving import World, world

CDDL = "\n".join(
    re.findall(r"```cddl\n(.*?)```", (ROOT / "docs/certification.md").read_text(), re.DOTALL)
)
NODE = TestNode(0, three_phase=True)
SEGMENT = NODE.segment(gaps={2: GapCause.METER_CRC}, boots=True)
DECODED = codec.decode_segment(SEGMENT)
HEADER = payload_of(DECODED.signed_header)[1]
STAMP = {"sequence": 1, "slot": 9, "offset_ms": 0}

__all__ = ["world"]

RECORDS = {"record", "reading", "gap", "boot", "clock-step", "set-point", "answer"}
WRITTEN = {
    "reading": DECODED.records[1],
    "gap": codec.encode_record(Gap(**STAMP, from_slot=3, to_slot=9, cause=GapCause.OVERLOAD)),
    "boot": codec.encode_record(Boot(**STAMP, boot_id=bytes(8), software="s", profile="p")),
    "clock-step": codec.encode_record(ClockStep(**STAMP, step_ms=-7)),
    "set-point": codec.encode_record(
        SetPointReceived(
            **STAMP, set_point_id=bytes(16), set_point_hash=bytes(32), verdict=Verdict.REFUSED
        )
    ),
    "answer": codec.encode_record(
        EmsAnswer(**STAMP, set_point_id=bytes(16), answer=Answer.NO_ANSWER)
    ),
    "record": DECODED.records[0],
    "header": HEADER,
    "signed-header": DECODED.signed_header,
    "segment": SEGMENT,
    "window-leaf": codec.encode_window_leaf(1, 2, [bytes(32)]),
    "window-entry": codec.encode_window_entry(ENTRY),
    "document-entry": codec.encode_document_entry(DOCUMENT_ENTRY),
    "registration": codec.encode_registration(REGISTRATION),
    "enrolment": codec.encode_enrolment(REQUEST),
    "receipt": codec.encode_receipt(RECEIPT),
    "signed-document": SIGNED[PLACE],
    "document": payload_of(SIGNED[PLACE])[1],
    "document-bundle": encode_document_bundle(document_bundle()),
    "chain-part": encode_chain_part(
        ChainPart(header=b"h", transaction_index=0, proof=(b"n",), log_index=0)
    ),
}


def told(shape: str, encoded: bytes) -> list[str]:
    """Return what a foreign validator has against the bytes as this shape of the page."""
    return [str(each) for each in validate(CDDL, encoded, root_type=shape).diagnostics]


@pytest.mark.parametrize("shape", WRITTEN)
def test_what_we_write_is_what_the_page_says(shape: str) -> None:
    assert told(shape, WRITTEN[shape]) == []


def test_bundles_too(world: World) -> None:
    for bundle in (world.record(2, 1, 5), world.span(1, 0, 3)):
        assert told("bundle", proving.encode_bundle(bundle)) == []


@pytest.mark.parametrize("shape", WRITTEN)
def test_the_page_tells_shapes_apart(shape: str) -> None:
    of_its_kind = {shape, "record"} if shape in RECORDS else {shape}
    others = [other for other in WRITTEN if not (of_its_kind | RECORDS) & {other}]
    assert len(others) > 5
    assert all(told(shape, WRITTEN[other]) for other in others)


def test_every_shape_of_the_page_is_tried() -> None:
    shapes = set(re.findall(r"^([a-z-]+) *= *(?:\[1|#)", CDDL, re.MULTILINE))
    assert len(shapes) > 10
    assert shapes - set(WRITTEN) == {"bundle"}
