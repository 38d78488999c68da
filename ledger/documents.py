"""A market document with what proves it, and the numbered recipe by which anybody checks it.

What a document says is none of the verifier's business: it needs the bytes, their signature and
their place in the central operator's log. Nothing here asks a network, a database or a clock.
"""

import hashlib
from dataclasses import dataclass

from ledger import codec, merkle
from ledger.errors import Rejected
from ledger.facts.document import DocumentEntry
from ledger.proving import CannotTell, Path32, Recipe, Trust, Verdict, need, path_of
from ledger.signing import DOCUMENT_CONTEXT, payload_of

MAX_BUNDLE_BYTES = 17 << 20
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """How an entry is tied to a checkpoint of the log, and that to the ledger.

    `chain_part` is None before finality.
    """

    index: int
    path: Path32
    checkpoint: str
    chain_part: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentBundle:
    """A document as its sender signed it, and its entry; `logging` is None before a checkpoint."""

    signed: bytes
    entry: bytes
    logging: Logging | None


def encode_document_bundle(bundle: DocumentBundle) -> bytes:
    """Return the bytes of a document bundle (`docs/certification.md`)."""
    tied = bundle.logging
    logged = None if tied is None else [tied.index, tied.path, tied.checkpoint, tied.chain_part]
    return codec.encode([_VERSION, bundle.signed, bundle.entry, logged])


def decode_document_bundle(encoded: bytes) -> DocumentBundle:
    """Return the document bundle that the bytes stand for.

    Raises:
        Rejected: `not_canonical`, `too_long` or `wrong_shape`.
    """
    match codec.decode(encoded, MAX_BUNDLE_BYTES):
        case [1, bytes(signed), bytes(entry), None]:
            return DocumentBundle(signed=signed, entry=entry, logging=None)
        case [1, bytes(signed), bytes(entry),
              [int(index), [*path], str(note), bytes() | None as chain_part]]:  # fmt: skip
            tied = Logging(index=index, path=path_of(path), checkpoint=note, chain_part=chain_part)
            return DocumentBundle(signed=signed, entry=entry, logging=tied)
        case _:
            raise Rejected("no document bundle", reason="wrong_shape")


def is_document_bundle(encoded: bytes) -> bool:
    """Tell whether bytes are a document bundle, so that this recipe is the one for them."""
    try:
        decode_document_bundle(encoded)
    except Rejected:
        return False
    return True


def verify_document(encoded: bytes, trust: Trust) -> Verdict:
    """Return whether a bundle proves its document, to somebody with this trust.

    1. bundle: the bytes are a document bundle in its one encoding.
    2. signature: the sender that the document names signed it, by the key the verifier trusts.
    3. entry: the entry is about this very message, and about its kind, name and revision; and it
       is the document of that name, not a second content for it.
    4. checkpoint: the log's key, which the verifier trusts, signed the checkpoint.
    5. log: the entry stands at its index under the checkpoint's root.
    6. ledger: the checkpoint's head was accepted by the contract, by the verifier's own word on
       heads or blocks.

    Who else: what the document says is checked by whoever reads it.
    """
    return _DocumentRecipe(trust).run(encoded)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a document says first."""

    kind: str
    mrid: str
    revision: int
    sender: str


class _DocumentRecipe(Recipe):
    """The steps of `verify_document`."""

    def _take(self, encoded: bytes) -> None:
        self._begin("bundle")
        bundle = decode_document_bundle(encoded)
        said = _said(payload_of(bundle.signed)[1])
        self._holds(f"{len(encoded)} bytes with a {said.kind} of {said.sender}")
        self._signature(bundle.signed, said)
        self._entry(bundle, said)
        if bundle.logging is None:
            self._begin("checkpoint")
            raise CannotTell("under no checkpoint yet; ask again after the next publication")
        self._log(bundle.entry, bundle.logging)

    def _signature(self, signed: bytes, said: _Said) -> None:
        self._begin("signature")
        key = self._trust.party_key(said.sender)
        if key is None:
            raise CannotTell(
                f"the key of {said.sender} is not among those you trust; add it to your trust "
                "file, under [[parties]]"
            )
        key.verify(signed, DOCUMENT_CONTEXT)
        self._holds(f"{said.sender} signed {said.mrid}, revision {said.revision}")

    def _entry(self, bundle: DocumentBundle, said: _Said) -> None:
        self._begin("entry")
        entry = codec.decode_document_entry(bundle.entry)
        self._told["entry"] = entry
        ours = entry.signed_hash == hashlib.sha256(bundle.signed).digest()
        need(ours, "the entry is about another message")
        need(_named(entry) == (said.kind, said.mrid, said.revision), "the entry has another name")
        need(not entry.is_evidence, "a second content for its revision: it is not the document")
        self._holds(f"arrived at {entry.arrived_ms} ms")

    def _log(self, entry: bytes, tied: Logging) -> None:
        head = self._checkpoint(tied.checkpoint)
        self._begin("log")
        leaf = merkle.leaf_hash(entry)
        root = merkle.root_from_inclusion(leaf, tied.index, head.size, tied.path)
        need(root == head.root, "the entry is not the log's of its index")
        self._holds(f"entry {tied.index} of {head.size}")
        self._ledger(tied.chain_part, head.size, head.root)


def _said(encoded: bytes) -> _Said:
    match codec.decode(encoded, MAX_BUNDLE_BYTES):
        case [1, str(kind), str(mrid), int(revision), int(), str(sender), str(), *_]:
            return _Said(kind, mrid, revision, sender)
        case _:
            raise Rejected("what was signed is no document of the market", reason="wrong_shape")


def _named(entry: DocumentEntry) -> tuple[str, str, int]:
    return entry.kind, entry.mrid, entry.revision
