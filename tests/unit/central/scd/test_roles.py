"""Every cell of the matrix: a role, a resource, and the relation to a POD."""

import itertools
from pathlib import Path

import pytest

from central.documents.catalogue import KINDS
from central.scd.documents import Sight
from central.scd.documents_access import DOCUMENT_MATRIX, Right
from central.scd.roles import EVERY_POD, MATRIX, Grant, Holder, Reach, Resource, Role
from ledger.facts.interval import Interval

MINE, FOREIGN = "IT002E00000001", "IT002E00000002"
INSIDE, ACROSS = Interval(100, 200), Interval(100, 301)
AWARD = Grant(MINE, Interval(100, 300))

# Rows I-01 and I-04 of the published matrix, and what goes with them. Written a second time on
# purpose: whoever changes one must look at the other.
EXPECTED = {
    Resource.QUARTERS: {
        Role.DSO: "own", Role.MARKET_OPERATOR: "slots", Role.AGGREGATOR: "own",
        Role.BRP: "own", Role.DER_OWNER: "own",
    },
    Resource.READINGS: {
        Role.DSO: "own", Role.MARKET_OPERATOR: "slots", Role.AGGREGATOR: "own",
        Role.DER_OWNER: "own",
    },
    Resource.QUARTER_SUMS: {Role.TSO: "own"},
    Resource.HASHES: {
        Role.DSO: "own", Role.AGGREGATOR: "own", Role.DER_OWNER: "own",
        Role.AUDITOR: "all", Role.GATEWAY: "all",
    },
    Resource.NODES: {
        Role.DSO: "own", Role.AGGREGATOR: "own", Role.DER_OWNER: "own",
        Role.AUDITOR: "all", Role.GATEWAY: "all",
    },
    Resource.LOG: dict.fromkeys(Role, "all"),
    Resource.DISCLOSURES: {Role.DER_OWNER: "own"},
    Resource.INGEST: {Role.GATEWAY: "all"},
}  # fmt: skip
RELATIONS = {
    "none": (),
    "mine": (Grant(MINE),),
    "foreign": (Grant(FOREIGN),),
    "every": (Grant(EVERY_POD),),
    "award": (AWARD,),
}
ASKED = [
    (pod, interval) for pod in (MINE, FOREIGN) for interval in (None, INSIDE, ACROSS)
]  # fmt: skip
CELLS = list(itertools.product(Role, Resource, RELATIONS, ASKED))


@pytest.mark.parametrize(("role", "resource", "relation", "asked"), CELLS)
def test_a_cell_says_what_the_matrix_says(
    role: Role, resource: Resource, relation: str, asked: tuple[str, Interval | None]
) -> None:
    pod, span = asked
    holder = Holder(token_id="t", role=role, grants=RELATIONS[relation])
    may = holder.may_see(resource, pod, span)
    kind = EXPECTED[resource].get(role, "deny")
    if kind == "own":
        own = {"none": (), "mine": (MINE,), "award": (MINE,), "foreign": (FOREIGN,)}
        assert may == (relation == "every" or pod in own[relation])
    elif kind == "slots":
        assert may == (relation == "award" and pod == MINE and span == INSIDE)
    else:
        assert may == (kind == "all")


def test_there_are_many_cells() -> None:
    assert len(CELLS) >= 500
    assert set(MATRIX) == set(Role)


def test_visible_pods_are_those_of_the_relation() -> None:
    known = [MINE, FOREIGN]
    holder = Holder(token_id="t", role=Role.BRP, grants=(Grant(MINE),))
    assert holder.pods(Resource.QUARTERS, known) == [MINE]
    assert holder.pods(Resource.READINGS, known) == []
    everything = Holder(token_id="t", role=Role.DSO, grants=(Grant(EVERY_POD),))
    assert everything.pods(Resource.READINGS, known) == known
    assert everything.sees_every_pod(Resource.READINGS)
    awarded = Holder(token_id="t", role=Role.MARKET_OPERATOR, grants=(Grant(EVERY_POD),))
    assert not awarded.sees_every_pod(Resource.READINGS)
    assert awarded.reach(Resource.READINGS) is Reach.OWN_SLOTS


def test_the_page_shows_the_matrix() -> None:
    page = (Path(__file__).parents[4] / "docs/trust.md").read_text()
    told = {Reach.OWN: "own", Reach.OWN_SLOTS: "own slots", Reach.ALL: "all", None: "–"}
    for role in Role:
        cells = (told[MATRIX[role].get(resource)] for resource in Resource)
        assert f"| {role.value} | {' | '.join(cells)} |" in page


def test_the_page_shows_the_matrix_of_documents() -> None:
    page = (Path(__file__).parents[4] / "docs/trust.md").read_text()
    kinds = sorted({kind.ii for kind in KINDS.values()})
    assert f"| role | {' | '.join(kinds)} |" in page
    for role, rights in DOCUMENT_MATRIX.items():
        cells = (told_right(rights.get(ii, Right())) for ii in kinds)
        assert f"| {role.value} | {' | '.join(cells)} |" in page
    assert set(DOCUMENT_MATRIX) == set(Role)
    assert {ii for rights in DOCUMENT_MATRIX.values() for ii in rights} <= set(kinds)


def told_right(right: Right) -> str:
    """Return a cell of the page: C create, R read, and how far."""
    read = {Sight.OWN: "R own", Sight.OPENED: "R gate", Sight.HASHES: "R hashes", Sight.ALL: "R"}
    parts = [*(["C"] if right.creates else []), *([read[right.sight]] if right.sight else [])]
    return ", ".join(parts) or "–"
