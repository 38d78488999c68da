"""The demo's own pieces: what it takes out, what it forges, what it refuses."""

from pathlib import Path

import pytest

from hil.demo import main
from hil.demo.central import instant_ms, told
from hil.demo.proof import tamper_bundle
from hil.demo.witness import Witness
from ledger import codec
from ledger.command import Exit
from ledger.errors import InvariantBroken
from ledger.facts.record import Reading
from ledger.facts.topics import live_topic, receipt_topic
from ledger.proving import RecordBundle, Status, decode_bundle, encode_bundle, verify
from ledger.signing import RECEIPT_CONTEXT, SigningKey
from tests.segments import TestNode
from tests.unit.ledger.codec.test_containers import RECEIPT
from tests.unit.ledger.test_proving import World, world

__all__ = ["world"]


def test_a_tampered_bundle_is_well_formed_and_invalid(world: World, tmp_path: Path) -> None:
    file = tmp_path / "good.bundle"
    file.write_bytes(encode_bundle(world.record(2, 1, 5)))
    forged = tamper_bundle(file).read_bytes()
    good, bad = decode_bundle(file.read_bytes()), decode_bundle(forged)
    assert isinstance(good, RecordBundle)
    assert isinstance(bad, RecordBundle)
    before, after = codec.decode_record(good.record), codec.decode_record(bad.record)
    assert isinstance(before, Reading)
    assert isinstance(after, Reading)
    assert after.power_w == before.power_w + 1_000
    verdict = verify(forged, world.trust())
    assert (verdict.status, verdict.step) == (Status.INVALID, "record")


def test_a_span_has_no_reading_to_tamper_with(world: World, tmp_path: Path) -> None:
    file = tmp_path / "span.bundle"
    file.write_bytes(encode_bundle(world.span(1, 0, 3)))
    with pytest.raises(InvariantBroken, match="no single record"):
        tamper_bundle(file)


def test_instants_go_to_the_api_and_back() -> None:
    assert told(1_782_000_000_123) == "2026-06-21T00:00:00.123Z"
    assert instant_ms("2026-06-21T02:00:00.123+02:00") == 1_782_000_000_123


def test_the_witness_keeps_what_is_shown_and_promised_and_names_forgeries() -> None:
    key = SigningKey.generate("EdDSA")
    witness = Witness(1883, key.public)
    record = codec.decode_segment(TestNode(3).segment()).records[2]
    signed = key.sign(codec.encode_receipt(RECEIPT), RECEIPT_CONTEXT)
    forged = SigningKey.generate("EdDSA").sign(codec.encode_receipt(RECEIPT), RECEIPT_CONTEXT)
    witness.keep(live_topic(3), record)
    witness.keep(receipt_topic(3), signed)
    witness.keep(receipt_topic(4), forged)
    witness.keep(live_topic(5), b"no record")
    assert witness.shown == {3: {2: record}}
    assert witness.promised == {3: {RECEIPT.segments[0].header_hash}}
    assert len(witness.forged) == 2


def test_too_few_houses_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--nodes", "3"]) == Exit.USAGE
    assert "needs 6 houses or more" in capsys.readouterr().err
