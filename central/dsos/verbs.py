"""The verbs of `certiflex central dso` and `central history`."""

import argparse
from pathlib import Path

from ledger.command import Exit, day, show, subcommand
from ledger.errors import Rejected


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `dso` and `history` with their verbs to a program."""
    dso = verbs.add_parser("dso", help="the DSO's platform: forecast, assess, plan, ask, validate")
    own = dso.add_subparsers(metavar="VERB")
    _when(subcommand(own, "forecast", "forecast every point of delivery", _forecast))
    tried = _of_time(subcommand(own, "assess", "tell where limits break", _assess))
    how = tried.add_mutually_exclusive_group()
    how.add_argument("--outages", action="store_true", help="with each line out in turn too")
    told = "each phase by itself, and how uneven the three are"
    how.add_argument("--phases", action="store_true", help=told)
    _of_time(subcommand(own, "plan", "what taps, capacitors and switches can do", _plan))
    _of_time(subcommand(own, "request", "what customers would have to move, and where", _request))
    purpose = "all of these at once: every document, every picture"
    whole = _of_time(subcommand(own, "all", purpose, _all))
    told = "hand own means to the SCADA of dso.scada_url before anything is asked for"
    whole.add_argument("--send", action="store_true", help=told)
    sent = subcommand(own, "send", "hand a plan of own means to SCADA, once more if need be", _send)
    sent.set_defaults(quiet=1)
    told = "the plan (I-11, JSON)"
    sent.add_argument("configuration", type=Path, metavar="FILE", help=told)
    judged = _of_time(
        subcommand(own, "validate", "which offers taken the grid can bear", _validate)
    )
    told = "the market's preliminary list (I-08, JSON)"
    judged.add_argument("outcome", type=Path, metavar="OUTCOME", help=told)
    told = "file with offers (I-05): a JSON list"
    judged.add_argument("--offers", type=Path, required=True, metavar="FILE", help=told)

    purpose = "what each customer is to do when flexibility is called"
    called = _of_time(subcommand(own, "dispatch", purpose, _dispatch))
    told = "order or orders (I-09, JSON)"
    called.add_argument("order", type=Path, metavar="ORDER", help=told)
    for name, what in (
        ("outcome", "the final outcome or outcomes they rest on (I-08)"),
        ("offers", "offers that were won (I-05)"),
        ("baselines", "programmes of their PODs (I-03)"),
    ):
        told = f"{what}: one JSON document or a list"
        called.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=told)

    history = verbs.add_parser("history", help="history that nobody certifies")
    given = history.add_subparsers(metavar="VERB")
    bring = subcommand(given, "import", "keep quarter-hours from elsewhere, marked so", _import)
    bring.add_argument("file", type=Path, metavar="FILE", help="CSV or Parquet")


def _when(made: argparse.ArgumentParser) -> None:
    made.set_defaults(quiet=1)  # rows are logged; who types sees what came of them
    when = made.add_mutually_exclusive_group()
    told = "market day; the next one if not given"
    when.add_argument("--day", type=day, metavar="YYYY-MM-DD", help=told)
    when.add_argument("--hours", action="store_true", help="the next four hours instead")


def _of_time(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _when(made)
    told = "field measurements (I-19, a JSON list) instead of the database's; with --hours"
    made.add_argument("--field", type=Path, metavar="FILE", help=told)
    told = "folder to write documents and pictures to"
    made.add_argument("--to", type=Path, metavar="DIR", help=told)
    return made


def _forecast(arguments: argparse.Namespace) -> int:
    from central.dsos.desks import at_desk, day_asked
    from central.dsos.screen import forecast_figures, tell_forecast

    with at_desk(arguments) as (desk, central):
        forecast = (
            desk.forecast_hours(central.clock.now_ms())
            if arguments.hours
            else desk.forecast_day(day_asked(arguments, central))
        )
    if arguments.json:
        show(forecast_figures(forecast), "dso-forecast")
        return Exit.OK
    tell_forecast(forecast)
    return Exit.OK


def _assess(arguments: argparse.Namespace) -> int:
    from central.dsos.desks import located
    from central.dsos.files import tell
    from central.dsos.screen import (
        seen_figures,
        tell_congestions,
        tell_cut_off,
        tell_newton,
        tell_seen,
    )

    if arguments.phases:
        return _assess_phases(arguments)
    at = located(arguments)
    assessed, besides = at.work.assessed, seen_figures(at.desk, at.shown)
    tell(arguments, "dso-assess", [at.work.alert()], at.steps, besides)
    if not arguments.json:
        tell_congestions(assessed.congestions)
        tell_cut_off(assessed.cut_off)
        tell_newton(assessed.flow)
        tell_seen(at.desk, at.shown)
    return Exit.FALSE if assessed.congestions else Exit.OK


def _assess_phases(arguments: argparse.Namespace) -> int:
    from central.dso.drawing.charts import phase_voltages
    from central.dsos.desks import located
    from central.dsos.files import draw, tell
    from central.dsos.screen import (
        tell_congestions,
        tell_seen,
        tell_unbalances,
        unbalance_figures,
    )

    at = located(arguments)
    assessed = at.desk.assess_phases(at.expected, at.work.setting)
    alert = at.desk.alert(at.expected, assessed)
    uneven = [unbalance_figures(each) for each in assessed.unbalances]
    tell(arguments, "dso-assess-phases", [alert], at.steps, {"unbalances": uneven})
    if not arguments.json:
        tell_congestions(assessed.congestions)
        tell_unbalances(assessed.unbalances)
        tell_seen(at.desk, at.shown)
    draw(arguments, {"phases.svg": phase_voltages(at.desk.grid, assessed)})
    return Exit.OK if assessed.holds else Exit.FALSE


def _plan(arguments: argparse.Namespace) -> int:
    from central.dsos.desks import outcome_of
    from central.dsos.files import draw, tell
    from central.dsos.pictures import own_means
    from central.dsos.screen import seen_figures, tell_plan, tell_seen

    outcome, desk = outcome_of(arguments)
    own = [each for each in outcome.documents if each.ii == "I-11"]
    tell(arguments, "dso-plan", own, outcome.steps, seen_figures(desk, outcome.shown))
    if not arguments.json:
        tell_seen(desk, outcome.shown)
        tell_plan(outcome)
    draw(arguments, own_means(desk, outcome))
    return Exit.OK if outcome.plan.after.holds else Exit.FALSE


def _request(arguments: argparse.Namespace) -> int:
    from central.dsos.desks import outcome_of
    from central.dsos.files import draw, tell
    from central.dsos.pictures import who_can_help
    from central.dsos.screen import seen_figures, tell_need, tell_seen

    outcome, desk = outcome_of(arguments)
    asked = [each for each in outcome.documents if each.ii == "I-06"]
    tell(arguments, "dso-request", asked, outcome.steps, seen_figures(desk, outcome.shown))
    if not arguments.json:
        tell_seen(desk, outcome.shown)
        tell_need(desk, outcome.need)
    draw(arguments, who_can_help(desk, outcome))
    return Exit.FALSE if outcome.need.residual else Exit.OK


def _all(arguments: argparse.Namespace) -> int:
    from central.dsos.desks import outcome_of
    from central.dsos.files import draw, tell
    from central.dsos.pictures import own_means, who_can_help
    from central.dsos.screen import (
        seen_figures,
        tell_congestions,
        tell_cut_off,
        tell_need,
        tell_newton,
        tell_plan,
        tell_seen,
    )

    outcome, desk = outcome_of(arguments)
    besides = seen_figures(desk, outcome.shown)
    tell(arguments, "dso-all", outcome.documents, outcome.steps, besides)
    if not arguments.json:
        tell_congestions(outcome.assessed.congestions)
        tell_cut_off(outcome.assessed.cut_off)
        tell_newton(outcome.assessed.flow)
        tell_seen(desk, outcome.shown)
        tell_plan(outcome)
        tell_need(desk, outcome.need)
    draw(arguments, own_means(desk, outcome) | who_can_help(desk, outcome))
    return Exit.FALSE if outcome.need.residual else Exit.OK


def _send(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.documents.configuration import GridConfiguration
    from central.documents.files import one
    from central.sessions.opening import scada_of
    from central.sessions.scada import hand_over

    config = configured(arguments.config)
    configuration = one(arguments.configuration, GridConfiguration)
    scada = scada_of(config.dso)
    if scada is None:
        raise Rejected(
            "there is no SCADA to send it to",
            where="dso.scada_url",
            remedy="set it in the configuration",
            reason="no_scada",
        )
    told = "it would be sent" if arguments.dry_run else hand_over(scada, configuration)
    if arguments.json:
        known = {"mrid": configuration.mrid, "revision": configuration.revision}
        show({**known, "told": told}, "dso-send")
    else:
        print(told)
    return Exit.OK


def _validate(arguments: argparse.Namespace) -> int:
    from central.documents.files import many, one
    from central.documents.offer import FlexOffer
    from central.documents.outcome import MarketOutcome
    from central.dsos.desks import at_desk, work_of
    from central.dsos.files import tell
    from central.dsos.screen import progress_of, seen_figures, tell_seen, tell_validated
    from central.sessions.dso_validation import dso_validation, taken_offers

    preliminary = one(arguments.outcome, MarketOutcome)
    offers = many(arguments.offers, FlexOffer)
    with at_desk(arguments) as (desk, central):
        work, span, shown = work_of(arguments, desk, central)
        # What is wrong with the documents is told before anything is worked out.
        taken = taken_offers(desk.grid, span, preliminary.awards, offers)
        validated = dso_validation(
            desk, work.expected, work.plan.setting, preliminary, taken,
            progress=progress_of(arguments),
        )  # fmt: skip
    besides = {"is_largest": validated.validation.is_largest, **seen_figures(desk, shown)}
    tell(arguments, "dso-validate", validated.documents, validated.steps, besides)
    if not arguments.json:
        tell_seen(desk, shown)
        tell_validated(desk, validated)
    return Exit.FALSE if validated.validation.cuts else Exit.OK


def _dispatch(arguments: argparse.Namespace) -> int:
    from central.documents.baseline import Baseline
    from central.documents.files import many
    from central.documents.offer import FlexOffer
    from central.documents.order import FlexOrder
    from central.documents.outcome import MarketOutcome
    from central.dso.telling.set_points import Silence
    from central.dsos.desks import at_desk, work_of
    from central.dsos.files import tell
    from central.dsos.screen import (
        progress_of,
        seen_figures,
        short_figures,
        tell_dispatched,
        tell_seen,
    )
    from central.sessions.dso_dispatch import Called, admitted, dso_dispatch, held_set_points

    called = Called(
        many(arguments.order, FlexOrder),
        many(arguments.outcome, MarketOutcome),
        many(arguments.offers, FlexOffer),
        many(arguments.baselines, Baseline),
    )
    with at_desk(arguments) as (desk, central):
        (work, span, shown), config = work_of(arguments, desk, central), central.config.dso
        held = held_set_points(central.documents, frozenset(desk.grid.pods))
        # What is wrong with the documents is told before anything is worked out.
        orders = admitted(desk, span, called, held)
        dispatched = dso_dispatch(
            desk, work.expected, work.plan.setting, orders,
            silence=Silence(config.failsafe_after_s, config.failsafe_floor_w),
            progress=progress_of(arguments),
        )  # fmt: skip
    besides = short_figures(desk, dispatched) | seen_figures(desk, shown)
    tell(arguments, "dso-dispatch", dispatched.documents, dispatched.steps, besides)
    if not arguments.json:
        tell_seen(desk, shown)
        tell_dispatched(desk, dispatched)
    return Exit.OK if dispatched.dispatch.is_whole else Exit.FALSE


def _import(arguments: argparse.Namespace) -> int:
    from central.config import configured
    from central.dsos.screen import tell_strangers
    from central.sessions.imports import keep_import, read_import
    from central.sessions.opening import grid_of

    config = configured(arguments.config).dso
    grid = grid_of(config)
    imported = read_import(arguments.file)
    strangers = imported.strangers(grid.pods)
    if not arguments.dry_run:
        keep_import(imported, config.imports)
    if arguments.json:
        told = {"rows": imported.rows, "folder": str(config.imports), "kept": not arguments.dry_run}
        not_in_grid = {"rows": sum(strangers.values()), "pods": list(strangers)}
        show({**told, "not_in_grid": not_in_grid}, "history-import")
    else:
        kept = "would be kept" if arguments.dry_run else "kept"
        print(f"{imported.rows} quarter-hours {kept} in {config.imports}, marked as imported")
        tell_strangers(grid, strangers)
    return Exit.OK
