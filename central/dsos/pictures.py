"""The pictures of a session: the feeder before and after, the tap plan, and who can help."""

from central.dso.drawing.charts import tap_plan
from central.dso.drawing.feeder import before_after, sensitivity_map
from central.dso.requesting import Constraint, Need
from central.sessions.desk import Desk
from central.sessions.steps import Outcome

Pictures = dict[str, str]


def own_means(desk: Desk, outcome: Outcome) -> Pictures:
    """Return what own means change, as SVG by the name of its file."""
    name = desk.grid.name
    return {
        "feeder.svg": before_after(desk.grid, outcome.assessed, outcome.plan.after, name),
        "own-means.svg": tap_plan(desk.grid, outcome.plan),
    }


def who_can_help(desk: Desk, outcome: Outcome) -> Pictures:
    """Return who moves the limit that presses most, as SVG; nothing where none presses."""
    worst = _most_pressed(outcome.need)
    if worst is None:
        return {}
    named = desk.grid.nodes if worst.bound.is_voltage else desk.grid.branches
    unit = "pu" if worst.bound.is_voltage else "% of its rating"
    setting = outcome.plan.setting.of(worst.quarter)
    picture = sensitivity_map(desk.grid, worst.per_w, named[worst.element].name, unit, setting)
    return {"who-can-help.svg": picture}


def _most_pressed(need: Need) -> Constraint | None:
    return max(need.constraints, key=lambda each: each.worth, default=None)
