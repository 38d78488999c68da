"""Nothing enters that a node did not sign: every byte, every pair of nodes, any edit."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import _covering, _dense_readings
from ledger.codec import decode_segment, encode_segment
from ledger.errors import Rejected
from ledger.facts.record import GapCause
from tests.fakes.gateway_forger import claiming, examine, keyring_of
from tests.segments import FIRST_MS, ORIGIN, TestNode, header_of

NOW_MS = FIRST_MS + 3_600_000
NODES = [TestNode(index, three_phase=bool(index % 2)) for index in range(10)]
BODIES = [node.segment() for node in NODES]
MIXED = TestNode(3)
MIXED_BODY = MIXED.segment(boots=True, gaps={4: GapCause.METER_CRC, 9: GapCause.METER_TIMEOUT})


def enters(body: bytes, node: int, *nodes: TestNode) -> bool:
    try:
        examine(
            body,
            topic_node=node,
            keyring=keyring_of(*(nodes or NODES)),
            origin=ORIGIN,
            now_ms=NOW_MS,
        )
    except Rejected:
        return False
    return True


@pytest.mark.parametrize(
    ("node", "body"), [(NODES[3], BODIES[3]), (MIXED, MIXED_BODY)], ids=["readings", "mixed"]
)
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_no_byte_can_be_changed(node: TestNode, body: bytes, flip: int) -> None:
    keyring = keyring_of(node)
    admitted = 0
    for place in range(len(body)):
        forged = bytearray(body)
        forged[place] ^= flip
        try:
            examine(bytes(forged), topic_node=3, keyring=keyring, origin=ORIGIN, now_ms=NOW_MS)
        except Rejected:
            continue
        admitted += 1
    assert len(body) > 500
    assert admitted == 0
    assert enters(body, 3, node)


def test_no_node_can_speak_for_another() -> None:
    for signer in NODES:
        for other in NODES:
            is_own = signer.index == other.index
            assert enters(BODIES[signer.index], other.index) is is_own
            forged = claiming(BODIES[other.index], signer.key)
            assert enters(forged, other.index) is is_own


@given(st.data())
def test_no_edit_of_the_containers_enters(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(BODIES))
    segment = decode_segment(body)
    count = len(segment.records)
    place = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, count - 1).filter(lambda one: one != place))
    records, salts = list(segment.records), list(segment.salts)
    match data.draw(st.sampled_from(["swap", "drop", "double", "salt"])):
        case "swap":
            records[place], records[other] = records[other], records[place]
        case "drop":
            del records[place], salts[place]
        case "double":
            records.insert(place, records[other])
            salts.insert(place, salts[other])
        case _:
            salts[place], salts[other] = salts[other], salts[place]
    forged = encode_segment(replace(segment, records=tuple(records), salts=tuple(salts)))
    assert not enters(forged, header_of(body).node_index)


@given(st.binary(max_size=300))
def test_hostile_bytes_never_enter_and_never_break_it(payload: bytes) -> None:
    assert not enters(payload, 0)


@given(st.data())
def test_the_short_way_agrees_with_the_long_one(data: st.DataObject) -> None:
    """What the byte-wise check of dense readings accepts, the record-wise check accepts too."""
    node = TestNode(
        0,
        sequence=data.draw(st.sampled_from([0, 10, 15, 250, 300, 65_520, 70_000])),
        three_phase=data.draw(st.booleans()),
    )
    body = node.segment()
    segment, header = decode_segment(body), header_of(body)
    changes: dict[str, object] = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "first_sequence": st.integers(-1, 1).map(
                    lambda d: max(header.first_sequence + d, 0)
                ),
                "first_slot": st.integers(-1, 1).map(lambda d: header.first_slot + d),
                "end_slot": st.integers(-1, 1).map(lambda d: header.end_slot + d),
                "window": st.integers(-1, 1).map(lambda d: header.window + d),
                "reading_slots": st.sampled_from([header.reading_slots, b"\xfe\x7f"]),
                "last_registers": st.sampled_from([header.last_registers, (0, 0), None]),
            },
        )
    )
    claimed = replace(header, **changes)  # type: ignore[arg-type]
    records = (
        data.draw(st.permutations(segment.records))
        if data.draw(st.booleans())
        else list(segment.records)
    )
    short = _outcome(lambda: _dense_readings(claimed, records))
    long = _outcome(lambda: _covering(claimed, records))
    are_refusals = isinstance(short, str) and isinstance(long, str)
    assert are_refusals or short in ("not settled", long)
    if isinstance(long, tuple) and records == list(segment.records):
        assert short == long


def test_a_header_that_claims_every_slot_there_is_costs_no_memory() -> None:
    body = NODES[0].segment()
    header = replace(header_of(body), end_slot=2**48 - 1)
    assert _dense_readings(header, decode_segment(body).records) is None


def _outcome(check: Callable[[], object]) -> object:
    try:
        outcome = check()
    except Rejected as refused:
        return refused.reason
    return "not settled" if outcome is None else outcome
