"""The gate: every condition, broken one at a time."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.admission import MAX_SEGMENT_BYTES, Placement, place
from gateway.ports import Examined, Link, LinkState, Neighbours
from gateway.registry import Keyring
from ledger.codec import decode_segment, encode, encode_segment
from ledger.errors import Rejected
from ledger.facts.pod import Pod
from ledger.facts.record import ClockStep, GapCause, Reading, Record
from ledger.facts.registry import NodeKey, Registration
from ledger.signing import RECEIPT_CONTEXT, SigningKey
from tests.fakes.gateway_forger import claiming, examine, holding, keyring_of, records_of
from tests.segments import FIRST_MS, FIRST_SLOT, ORIGIN, TestNode, header_of

NOW_MS = FIRST_MS + 3_600_000
Forgery = Callable[[TestNode, bytes], bytes]


def admitted(
    body: bytes, node: TestNode, keyring: Keyring | None = None, now_ms: int = NOW_MS
) -> Examined:
    return examine(
        body,
        topic_node=node.index,
        keyring=keyring or keyring_of(node),
        origin=ORIGIN,
        now_ms=now_ms,
    )


@pytest.mark.parametrize("three_phase", [False, True])
def test_a_minute_of_readings_enters(*, three_phase: bool) -> None:
    node = TestNode(3, three_phase=three_phase)
    body = node.segment()
    examined = admitted(body, node)
    assert examined.payload == body
    assert examined.header == header_of(body)
    assert examined.header_hash == node.previous_hash


def test_boots_gaps_and_outages_enter() -> None:
    node = TestNode(0)
    gaps = {2: GapCause.METER_TIMEOUT, 3: GapCause.METER_CRC, 14: GapCause.METER_RANGE}
    bodies = [node.segment(boots=True, gaps=gaps), node.outage(40), node.segment()]
    firsts = [admitted(body, node).header.first_sequence for body in bodies]
    assert firsts == [0, 16, 17]


def test_a_segment_of_events_alone_enters() -> None:
    node = TestNode(0)
    body = node.segment()
    at = header_of(body).end_slot
    step = ClockStep(sequence=15, slot=at, offset_ms=7, step_ms=-40)
    node.sequence = 16
    assert admitted(node.sealed([step], at), node).header.count == 1


def test_sequences_that_grow_longer_on_the_wire_enter() -> None:
    # 23, 255 and 65535 are the last of their length: places in the records shift there.
    for before in (15, 250, 65_530):
        node = TestNode(1, sequence=before, previous_hash=b"\x07" * 32)
        assert admitted(node.segment(), node).header.first_sequence == before


def edited(node: TestNode, body: bytes, edit: Callable[[list[Record]], None]) -> bytes:
    records = records_of(body)
    edit(records)
    return holding(body, node, records)


def _skip_sequence(records: list[Record]) -> None:
    records[7] = replace(records[7], sequence=records[7].sequence + 1)


def _skip_slot(records: list[Record]) -> None:
    records[7] = replace(records[7], slot=records[8].slot)


def _swap(records: list[Record]) -> None:
    records[7] = replace(records[7], slot=records[9].slot)
    records[8] = replace(records[8], slot=records[7].slot - 5)


def _drop_last(_: TestNode, body: bytes) -> bytes:
    segment = decode_segment(body)
    return encode_segment(replace(segment, records=segment.records[:-1], salts=segment.salts[:-1]))


def _other_reading(node: TestNode, body: bytes) -> bytes:
    segment, records = decode_segment(body), records_of(body)
    reading = records[4]
    assert isinstance(reading, Reading)
    forged = holding(body, node, [*records[:4], replace(reading, power_w=1), *records[5:]])
    return encode_segment(replace(decode_segment(forged), signed_header=segment.signed_header))


FORGERIES: list[tuple[str, Forgery]] = [
    ("not_canonical", lambda _, body: body + b"\x00"),
    ("not_canonical", lambda _, body: body[:-1]),
    ("not_canonical", lambda _, __: b""),
    ("wrong_shape", lambda _, __: encode([1, 2])),
    ("too_long", lambda _, __: bytes(MAX_SEGMENT_BYTES + 1)),
    ("foreign_origin", lambda n, body: claiming(body, n.key, origin="elsewhere")),
    ("foreign_topic", lambda n, body: claiming(body, n.key, node_index=8)),
    ("unknown_key", lambda _, body: claiming(body, SigningKey.generate())),
    ("bad_signature", lambda n, body: claiming(body, n.key, RECEIPT_CONTEXT)),
    ("wrong_count", _drop_last),
    ("wrong_count", lambda n, body: claiming(body, n.key, count=14)),
    ("wrong_link", lambda n, body: claiming(body, n.key, previous_hash=b"\x01" * 32)),
    ("wrong_link", lambda n, body: claiming(body, n.key, first_sequence=15)),
    ("sequence_not_dense", lambda n, body: edited(n, body, _skip_sequence)),
    ("slots_not_dense", lambda n, body: edited(n, body, _skip_slot)),
    ("slots_go_back", lambda n, body: edited(n, body, _swap)),
    ("wrong_slots", lambda n, body: claiming(body, n.key, end_slot=FIRST_SLOT + 16)),
    ("wrong_slots", lambda n, body: claiming(body, n.key, first_slot=FIRST_SLOT - 1)),
    ("wrong_bitmap", lambda n, body: claiming(body, n.key, reading_slots=b"\xfe\x7f")),
    ("outside_window", lambda n, body: claiming(body, n.key, window=FIRST_SLOT // 15 + 1)),
    ("wrong_registers", lambda n, body: claiming(body, n.key, first_registers=None)),
    ("wrong_registers", lambda n, body: claiming(body, n.key, last_registers=(0, 0))),
    ("wrong_root", lambda n, body: claiming(body, n.key, records_root=bytes(32))),
    ("wrong_root", _other_reading),
]


@pytest.mark.parametrize(
    ("reason", "forge"),
    FORGERIES,
    ids=[f"{reason}-{number}" for number, (reason, _) in enumerate(FORGERIES)],
)
def test_what_is_not_true_stays_out(reason: str, forge: Forgery) -> None:
    node = TestNode(3)
    body = node.segment()
    with pytest.raises(Rejected) as refused:
        admitted(forge(node, body), node)
    assert refused.value.reason == reason


def test_every_claim_of_a_gap_segment_is_looked_at_too() -> None:
    node = TestNode(3)
    body = node.segment(gaps={5: GapCause.METER_CRC})
    for reason, claims in (
        ("wrong_bitmap", {"reading_slots": b"\xff\x7f"}),
        ("wrong_registers", {"last_registers": (1, 1)}),
        ("outside_window", {"window": FIRST_SLOT // 15 - 1}),
        ("wrong_slots", {"end_slot": FIRST_SLOT + 14}),
    ):
        with pytest.raises(Rejected) as refused:
            admitted(claiming(body, node.key, **claims), node)
        assert refused.value.reason == reason


def test_strangers_and_the_revoked_stay_out() -> None:
    node, other = TestNode(0), TestNode(1)
    body = node.segment()
    for keyring, reason in (
        (keyring_of(other), "unknown_node"),
        (_registered(node, 0, NOW_MS), "revoked"),
    ):
        with pytest.raises(Rejected) as refused:
            admitted(body, node, keyring)
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("valid_from_ms", "valid_to_ms", "enters"),
    [
        (FIRST_MS, FIRST_MS + 60_000, True),
        (FIRST_MS + 13, None, False),
        (0, FIRST_MS + 59_999, False),
    ],
)
def test_a_key_signs_for_its_own_time_only(
    *, valid_from_ms: int, valid_to_ms: int | None, enters: bool
) -> None:
    node = TestNode(0)
    body = node.segment()
    keyring = _registered(node, valid_from_ms, valid_to_ms, SigningKey.generate())
    if enters:
        assert admitted(body, node, keyring).payload == body
        return
    with pytest.raises(Rejected) as refused:
        admitted(body, node, keyring)
    assert refused.value.reason == "key_not_valid"


def test_the_future_stays_out_until_it_is_here() -> None:
    node = TestNode(0)
    body = node.segment()
    last_ms = FIRST_MS + 56_012
    with pytest.raises(Rejected) as refused:
        admitted(body, node, now_ms=last_ms - 60_001)
    assert refused.value.reason == "from_the_future"
    assert admitted(body, node, now_ms=last_ms - 60_000).payload == body


# ── beside its neighbours ───────────────────────────────────────────────────────────────────


def link_of(segment: Examined, state: LinkState = LinkState.STORED) -> Link:
    header = segment.header
    return Link(
        node_index=header.node_index, first_sequence=header.first_sequence,
        next_sequence=header.next_sequence, header_hash=segment.header_hash,
        previous_hash=header.previous_hash, first_slot=header.first_slot,
        end_slot=header.end_slot, state=state,
    )  # fmt: skip


def minutes(count: int) -> list[Examined]:
    node = TestNode(0)
    return [admitted(body, node) for body in node.segments(count)]


def test_a_lone_segment_is_new() -> None:
    assert place(minutes(1)[0], Neighbours()).placement is Placement.NEW


def test_a_chain_is_new_in_any_order() -> None:
    first, second, third = minutes(3)
    known = Neighbours(before=link_of(first), after=link_of(third))
    assert place(second, known).placement is Placement.NEW


def test_the_same_header_folds() -> None:
    (first,) = minutes(1)
    placed = place(first, Neighbours(overlapping=(link_of(first),)))
    assert placed.placement is Placement.DUPLICATE
    assert placed.link == link_of(first)


def test_two_headers_for_one_sequence_contradict() -> None:
    node = TestNode(0)
    body = node.segment()
    held, other = (
        admitted(body, node),
        admitted(claiming(body, node.key, checkpoint=(1, bytes(32))), node),
    )
    placed = place(other, Neighbours(overlapping=(link_of(held),)))
    assert (placed.placement, placed.kind) == (Placement.CONTRADICTION, "equivocation")
    assert placed.link == link_of(held)


def test_a_header_that_links_elsewhere_contradicts() -> None:
    first, second, _ = minutes(3)
    before = replace(link_of(first), header_hash=b"\x05" * 32)
    after = replace(link_of(second), previous_hash=b"\x05" * 32)
    for segment, known in (
        (second, Neighbours(before=before)),
        (first, Neighbours(after=after)),
    ):
        placed = place(segment, known)
        assert (placed.placement, placed.kind) == (Placement.CONTRADICTION, "broken_link")


def test_slots_missing_between_neighbours_are_refused() -> None:
    first, second, _ = minutes(3)
    for segment, known in (
        (second, Neighbours(before=replace(link_of(first), end_slot=FIRST_SLOT + 14))),
        (first, Neighbours(after=replace(link_of(second), first_slot=FIRST_SLOT + 16))),
    ):
        with pytest.raises(Rejected) as refused:
            place(segment, known)
        assert refused.value.reason == "slots_not_dense"


def test_after_a_first_segment_without_slots_the_next_starts_anywhere() -> None:
    first, second = minutes(2)
    bootless = replace(link_of(first), first_slot=FIRST_SLOT - 90, end_slot=FIRST_SLOT - 90)
    assert place(second, Neighbours(before=bootless)).placement is Placement.NEW


def _registered(
    node: TestNode, valid_from_ms: int, valid_to_ms: int | None, *more: SigningKey
) -> Keyring:
    keys = [NodeKey(public_key=node.key.public.encode(), valid_from_ms=valid_from_ms,
                    valid_to_ms=valid_to_ms)]  # fmt: skip
    keys += [
        NodeKey(public_key=key.public.encode(), valid_from_ms=0, valid_to_ms=None) for key in more
    ]
    registration = Registration(
        node_index=node.index, pod=Pod("IT002E00000000"), meter="m", keys=tuple(keys)
    )
    return Keyring([registration])
