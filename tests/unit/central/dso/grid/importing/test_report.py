"""The report of what was lost."""

from central.dso.grid.importing.report import Effect, ImportReport


def test_the_same_loss_of_many_elements_is_one() -> None:
    report = ImportReport()
    for n in range(6):
        report.dropped("bus", f"Bus {n}", "its coordinates")
    report.dropped("line", "Line 1", "its coordinates")
    first, second = report.losses
    assert str(first) == "dropped: bus Bus 0, Bus 1, Bus 2, Bus 3 and 2 more: its coordinates"
    assert str(second) == "dropped: line Line 1: its coordinates"
    assert len(first.elements) == 6


def test_the_gravest_comes_first() -> None:
    report = ImportReport()
    report.dropped("bus", "a", "x")
    report.refused("xward", "b", "y")
    report.approximated("trafo", "c", "z")
    effects = [loss.effect for loss in report.losses]
    assert effects == [Effect.REFUSED, Effect.APPROXIMATED, Effect.DROPPED]
    assert report.is_refused


def test_without_refusal_there_is_a_grid() -> None:
    report = ImportReport()
    report.approximated("trafo", "c", "z")
    assert not report.is_refused
    assert ImportReport().losses == ()
