"""Killed after each call to journal or ledger, so before the next: each head is anchored once.

On the embedded chain and on a node not written here.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from central.config import CentralConfig
from central.documents.encoding import sign
from central.scd.documents import DocumentQuery, checked
from central.scd.documents_entries import SealReason
from central.scd.documents_proofs import DocumentProver
from central.service import Central, opened
from ledger.checkpoint import verify_checkpoint
from ledger.configuration import load
from ledger.contract import log_id
from ledger.documents import verify_document
from ledger.proving import LedgerTrust, PartyTrust, Status, Trust
from ledger.receipts import anchored_event
from ledger.signing import SigningKey
from tests.chains import LedgerChain
from tests.documents import BASELINE
from tests.servers import Anvil

ROOT = Path(__file__).parents[2]
ORIGIN = "certiflex.test/market"
SENDER = SigningKey.generate("EdDSA")


@dataclass
class Bench:
    """A configuration with a ledger, who anchors by it, and how many documents are stored."""

    file: Path
    chain: LedgerChain
    runner: "subprocess.Popen[str]"
    count: int = 0

    def sealed(self, central: Central) -> None:
        """Store two documents and seal the log over them."""
        for _ in range(2):
            self.count += 1
            made = replace(BASELINE, mrid=f"{self.count:08}-0000-0000-0000-000000000000")
            central.documents.commit_documents([checked(sign(made, SENDER))[0]], 7)
        central.market_log().seal(SealReason.GATE_CLOSURE, "day-ahead x")

    def opened(self) -> CentralConfig:
        return load(CentralConfig, self.file, program="central").value

    def anchored(self, point: int) -> tuple[int, str]:
        """Let a process anchor, to the end or to death; return how it ended and what it said."""
        assert self.runner.stdin is not None
        assert self.runner.stdout is not None
        said = self.file.with_name("said.log")
        order = {"file": str(self.file), "point": point, "log": str(said)}
        self.runner.stdin.write(json.dumps(order) + "\n")
        self.runner.stdin.flush()
        return int(self.runner.stdout.readline()), said.read_text()


@pytest.fixture
def bench(tmp_path: Path, ledger_chain: LedgerChain) -> Iterator[Bench]:
    contract = ledger_chain.deployed(log_id(ORIGIN))
    SigningKey.generate("EdDSA").save(tmp_path / "log.key")
    account = tmp_path / "account.key"
    account.write_text(Anvil.ACCOUNT_KEY)
    account.chmod(0o600)
    file = tmp_path / "central.toml"
    gateway_key = SigningKey.generate("EdDSA").public.encode().hex()
    file.write_text(
        f'origin = "certiflex.test/rome"\nlog_key = "{gateway_key}"\n'
        '[store]\nevidence = "evidence.db"\nseries = "series"\n'
        f'[market_log]\norigin = "{ORIGIN}"\nkey_file = "log.key"\n'
        f'[chain]\nurls = ["{ledger_chain.url}"]\nchain_id = {ledger_chain.chain_id}\n'
        f'contract = "{contract}"\naccount_file = "account.key"\n'
    )
    command = [sys.executable, "-m", "tests.faults.market_anchorer"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as runner:
        made = Bench(file, ledger_chain, runner)
        with opened(made.opened(), create=True) as central:
            made.sealed(central)
        yield made


@pytest.mark.timeout(600)
def test_killed_at_every_call_each_head_is_anchored_once(bench: Bench) -> None:
    status, said = bench.anchored(10_000)
    assert status == 0, said
    calls = int(said.splitlines()[-1])
    assert calls >= 5
    ledger, rounds = bench.chain.ledger(), 1
    nonce = ledger.account_nonce()
    for point in range(1, calls + 1):
        with opened(bench.opened()) as central:
            bench.sealed(central)
        status, said = bench.anchored(point)
        assert status == -signal.SIGKILL, said
        with opened(bench.opened()) as central, central.anchorer() as anchorer:
            anchorer._pending_s = 0.02
            assert anchorer.settle(give_up_s=30) == bench.count
        rounds += 1
        head = ledger.head(log_id(ORIGIN))
        assert (head.sequence, head.size) == (rounds, bench.count), "BROKE_ONCE"
    assert ledger.account_nonce() == nonce + rounds - 1, "nothing was sent twice"
    judge(bench)


def judge(bench: Bench) -> None:
    """Check that what is kept of the newest head is what a verifier finds on the ledger."""
    with opened(bench.opened()) as central:
        log, anchored = central.market_log(), central.anchors.anchored()
        assert anchored is not None
        assert anchored.chain_part is not None
        event = anchored_event(anchored.chain_part)
        seal = log.latest()
        assert seal is not None
        told = verify_checkpoint(seal.note, log.key.public)
        assert (event.size, event.root) == (told.size, told.root) == (seal.size, seal.root)
        assert event.log_id == log_id(ORIGIN)
        (stored,) = central.documents.documents(DocumentQuery(limit=1))
        trust = Trust(
            origin=ORIGIN,
            log_key=log.key.public.encode().hex(),
            ledger=LedgerTrust(contract=bench.chain.contract, blocks=(event.block_hash.hex(),)),
            parties=(PartyTrust(stored.sender, SENDER.public.encode().hex()),),
        )
        bundle = DocumentProver(log, central.anchors).bundle(stored)
        assert verify_document(bundle, trust).status is Status.VALID
