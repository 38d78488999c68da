"""Receipts: one for each node, signed by the gateway in a context of its own."""

from gateway.receipts import ReceiptDesk
from ledger.codec import decode_receipt
from ledger.facts.receipt import StoredSegment
from ledger.facts.topics import receipt_topic
from ledger.signing import RECEIPT_CONTEXT, SigningKey

KEY = SigningKey.generate("EdDSA")


def stored(first: int) -> StoredSegment:
    return StoredSegment(first_sequence=first, count=15, header_hash=bytes([first]) * 32)


def test_each_node_gets_one_receipt_for_all_its_segments() -> None:
    desk = ReceiptDesk(KEY, "log")
    made = desk.receipts([(4, stored(0)), (2, stored(0)), (4, stored(15))], (7, bytes(32)), 99)
    assert [topic for topic, _ in made] == [receipt_topic(4), receipt_topic(2)]
    receipts = [decode_receipt(KEY.public.verify(one, RECEIPT_CONTEXT)) for _, one in made]
    assert [receipt.node_index for receipt in receipts] == [4, 2]
    assert receipts[0].segments == (stored(0), stored(15))
    assert receipts[0].checkpoint == (7, bytes(32))
    assert (receipts[0].origin, receipts[0].issued_ms) == ("log", 99)


def test_nothing_stored_is_nothing_promised() -> None:
    assert ReceiptDesk(KEY, "log").receipts([], None, 99) == []
