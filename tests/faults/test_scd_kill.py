"""Killed at any instant: what was told is there, whole, and the audit has nothing to say."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from central.config import CentralConfig
from central.scd.audit import audit
from central.service import opened
from ledger.codec.cbor import encode
from ledger.configuration import load
from ledger.facts.interval import Interval
from ledger.facts.record import GapCause
from tests.segments import FIRST_MS, TestLog, TestNode, lively

KILLS = 10
ROOT = Path(__file__).parents[2]


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[CentralConfig, list[bytes]]:
    nodes = [TestNode(i, power=lively(i)) for i in range(2)]
    bodies = [
        node.segment(gaps={minute % 15: GapCause.METER_CRC})
        for minute in range(100)
        for node in nodes
    ]
    # A backlog arrives after what is newer.
    bodies[60:100] = reversed(bodies[60:100])
    log = TestLog(nodes)
    (tmp_path / "segments.cbor").write_bytes(encode(bodies))
    (tmp_path / "registry.cbor").write_bytes(encode(log.registry()))
    file = tmp_path / "central.toml"
    file.write_text(
        f'origin = "{log.origin}"\nlog_key = "{log.key.public.encode().hex()}"\n'
        '[store]\nevidence = "evidence.db"\nseries = "series"\n[series]\ngrace_s = 0\n'
    )
    return load(CentralConfig, file, program="central").value, bodies


def killed_after(folder: Path, calls: int, delay_s: float) -> int:
    """Let the writer make some calls, kill it a moment later; return how much it told."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.scd_writer", str(folder)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert writer.stdout is not None
    told = 0
    with writer:
        for _, line in zip(range(calls), writer.stdout, strict=False):
            told = int(line)
        time.sleep(delay_s)
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            # A line that is whole was told before the kill.
            told = int(line) if line.endswith("\n") else told
    return told


def readings(config: CentralConfig) -> Iterator[tuple[int, int]]:
    with opened(config) as central:
        for table in central.series.scan([0, 1], Interval(FIRST_MS, FIRST_MS + 86_400_000)):
            columns = (table.column(name).to_pylist() for name in ("node_index", "sequence"))
            yield from zip(*columns, strict=True)


@pytest.mark.timeout(300)
def test_killed_at_any_instant_nothing_told_is_lost(
    tmp_path: Path, prepared: tuple[CentralConfig, list[bytes]]
) -> None:
    config, bodies = prepared
    moment = random.Random(20_260_621)
    most = 0
    for _ in range(KILLS):
        told = killed_after(tmp_path, moment.randint(1, 40), moment.random() * 0.02)
        most = max(most, told)
        with opened(config) as central:
            stored = {body for _, body in central.evidence.arrival_bodies(0, 10_000)}
            assert set(bodies[:told]) <= stored, "BROKE_DURABLE"
            report = audit(
                central.database, central.evidence, config.store.series,
                origin=config.origin, log_key=config.verifying_key(), parties={},
            )  # fmt: skip
            assert report.findings == ()
        seen = list(readings(config))
        assert len(seen) == len(set(seen)), "BROKE_UNIQUE"
    assert most >= 50, "the writer never got anywhere"
    assert killed_after(tmp_path, len(bodies), 1.0) == len(bodies)
    assert len(list(readings(config))) == len(bodies) * 14, "BROKE_COMPLETE"
