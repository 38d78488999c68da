"""Whatever is done to a document: it comes back as it was, or it is refused with its place."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.documents.encoding import decode, encode, from_json, parsed, to_json
from central.documents.header import MAX_W, Document, QuarterPower
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from tests.documents import BASELINE, EXAMPLES

JUNK = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.just([]), st.just({}),
    st.integers(), st.lists(st.integers(), max_size=3),
)  # fmt: skip


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 -- any JSON
    """Yield the path of every value within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for step, each in inner:
        yield (*path, step)
        if isinstance(each, dict | list):
            yield from places(each, (*path, step))


def container(value: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 -- any JSON
    for step in path[:-1]:
        value = value[step]
    return value


def taken(text: str) -> Document | Rejected:
    try:
        return from_json(parsed(text))
    except Rejected as error:
        found = error
    assert found.where.startswith("$")
    assert found.reason not in {"", "rejected"}
    return found


@given(document=st.sampled_from(EXAMPLES), data=st.data(), junk=JUNK)
def test_another_value_anywhere_is_taken_whole_or_refused(
    document: Document, data: st.DataObject, junk: object
) -> None:
    told = copy.deepcopy(to_json(document))
    path = data.draw(st.sampled_from(list(places(told))))
    container(told, path)[path[-1]] = junk
    found = taken(json.dumps(told))
    if isinstance(found, Document):
        assert decode(encode(found)) == found


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda one: type(one).__name__)
def test_every_field_is_needed_and_none_may_be_added(document: Document) -> None:
    told = to_json(document)
    for path in places(told):
        without = copy.deepcopy(told)
        held = container(without, path)
        name = path[-1]
        if isinstance(held, list):
            continue
        was = held.pop(name)
        found = taken(json.dumps(without))
        if isinstance(found, Document):
            # Only what may be null may be left out; it is null then.
            assert to_json(found) != told or was is None
        else:
            assert found.reason in {
                "missing_field", "wrong_type", "wrong_ii", "contradiction", "not_in_order",
            }  # fmt: skip
        held[name] = was
        held[f"{name}_too"] = 1
        added = taken(json.dumps(without))
        assert isinstance(added, Rejected)
        assert added.reason in {"unknown_field", "wrong_type"}


@given(document=st.sampled_from(EXAMPLES), data=st.data())
def test_a_flipped_bit_never_gives_the_same_document(
    document: Document, data: st.DataObject
) -> None:
    encoded = bytearray(encode(document))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = decode(bytes(encoded))
    except Rejected:
        return
    assert found != document
    assert encode(found) == bytes(encoded)


@given(data=st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(Rejected):
        decode(data)


@given(
    quarter=st.integers(0, 280_000_000),
    powers_w=st.lists(st.integers(-MAX_W, MAX_W), min_size=1, max_size=100),
)
def test_any_programme_comes_back(quarter: int, powers_w: list[int]) -> None:
    start_ms = quarter * QUARTER_MS
    quarters = tuple(
        QuarterPower(start_ms=start_ms + place * QUARTER_MS, power_w=power_w)
        for place, power_w in enumerate(powers_w)
    )
    span = Interval(start_ms, start_ms + len(powers_w) * QUARTER_MS)
    document = replace(BASELINE, validity=span, quarters=quarters)
    assert decode(encode(document)) == document
    assert from_json(parsed(json.dumps(to_json(document)))) == document
