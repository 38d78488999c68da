"""Headers, segments, windows, receipts and registrations: back and forth, and refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger import codec
from ledger.errors import Rejected
from ledger.facts.document import DocumentEntry
from ledger.facts.pod import Pod
from ledger.facts.receipt import Receipt, StoredSegment
from ledger.facts.registry import EnrolmentRequest, NodeKey, Registration
from ledger.facts.segment import NO_HASH, Segment, SegmentHeader
from ledger.facts.window import WindowEntry

HEADER = SegmentHeader(
    origin="certiflex.test/rome", node_index=3, window=29_700_000, window_slots=15,
    first_sequence=100, count=15, first_slot=445_500_000, end_slot=445_500_015,
    reading_slots=b"\xff\x7f", previous_hash=NO_HASH, records_root=bytes(range(32)),
    first_registers=(1_000, 2_000), last_registers=None, checkpoint=(42, bytes(32)),
)  # fmt: skip
ENTRY = WindowEntry(
    origin="certiflex.test/rome", window=4, closed_ms=1_782_000_000_000, node_count=20,
    root=bytes(32), registry_root=bytes(32),
)  # fmt: skip
DOCUMENT_ENTRY = DocumentEntry(
    kind="flex-offer", mrid="00000000-0000-0000-0000-000000000005", revision=1,
    arrived_ms=1_782_000_000_000, signed_hash=bytes(range(32)), is_evidence=True,
)  # fmt: skip
RECEIPT = Receipt(
    origin="certiflex.test/rome", node_index=3, issued_ms=1_782_000_000_000,
    segments=(StoredSegment(first_sequence=100, count=15, header_hash=bytes(32)),),
    checkpoint=None,
)  # fmt: skip
REGISTRATION = Registration(
    node_index=3, pod=Pod("IT002E00000003"), meter="sdm630 4711",
    keys=(NodeKey(public_key=bytes(33), valid_from_ms=0, valid_to_ms=5),
          NodeKey(public_key=bytes(33), valid_from_ms=5, valid_to_ms=None)),
)  # fmt: skip
REQUEST = EnrolmentRequest(
    pod=Pod("IT002E00000003"), meter="sdm630 4711", public_key=bytes(33), created_ms=7
)
SEGMENT = Segment(signed_header=b"signed", records=(b"r1", b"r2"), salts=(bytes(16),) * 2)

PAIRS: list[tuple[Callable[[Any], bytes], Callable[[bytes], Any], Any]] = [
    (codec.encode_header, codec.decode_header, HEADER),
    (codec.encode_window_entry, codec.decode_window_entry, ENTRY),
    (codec.encode_document_entry, codec.decode_document_entry, DOCUMENT_ENTRY),
    (codec.encode_receipt, codec.decode_receipt, RECEIPT),
    (codec.encode_registration, codec.decode_registration, REGISTRATION),
    (codec.encode_enrolment, codec.decode_enrolment, REQUEST),
    (codec.encode_segment, codec.decode_segment, SEGMENT),
]


@pytest.mark.parametrize(("encode", "decode", "value"), PAIRS)
def test_each_container_comes_back(
    encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], value: object
) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize(("encode", "decode", "value"), PAIRS)
def test_no_container_passes_for_another(
    encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], value: object
) -> None:
    for _, other, _ in PAIRS:
        if other is not decode:
            with pytest.raises(Rejected):
                other(encode(value))


def test_a_window_leaf_comes_back_and_absent_is_an_empty_list() -> None:
    assert codec.decode_window_leaf(codec.encode_window_leaf(4, 3, [bytes(32)])) == (
        4, 3, (bytes(32),),
    )  # fmt: skip
    assert codec.decode_window_leaf(codec.encode_window_leaf(4, 3, [])) == (4, 3, ())


def test_the_leaves_of_a_city_are_those_of_each_node() -> None:
    members = {0: [bytes(32)], 23: [b"\x01" * 32] * 2, 256: [bytes(32)] * 24, 65_540: [bytes(32)]}
    leaves = codec.encode_window_leaves(70_000, 65_542, members)
    assert leaves == [
        codec.encode_window_leaf(70_000, index, members.get(index, [])) for index in range(65_542)
    ]


@pytest.mark.parametrize(
    "changed",
    [
        replace(HEADER, count=0),
        replace(HEADER, count=226),
        replace(HEADER, end_slot=HEADER.first_slot - 1),
        replace(HEADER, window_slots=0),
        replace(HEADER, window_slots=226),
        replace(HEADER, reading_slots=b"\xff"),
        replace(HEADER, reading_slots=b"\xff\xff"),
        replace(HEADER, previous_hash=b"short"),
        replace(HEADER, node_index=-1),
        replace(HEADER, origin="x" * 201),
        replace(HEADER, checkpoint=(1, b"short")),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(changed: SegmentHeader) -> None:
    with pytest.raises(Rejected):
        codec.decode_header(codec.encode_header(changed))


@pytest.mark.parametrize(
    "changed",
    [
        replace(SEGMENT, records=(), salts=()),
        replace(SEGMENT, salts=(bytes(16),)),
        replace(SEGMENT, salts=(bytes(16), bytes(15))),
        Segment(signed_header=b"signed", records=(b"r",) * 226, salts=(bytes(16),) * 226),
    ],
)
def test_a_segment_has_a_salt_for_each_record(changed: Segment) -> None:
    with pytest.raises(Rejected):
        codec.decode_segment(codec.encode_segment(changed))


def test_a_bad_pod_is_told() -> None:
    encoded = codec.encode([1, "IT002X", "meter", bytes(33), 7])
    with pytest.raises(Rejected, match="not a POD"):
        codec.decode_enrolment(encoded)


def test_true_is_no_version_1() -> None:
    with pytest.raises(Rejected):
        codec.decode_enrolment(codec.encode([True, "IT002E00000003", "meter", bytes(33), 7]))


@pytest.mark.parametrize(
    "changed",
    [
        replace(DOCUMENT_ENTRY, signed_hash=b"short"),
        replace(DOCUMENT_ENTRY, revision=-1),
        replace(DOCUMENT_ENTRY, arrived_ms=1 << 48),
        replace(DOCUMENT_ENTRY, kind="x" * 201),
    ],
)
def test_an_entry_of_the_market_log_out_of_bounds_is_refused(changed: DocumentEntry) -> None:
    with pytest.raises(Rejected):
        codec.decode_document_entry(codec.encode_document_entry(changed))


def test_an_entry_of_the_market_log_is_marked_by_a_number() -> None:
    marked = codec.encode_document_entry(DOCUMENT_ENTRY)
    assert marked[-1:] == b"\x01"
    for other in (b"\x02", b"\xf5"):
        with pytest.raises(Rejected):
            codec.decode_document_entry(marked[:-1] + other)
