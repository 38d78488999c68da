"""Market documents: what is true is VALID, each lie fails at its step, missing is not green."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from central.documents.encoding import encode, sign
from ledger import codec, merkle
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.configuration import Misconfigured
from ledger.documents import (
    DocumentBundle,
    Logging,
    decode_document_bundle,
    encode_document_bundle,
    is_document_bundle,
    verify_document,
)
from ledger.errors import Rejected
from ledger.facts.document import DocumentEntry
from ledger.proving import LedgerTrust, PartyTrust, Status, Trust, Verdict
from ledger.signing import RECEIPT_CONTEXT, SigningKey
from tests.documents import EXAMPLES, OFFER, REQUEST

ORIGIN = "certiflex.test/market"
LOG_KEY, SENDER = SigningKey.generate("EdDSA"), SigningKey.generate("ES256")
SIGNED = [sign(document, SENDER) for document in EXAMPLES]
PLACE = EXAMPLES.index(OFFER)


def entry_of(place: int) -> DocumentEntry:
    signed = SIGNED[place]
    kind = codec.decode(encode(EXAMPLES[place]), 1 << 24)[1]
    return DocumentEntry(
        kind=kind, mrid=EXAMPLES[place].mrid, revision=1, arrived_ms=7_000 + place,
        signed_hash=hashlib.sha256(signed).digest(), is_evidence=False,
    )  # fmt: skip


ENTRIES = [codec.encode_document_entry(entry_of(place)) for place in range(len(EXAMPLES))]
TREE = merkle.Tree(merkle.leaf_hashes(ENTRIES))
NOTE = sign_checkpoint(Checkpoint(ORIGIN, len(TREE), TREE.root()), LOG_KEY)
TRUST = Trust(
    origin=ORIGIN,
    log_key=LOG_KEY.public.encode().hex(),
    ledger=LedgerTrust(heads=(f"{len(TREE)} {TREE.root().hex()}",)),
    parties=tuple(
        PartyTrust(party, SENDER.public.encode().hex())
        for party in sorted({each.sender for each in EXAMPLES})
    ),
)


def bundle(place: int = PLACE) -> DocumentBundle:
    tied = Logging(index=place, path=tuple(TREE.inclusion(place)), checkpoint=NOTE, chain_part=None)
    return DocumentBundle(signed=SIGNED[place], entry=ENTRIES[place], logging=tied)


def verdict(made: DocumentBundle, trust: Trust = TRUST) -> Verdict:
    return verify_document(encode_document_bundle(made), trust)


def tied(made: DocumentBundle, **changed: object) -> DocumentBundle:
    assert made.logging is not None
    return replace(made, logging=replace(made.logging, **changed))  # type: ignore[arg-type]


def with_entry(**changed: object) -> DocumentBundle:
    """Return a bundle with another entry, in a log that has it: only the entry is a lie."""
    entry = codec.encode_document_entry(replace(entry_of(PLACE), **changed))  # type: ignore[arg-type]
    tree = merkle.Tree([merkle.leaf_hash(entry)])
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, tree.root()), LOG_KEY)
    lone = Logging(index=0, path=(), checkpoint=note, chain_part=None)
    return replace(bundle(), entry=entry, logging=lone)


@pytest.mark.parametrize("place", range(len(EXAMPLES)))
def test_a_true_document_is_valid_step_by_step(place: int) -> None:
    found = verdict(bundle(place))
    assert (found.status, found.step) == (Status.VALID, "")
    steps = ["bundle", "signature", "entry", "checkpoint", "log", "ledger"]
    assert [step.name for step in found.held] == steps
    assert found.entry == entry_of(place)


def test_a_bundle_comes_back() -> None:
    for made in (bundle(), replace(bundle(), logging=None), tied(bundle(), chain_part=b"part")):
        assert decode_document_bundle(encode_document_bundle(made)) == made
        assert is_document_bundle(encode_document_bundle(made))


LIES: dict[str, tuple[str, Callable[[], DocumentBundle]]] = {
    "another's document": ("entry", lambda: replace(bundle(), signed=SIGNED[PLACE + 1])),
    "the same words signed again": (
        "entry", lambda: replace(bundle(), signed=sign(OFFER, SENDER)),
    ),
    "another price": (
        "signature",
        lambda: replace(bundle(), signed=SIGNED[PLACE].replace(b"boiler", b"cooler")),
    ),
    "a signature in another context": (
        "signature",
        lambda: replace(bundle(), signed=SENDER.sign(encode(OFFER), RECEIPT_CONTEXT)),
    ),
    "another key": (
        "signature", lambda: replace(bundle(), signed=sign(OFFER, SigningKey.generate("ES256"))),
    ),
    "no document": (
        "bundle", lambda: replace(bundle(), signed=SENDER.sign(b"\x80", RECEIPT_CONTEXT)),
    ),
    "no signature at all": ("bundle", lambda: replace(bundle(), signed=encode(OFFER))),
    "another entry": ("entry", lambda: replace(bundle(), entry=ENTRIES[PLACE + 1])),
    "an entry that is none": ("entry", lambda: replace(bundle(), entry=b"\x80")),
    "another kind": ("entry", lambda: with_entry(kind="flex-order")),
    "another name": ("entry", lambda: with_entry(mrid=REQUEST.mrid)),
    "another revision": ("entry", lambda: with_entry(revision=2)),
    "a second content": ("entry", lambda: with_entry(is_evidence=True)),
    "another time": (
        "log",
        lambda: replace(
            bundle(),
            entry=codec.encode_document_entry(replace(entry_of(PLACE), arrived_ms=6_000)),
        ),
    ),
    "another index": ("log", lambda: tied(bundle(), index=PLACE + 1)),
    "an index outside": ("log", lambda: tied(bundle(), index=len(TREE))),
    "a path cut short": ("log", lambda: tied(bundle(), path=tuple(TREE.inclusion(PLACE))[:-1])),
    "a checkpoint of another key": (
        "checkpoint",
        lambda: tied(bundle(), checkpoint=sign_checkpoint(
            Checkpoint(ORIGIN, len(TREE), TREE.root()), SigningKey.generate("EdDSA"))),
    ),
    "a checkpoint of another log": (
        "checkpoint",
        lambda: tied(bundle(), checkpoint=sign_checkpoint(
            Checkpoint("certiflex.test/other", len(TREE), TREE.root()), LOG_KEY)),
    ),
    "a chain part that is none": ("ledger", lambda: tied(bundle(), chain_part=b"\x80")),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_fails_at_its_step(lie: str) -> None:
    step, made = LIES[lie]
    found = verdict(made())
    assert (found.status, found.step) == (Status.INVALID, step), found


def test_every_flipped_bit_is_noticed() -> None:
    encoded = encode_document_bundle(bundle())
    for at in range(0, len(encoded), 3):
        flipped = bytearray(encoded)
        flipped[at] ^= 1 << at % 8
        assert verify_document(bytes(flipped), TRUST).status is not Status.VALID, at


@pytest.mark.parametrize(
    ("made", "trust", "step"),
    [
        (replace(bundle(), logging=None), TRUST, "checkpoint"),
        (bundle(), replace(TRUST, parties=()), "signature"),
        (bundle(), replace(TRUST, ledger=LedgerTrust()), "ledger"),
    ],
    ids=["not sealed", "a sender nobody knows", "no word of the ledger"],
)
def test_what_is_missing_is_never_green(made: DocumentBundle, trust: Trust, step: str) -> None:
    found = verdict(made, trust)
    assert (found.status, found.step) == (Status.INDETERMINATE, step)


def test_what_is_no_document_bundle_is_left_to_the_other_recipe() -> None:
    assert not is_document_bundle(codec.encode([1, [b"r", b"s", []], b"h", b"r", None]))
    assert not is_document_bundle(b"\xff")
    with pytest.raises(Rejected, match="32 bytes"):
        decode_document_bundle(codec.encode([1, b"", b"", [0, [b"short"], "", None]]))


def test_the_trust_file_names_parties(tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    key = SENDER.public.encode().hex()
    head = f'origin = "{ORIGIN}"\nlog_key = "{TRUST.log_key}"\n'
    file.write_text(f'{head}[[parties]]\nid = "{OFFER.sender}"\nkey = "{key}"\n')
    trust = Trust.load(file)
    assert trust.party_key(OFFER.sender) == SENDER.public
    assert trust.party_key("nobody") is None
    file.write_text(f'{head}[[parties]]\nid = "a"\nkey = "00"\n')
    with pytest.raises(Misconfigured, match="no public key"):
        Trust.load(file)
