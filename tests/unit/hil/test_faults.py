"""Faults: when a meter has them, and what they do to a reply."""

import pytest

from hil.faults import Fault, FaultKind, FaultScript, spoilt
from hil.framing import crc16, rtu_frame
from hil.noise import Dice

FRAME = rtu_frame(1, b"\x04\x04\x43\x66\x33\x34")


def kinds(script: FaultScript, instants_ms: range) -> list[FaultKind | None]:
    met = (script.met_by_request(unix_ms) for unix_ms in instants_ms)
    return [fault.kind if fault else None for fault in met]


def test_a_fault_covers_its_half_open_time() -> None:
    script = FaultScript([Fault(FaultKind.SILENCE, 10, 13)])
    quiet = FaultKind.SILENCE
    assert kinds(script, range(8, 15)) == [None, None, quiet, quiet, quiet, None, None]


def test_every_third_request_counts_inside_the_time_only() -> None:
    script = FaultScript([Fault(FaultKind.LATE, 10, every=3)])
    assert kinds(script, range(8, 16)) == [None] * 4 + [FaultKind.LATE] + [None] * 2 + [
        FaultKind.LATE
    ]


def test_the_first_fault_due_is_met_and_the_others_still_count() -> None:
    script = FaultScript([Fault(FaultKind.NAN, 0, every=2), Fault(FaultKind.LATE, 0, every=2)])
    assert kinds(script, range(4)) == [None, FaultKind.NAN, None, FaultKind.NAN]


def test_a_restart_is_met_by_the_line_and_not_by_a_request() -> None:
    script = FaultScript([Fault(FaultKind.RESTART, 10, 20), Fault(FaultKind.RESTART, 40, 50)])
    assert script.met_by_request(15) is None
    assert [script.is_away(at) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert [script.next_change_ms(at) for at in (0, 10, 20, 49, 50)] == [10, 20, 40, 50, None]


def test_faults_can_be_added_and_forgotten() -> None:
    script = FaultScript()
    script.add(Fault(FaultKind.GARBAGE, 0))
    assert [fault.kind for fault in script.covering(5)] == [FaultKind.GARBAGE]
    script.clear()
    assert script.met_by_request(5) is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"until_ms": 5}, "end after it starts"),
        ({"every": 0}, "every >= 1"),
        ({"delay_ms": -1}, "delay"),
        ({"code": 0}, "code"),
    ],
)
def test_faults_that_make_no_sense_are_refused(settings: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Fault(FaultKind.LATE, 5, **settings)


def test_a_restart_needs_an_end() -> None:
    with pytest.raises(ValueError, match="a restart needs an end"):
        Fault(FaultKind.RESTART, 5)


def test_a_bad_crc_is_the_only_thing_wrong() -> None:
    broken = spoilt(FRAME, FaultKind.BAD_CRC, Dice(1))
    assert broken[:-2] == FRAME[:-2]
    assert crc16(broken) != 0
    assert len(broken) == len(FRAME)


def test_garbage_never_checks_and_truncation_always_shortens() -> None:
    dice = Dice(2)
    for _ in range(300):
        assert crc16(spoilt(FRAME, FaultKind.GARBAGE, dice)) != 0
        assert 1 <= len(spoilt(FRAME, FaultKind.TRUNCATED, dice)) < len(FRAME)


def test_other_faults_leave_the_frame_alone() -> None:
    assert spoilt(FRAME, FaultKind.LATE, Dice(1)) == FRAME
