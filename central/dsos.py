"""`certiflex central dso` and `central history`: what the DSO's platform works out, by hand."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from central.calendar import ROME, day_of
from central.config import CentralConfig
from central.documents.encoding import from_json, parsed, to_json
from central.documents.header import Document
from central.documents.measurement import FieldMeasurements
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.dso.assessment import Congestion
from central.dso.drawing.charts import tap_plan
from central.dso.drawing.feeder import before_after, sensitivity_map
from central.dso.forecast.result import Forecast
from central.dso.requesting import Constraint, Need
from central.service import Central, opened
from central.sessions.desk import Desk
from central.sessions.dso_day_ahead import dso_day_ahead
from central.sessions.dso_real_time import dso_real_time
from central.sessions.dso_validation import Validated, dso_validation
from central.sessions.field import field_measurements
from central.sessions.imports import keep_import
from central.sessions.metering import newest_readings
from central.sessions.opening import opened_desk
from central.sessions.steps import Outcome
from ledger.command import Exit, show, subcommand
from ledger.configuration import load
from ledger.errors import Rejected, Unavailable
from ledger.facts.interval import QUARTER_MS

_MS_PER_DAY = 86_400_000
_W_PER_MW = 1e6
_MOST_ROWS = 20
_LAST_STEPS = ("DA-9a", "RT-7a", "DA-16a", "RT-13a-approved")

Kind = TypeVar("Kind", bound=Document)


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `dso` and `history` with their verbs to a program."""
    dso = verbs.add_parser("dso", help="the DSO's platform: forecast, assess, plan, ask, validate")
    own = dso.add_subparsers(metavar="VERB")
    _of_time(subcommand(own, "forecast", "forecast every point of delivery", _forecast))
    tried = _of_time(subcommand(own, "assess", "tell where limits break", _assess))
    tried.add_argument("--outages", action="store_true", help="with each line out in turn too")
    _of_time(subcommand(own, "plan", "what taps, capacitors and switches can do", _plan))
    _of_time(subcommand(own, "request", "what customers would have to move, and where", _request))
    judged = _of_time(
        subcommand(own, "validate", "which offers taken the grid can bear", _validate)
    )
    told = "the market's preliminary list (I-08, JSON)"
    judged.add_argument("outcome", type=Path, metavar="OUTCOME", help=told)
    told = "file with offers (I-05): a JSON list"
    judged.add_argument("--offers", type=Path, required=True, metavar="FILE", help=told)

    history = verbs.add_parser("history", help="history that nobody certifies")
    given = history.add_subparsers(metavar="VERB")
    bring = subcommand(given, "import", "keep quarter-hours from elsewhere, marked so", _import)
    bring.add_argument("file", type=Path, metavar="FILE", help="CSV or Parquet")


def _of_time(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    made.set_defaults(quiet=1)  # rows are logged; who types sees what came of them
    when = made.add_mutually_exclusive_group()
    told = "market day; the next one if not given"
    when.add_argument("--day", type=date.fromisoformat, metavar="YYYY-MM-DD", help=told)
    when.add_argument("--hours", action="store_true", help="the next four hours instead")
    told = "field measurements (I-19, a JSON list) instead of those in the database"
    made.add_argument("--field", type=Path, metavar="FILE", help=told)
    told = "folder to write documents and pictures to"
    made.add_argument("--to", type=Path, metavar="DIR", help=told)
    return made


# ── verbs ───────────────────────────────────────────────────────────────────────────────────


def _forecast(arguments: argparse.Namespace) -> int:
    with _at_desk(arguments) as (desk, central):
        forecast = (
            desk.forecast_hours(central.clock.now_ms())
            if arguments.hours
            else desk.forecast_day(_day(arguments, central))
        )
    if arguments.json:
        show(_forecast_figures(forecast), "dso-forecast")
        return Exit.OK
    rows = [
        (name, _mw(mean_w.max()), _at(forecast, int(mean_w.argmax())), _mw(mean_w.min()),
         _at(forecast, int(mean_w.argmin())))
        for name, mean_w in zip(
            forecast.of_feeders.names, forecast.of_feeders.mean_w, strict=True
        )
    ]  # fmt: skip
    _table(("area", "most MW", "at", "least MW", "at"), rows)
    print(forecast.statement())
    return Exit.OK


def _assess(arguments: argparse.Namespace) -> int:
    outcome, _ = _outcome(arguments)
    assessed = outcome.assessed
    _tell(arguments, "dso-assess", outcome.documents[:1], outcome.steps)
    if not arguments.json:
        _tell_congestions(assessed.congestions)
        for line, nodes in assessed.cut_off[:_MOST_ROWS]:
            print(f"without {line} nothing feeds {_some(nodes)}")
        _tell_seen(outcome)
    return Exit.FALSE if assessed.congestions else Exit.OK


def _plan(arguments: argparse.Namespace) -> int:
    outcome, desk = _outcome(arguments)
    own = [each for each in outcome.documents if each.ii == "I-11"]
    _tell(arguments, "dso-plan", own, outcome.steps)
    if not arguments.json:
        starts = outcome.expected.expectation
        rows = [
            (_clock(starts.interval_of(move.quarter).start_ms), move.kind, move.device,
             move.before, move.after)
            for move in outcome.plan.moves
        ]  # fmt: skip
        _table(("from", "means", "device", "before", "after"), rows)
        print(outcome.plan.reason)
    _draw(arguments, {
        "feeder.svg": before_after(desk.grid, outcome.assessed, outcome.plan.after, desk.grid.name),
        "own-means.svg": tap_plan(desk.grid, outcome.plan),
    })  # fmt: skip
    return Exit.OK if outcome.plan.after.holds else Exit.FALSE


def _request(arguments: argparse.Namespace) -> int:
    outcome, desk = _outcome(arguments)
    asked = [each for each in outcome.documents if each.ii == "I-06"]
    _tell(arguments, "dso-request", asked, outcome.steps)
    need = outcome.need
    if not arguments.json:
        _tell_need(desk, need)
    if worst := _most_pressed(need):
        named = desk.grid.nodes if worst.bound.is_voltage else desk.grid.branches
        unit = "pu" if worst.bound.is_voltage else "% of its rating"
        picture = sensitivity_map(desk.grid, worst.per_w, named[worst.element].name, unit)
        _draw(arguments, {"who-can-help.svg": picture})
    return Exit.FALSE if need.residual else Exit.OK


def _validate(arguments: argparse.Namespace) -> int:
    preliminary = _one(arguments.outcome, MarketOutcome)
    offers = _many(arguments.offers, FlexOffer)
    outcome, desk = _outcome(arguments)
    validated = dso_validation(
        desk, outcome.expected, outcome.plan.setting, preliminary, offers,
        progress=_progress(arguments),
    )  # fmt: skip
    _tell(arguments, "dso-validate", validated.documents, [*outcome.steps, *validated.steps])
    if not arguments.json:
        _tell_validated(desk, validated)
    return Exit.FALSE if validated.validation.cuts else Exit.OK


def _import(arguments: argparse.Namespace) -> int:
    config = load(CentralConfig, arguments.config, program="central").value
    if arguments.dry_run:
        return Exit.OK
    rows = keep_import(arguments.file, config.dso.imports)
    if arguments.json:
        show({"rows": rows, "folder": str(config.dso.imports)}, "history-import")
    else:
        print(f"{rows} quarter-hours kept in {config.dso.imports}, marked as imported")
    return Exit.OK


# ── the desk ────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _at_desk(arguments: argparse.Namespace) -> Iterator[tuple[Desk, Central]]:
    config = load(CentralConfig, arguments.config, program="central").value
    with opened(config) as central:
        services = central.services()
        yield (
            opened_desk(config.dso, central.evidence, services.inquiry, central.clock), central,
        )  # fmt: skip


def _day(arguments: argparse.Namespace, central: Central) -> date:
    chosen: date | None = arguments.day
    return chosen or day_of(central.clock.now_ms() + _MS_PER_DAY)


def _outcome(arguments: argparse.Namespace) -> tuple[Outcome, Desk]:
    """Go through the session of the time asked for."""
    progress = _progress(arguments)
    with _at_desk(arguments) as (desk, central):
        outages = bool(getattr(arguments, "outages", False))
        if not arguments.hours:
            day = _day(arguments, central)
            return dso_day_ahead(desk, day, outages=outages, progress=progress), desk
        now_ms = central.clock.now_ms()
        field = (
            _many(arguments.field, FieldMeasurements)
            if arguments.field
            else field_measurements(central.documents, now_ms)
        )
        metered = newest_readings(desk.grid, central.evidence, central.services().inquiry, now_ms)
        return dso_real_time(desk, now_ms, field, metered, outages=outages, progress=progress), desk


def _one(file: Path, kind: type[Kind]) -> Kind:
    documents = _many(file, kind)
    if len(documents) != 1:
        raise Rejected(
            f"holds {len(documents)} documents, expected one {kind.ii}",
            where=str(file),
            reason="not_one",
        )
    return documents[0]


def _many(file: Path, kind: type[Kind]) -> list[Kind]:
    """Return the documents of one kind in a JSON file: one of them, or a list.

    Raises:
        Rejected: what is there is no such document; its place in the file is told.
        Unavailable: it cannot be read.
    """
    try:
        given = parsed(file.read_bytes())
    except OSError as error:
        raise Unavailable(error.strerror or "cannot be read", where=str(file)) from error
    made: list[Kind] = []
    for number, value in enumerate(given if isinstance(given, list) else [given]):
        document = from_json(value)
        if not isinstance(document, kind):
            raise Rejected(
                f"document {number + 1} is {document.ii}, expected {kind.ii}",
                where=str(file),
                reason="other_kind",
            )
        made.append(document)
    return made


# ── what is told ────────────────────────────────────────────────────────────────────────────


def _progress(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Return what tells the step under way, on a terminal only."""
    if arguments.quiet > 1 or arguments.json or not sys.stderr.isatty():
        return lambda _: None

    def told(step: str) -> None:
        print(f"\r\x1b[K{step} …", end="", file=sys.stderr, flush=True)
        if step in _LAST_STEPS:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    return told


def _tell(
    arguments: argparse.Namespace, schema: str, documents: Sequence[Document], steps: Sequence[str]
) -> None:
    """Print documents if asked for as JSON, and write them where asked to."""
    as_json = [to_json(each) for each in documents]
    if arguments.json:
        show({"steps": dict.fromkeys(steps, "ok"), "documents": as_json}, schema)
    for each, value in zip(documents, as_json, strict=True):
        _write(arguments, f"{each.ii}-{each.mrid}.json", json.dumps(value, indent=1) + "\n")


def _draw(arguments: argparse.Namespace, pictures: Mapping[str, str]) -> None:
    for name, svg in pictures.items():
        _write(arguments, name, svg)


def _write(arguments: argparse.Namespace, name: str, content: str) -> None:
    folder: Path | None = arguments.to
    if folder is None or arguments.dry_run:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Unavailable(
            error.strerror or "cannot be written", where=str(folder / name)
        ) from error
    if not arguments.json:
        print(f"written {folder / name}", file=sys.stderr)


def _tell_congestions(congestions: Sequence[Congestion]) -> None:
    """Print one row for each limit of each element: how often, and the worst of it."""
    if not congestions:
        print("every limit holds")
        return
    groups: dict[tuple[str, str], list[Congestion]] = {}
    for each in congestions:
        groups.setdefault((each.element, each.bound.value), []).append(each)
    worst_first = sorted(groups.items(), key=lambda group: -_badness(_worst(group[1])))
    rows = []
    for (element, bound), found in worst_first[:_MOST_ROWS]:
        worst = _worst(found)
        unit = "pu" if worst.bound.is_voltage else "%"
        rows.append(
            (element, bound, len({each.quarter for each in found}),
             _clock(worst.interval.start_ms), f"{worst.value:.4g} {unit}",
             f"{worst.limit:.4g} {unit}", _situation(worst), worst.cause)
        )  # fmt: skip
    _table(("element", "limit", "quarters", "worst at", "value", "allowed", "under", "by"), rows)
    if len(groups) > _MOST_ROWS:
        print(f"and {len(groups) - _MOST_ROWS} more; --json tells all")


def _tell_seen(outcome: Outcome) -> None:
    """Print what the field showed, of the next four hours."""
    if outcome.estimate is None or outcome.seen is None:
        return
    for liar in outcome.estimate.liars:
        print(f"{liar.measurement.origin} {liar.measurement.name} does not fit: "
              f"{liar.deviations:.1f} standard deviations off")  # fmt: skip
    for told, names in (("silent", outcome.seen.silent), ("unknown", outcome.seen.strangers)):
        if names:
            print(f"{told} sensors: {_some(names)}")
    for note in outcome.estimate.notes:
        print(note)


def _tell_need(desk: Desk, need: Need) -> None:
    expectation = need.assessment.expectation
    rows = []
    for direction, asked_w in (("up", need.up_w), ("down", need.down_w)):
        total_w = asked_w.sum(axis=1)
        quarters = np.flatnonzero(total_w >= 1)
        if len(quarters):
            worst = int(total_w.argmax())
            at = np.argsort(-asked_w.sum(axis=0))[:3]
            nodes = [desk.grid.nodes[need.resources.node[k]].name for k in at]
            rows.append(
                (direction, len(quarters), f"{total_w.sum() / 4 / _W_PER_MW:.3f}",
                 _mw(total_w.max()), _clock(expectation.interval_of(worst).start_ms),
                 ", ".join(dict.fromkeys(nodes)))
            )  # fmt: skip
    if rows:
        _table(("direction", "quarters", "MWh", "most MW", "at", "best at"), rows)
    else:
        print("no flexibility is needed")
    for left in need.residual[:_MOST_ROWS]:
        print(
            f"{left.name(desk.grid)} stays beyond its limit by {left.excess:.3g} in "
            f"{expectation.told(left.situation)}: all that could be moved does not suffice"
        )


def _tell_validated(desk: Desk, validated: Validated) -> None:
    found = validated.validation
    rows = [
        (found.taken.mrids[cut.offer], cut.quarter, f"{cut.offered_w:.0f}", f"{cut.accepted_w:.0f}",
         cut.binding.name(desk.grid), cut.binding.bound.value, cut.scenario)
        for cut in found.cuts[:_MOST_ROWS]
    ]  # fmt: skip
    if rows:
        _table(("offer", "quarter", "offered W", "accepted W", "because of", "limit", "when"), rows)
    whole_w, accepted_w = found.taken.power_w.sum(), found.accepted_w.sum()
    share_pct = 100 * accepted_w / whole_w if whole_w else 100.0
    print(f"{share_pct:.1f} % of what was taken is accepted, in {len(found.scenarios)} scenarios")


def _most_pressed(need: Need) -> Constraint | None:
    return max(need.constraints, key=lambda each: each.worth, default=None)


def _worst(found: Sequence[Congestion]) -> Congestion:
    return max(found, key=_badness)


def _badness(congestion: Congestion) -> float:
    return abs(congestion.value / congestion.limit - 1)


def _situation(congestion: Congestion) -> str:
    return congestion.scenario + (f" without {congestion.outage}" if congestion.outage else "")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""  # noqa: PLR2004
    return ", ".join(names[:5]) + more


def _forecast_figures(forecast: Forecast) -> dict[str, Any]:
    return {
        "start": _instant(forecast.start_ms),
        "known_until": _instant(forecast.known_until_ms),
        "levels": list(forecast.levels),
        "pods": [
            {"pod": pod, "mean_w": [round(float(w)) for w in mean_w],
             "quantile_w": [[round(float(w)) for w in one] for one in quantile_w]}
            for pod, mean_w, quantile_w in zip(
                forecast.pods, forecast.mean_w, forecast.quantile_w.swapaxes(0, 1), strict=True
            )
        ],
        "certified_pct": round(forecast.provenance.certified_pct, 1),
        "imported_pct": round(forecast.provenance.imported_pct, 1),
        "statement": forecast.statement(),
        "notes": [{"reason": note.reason.value, "said": note.said, "pods": list(note.pods)}
                  for note in forecast.notes],
    }  # fmt: skip


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    written = [[str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *written, strict=True)]
    for row in (head, *written):
        print(
            "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        )


def _mw(power_w: float) -> str:
    return f"{power_w / _W_PER_MW:.3f}"


def _at(forecast: Forecast, quarter: int) -> str:
    return _clock(forecast.start_ms + quarter * QUARTER_MS)


def _clock(unix_ms: int) -> str:
    """Return an instant as clocks in Rome show it."""
    return datetime.fromtimestamp(unix_ms / 1_000, ROME).strftime("%d %H:%M")


def _instant(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, ROME).isoformat()
