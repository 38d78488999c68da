"""Programmes: like days, the last weighing most; days of any length; frozen at the gate."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import starmap

import pytest

from central.brp.programme import Lack, Method, Remark, baseline_mrid, programmes, refiled
from central.calendar import day_interval, gate_ms, quarter_count, slots
from central.documents.baseline import Baseline
from central.documents.encoding import decode, encode
from central.documents.header import Envelope
from central.documents.measures import MeasuredQuarter, Origin, QuarterMeasures
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS
from ledger.facts.pod import Pod
from tests.documents import BRP, uuid

POD, OTHER = Pod("IT002E00000001"), Pod("IT002E00000002")
SPRING, USUAL, AUTUMN = date(2027, 3, 28), date(2026, 11, 26), date(2026, 10, 25)
GATE_MS = gate_ms(USUAL)


def envelope(mrid: str) -> Envelope:
    return Envelope(mrid=mrid, created_ms=GATE_MS - 1, sender=BRP, receiver="scd")


def measured(pod: Pod, day: date, energy_wh: int, skip: tuple[int, ...] = ()) -> QuarterMeasures:
    """Return a day of the same energy in every quarter, some left out; negative is given."""
    interval = day_interval(day)
    return QuarterMeasures(
        mrid=uuid(day.toordinal()), revision=1, created_ms=interval.end_ms, sender="scd",
        receiver=BRP, validity=interval, pod=pod,
        quarters=tuple(
            MeasuredQuarter(
                start_ms=interval.start_ms + at * QUARTER_MS, import_wh=max(energy_wh, 0),
                export_wh=max(-energy_wh, 0), covered_s=900, flagged_s=0, origin=Origin.CERTIFIED,
            )
            for at in range(quarter_count(day)) if at not in skip
        ),
    )  # fmt: skip


def before(day: date, count: int) -> Iterator[date]:
    return (day - timedelta(days=back) for back in range(1, count + 1))


def the_one(made: tuple[Baseline, ...]) -> Baseline:
    (baseline,) = made
    return baseline


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (USUAL, 96), (AUTUMN, 100)])
def test_a_programme_has_every_quarter_of_its_day(day: date, count: int) -> None:
    past = [measured(POD, each, 250) for each in before(day, 40)]
    made = programmes([POD], past, day, envelope=envelope)
    baseline = the_one(made.baselines)
    assert [each.power_w for each in baseline.quarters] == [1_000] * count
    assert baseline.validity == day_interval(day)
    assert decode(encode(baseline)) == baseline
    assert made.remarks == ()


def test_like_days_count_and_the_last_weighs_most() -> None:
    past = [measured(POD, each, 999 if each.weekday() >= 5 else 100) for each in before(USUAL, 30)]
    past[0] = measured(POD, USUAL - timedelta(days=1), 200)
    method = Method(day_count=3, decay_permille=500)
    baseline = the_one(programmes([POD], past, USUAL, envelope=envelope, method=method).baselines)
    # 800, 400 and 400 W, of the weights 4, 2 and 1.
    assert {each.power_w for each in baseline.quarters} == {round((4 * 800 + 3 * 400) / 7)}


def test_what_is_given_is_negative() -> None:
    past = [measured(POD, each, -50) for each in before(USUAL, 30)]
    baseline = the_one(programmes([POD], past, USUAL, envelope=envelope).baselines)
    assert {each.power_w for each in baseline.quarters} == {-200}


def test_the_clock_is_followed_across_the_change() -> None:
    def at_noon(day: date) -> QuarterMeasures:
        noon = [at for at, slot in enumerate(slots(day).tolist()) if slot == 48]
        return measured(POD, day, 500, tuple(set(range(quarter_count(day))) - set(noon)))

    def whole(day: date) -> QuarterMeasures:
        return measured(POD, day, 0)

    past = [one(each) for each in before(AUTUMN, 40) for one in (whole, at_noon)]
    for number, each in enumerate(past):
        object.__setattr__(each, "created_ms", number)  # the noon is told after the whole day
    baseline = the_one(programmes([POD], past, AUTUMN, envelope=envelope).baselines)
    high = [at for at, each in enumerate(baseline.quarters) if each.power_w == 2_000]
    assert high == [52]  # an hour more lies before noon


def test_gaps_lie_on_a_line_and_are_told() -> None:
    past = [measured(POD, each, 100 + (8 * (each.day % 2)), (10, 11)) for each in before(USUAL, 30)]
    made = programmes([POD], past, USUAL, envelope=envelope)
    powers_w = [each.power_w for each in the_one(made.baselines).quarters]
    assert powers_w[10] == powers_w[9] == powers_w[12]
    assert made.remarks == (Remark(POD.code, Lack.GAPS_FILLED, 2),)


def test_what_was_called_for_is_no_usual_quarter() -> None:
    past = [measured(POD, each, 100) for each in before(USUAL, 30)]
    moved = USUAL - timedelta(days=1)
    past[0] = measured(POD, moved, 0)
    called = [(POD.code, each.start_ms) for each in past[0].quarters]
    baseline = the_one(programmes([POD], past, USUAL, envelope=envelope, called=called).baselines)
    assert {each.power_w for each in baseline.quarters} == {400}


def test_new_pods_and_thin_pasts_are_named() -> None:
    new = [measured(POD, each, 100) for each in before(USUAL, 2)]
    made = programmes([OTHER, POD], new, USUAL, envelope=envelope)
    assert [each.pod for each in made.baselines] == [POD]
    assert made.remarks == (Remark(POD.code, Lack.NEW_POD, 2), Remark(OTHER.code, Lack.NO_PAST, 0))
    sunday = date(2026, 11, 29)
    thin = programmes([POD], [measured(POD, e, 100) for e in before(sunday, 6)], sunday,
                      envelope=envelope)  # fmt: skip
    assert thin.remarks == (Remark(POD.code, Lack.ANY_DAYS, 6),)


def test_nothing_later_than_the_day_before_counts() -> None:
    past = [measured(POD, each, 100) for each in before(USUAL, 30)]
    later = [measured(POD, USUAL + timedelta(days=n), 900) for n in range(2)]
    kept = programmes([POD], past, USUAL, envelope=envelope)
    assert programmes([POD], [*past, *later], USUAL, envelope=envelope) == kept


def test_a_programme_is_filed_revised_and_frozen() -> None:
    first, other = starmap(
        lambda energy_wh, back: the_one(
            programmes([POD], [measured(POD, e, energy_wh) for e in before(USUAL, back)], USUAL,
                       envelope=envelope).baselines
        ),
        [(100, 30), (101, 30)],
    )  # fmt: skip
    assert first.mrid == other.mrid == baseline_mrid(POD, USUAL)
    early, late = GATE_MS - 1, GATE_MS
    assert refiled(None, first, now_ms=early, gate_ms=GATE_MS) is first
    assert refiled(first, first, now_ms=late, gate_ms=GATE_MS) is first
    second = refiled(first, other, now_ms=early, gate_ms=GATE_MS)
    assert (second.revision, second.quarters) == (2, other.quarters)
    for filed in (None, first):
        with pytest.raises(Rejected) as caught:
            refiled(filed, other, now_ms=late, gate_ms=GATE_MS)
        assert caught.value.reason == "frozen"


def test_programmes_of_other_days_are_not_compared() -> None:
    past = [measured(POD, each, 100) for each in before(USUAL, 30)]
    one, other = (
        the_one(programmes([POD], past, day, envelope=envelope).baselines)
        for day in (USUAL, USUAL + timedelta(days=1))
    )
    with pytest.raises(Rejected) as caught:
        refiled(one, other, now_ms=0, gate_ms=GATE_MS)
    assert caught.value.reason == "other_programme"
