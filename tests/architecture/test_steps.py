"""docs/steps.md says what the use case's tables say, and what the code does."""

import ast
import csv
import re

import pytest

from central.sessions.states import MEANING
from tests.architecture.tree import ROOT

PAGE = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| `[A-Z]{2}-", line)
]
SLIPS = {"DA-1b": "I-13"}
"""Where the use case's number is another one than the page's; the page says why."""
SESSIONS = {"DA": "day_ahead.py", "RT": "real_time.py"}


def told() -> dict[str, tuple[str, str, str]]:
    """Return producer, receiver and information of each row, as the use case has them."""
    with (ROOT / "tests" / "vectors" / "use-case-rows.csv").open(encoding="utf-8") as file:
        return {
            row["row"]: (row["producer"], row["receiver"], row["information"])
            for row in csv.DictReader(file)
        }


def test_every_row_of_the_use_case_is_on_the_page_and_no_other() -> None:
    numbers = [row[0].strip("`") for row in ROWS]
    assert numbers == list(told())
    assert len(numbers) == 62


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_who_tells_whom_what(row: list[str]) -> None:
    number, _, producer, receiver, information, _ = row
    expected = told()[number.strip("`")]
    information = "" if information == "–" else information
    assert (producer, receiver) == expected[:2]
    assert information == SLIPS.get(number.strip("`"), expected[2])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_is_where_the_page_says(row: list[str]) -> None:
    number, where = row[0].strip("`"), row[-1]
    link = re.fullmatch(r"\[(?:\w+\.)?([\w/.]+)\]\(\.\./([\w/]+\.py)\)", where)
    if link is None:
        assert where == "not yet"
        return
    source = (ROOT / link[2]).read_text(encoding="utf-8")
    if not link[1].endswith(".py"):
        functions = [
            each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.FunctionDef)
        ]
        assert link[1] in {each.name for each in functions}
    if number[:2] in SESSIONS:
        session = ROOT / "central" / "sessions" / SESSIONS[number[:2]]
        assert f'"{number}"' in session.read_text(encoding="utf-8")


def test_the_ways_in_which_a_session_ends_are_told() -> None:
    for state, meaning in MEANING.items():
        assert f"| `{state.value}` | {meaning} |" in PAGE
