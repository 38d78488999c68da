"""Settings of the ledger: what could never work is refused."""

import pytest

from ledger.chain.settings import ChainConfig


def test_without_a_node_nothing_is_anchored() -> None:
    assert ChainConfig().urls == ()


@pytest.mark.parametrize("wrong", [{"chain_id": 0}, {"confirmations": 0}, {"timeout_s": 0.0}])
def test_what_could_never_work_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ChainConfig(**wrong)  # type: ignore[arg-type]
