"""Records: their instants and the slots they cover."""

from ledger.facts.record import ClockStep, Gap, GapCause


def test_the_time_of_a_record_lies_in_its_slot() -> None:
    step = ClockStep(sequence=0, slot=2, offset_ms=3_999, step_ms=-5)
    assert step.time_ms == 11_999


def test_a_gap_covers_up_to_its_end() -> None:
    gap = Gap(sequence=0, slot=9, offset_ms=0, from_slot=4, to_slot=9, cause=GapCause.POWER_OFF)
    assert gap.span == (4, 9)
