"""The market log over HTTP: its heads, and proofs for whoever may know of a document."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from central.client import ScdClient, ScdRefused
from central.documents.encoding import document_hash, encode
from central.documents.header import Document
from central.scd.documents_entries import SealReason
from central.scd.documents_log import MarketLog
from central.scd.documents_log_store import SqliteMarketLog
from central.scd.roles import Role
from ledger.chain.values import Final, Submission
from ledger.checkpoint import Checkpoint, verify_checkpoint
from ledger.codec import decode_document_entry
from ledger.errors import Rejected
from ledger.merkle import leaf_hash, root_from_inclusion
from ledger.proving import LedgerTrust, PartyTrust, Status, Trust
from tests.documents import ALERT, BASELINE, OFFER, OUTCOME, REQUEST, uuid
from tests.exchange import KEYS, Exchange, exchange
from tests.scd import MARKET_ORIGIN, served

FINAL = Final(tx_hash=bytes(32), gas_used=1, block_number=1, block_hash=bytes(32), block_time_s=1)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Exchange]:
    with exchange(tmp_path) as made:
        yield made


def filed(market: Exchange, *made: Document) -> None:
    for each in made:
        assert market.post(each).status_code == 201


def log_of(market: Exchange) -> MarketLog:
    log = market.world.services.market_log
    assert log is not None
    return log


def sealed(market: Exchange) -> Checkpoint:
    seal = log_of(market).seal(SealReason.PUBLICATION, OFFER.session)
    return Checkpoint(MARKET_ORIGIN, seal.size, seal.root)


def anchored(market: Exchange) -> None:
    seal = log_of(market).latest()
    assert seal is not None
    order = Submission(
        log_id=bytes(32), sequence=1, root=seal.root, size=seal.size, meta=bytes(32), proof=()
    )
    market.world.central.anchors.end_anchor(None, order, FINAL, b"")


def scd(market: Exchange, role: Role) -> ScdClient:
    token = market.client(role).headers["authorization"].removeprefix("Bearer ")
    return ScdClient(market.world.url, token)


def hash_of(document: Document) -> bytes:
    return document_hash(encode(document))


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("role", Role)
def test_every_role_sees_the_heads_and_that_they_only_grew(market: Exchange, role: Role) -> None:
    with scd(market, role) as client:
        with pytest.raises(ScdRefused, match="nothing is sealed yet"):
            client.market_checkpoint()
        filed(market, OFFER, ALERT)
        older = sealed(market)
        filed(market, REQUEST, OUTCOME)
        newer = sealed(market)
        note = client.market_checkpoint()
        key = log_of(market).key.public
        assert verify_checkpoint(note, key) == newer
        assert (older.size, newer.size) == (1, 3)
        client.market_consistency(older, newer)
        with pytest.raises(Rejected):
            client.market_consistency(replace(older, root=bytes(32)), newer)
        with pytest.raises(ScdRefused, match="nothing is anchored yet"):
            client.market_checkpoint(anchored=True)


def test_the_head_on_the_ledger_is_asked_for_apart(market: Exchange) -> None:
    filed(market, OFFER)
    sealed(market)
    anchored(market)
    filed(market, REQUEST)
    sealed(market)
    with scd(market, Role.AUDITOR) as client:
        notes = client.market_checkpoint(anchored=True), client.market_checkpoint()
    key = log_of(market).key.public
    assert [verify_checkpoint(note, key).size for note in notes] == [1, 2]


def test_a_proof_leads_from_the_entry_to_the_checkpoint(market: Exchange) -> None:
    filed(market, BASELINE, OFFER, REQUEST)
    sealed(market)
    anchored(market)
    filed(market, OUTCOME)
    head = sealed(market)
    with scd(market, Role.AUDITOR) as client:
        offer, outcome = (client.market_proof(hash_of(each)) for each in (OFFER, OUTCOME))
    assert (offer.index, offer.anchored) == (1, True)
    assert (outcome.index, outcome.anchored) == (3, False)
    entry = decode_document_entry(outcome.entry)
    assert (entry.kind, entry.mrid) == ("market-outcome", OUTCOME.mrid)
    root = root_from_inclusion(leaf_hash(outcome.entry), 3, head.size, outcome.path)
    told = verify_checkpoint(outcome.checkpoint, log_of(market).key.public)
    assert (told, root) == (head, head.root)


def test_nobody_learns_by_a_proof_that_a_document_is_there(market: Exchange) -> None:
    """A hash that a competitor guesses is answered like one that no document has."""
    filed(market, OFFER)
    sealed(market)
    unknown = replace(OFFER, mrid=uuid(4_711))
    answers = [
        market.client(Role.BRP).get("/v1/market-log/proof", params={"hash": hash_of(each).hex()})
        for each in (OFFER, unknown)
    ]
    assert [problem(each) for each in answers] == [(404, "document-unknown")] * 2
    assert answers[0].content == answers[1].content
    assert (
        market.client(Role.AGGREGATOR)
        .get("/v1/market-log/proof", params={"hash": hash_of(OFFER).hex()})
        .is_success
    )


def test_what_is_not_sealed_and_what_is_wrong_is_told(market: Exchange) -> None:
    client = market.client(Role.MARKET_OPERATOR)
    filed(market, OFFER)
    sealed(market)
    filed(market, REQUEST)
    log_of(market).seal(SealReason.PUBLICATION, "another")
    proof, consistency = "/v1/market-log/proof", "/v1/market-log/consistency"
    assert problem(client.get(proof, params={"hash": "x"})) == (400, "bad-parameter")
    for wrong in ({"from": 0}, {"from": 3}, {"from": 2, "to": 1}, {"from": 1, "to": 9}, {}):
        assert problem(client.get(consistency, params=wrong)) == (400, "bad-parameter")
    assert client.get(consistency, params={"from": 2}).json()["path"] == []
    filed(market, OUTCOME)
    asked = {"hash": hash_of(OUTCOME).hex()}
    assert problem(client.get(proof, params=asked)) == (404, "not-sealed")
    SqliteMarketLog(market.world.central.database).take_in()
    assert problem(client.get(proof, params=asked)) == (404, "not-sealed")
    filed(market, ALERT)
    asked = {"hash": hash_of(ALERT).hex()}
    assert problem(market.client(Role.DSO).get(proof, params=asked)) == (404, "not-logged")


def test_a_bundle_is_verified_offline(market: Exchange) -> None:
    filed(market, OFFER, ALERT)
    head = sealed(market)
    trust = Trust(
        origin=MARKET_ORIGIN,
        log_key=log_of(market).key.public.encode().hex(),
        ledger=LedgerTrust(heads=(f"{head.size} {head.root.hex()}",)),
        parties=(PartyTrust(OFFER.sender, KEYS[OFFER.sender].public.encode().hex()),),
    )
    with scd(market, Role.AGGREGATOR) as client:
        verdict = client.prove_document(OFFER.mrid, trust, revision=1)
        assert verdict.status is Status.VALID, verdict
        filed(market, replace(OFFER, revision=2))
        early = client.prove_document(OFFER.mrid, trust)
        assert (early.status, early.step) == (Status.INDETERMINATE, "checkpoint")
    with scd(market, Role.BRP) as client, pytest.raises(ScdRefused, match="no such document"):
        client.document_bundle(OFFER.mrid)
    with scd(market, Role.DSO) as client, pytest.raises(ScdRefused, match="not in the market log"):
        client.document_bundle(ALERT.mrid)


def test_without_a_log_each_route_says_so(market: Exchange) -> None:
    filed(market, OFFER)
    services = replace(market.world.services, market_log=None, document_prover=None)
    headers = market.client(Role.MARKET_OPERATOR).headers
    paths = (
        "market-log/checkpoint", "market-log/consistency?from=1",
        f"market-log/proof?hash={'0' * 64}",
        f"documents/{OFFER.mrid}?format=bundle",
    )  # fmt: skip
    with served(services) as url, httpx.Client(headers=headers, trust_env=False) as client:
        for path in paths:
            assert problem(client.get(f"{url}/v1/{path}")) == (404, "no-market-log")
