"""Every route against every role, over HTTP: deny by default, foreign PODs look unknown."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from central.scd.roles import EVERY_POD, Grant, Resource, Role
from ledger.codec.cbor import encode
from tests.scd import World, lived_in

MINE, FOREIGN, UNKNOWN = "IT002E00000001", "IT002E00000002", "IT002E09999999"
SPAN = {"from": "2026-06-21T00:00:00Z", "to": "2026-06-21T00:01:00Z"}
INSTANT = {"at": "2026-06-21T00:00:30Z"}

ABOUT_PODS = {
    "latest": (Resource.READINGS, {}),
    "readings": (Resource.READINGS, SPAN),
    "quarters": (Resource.QUARTERS, SPAN),
    "gaps": (Resource.QUARTERS, SPAN),
    "segments": (Resource.HASHES, SPAN),
    "disclosures": (Resource.DISCLOSURES, SPAN),
    "proof": (Resource.READINGS, INSTANT),
    "bundle": (Resource.READINGS, SPAN),
}
READERS = {
    Resource.READINGS: {Role.DSO, Role.AGGREGATOR, Role.DER_OWNER, Role.MARKET_OPERATOR},
    Resource.QUARTERS: {
        Role.DSO, Role.AGGREGATOR, Role.DER_OWNER, Role.BRP, Role.MARKET_OPERATOR,
    },
    Resource.HASHES: {Role.DSO, Role.AGGREGATOR, Role.DER_OWNER, Role.AUDITOR, Role.GATEWAY},
    Resource.DISCLOSURES: {Role.DER_OWNER},
}  # fmt: skip
EVERYWHERE = {Role.AUDITOR, Role.GATEWAY}
INGEST = ("segments", "registry", "live", "windows", "anchors")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with lived_in(tmp_path_factory.mktemp("scd"), minutes=6) as made:
        yield made


@pytest.fixture(scope="module")
def clients(lived: World) -> dict[Role, httpx.Client]:
    return {role: lived.client(role, Grant(MINE)) for role in Role}


@pytest.mark.parametrize(
    ("role", "what", "pod"), list(itertools.product(Role, ABOUT_PODS, (MINE, FOREIGN, UNKNOWN)))
)
def test_a_pod_is_seen_by_its_own_and_looks_unknown_to_others(
    clients: dict[Role, httpx.Client], role: Role, what: str, pod: str
) -> None:
    resource, parameters = ABOUT_PODS[what]
    status = clients[role].get(f"/v1/pods/{pod}/{what}", params=parameters).status_code
    if role not in READERS[resource]:
        assert status == 403
    elif role is Role.MARKET_OPERATOR or pod == UNKNOWN:
        assert status == 404, "no award, or no such POD"
    else:
        assert status == (200 if pod == MINE or role in EVERYWHERE else 404)


@pytest.mark.parametrize("what", ABOUT_PODS)
def test_a_foreign_pod_is_answered_like_one_that_does_not_exist(
    clients: dict[Role, httpx.Client], what: str
) -> None:
    owner, parameters = clients[Role.DER_OWNER], ABOUT_PODS[what][1]
    foreign = owner.get(f"/v1/pods/{FOREIGN}/{what}", params=parameters)
    unknown = owner.get(f"/v1/pods/{UNKNOWN}/{what}", params=parameters)
    assert foreign.json() == unknown.json()
    assert foreign.headers["content-length"] == unknown.headers["content-length"]


@pytest.mark.parametrize(("role", "what"), list(itertools.product(Role, INGEST)))
def test_only_a_gateway_hands_anything_in(
    clients: dict[Role, httpx.Client], role: Role, what: str
) -> None:
    answer = clients[role].post(
        f"/v1/ingest/{what}", content=encode([]), headers={"content-type": "application/cbor"}
    )
    if role is Role.GATEWAY:
        assert answer.status_code in {200, 204, 422}
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "role-denied")


@pytest.mark.parametrize("role", Role)
def test_lists_hold_nothing_foreign(clients: dict[Role, httpx.Client], role: Role) -> None:
    client = clients[role]
    listed = client.get("/v1/pods").json()["rows"]
    nodes = client.get("/v1/nodes")
    changes = client.get("/v1/changes", params={"limit": 1000})
    if role in EVERYWHERE:
        assert len(listed) == len(nodes.json()["rows"]) == 4
    else:
        assert {row["pod"] for row in listed} == set() if role is Role.FIELD_SENSOR else {MINE}
    if role in {Role.DSO, Role.AGGREGATOR, Role.DER_OWNER}:
        assert {row["pod"] for row in nodes.json()["rows"]} == {MINE}
        assert {row["node_index"] for row in changes.json()["rows"]} == {None, 1}
    elif role not in EVERYWHERE:
        assert (nodes.status_code, changes.status_code) == (403, 403)


@pytest.mark.parametrize("role", Role)
def test_the_log_is_open_to_every_token(clients: dict[Role, httpx.Client], role: Role) -> None:
    assert clients[role].get("/v1/windows").status_code == 200
    assert clients[role].get("/v1/log/checkpoint").status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic Y2Z4OngK",
        "Bearer nonsense",
        "Bearer cfx_000000000000_" + "A" * 43,
        "Bearer cfx__",
        "Bearer cfx_' OR 1=1 --_x",
        "Bearer " + "x" * 5_000,
    ],
)
def test_without_a_valid_token_nothing_is_told(lived: World, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    paths = ("/v1/pods", f"/v1/pods/{MINE}/latest", "/v1/windows", "/v1/nodes", "/v1/changes")
    for path in paths:
        answer = lived.client().get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_with_another_secret_opens_nothing(lived: World) -> None:
    token = lived.token(Role.DSO, Grant(EVERY_POD))
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    answer = lived.client().get("/v1/pods", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


def test_expired_and_revoked_tokens_open_nothing(lived: World) -> None:
    tokens, now_ms = lived.central.tokens, lived.clock.now_ms()
    expired = tokens.issue(Role.DSO, [], label="", created_ms=0, expires_ms=now_ms)
    revoked = tokens.issue(Role.DSO, [], label="", created_ms=0)
    tokens.revoke(revoked.split("_")[1], now_ms)
    for token in (expired, revoked):
        answer = lived.client().get("/v1/pods", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


def test_no_secret_is_at_rest(lived: World) -> None:
    secret = lived.token(Role.DSO).split("_", 2)[2].encode()
    path = lived.central.config.store.evidence
    files = [path, *path.parent.glob(f"{path.name}-*")]
    assert all(secret not in Path(file).read_bytes() for file in files)


@pytest.mark.parametrize(
    "pod",
    [
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "IT002E00000001'--",
        "*",
        "%2a",
        "🔌",
        "IT002E00000001%0d%0aX:",
    ],
)
def test_odd_pods_are_unknown(clients: dict[Role, httpx.Client], pod: str) -> None:
    answer = clients[Role.DSO].get(f"/v1/pods/{pod}/quarters", params=SPAN)
    assert answer.status_code in {400, 404}
