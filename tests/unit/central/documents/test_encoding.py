"""Documents in JSON and bytes: one canonical form, and everything else refused with its place."""

import copy
import json
from typing import Any

import jsonschema_rs
import pytest

from central.documents.catalogue import KINDS
from central.documents.encoding import (
    MAX_DOCUMENT_BYTES,
    decode,
    document_hash,
    encode,
    from_json,
    opened,
    parsed,
    schema,
    sign,
    to_json,
    verify,
)
from central.documents.header import Document
from ledger.codec import cbor
from ledger.errors import Rejected
from ledger.signing import DOCUMENT_CONTEXT, RECEIPT_CONTEXT, SigningKey
from tests.documents import BASELINE, EXAMPLES, OFFER, T0

KEY = SigningKey.generate("EdDSA")


def refused(text: str | bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        from_json(parsed(text))
    return caught.value


def changed(document: Document, path: str, value: Any) -> str:  # noqa: ANN401 -- any JSON
    """Return the JSON of a document with one value put at a path, as ``quarters.0.power_w``."""
    told = copy.deepcopy(to_json(document))
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    at: Any = told
    for step in steps:
        at = at[step]
    at[last] = value
    return json.dumps(told)


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda one: type(one).__name__)
def test_a_document_comes_back_from_its_bytes_and_its_json(document: Document) -> None:
    encoded = encode(document)
    assert decode(encoded) == document
    assert encode(decode(encoded)) == encoded
    assert from_json(parsed(json.dumps(to_json(document)))) == document


def test_there_is_an_example_of_every_kind() -> None:
    assert {type(each) for each in EXAMPLES} == set(KINDS.values())
    numbers = [f"I-{n:02}" for n in (1, 2, 3, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 14, 19)]
    assert sorted(kind.ii for kind in KINDS.values()) == numbers


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda one: type(one).__name__)
def test_the_schema_says_what_the_parser_takes(document: Document) -> None:
    kind, told = type(document), to_json(document)
    validator = jsonschema_rs.Draft202012Validator(schema(kind), validate_formats=True)
    assert validator.is_valid(told)
    assert not validator.is_valid({**told, "more": 1})
    assert not validator.is_valid({**told, "revision": 0})
    for name in schema(kind)["required"]:
        assert not validator.is_valid({key: told[key] for key in told if key != name})


def test_the_bytes_are_what_the_page_says() -> None:
    version, kind, mrid, revision, *_ = cbor.decode(encode(BASELINE))
    assert (version, kind, mrid, revision) == (1, "baseline", BASELINE.mrid, 1)
    assert document_hash(encode(BASELINE)).hex() == (
        "40e22a45bd32b117356cafb98747e2b1f7de2314f82d59f4c8227de17440020d"
    )


@pytest.mark.parametrize(
    ("path", "value", "where", "reason"),
    [
        ("quarters.3.power_w", 1.5, "$.quarters[3].power_w", "not_whole"),
        ("quarters.3.power_w", 1e3, "$.quarters[3].power_w", "not_whole"),
        ("quarters.3.power_w", float("nan"), "$.quarters[3].power_w", "not_whole"),
        ("quarters.3.power_w", True, "$.quarters[3].power_w", "wrong_type"),
        ("quarters.3.power_w", "7", "$.quarters[3].power_w", "wrong_type"),
        ("quarters.3.power_w", None, "$.quarters[3].power_w", "wrong_type"),
        ("quarters.3.power_w", 1 << 31, "$.quarters[3].power_w", "out_of_range"),
        ("quarters.3.power_w", 1 << 80, "$.quarters[3].power_w", "not_whole"),
        ("quarters.3.power_kw", 7, "$.quarters[3].power_kw", "unknown_field"),
        ("quarters.3.start_at", "2026-10-24T22:45:00", "$.quarters[3].start_at", "naive_time"),
        ("quarters.3.start_at", "2026-10-24T22:46:00Z", "$.quarters[3].start_at", "unaligned_time"),
        ("quarters.3.start_at", "2026-10-24T22:45Z", "$.quarters[3].start_at", "bad_time"),
        ("quarters.3.start_at", "2026-02-30T22:45:00Z", "$.quarters[3].start_at", "bad_time"),
        ("quarters.3.start_at", "1969-12-31T00:00:00Z", "$.quarters[3].start_at", "bad_time"),
        ("quarters.3.start_at", T0, "$.quarters[3].start_at", "wrong_type"),
        ("quarters.3.start_at", "2026-10-26T00:00:00+01:00", "$.quarters[3].start_at",
         "outside_interval"),
        ("quarters.3.start_at", "2026-10-24T22:30:00Z", "$.quarters[3]", "duplicate_quarter"),
        ("quarters.3.start_at", "2026-10-24T22:15:00Z", "$.quarters[3]", "not_in_order"),
        ("quarters", {}, "$.quarters", "wrong_type"),
        ("quarters", [], "$.quarters", "missing_quarter"),
        ("quarters.0", 5, "$.quarters[0]", "wrong_type"),
        ("pod", "IT002E1", "$.pod", "bad_pod"),
        ("pod", 7, "$.pod", "wrong_type"),
        ("mrid", "00000000-0000-0000-0000-00000000000A", "$.mrid", "bad_text"),
        ("revision", 0, "$.revision", "out_of_range"),
        ("sender", "", "$.sender", "bad_text"),
        ("sender", "two words", "$.sender", "bad_text"),
        ("sender", "\ud800", "$.sender", "bad_text"),
        ("validity.start_at", "2026-10-24T22:07:00Z", "$.validity.start_at", "unaligned_time"),
        ("validity.end_at", "2026-10-24T21:00:00Z", "$.validity", "contradiction"),
        ("validity.more", "x", "$.validity", "wrong_type"),
        ("validity", [1, 2], "$.validity", "wrong_type"),
        ("note", "x", "$.note", "unknown_field"),
        ("ii", "I-05", "$.ii", "wrong_ii"),
        ("schema", "certiflex/base-line/v1", "$.schema", "unknown_kind"),
        ("schema", "baseline", "$.schema", "unknown_kind"),
        ("schema", 1, "$.schema", "missing_field"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(
    path: str, value: object, where: str, reason: str
) -> None:
    error = refused(changed(BASELINE, path, value))
    assert (error.where, error.reason) == (where, reason)
    assert error.what


def test_a_field_in_another_unit_is_told_so() -> None:
    told = to_json(BASELINE)
    told["quarters"][2] = {"start_at": told["quarters"][2]["start_at"], "power_kw": 1}
    error = refused(json.dumps(told))
    assert (error.where, error.reason) == ("$.quarters[2].power_kw", "wrong_unit")
    assert "power_w" in error.remedy


@pytest.mark.parametrize("written", ["-0", "0.0", "1E2", "Infinity", "1" * 5_000])
def test_odd_numbers_are_refused_where_they_stand(written: str) -> None:
    text = changed(BASELINE, "quarters.0.power_w", 424_242).replace("424242", written)
    error = refused(text)
    assert (error.where, error.reason) == ("$.quarters[0].power_w", "not_whole")


def test_a_field_that_is_there_twice_is_refused() -> None:
    text = json.dumps(to_json(BASELINE))
    twice = text.replace('"revision": 1', '"revision": 1, "revision": 1')
    assert (refused(twice).where, refused(twice).reason) == ("$.revision", "duplicate_field")
    deep = text.replace('"power_w": 1200', '"power_w": 1200, "power_w": 1')
    assert (refused(deep).where, refused(deep).reason) == (
        "$.quarters[0].power_w", "duplicate_field",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "{", "nonsense", b"\xff", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    assert refused(text).reason == "not_json"


@pytest.mark.parametrize(("text", "reason"), [("[]", "wrong_type"), ("7", "wrong_type")])
def test_what_is_no_object_is_refused(text: str, reason: str) -> None:
    assert refused(text).reason == reason
    assert refused(b" " * (MAX_DOCUMENT_BYTES + 1)).reason == "too_long"


def test_what_may_be_absent_may_be_left_out_or_null() -> None:
    told = to_json(OFFER)
    without = {key: value for key, value in told.items() if key != "rest_s"}
    assert from_json(without) == from_json({**told, "rest_s": None})
    assert '"rest_s": null' in json.dumps(to_json(from_json(without)))


def test_local_time_is_taken_and_told_in_utc() -> None:
    text = json.dumps(to_json(BASELINE)).replace(
        "2026-10-24T22:00:00.000Z", "2026-10-25T00:00:00+02:00"
    )
    assert encode(from_json(parsed(text))) == encode(BASELINE)


def test_a_bad_value_made_here_is_not_encoded() -> None:
    with pytest.raises(Rejected) as caught:
        encode(type(BASELINE)(**{name: getattr(BASELINE, name) for name in (
            "mrid", "created_ms", "sender", "receiver", "validity", "pod", "quarters",
        )}, revision=0))  # fmt: skip
    assert caught.value.where == "$.revision"


def with_plain(value: object) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode(cbor.encode(value))
    return caught.value


def test_other_bytes_are_refused() -> None:
    plain = cbor.decode(encode(BASELINE))
    assert with_plain([2, *plain[1:]]).reason == "wrong_shape"
    assert with_plain({}).reason == "wrong_shape"
    assert with_plain([1, "letter", *plain[2:]]).reason == "unknown_kind"
    assert with_plain(plain[:-1]).reason == "wrong_shape"
    assert with_plain([*plain, None]).reason == "wrong_shape"
    early = [*plain[:-1], [[1_000, 1]]]
    assert (with_plain(early).where, with_plain(early).reason) == (
        "$.quarters[0].start_at", "unaligned_time",
    )  # fmt: skip
    with pytest.raises(Rejected, match="not the deterministic"):
        decode(b"\x9f" + encode(BASELINE)[2:] + b"\xff")
    for trailing in (b"\x00", b"\xf6"):
        with pytest.raises(Rejected):
            decode(encode(BASELINE) + trailing)


def test_the_sender_signs_and_nobody_else() -> None:
    signed = sign(OFFER, KEY)
    verify(signed, KEY.public)
    assert opened(signed) == (OFFER, encode(OFFER))
    with pytest.raises(Rejected) as caught:
        verify(signed, SigningKey.generate("EdDSA").public)
    assert caught.value.reason == "wrong_key"
    receipt = KEY.sign(encode(OFFER), RECEIPT_CONTEXT)
    with pytest.raises(Rejected) as caught:
        verify(receipt, KEY.public)
    assert caught.value.reason == "bad_signature"
    assert DOCUMENT_CONTEXT == b"certiflex/document/v1"
    with pytest.raises(Rejected):
        opened(b"\xd2")
