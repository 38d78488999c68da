"""Documents in JSON and as canonical bytes, hashed and signed.

The canonical bytes are the array `[1, kind, …fields]` in deterministic CBOR; there is no other
encoding of the same document. The hash is over these bytes, and so is the sender's signature.
"""

import hashlib
import json
from typing import Any, NoReturn

from central.documents.catalogue import KINDS, kind_of
from central.documents.faults import Fault, Reading, Wire, shown
from central.documents.forms import NotWhole
from central.documents.header import Document
from central.documents.shapes import Twice, shape_of
from ledger.codec import cbor
from ledger.codec.nesting import need_shallow
from ledger.errors import Rejected
from ledger.signing import DOCUMENT_CONTEXT, SigningKey, VerifyingKey, payload_of

VERSION = 1
MAX_DOCUMENT_BYTES = 16 << 20


def encode(document: Document) -> bytes:
    """Return the canonical bytes of a document.

    Raises:
        Rejected: a value in it is not as described: `where` is its path.
    """
    plain = shape_of(type(document)).tell(document, Wire.BINARY)
    _read(type(document), plain, Wire.BINARY)
    return cbor.encode([VERSION, kind_of(type(document)), *plain])


def decode(encoded: bytes) -> Document:
    """Return the document that canonical bytes stand for.

    Raises:
        Rejected: `not_canonical`, `wrong_shape`, `unknown_kind`, `too_long`, or what is wrong
            with a value, with its path.
    """
    match cbor.decode(encoded, MAX_DOCUMENT_BYTES):
        case [1, str(kind), *plain]:
            return _read(_kind(kind), plain, Wire.BINARY)
        case _:
            raise Rejected(f"no document of version {VERSION}", where="$", reason="wrong_shape")


def document_hash(encoded: bytes) -> bytes:
    """Return the SHA-256 of canonical bytes: the name of this very revision."""
    return hashlib.sha256(encoded).digest()


def sign(document: Document, key: SigningKey) -> bytes:
    """Return the COSE_Sign1 message of a document's canonical bytes, by its sender.

    Raises:
        Rejected: a value in it is not as described.
    """
    return key.sign(encode(document), DOCUMENT_CONTEXT)


def opened(signed: bytes) -> tuple[Document, bytes]:
    """Return the document in a signed message, and its canonical bytes; not yet verified.

    Raises:
        Rejected: it is no message, or what is in it is no document.
    """
    _, encoded = payload_of(signed)
    return decode(encoded), encoded


def verify(signed: bytes, key: VerifyingKey) -> None:
    """Check that this key signed a message.

    Raises:
        Rejected: `wrong_key` or `bad_signature`.
    """
    key.verify(signed, DOCUMENT_CONTEXT)


def to_json(document: Document) -> dict[str, Any]:
    """Return a document as JSON has it."""
    kind = type(document)
    told: dict[str, Any] = shape_of(kind).tell(document, Wire.JSON)
    return {"schema": _schema_name(kind), "ii": kind.ii, **told}


def from_json(value: Any) -> Document:  # noqa: ANN401 -- checks what it is given
    """Return the document that a parsed JSON value stands for; see `parsed`.

    Raises:
        Rejected: with the path of what is wrong.
    """
    if isinstance(value, Twice):
        _reject(f"$.{value.name}", "it is there twice", "duplicate_field")
    if type(value) is not dict:
        _reject("$", f"expected an object, found {shown(value)}", "wrong_type")
    name = value.get("schema")
    if type(name) is not str:
        _reject("$.schema", "expected the document's kind", "missing_field")
    kind = KINDS.get(name.removeprefix("certiflex/").removesuffix(f"/v{VERSION}"))
    if kind is None or name != _schema_name(kind):
        wanted = ", ".join(map(_schema_name, KINDS.values()))
        _reject("$.schema", f"expected one of {wanted}, found {shown(name)}", "unknown_kind")
    if value.get("ii") != kind.ii:
        _reject("$.ii", f"expected {kind.ii}, found {shown(value.get('ii'))}", "wrong_ii")
    fields = {key: given for key, given in value.items() if key not in {"schema", "ii"}}
    return _read(kind, fields, Wire.JSON)


def parsed(text: str | bytes) -> Any:  # noqa: ANN401 -- any JSON
    """Return the value of a JSON text in which odd numbers and repeated names stay visible.

    Raises:
        Rejected: `not_json` or `too_long`.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        _reject("$", f"at most {MAX_DOCUMENT_BYTES} bytes are read", "too_long")
    try:
        need_shallow(text)
    except Rejected as error:
        _reject("$", error.what, "not_json")
    try:
        return json.loads(
            text, parse_int=_whole, parse_float=NotWhole, parse_constant=NotWhole,
            object_pairs_hook=_object,
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise Rejected(f"no JSON: {error}", where="$", reason="not_json") from error


def schema(kind: type[Document]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a kind of document."""
    described = shape_of(kind).schema()
    name = _schema_name(kind)
    properties = {"schema": {"const": name}, "ii": {"const": kind.ii}, **described["properties"]}
    return {
        "title": kind.__name__,
        "description": " ".join((kind.__doc__ or "").split()),
        **described,
        "properties": properties,
        "required": ["schema", "ii", *described["required"]],
    }


def _schema_name(kind: type[Document]) -> str:
    return f"certiflex/{kind_of(kind)}/v{VERSION}"


def _kind(name: str) -> type[Document]:
    if name not in KINDS:
        _reject("$", f"expected one of {', '.join(KINDS)}, found {shown(name)}", "unknown_kind")
    return KINDS[name]


def _read(kind: type[Document], value: Any, wire: Wire) -> Document:  # noqa: ANN401 -- checks what it is given
    try:
        document: Document = shape_of(kind).read(value, Reading(wire))
    except Fault as fault:
        raise fault.rejected() from fault
    return document


def _reject(where: str, what: str, reason: str) -> NoReturn:
    raise Rejected(what, where=where, reason=reason)


def _whole(written: str) -> int | NotWhole:
    if written == "-0" or len(written) > len(str(1 << 64)):
        return NotWhole(written)
    return int(written)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Twice:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    return Twice(next(name for name in names if names.count(name) > 1))
