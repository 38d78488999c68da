"""JSON from strangers: as deep as sensible, and no deeper."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec.jsontext import parsed
from ledger.errors import Rejected

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
)


@given(values)
def test_what_is_written_reads_back(value: object) -> None:
    assert parsed(json.dumps(value).encode()) == value


def test_brackets_in_texts_are_no_depth() -> None:
    text = json.dumps(["[" * 500, '\\"[' * 500, "]" * 500])
    assert parsed(text.encode()) == json.loads(text)


@pytest.mark.parametrize("depth", [64, 65, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_has_an_end(depth: int, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    text = (opening * depth + "1" + closing * depth).encode()
    if depth <= 64:
        assert parsed(text)
    else:
        with pytest.raises(Rejected, match="deeper"):
            parsed(text)


@pytest.mark.parametrize("text", [b"", b"[", b"[1", b'"', b'["\\', b"\xff\xfe", b"[" * 99, b"{]"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(Rejected):
        parsed(text)
