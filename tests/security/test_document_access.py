"""Every information object against every role, over HTTP: handing in, listing, reading."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from central.documents.catalogue import KINDS
from central.documents.encoding import sign
from central.documents.header import Document
from central.documents.measures import Origin
from central.scd.documents import checked
from central.scd.roles import Grant, Role
from ledger.codec.cbor import encode as encode_cbor
from ledger.facts.pod import Pod
from tests.documents import DSO, EXAMPLES, OFFER, POD, T0, uuid
from tests.exchange import KEYS, PARTIES, Exchange, envelope, exchange

FOREIGN = Pod("IT002E00000009")
IIS = sorted({kind.ii for kind in KINDS.values()})

# reliability.md, "Who may see what", and the rows that it leaves to us: written a second time on
# purpose. Whoever changes the matrix must look here.
CREATES = {
    "I-01": {Role.DSO},
    "I-02": {Role.AGGREGATOR},
    "I-03": {Role.BRP},
    "I-05": {Role.AGGREGATOR},
    "I-06": {Role.DSO, Role.TSO},
    "I-07": {Role.DSO},
    "I-08": {Role.MARKET_OPERATOR},
    "I-09": {Role.DSO, Role.TSO, Role.MARKET_OPERATOR},
    "I-10": {Role.DSO},
    "I-11": {Role.DSO},
    "I-12": {Role.DSO},
    "I-13": {Role.DER_OWNER},
    "I-14": {Role.AGGREGATOR, Role.MARKET_OPERATOR},
    "I-19": {Role.FIELD_SENSOR},
}
D, T, M, A, B, H, X = (
    Role.DSO, Role.TSO, Role.MARKET_OPERATOR, Role.AGGREGATOR, Role.BRP, Role.DER_OWNER,
    Role.AUDITOR,
)  # fmt: skip
# own: from or to its party, or about its PODs; gate: its PODs, once the gate has closed.
SEES = {
    "I-01": {D: "own", A: "own", B: "own", H: "own", X: "hash"},
    "I-02": {D: "own", M: "all", A: "own", H: "own"},
    "I-03": {D: "own", M: "all", A: "own", B: "own", H: "own", X: "hash"},
    "I-05": {D: "gate", M: "all", A: "own", X: "hash"},
    "I-06": {D: "own", T: "own", M: "all", A: "own", X: "all"},
    "I-07": {D: "own", M: "all", A: "own", X: "all"},
    "I-08": {D: "all", T: "all", M: "all", A: "own", B: "own", H: "own", X: "all"},
    "I-09": {D: "own", T: "own", M: "own", A: "own", H: "own", X: "hash"},
    "I-10": {D: "own"},
    "I-11": {D: "own"},
    "I-12": {D: "own", T: "own"},
    "I-13": {A: "own", H: "own"},
    "I-14": {D: "all", T: "all", M: "all", A: "own", B: "own", H: "own", X: "all"},
    "I-19": {D: "own"},
}
RELATIONS = ("sender", "receiver", "pod", "none")
CELLS = list(itertools.product(Role, IIS, RELATIONS))
BLIND = {Role.GATEWAY, Role.FIELD_SENSOR}
ORIGINALS = {each.ii: each for each in EXAMPLES}  # of I-09 the set-point, which names a POD


def about(original: Any, pod: Pod) -> Any:  # noqa: ANN401 -- any document
    """Return a document that names this POD instead of its own, if it names any."""
    if original.ii == "I-08":
        awards = tuple(replace(each, pod=pod) for each in original.awards)
        return replace(original, awards=awards)
    if original.ii == "I-02":
        customers = tuple(replace(each, pod=pod) for each in original.customers)
        return replace(original, customers=customers)
    return replace(original, pod=pod) if hasattr(original, "pod") else original


def of_cell(role: Role, ii: str, relation: str) -> Document:
    """Return the document that stands in this relation, and in no other, to the role's party."""
    document = about(ORIGINALS[ii], POD if relation == "pod" else FOREIGN)
    ends = {end: PARTIES[role] if relation == end else "somebody" for end in ("sender", "receiver")}
    changed: Document = replace(
        document, mrid=uuid(10_000 + CELLS.index((role, ii, relation))), **ends
    )
    return changed


def is_shown(role: Role, ii: str, relation: str) -> bool:
    names_pod = ii in {"I-02", "I-08"} or hasattr(ORIGINALS[ii], "pod")
    match SEES[ii].get(role):
        case "all" | "hash":
            return True
        case "own":
            return relation in {"sender", "receiver"} or (relation == "pod" and names_pod)
        case "gate":
            return relation == "pod"
        case _:
            return False


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with exchange(tmp_path_factory.mktemp("scd")) as made:
        made.world.clock.at_ms = OFFER.gate_closure_ms
        given = [checked(sign(of_cell(*cell), KEYS[DSO]))[0] for cell in CELLS]
        made.world.services.documents.commit_documents(given, T0)
        for role in Role:
            grant = Grant(POD.code)
            made.clients[role] = made.world.client(role, grant, party=PARTIES[role])
        yield made


@pytest.fixture(scope="module")
def listed(market: Exchange) -> dict[Role, set[str]]:
    found = {}
    for role in Role:
        answer = market.client(role).get("/v1/documents", params={"limit": 10_000})
        assert answer.status_code == (403 if role in BLIND else 200)
        found[role] = {row["mrid"] for row in answer.json().get("rows", [])}
    return found


@pytest.mark.parametrize(("role", "ii", "relation"), CELLS)
def test_a_cell_says_what_the_matrix_says(
    market: Exchange, listed: dict[Role, set[str]], role: Role, ii: str, relation: str
) -> None:
    mrid = of_cell(role, ii, relation).mrid
    shown = is_shown(role, ii, relation)
    assert (mrid in listed[role]) == shown
    answer = market.client(role).get(f"/v1/documents/{mrid}")
    if role in BLIND:
        assert (answer.status_code, answer.json()["code"]) == (403, "role-denied")
    elif shown and SEES[ii][role] != "hash":
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (404, "document-unknown")


def test_there_are_many_cells(listed: dict[Role, set[str]]) -> None:
    assert len(CELLS) >= 460
    assert len({frozenset(each) for each in listed.values()}) >= 7, "the roles are too much alike"


def test_a_foreign_document_is_answered_like_one_that_does_not_exist(market: Exchange) -> None:
    client = market.client(Role.TSO)
    foreign = client.get(f"/v1/documents/{of_cell(Role.TSO, 'I-06', 'none').mrid}")
    unknown = client.get(f"/v1/documents/{uuid(9)}")
    assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json())


def test_hashes_come_without_what_they_are_of(market: Exchange) -> None:
    asked: dict[str, Any] = {"ii": ["I-05", "I-06"], "signed": True, "limit": 10_000}
    rows = market.client(Role.AUDITOR).get("/v1/documents", params=asked).json()["rows"]
    assert len(rows) >= 50
    assert all((row["signed"] is None) == (row["ii"] == "I-05") for row in rows)


def test_offers_open_when_the_gate_closes(market: Exchange) -> None:
    offer = of_cell(Role.DSO, "I-05", "pod")
    client, clock = market.client(Role.DSO), market.world.clock
    for at_ms, status in ((OFFER.gate_closure_ms - 1, 404), (OFFER.gate_closure_ms, 200)):
        clock.at_ms = at_ms
        assert client.get(f"/v1/documents/{offer.mrid}").status_code == status
    operator = market.client(Role.MARKET_OPERATOR)
    clock.at_ms = OFFER.gate_closure_ms - 1
    assert operator.get(f"/v1/documents/{offer.mrid}").status_code == 200
    clock.at_ms = OFFER.gate_closure_ms


def test_without_a_party_only_pods_are_own(market: Exchange) -> None:
    bare = market.world.client(Role.AGGREGATOR)
    assert bare.get("/v1/documents").json()["rows"] == []
    answer = bare.post("/v1/documents", json=envelope(OFFER))
    assert (answer.status_code, answer.json()["code"]) == (403, "not-the-sender")


@pytest.mark.parametrize(("role", "ii"), list(itertools.product(Role, IIS)))
def test_only_who_makes_a_document_hands_it_in(market: Exchange, role: Role, ii: str) -> None:
    party = PARTIES[role]
    mrid = uuid(50_000 + IIS.index(ii) * len(Role) + list(Role).index(role))
    document: Any = replace(ORIGINALS[ii], mrid=mrid, sender=party)
    if ii == "I-01":
        imported = tuple(replace(each, origin=Origin.IMPORTED) for each in document.quarters)
        document = replace(document, quarters=imported)
    answer = market.client(role).post("/v1/documents", json=envelope(document))
    if role in CREATES[ii]:
        assert answer.status_code == 201, answer.text
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "role-denied")


@pytest.mark.parametrize("role", Role)
def test_measurements_and_alerts_have_their_roles(market: Exchange, role: Role) -> None:
    client = market.client(role)
    given = client.post(
        "/v1/field-measurements", content=encode_cbor([]),
        headers={"content-type": "application/cbor"},
    )  # fmt: skip
    assert given.status_code == (200 if role is Role.FIELD_SENSOR else 403)
    span = {"from": "2026-10-25T00:00:00Z", "to": "2026-10-25T01:00:00Z"}
    assert client.get("/v1/alerts", params=span).status_code == (200 if role is Role.DSO else 403)


@pytest.mark.parametrize("path", ["/v1/documents", f"/v1/documents/{uuid(1)}", "/v1/alerts"])
def test_without_a_valid_token_nothing_is_told(market: Exchange, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer cfx_000000000000_" + "A" * 43}):
        assert market.world.client().get(path, headers=headers).status_code == 401


@pytest.mark.parametrize("mrid", ["..%2f..%2fetc", "%00", "' OR 1=1 --", "🔌", "x" * 37])
def test_odd_names_are_unknown(market: Exchange, mrid: str) -> None:
    assert market.client(Role.DSO).get(f"/v1/documents/{mrid}").status_code in {400, 404}
