"""When a key may sign."""

import pytest

from ledger.facts.registry import NodeKey


@pytest.mark.parametrize(
    ("valid_to_ms", "at_ms", "valid"),
    [(None, 10, True), (None, 9, False), (20, 19, True), (20, 20, False), (10, 10, False)],
)
def test_a_key_is_valid_from_its_start_up_to_its_end(
    valid_to_ms: int | None, at_ms: int, *, valid: bool
) -> None:
    key = NodeKey(public_key=b"", valid_from_ms=10, valid_to_ms=valid_to_ms)
    assert key.is_valid_at(at_ms) is valid
