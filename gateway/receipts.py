"""Signed receipts: what a light node may forget, because it is durable further on."""

from collections.abc import Iterable

from ledger.codec import encode_receipt
from ledger.facts.receipt import Receipt, StoredSegment
from ledger.facts.segment import Head
from ledger.facts.topics import receipt_topic
from ledger.signing import RECEIPT_CONTEXT, SigningKey


class ReceiptDesk:
    """Signs receipts, one for all segments of a node at a time."""

    def __init__(self, key: SigningKey, origin: str) -> None:
        self._key = key
        self._origin = origin

    def receipts(
        self, stored: Iterable[tuple[int, StoredSegment]], checkpoint: Head | None, now_ms: int
    ) -> list[tuple[str, bytes]]:
        """Return topic and signed receipt for each node, in the order that the nodes first come.

        Only what the Shared Customer Database has committed may be given.
        """
        by_node: dict[int, list[StoredSegment]] = {}
        for node_index, segment in stored:
            by_node.setdefault(node_index, []).append(segment)
        return [
            (receipt_topic(node_index), self._sign(node_index, segments, checkpoint, now_ms))
            for node_index, segments in by_node.items()
        ]

    def _sign(
        self, node_index: int, segments: list[StoredSegment], checkpoint: Head | None, now_ms: int
    ) -> bytes:
        receipt = Receipt(
            origin=self._origin,
            node_index=node_index,
            issued_ms=now_ms,
            segments=tuple(segments),
            checkpoint=checkpoint,
        )
        return self._key.sign(encode_receipt(receipt), RECEIPT_CONTEXT)
