"""The validation as a document: every offer answered, whole watts, and what binds."""

import re

import numpy as np
import pytest

from central.documents.elements import KeptFree
from central.documents.encoding import decode, encode
from central.documents.header import Envelope, Reference
from central.documents.validation import TechnicalValidation, Verdict
from central.dso.delivering import Taken
from central.dso.expectation import expected
from central.dso.grid.model import Grid
from central.dso.limits import Limits, Margin
from central.dso.powerflow import PowerFlow
from central.dso.telling.verdicts import technical_validation
from central.dso.validation import Validation, validate
from ledger.facts.interval import QUARTER_MS
from tests.grids import feeder

START_MS = 1_780_000_200_000 // QUARTER_MS * QUARTER_MS
GRID = feeder(14, length_km=6.0)
MRIDS = tuple(f"{k:08d}-5a0b-4c59-9a43-0f6f4c1f2b11" for k in range(3))


def validated(
    grid: Grid, *power_w: float, load_w: float = 100e3
) -> tuple[Validation, TechnicalValidation]:
    expectation = expected(grid, START_MS, {"mean": np.full((len(grid.pods), 1), load_w)})
    taken = Taken.of(
        grid, MRIDS[: len(power_w)], grid.pods[-len(power_w) :],
        is_up=np.zeros(len(power_w), dtype=bool), power_w=np.array(power_w)[:, None],
    )  # fmt: skip
    found = validate(PowerFlow(grid), expectation.drawn_va[0], taken, Limits.of(grid, Margin()))
    told = technical_validation(
        grid, found, expectation,
        envelope=Envelope(mrid=MRIDS[0], created_ms=START_MS, sender="dso", receiver="market"),
        margin=Margin(), session="s", outcome=Reference(mrid=MRIDS[1], revision=3),
        offers={mrid: Reference(mrid=mrid, revision=2) for mrid in MRIDS},
    )  # fmt: skip
    assert decode(encode(told)) == told
    return found, told


def test_what_is_borne_is_approved_in_whole_watts() -> None:
    _, told = validated(GRID, 1_000.7, 2_000.0)
    assert [each.verdict for each in told.verdicts] == [Verdict.APPROVED] * 2
    assert [each.offer for each in told.verdicts] == [
        Reference(mrid=mrid, revision=2) for mrid in MRIDS[:2]
    ]
    assert [each.quarters[0].power_w for each in told.verdicts] == [1_000, 2_000]
    assert told.confidence_permille == 500, "the mean alone was checked"
    assert told.elements == ()
    assert told.margin == KeptFree(voltage_ppm=5_000, current_ppm=20_000)


def test_what_is_not_is_cut_or_refused_and_the_limit_is_named() -> None:
    found, told = validated(GRID, 900e3, 900e3, 900e3, load_w=150e3)
    assert found.cuts
    verdicts = {each.offer.mrid: each for each in told.verdicts}
    for cut in found.cuts:
        verdict = verdicts[MRIDS[cut.offer]]
        assert verdict.verdict is (Verdict.CUT if cut.accepted_w >= 1 else Verdict.REFUSED)
        assert verdict.binding is not None
        element = told.elements[verdict.binding.position]
        assert element.element == cut.binding.name(GRID)
        assert verdict.binding.start_ms == START_MS
        assert verdict.binding.scenario == cut.scenario
        assert verdict.binding.cause.endswith("W of it")
    accepted_w = sum(q.power_w for each in told.verdicts for q in each.quarters)
    assert accepted_w <= found.accepted_w.sum()


def test_how_much_is_cut_is_told_as_one_reads_it() -> None:
    for offered_w, form in ((90e6, r"\d\d\.\d{3} MW of it"), (3e6, r"\d{4}\.\d kW of it")):
        found, told = validated(GRID, offered_w)
        (verdict,), (cut,) = told.verdicts, found.cuts
        assert verdict.binding is not None
        told_w = float(verdict.binding.cause.split()[0]) * (1e6 if offered_w > 10e6 else 1e3)
        assert re.fullmatch(form, verdict.binding.cause)
        assert told_w == pytest.approx(cut.offered_w - cut.accepted_w, abs=500)


def test_what_is_broken_without_any_offer_is_told_as_unsolved() -> None:
    found, told = validated(GRID, 10e3, load_w=230e3)
    assert found.residual
    assert len(told.unsolved) == len(found.residual)
    assert {each.why for each in told.unsolved} == {"it is broken without any offer"}
