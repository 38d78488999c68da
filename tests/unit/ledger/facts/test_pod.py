"""POD codes."""

import pytest

from ledger.facts.pod import Pod


@pytest.mark.parametrize("code", ["IT002E00000001", "IT002E00000001A"])
def test_a_code_of_the_form_is_a_pod(code: str) -> None:
    assert str(Pod(code)) == code


@pytest.mark.parametrize(
    "code",
    ["", "IT002E0000001", "it002e00000001", "IT002E00000001AB", "FR002E00000001"],
)  # fmt: skip
def test_any_other_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="not a POD"):
        Pod(code)
