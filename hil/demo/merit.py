"""The merit order of a session as people read it: every offer with what became of it, and why."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table
from rich.text import Text

TAKEN, RESERVE, CUT, REFUSED, LEFT = "taken", "reserve", "cut", "refused", "not taken"
_STYLES = {TAKEN: "green", RESERVE: "cyan", CUT: "yellow", REFUSED: "red", LEFT: "dim"}
_MOST = {TAKEN: 2, CUT: 2}
_UEUR_PER_EUR, _WQUARTERS_PER_KWH = 1_000_000, 4_000
# The outcome's own words (docs/market.md): the limit, what a watt counts there, price over effect.
_RELIEVES = re.compile(
    r"relieves (?P<what>.+), each W counting (?P<counts>[\d.]+): [-\d.]+ EUR/MWh, "
    r"(?P<over>[-\d.]+) over effect"
)
_VOLUME = re.compile(r"EUR/MWh for the (?P<what>volume at [^;]+)")
_ASKS = re.compile(r"asks (?P<over>[\d.]+) EUR/MWh over effect; (?P<enough>[\d.]+) was enough")
_GROUP = re.compile(r"its group .+(?= was taken)")
_FIGURES = re.compile(r"IT\w+|\w+-[\w-]+|[\d.]+")
_COLUMNS: Sequence[tuple[str, int, Any]] = (
    ("#", 3, "right"), ("by", 2, "right"), ("POD, node", 15, "left"), ("for", 3, "left"),
    ("kWh", 5, "right"), ("EUR/MWh", 7, "right"), ("effect", 6, "right"),
    ("÷ eff.", 6, "right"), ("", 9, "left"), ("why", 0, "left"),
)  # fmt: skip
WIDTH, _TOLD_DIGITS = 100, 5

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One offer's place in the merit order of a buyer; of a limit it helps, where it is told.

    Args:
        rank: from 1, in the order of the outcome; who was not taken follows by price.
        buyer: dso or tso; nobody for who was not taken.
        counts: what a watt counts beside one at the best place; all watts count the same to a TSO.
        over_effect_eur_per_mwh: price over effectiveness.
        became: taken, reserve, cut, refused by the grid, or not taken.
    """

    rank: int
    aggregator: str
    pod: str
    node: str
    buyer: str
    energy_kwh: float
    price_eur_per_mwh: float
    counts: float | None
    over_effect_eur_per_mwh: float | None
    became: str
    because: str


def merit_order(
    outcome: Document,
    offers: Mapping[str, Document],
    nodes: Mapping[str, str],
    cuts: Mapping[str, str],
) -> tuple[Place, ...]:
    """Return the place of every offer of an outcome.

    Args:
        outcome: the final one, that tells all (I-08).
        offers: those that it names (I-05), by mRID.
        nodes: of the grid, by POD.
        cuts: what the grid did not bear in any round, by the offer's mRID, and why.
    """
    awarded = (_awarded(each, offers, nodes, cuts) for each in outcome["awards"])
    left = [_left(each, offers, nodes, cuts) for each in outcome["not_taken"]]
    left.sort(key=lambda one: one.over_effect_eur_per_mwh or one.price_eur_per_mwh)
    return tuple(replace(each, rank=rank) for rank, each in enumerate([*awarded, *left], start=1))


def cuts_of(validations: Sequence[Document]) -> dict[str, str]:
    """Return which offers the grid did not bear all of (I-07), and the limit that binds."""
    return {
        verdict["offer"]["mrid"]: _bound(validation, verdict["binding"])
        for validation in validations
        for verdict in validation["verdicts"]
        if verdict["verdict"] != "approved"
    }


def table_of(session: str, places: Sequence[Place]) -> Table:
    """Return the head of each kind in the merit order, for a terminal of 100 columns."""
    table = Table(
        title=f"merit order, {session}", title_justify="left", title_style="bold", box=None,
        padding=(0, 1, 0, 0), header_style="dim", width=WIDTH,
    )  # fmt: skip
    for name, width, justify in _COLUMNS:
        table.add_column(name, width=width or None, justify=justify, no_wrap=bool(width))
    for each in shown(places):
        table.add_row(*_cells(each))
    return table


def shown(places: Sequence[Place]) -> list[Place]:
    """Return the first places of each kind, in their order; unlike reasons are unlike kinds."""
    counted: Counter[tuple[str, ...]] = Counter()
    found = []
    for each in places:
        kind = each.became, each.buyer, "" if each.buyer else _FIGURES.sub("", each.because)
        counted[kind] += 1
        if counted[kind] <= _MOST.get(each.became, 1):
            found.append(each)
    return found


def _cells(place: Place) -> tuple[str | Text, ...]:
    style = _STYLES[place.became]
    return (
        str(place.rank), place.aggregator.removeprefix("aggregator-"),
        f"{place.pod[-_TOLD_DIGITS:]} {place.node}", place.buyer.upper() or "–",
        f"{place.energy_kwh:.2f}" if place.energy_kwh else "–", f"{place.price_eur_per_mwh:.2f}",
        "–" if place.counts is None else f"{place.counts:.2f}",
        "–" if place.over_effect_eur_per_mwh is None else f"{place.over_effect_eur_per_mwh:.2f}",
        Text(place.became, style=style), Text(_short(place), style=style),
    )  # fmt: skip


def _short(place: Place) -> str:
    """Return the reason without the figures and names that stand beside it."""
    if place.became in {CUT, REFUSED} or not place.buyer:
        return _GROUP.sub("its group", place.because)
    found = _RELIEVES.search(place.because) or _VOLUME.search(place.because)
    return found["what"] if found else place.because


def _awarded(
    award: Document,
    offers: Mapping[str, Document],
    nodes: Mapping[str, str],
    cuts: Mapping[str, str],
) -> Place:
    mrid, quarters = award["offer"]["mrid"], award["quarters"]
    power_w = sum(each["power_w"] for each in quarters)
    worth = sum(each["power_w"] * each["price_ueur_per_mwh"] for each in quarters)
    found = _RELIEVES.search(award["because"])
    price_eur_per_mwh = worth / power_w / _UEUR_PER_EUR
    is_volume = found is None and _VOLUME.search(award["because"]) is not None
    became = CUT if mrid in cuts else RESERVE if award["kind"] == "reserve" else TAKEN
    return Place(
        rank=0,
        aggregator=offers[mrid]["sender"],
        pod=award["pod"],
        node=nodes[award["pod"]],
        buyer=award["buyer"],
        energy_kwh=power_w / _WQUARTERS_PER_KWH,
        price_eur_per_mwh=price_eur_per_mwh,
        counts=float(found["counts"]) if found else 1.0 if is_volume else None,
        over_effect_eur_per_mwh=(
            float(found["over"]) if found else price_eur_per_mwh if is_volume else None
        ),
        became=became,
        because=cuts.get(mrid, award["because"]),
    )


def _left(
    left: Document,
    offers: Mapping[str, Document],
    nodes: Mapping[str, str],
    cuts: Mapping[str, str],
) -> Place:
    mrid = left["offer"]["mrid"]
    offer = offers[mrid]
    found = _ASKS.search(left["because"])
    least = min(step["price_ueur_per_mwh"] for each in offer["quarters"] for step in each["steps"])
    return Place(
        rank=0,
        aggregator=offer["sender"],
        pod=offer["pod"],
        node=nodes[offer["pod"]],
        buyer="",
        energy_kwh=0.0,
        price_eur_per_mwh=least / _UEUR_PER_EUR,
        counts=None,
        over_effect_eur_per_mwh=float(found["over"]) if found else None,
        became=REFUSED if mrid in cuts else LEFT,
        because=cuts.get(mrid, left["because"]),
    )


def _bound(validation: Document, binding: Document) -> str:
    element = validation["elements"][binding["position"]]
    return f"{binding['scenario']} would break {element['element']} ({element['bound']})"
