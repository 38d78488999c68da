"""A row of a session, as it is kept."""

import pytest

from central.scd.sessions import RowState, SessionRow


@pytest.mark.parametrize(
    ("state", "ended"),
    [(RowState.OK, True), (RowState.NOTHING, True), (RowState.FAILED, False)],
)
def test_only_a_row_that_failed_is_gone_through_again(state: RowState, ended: bool) -> None:  # noqa: FBT001 -- a column of the table
    row = SessionRow(session="s", row="DA-3a", state=state, told="", ended_ms=0)
    assert row.has_ended is ended
