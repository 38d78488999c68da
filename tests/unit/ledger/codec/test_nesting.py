"""A text of brackets is refused before a parser sees it."""

import json
import subprocess
import sys

import pytest

from ledger.codec.nesting import MOST_NESTED, need_shallow
from ledger.errors import Rejected
from tests.architecture.tree import ROOT


@pytest.mark.parametrize("mark", ["[]", '{"a":}'])
def test_the_limit_is_the_limit(mark: str) -> None:
    opening, closing = mark[:-1], mark[-1]
    need_shallow(opening * MOST_NESTED + "0" + closing * MOST_NESTED)
    with pytest.raises(Rejected, match="nested deeper than 64 at byte") as told:
        need_shallow(opening * (MOST_NESTED + 1))
    assert told.value.reason == "too_deep"


@pytest.mark.parametrize(
    "value",
    [
        ["[" * 500, "{" * 500],
        ['"' + "[" * 500 + '\\"'],
        [[1]] * 1_000,
        {str(k): {"a": [k]} for k in range(500)},
        "\\" * 99 + "[" * 500,
    ],
)
def test_brackets_in_words_and_one_beside_another_do_not_count(value: object) -> None:
    need_shallow(json.dumps(value))
    need_shallow(json.dumps(value, indent=1).encode())


@pytest.mark.parametrize("broken", ['"never closed [[[' + "[" * 99, "]" * 500 + "[" * 60, '"\\'])
def test_what_is_no_json_is_left_to_the_parser(broken: str) -> None:
    need_shallow(broken)


def test_a_process_with_a_high_recursion_limit_lives_on() -> None:
    """Without the guard this ends in a fault of the stack, which nobody can catch."""
    program = (
        "import sys; sys.setrecursionlimit(100_000)\n"
        "from central.documents.encoding import parsed\n"
        "from ledger.errors import Rejected\n"
        "try: parsed('[' * 1_000_000)\n"
        "except Rejected as error: print(error.reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "not_json\n")
