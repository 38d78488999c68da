"""Proof bundles out of evidence: whoever holds one needs neither this database nor our word."""

from collections.abc import Sequence
from operator import add

from central.scd.ingest import read_anchor
from central.scd.logbook import LogBook
from central.scd.ports import Evidence
from central.scd.stored import SegmentEntry, StoredSegmentBody
from ledger.checkpoint import read_checkpoint
from ledger.codec import (
    decode_segment,
    decode_window_entry,
    encode_window_leaf,
    read_rows,
    row_span,
)
from ledger.errors import Rejected
from ledger.facts.interval import SLOT_MS, Interval, slot_of
from ledger.merkle import inclusion_proof, leaf_hashes
from ledger.proving import Anchoring, RecordBundle, SpanBundle, encode_bundle
from ledger.signing import payload_of

MAX_HEADERS = 3_000
"""The most segments that a span bundle holds: two days of one-minute segments."""


class NotProvable(Rejected):
    """There is no evidence for what was asked to be proved."""


class Prover:
    """Makes bundles; what is not anchored yet is marked so, and verifies as INDETERMINATE."""

    def __init__(self, evidence: Evidence, logbook: LogBook) -> None:
        self._evidence = evidence
        self._logbook = logbook

    def record(self, node_index: int, unix_ms: int) -> bytes:
        """Return the bundle of the record that covers an instant: a reading, or a named gap.

        Raises:
            NotProvable: no undisputed segment covers the instant.
        """
        slot = slot_of(unix_ms)
        for stored in self._evidence.segment_bodies(node_index, slot, slot + 1):
            segment = decode_segment(stored.body)
            for index, row in enumerate(read_rows(segment.records)):
                span = row_span(row)
                if span is None or not span[0] <= slot < span[1]:
                    continue
                leaves = leaf_hashes(list(map(add, segment.salts, segment.records)))
                registration, anchoring = self._anchoring(stored.entry)
                return encode_bundle(
                    RecordBundle(
                        record=segment.records[index], salt=segment.salts[index],
                        segment_path=tuple(inclusion_proof(leaves, index)),
                        signed_header=segment.signed_header, registration=registration,
                        anchoring=anchoring,
                    )
                )  # fmt: skip
        raise NotProvable("no record covers this instant", reason="no_record")

    def span(self, node_index: int, interval: Interval) -> bytes:
        """Return the bundle that accounts for every slot of an interval.

        Raises:
            NotProvable: a segment is missing or disputed, or the interval is too long.
        """
        first_slot, end_slot = interval.start_ms // SLOT_MS, -(-interval.end_ms // SLOT_MS)
        entries = self._evidence.segment_entries(node_index, first_slot, end_slot)
        if len(entries) > MAX_HEADERS:
            raise NotProvable(
                f"the interval has {len(entries)} segments; a bundle holds {MAX_HEADERS}",
                remedy="ask for shorter intervals, one after the other",
                reason="span_too_long",
            )
        _check_whole(entries, first_slot, end_slot)
        # Events between two covering segments have no slot, but the chain of hashes has them.
        stored = self._chain(entries)
        newest = decode_segment(stored[-1].body)
        registration, anchoring = self._anchoring(stored[-1].entry)
        return encode_bundle(
            SpanBundle(
                headers=tuple(_header(each.body) for each in stored),
                signed_header=newest.signed_header, registration=registration,
                anchoring=anchoring,
            )
        )  # fmt: skip

    def _chain(self, entries: Sequence[SegmentEntry]) -> list[StoredSegmentBody]:
        chain: list[StoredSegmentBody] = []
        sequence, end = entries[0].first_sequence, entries[-1].next_sequence
        while sequence < end:
            stored = self._evidence.segment_at(entries[0].node_index, sequence)
            if stored is None or stored.entry.disputed:
                raise NotProvable(
                    f"sequence {sequence} is missing or disputed", reason="span_incomplete"
                )
            chain.append(stored)
            sequence = stored.entry.next_sequence
        return chain

    def _anchoring(self, entry: SegmentEntry) -> tuple[bytes, Anchoring | None]:
        """Return the node's registration and what ties the segment to the ledger, if anything.

        The newest head vouches for all windows before it, and is the one that a verifier sees
        when it asks the ledger itself.
        """
        anchor = self._evidence.latest_anchor()
        if anchor is None or entry.window is None or entry.window >= anchor.size:
            return self._evidence.registrations()[entry.node_index].body, None
        window = self._evidence.windows(entry.window, 1)[0]
        node_count = decode_window_entry(window.entry).node_count
        tree, members = self._logbook.window_tree(entry.window, node_count)
        hashes = dict(members)[entry.node_index]
        registry, leaves = self._logbook.registry_tree(window.registry_arrival)
        note, chain_part = read_anchor(anchor.body)
        log_path = self._logbook.log().inclusion(entry.window, read_checkpoint(note).size)
        return leaves[entry.node_index], Anchoring(
            window_leaf=encode_window_leaf(entry.window, entry.node_index, hashes),
            window_path=tuple(tree.inclusion(entry.node_index)),
            window_entry=window.entry,
            registry_path=tuple(registry.inclusion(entry.node_index)),
            log_path=tuple(log_path),
            checkpoint=note,
            chain_part=chain_part or None,
        )


def _header(body: bytes) -> bytes:
    return payload_of(decode_segment(body).signed_header)[1]


def _check_whole(entries: Sequence[SegmentEntry], first_slot: int, end_slot: int) -> None:
    covered_to = first_slot
    for entry in entries:
        if entry.first_slot > covered_to or entry.disputed:
            break
        covered_to = max(covered_to, entry.end_slot)
    if covered_to < end_slot:
        missing_ms = covered_to * SLOT_MS
        raise NotProvable(
            f"nothing undisputed accounts for the slot at {missing_ms} ms",
            remedy="ask for an interval that ends before it, or wait for the node's backlog",
            reason="span_incomplete",
        )
