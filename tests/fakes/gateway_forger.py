"""A node that lies: signed headers with claims of your choice, over records of your choice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway.admission import check, open_segment, verify
from gateway.ports import Examined
from gateway.registry import Keyring
from ledger import codec
from ledger.codec import (
    decode_header,
    decode_registration,
    decode_segment,
    encode_header,
    encode_record,
    encode_segment,
    header_hash,
    leaf_salt,
)
from ledger.facts.record import Record
from ledger.facts.segment import Segment
from ledger.merkle import leaf_hash, root
from ledger.signing import SEGMENT_CONTEXT, SigningKey, payload_of
from tests.segments import TestNode, header_of


def examine(
    payload: bytes, *, topic_node: int, keyring: Keyring, origin: str, now_ms: int
) -> Examined:
    """Return the segment in a message, if it passes the whole gate.

    Raises:
        Rejected: the first condition that does not hold, in `reason`.
    """
    opened = open_segment(
        payload, topic_node=topic_node, keyring=keyring, origin=origin, now_ms=now_ms
    )
    verify(opened)
    return check(opened, now_ms)


def keyring_of(*nodes: TestNode) -> Keyring:
    """Return the keys of nodes, valid for ever."""
    return Keyring(decode_registration(node.registration()) for node in nodes)


def hash_of(body: bytes) -> bytes:
    """Return the hash of a segment's header."""
    return header_hash(payload_of(decode_segment(body).signed_header)[1])


def claiming(
    body: bytes,
    key: SigningKey,
    context: bytes = SEGMENT_CONTEXT,
    **claims: Any,  # noqa: ANN401 -- any claim
) -> bytes:
    """Return a segment with other claims in its header, signed with `key`."""
    segment = decode_segment(body)
    header = replace(header_of(body), **claims)
    return encode_segment(replace(segment, signed_header=key.sign(encode_header(header), context)))


def holding(body: bytes, node: TestNode, records: Sequence[Record], **claims: Any) -> bytes:  # noqa: ANN401 -- any claim
    """Return a segment that holds other records, under a root that is right for them."""
    encoded = tuple(map(encode_record, records))
    salts = tuple(leaf_salt(node.secret, record.sequence) for record in records)
    leaves = [leaf_hash(salt + record) for salt, record in zip(salts, encoded, strict=True)]
    header = replace(header_of(body), count=len(encoded), records_root=root(leaves), **claims)
    signed = node.key.sign(encode_header(header), SEGMENT_CONTEXT)
    return encode_segment(Segment(signed_header=signed, records=encoded, salts=salts))


def records_of(body: bytes) -> list[Record]:
    """Return the records of a segment."""
    return [codec.record_of(row) for row in codec.read_rows(decode_segment(body).records)]


__all__ = ["claiming", "decode_header", "examine", "hash_of", "holding", "keyring_of", "records_of"]
