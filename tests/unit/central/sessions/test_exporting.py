"""An export is read back whole and proved, or the first file that is wrong is named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from central.documents.encoding import sign
from central.documents.header import Document
from central.scd.documents import checked
from central.scd.documents_entries import SealReason
from central.scd.documents_log import MarketLog
from central.scd.documents_proofs import DocumentProver
from central.scd.sessions import RowState, SessionRow
from central.sessions.exporting import BrokenExport, Export, Exporter, read_export
from ledger.chain.values import Final, Submission
from ledger.errors import Rejected, Unavailable
from ledger.facts.interval import Interval
from ledger.proving import LedgerTrust, PartyTrust, Status, Trust
from ledger.signing import SigningKey
from tests.documents import (
    ALERT,
    BASELINE,
    DAY,
    EXAMPLES,
    MEASUREMENTS,
    OFFER,
    ORDER,
    OUTCOME,
    PLAN,
    PROFILE,
    REQUEST,
    SET_POINT,
    VALIDATION,
    uuid,
)
from tests.fakes.scd_anchors import FakeAnchors
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_market_log import FakeMarketLog
from tests.fakes.scd_sessions import FakeSessions
from tests.scd import HandClock

ORIGIN = "certiflex.test/market"
SESSION = OFFER.session
LOG_KEY, SENDER = SigningKey.generate("EdDSA"), SigningKey.generate("EdDSA")
OTHERS = replace(OFFER, mrid=uuid(505), session="day-ahead 2026-10-26")
TOMORROW = replace(
    BASELINE, mrid=uuid(303), quarters=tuple(
        replace(each, start_ms=each.start_ms + 90_000_000) for each in BASELINE.quarters[:96]
    ), validity=Interval(DAY.end_ms, DAY.end_ms + 86_400_000),
)  # fmt: skip
SECOND = replace(OFFER, revision=2, exclusive_group=None)
CONTRADICTION = replace(OFFER, exclusive_group="another")
WANTED = [PROFILE, BASELINE, OFFER, REQUEST, OUTCOME, VALIDATION, SECOND, ORDER, PLAN, SET_POINT]


class Bench:
    """A market day in memory, sealed, and what a verifier has seen of it."""

    def __init__(self) -> None:
        self.documents = FakeDocuments()
        self.sessions = FakeSessions(self.documents)
        self.anchors = FakeAnchors()
        store = FakeMarketLog(self.documents)
        self.log = MarketLog(store, ORIGIN, LOG_KEY, HandClock(1_000))
        self.prover = DocumentProver(self.log, self.anchors)
        for place, document in enumerate([
            PROFILE, BASELINE, OFFER, OTHERS, ALERT, REQUEST, TOMORROW, OUTCOME, VALIDATION,
            CONTRADICTION, SECOND, ORDER, MEASUREMENTS, PLAN,
        ]):  # fmt: skip
            self.file(document, 7_000 + place)
        row = SessionRow(
            session=SESSION, row="DA-18a", state=RowState.OK, told="one set-point", ended_ms=9_000,
            documents=(self.checked(SET_POINT).document_hash,),
        )  # fmt: skip
        self.sessions.commit_row(row, [self.checked(SET_POINT)])

    def checked(self, document: Document) -> Any:  # noqa: ANN401 -- one of the store's values
        return checked(sign(document, SENDER))[0]

    def file(self, document: Document, arrived_ms: int) -> None:
        self.documents.commit_documents([self.checked(document)], arrived_ms)

    def seal(self) -> None:
        self.log.seal(SealReason.PUBLICATION, SESSION)

    def anchor(self) -> None:
        """Note the latest seal as final."""
        seal = self.log.latest()
        assert seal is not None
        order = Submission(
            log_id=bytes(32), sequence=1, root=seal.root, size=seal.size, meta=bytes(32), proof=()
        )
        final = Final(
            tx_hash=bytes(32), gas_used=1, block_number=1, block_hash=bytes(32), block_time_s=1
        )
        self.anchors.end_anchor(None, order, final, b"")

    def export(self, folder: Path) -> int:
        exporter = Exporter(self.documents, self.sessions, self.prover)
        return exporter.export(SESSION, DAY, folder)

    def trust(self) -> Trust:
        seal = self.log.latest()
        assert seal is not None
        senders = sorted({each.sender for each in EXAMPLES})
        key = SENDER.public.encode().hex()
        return Trust(
            origin=ORIGIN,
            log_key=LOG_KEY.public.encode().hex(),
            ledger=LedgerTrust(heads=(f"{seal.size} {seal.root.hex()}",)),
            parties=tuple(PartyTrust(sender, key) for sender in senders),
        )


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.seal()
    return made


@pytest.fixture
def folder(bench: Bench, tmp_path: Path) -> Path:
    bench.export(tmp_path / "export")
    return tmp_path / "export"


def read(bench: Bench, folder: Path, trust: Trust | None = None) -> Export:
    return read_export(folder, trust or bench.trust())


def test_a_session_is_read_back_in_the_order_of_arrival(bench: Bench, folder: Path) -> None:
    found = read(bench, folder)
    assert [each.document for each in found.documents] == WANTED
    assert (found.session, found.span, found.open) == (SESSION, DAY, None)
    arrived = [each.arrived_ms for each in found.documents]
    assert arrived == [7_000, 7_001, 7_002, 7_005, 7_007, 7_008, 7_010, 7_011, 7_013, 9_000]
    assert [(row["row"], row["told"]) for row in found.rows] == [("DA-18a", "one set-point")]


def test_what_is_exported_twice_is_the_same(bench: Bench, folder: Path, tmp_path: Path) -> None:
    assert bench.export(tmp_path / "again") == len(WANTED)
    ours, theirs = (
        {path.relative_to(top): path.read_bytes() for path in top.rglob("*") if path.is_file()}
        for top in (folder, tmp_path / "again")
    )
    assert ours == theirs
    assert len(ours) == len(WANTED) + 1


def test_without_a_word_of_the_ledger_it_is_open_not_valid(bench: Bench, folder: Path) -> None:
    found = read(bench, folder, replace(bench.trust(), ledger=LedgerTrust()))
    assert found.open is not None
    assert (found.open.status, found.open.step) == (Status.INDETERMINATE, "ledger")


def test_a_sender_that_nobody_knows_is_open_not_valid(bench: Bench, folder: Path) -> None:
    found = read(bench, folder, replace(bench.trust(), parties=()))
    assert found.open is not None
    assert found.open.step == "signature"


def test_an_anchored_checkpoint_goes_before_a_newer_one(tmp_path: Path) -> None:
    bench = Bench()
    bench.seal()
    bench.anchor()
    anchored, trust = bench.log.latest(), bench.trust()
    bench.file(replace(OFFER, mrid=uuid(909), session="another"), 9_999)
    bench.seal()
    bench.export(tmp_path / "export")
    found = read_export(tmp_path / "export", trust)
    assert anchored is not None
    assert (found.checkpoint, found.open) == (anchored.note, None)


def test_a_document_after_the_anchored_head_takes_all_to_the_newest_checkpoint(
    tmp_path: Path,
) -> None:
    bench = Bench()
    bench.seal()
    bench.anchor()
    bench.file(replace(OFFER, mrid=uuid(909)), 9_999)
    with pytest.raises(Rejected, match="is under no checkpoint yet") as caught:
        bench.export(tmp_path / "too early")
    assert caught.value.reason == "not_sealed"
    bench.seal()
    bench.export(tmp_path / "export")
    latest = bench.log.latest()
    assert latest is not None
    found = read(bench, tmp_path / "export")
    assert (found.checkpoint, found.open) == (latest.note, None)


def test_a_session_that_is_none_and_a_folder_that_is_full_are_refused(
    bench: Bench, folder: Path, tmp_path: Path
) -> None:
    exporter = Exporter(bench.documents, bench.sessions, bench.prover)
    before = Interval(0, 900_000)
    with pytest.raises(Rejected, match="no document of such a session"):
        exporter.export("none", before, tmp_path / "none")
    with pytest.raises(Rejected, match="holds something"):
        bench.export(folder)
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be written"):
        bench.export(tmp_path / "file" / "folder")
    with pytest.raises(BrokenExport, match="no whole export"):
        read(bench, tmp_path / "nowhere")


def files(folder: Path) -> list[Path]:
    return sorted((folder / "documents").iterdir())


def swap(folder: Path) -> None:
    one, other = files(folder)[2:4]
    bodies = one.read_bytes(), other.read_bytes()
    other.write_bytes(bodies[0])
    one.write_bytes(bodies[1])


def rewrite(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def rewritten(folder: Path) -> None:
        path = folder / "manifest.json"
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told))

    return rewritten


def flip(folder: Path) -> None:
    path = files(folder)[4]
    body = bytearray(path.read_bytes())
    body[len(body) // 3] ^= 1
    path.write_bytes(bytes(body))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file is lost": (lambda folder: files(folder)[1].unlink(), "is missing"),
    "a file is added": (
        lambda folder: (folder / "documents/x.bundle").touch(), "x.bundle: is not in the manifest",
    ),
    "a bit is flipped": (flip, "INVALID at step"),
    "two are swapped": (swap, "another document than the manifest says"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "no whole export"),
    "no JSON": (lambda folder: (folder / "manifest.json").write_text("{"), "no manifest"),
    "deep JSON": (lambda folder: (folder / "manifest.json").write_text("[" * 9_999), "no manifest"),
    "another schema": (rewrite(lambda told: told.update(schema="x")), "no manifest of"),
    "another checkpoint": (rewrite(lambda told: told.update(checkpoint="x")), "does not rest on"),
    "another order": (rewrite(lambda told: told["documents"].reverse()), "order of the log"),
    "twice": (
        rewrite(lambda told: told["documents"].append(told["documents"][0])), "lists a file twice",
    ),
    "a way out": (
        rewrite(lambda told: told["documents"][0].update(file="../x")), "lists what is no document",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_named(bench: Bench, folder: Path, damage: str) -> None:
    done, told = DAMAGES[damage]
    done(folder)
    with pytest.raises(BrokenExport, match=told):
        read(bench, folder)


def test_a_log_of_another_operator_proves_nothing_here(bench: Bench, folder: Path) -> None:
    other = SigningKey.generate("EdDSA").public.encode().hex()
    with pytest.raises(BrokenExport, match="INVALID at step checkpoint"):
        read(bench, folder, replace(bench.trust(), log_key=other))
