"""One reading taken out and checked offline, as anybody can; and one stored row tampered with."""

import json
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hil.demo.central import told
from hil.demo.programs import ran
from hil.demo.stage import CHAIN_ID, House, Stage
from ledger import codec
from ledger.errors import InvariantBroken
from ledger.facts.record import Reading
from ledger.facts.segment import Segment
from ledger.proving import RecordBundle, decode_bundle, encode_bundle

_VERDICTS = (0, 1, 3)
_EXTRA_W = 1_000
_NEWEST_SEGMENT = """
select arrival, body from arrival
where node_index = ? and length(body) > 700 order by arrival desc limit 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What `ledger verify` said: its exit status, verdict and failed step."""

    status: int
    verdict: str
    step: str


async def fetch_proof(stage: Stage, house: House, at_ms: int, name: str) -> Path:
    """Fetch the bundle of one reading with the command line, and return its file.

    Raises:
        CertiflexError: the command failed.
    """
    file = stage.path("proof", name)
    file.parent.mkdir(exist_ok=True)
    await _command(
        stage, "ledger", "proof", "--pod", house.pod, "--at", told(at_ms),
        "--scd", stage.central_url, "--token-file", str(stage.path("central", "dso.token")),
        "-o", str(file),
    )  # fmt: skip
    return file


async def write_trust(stage: Stage, origin: str, log_key: str, name: str) -> Path:
    """Ask the chain itself for the last heads of a log, and return the trust file.

    Raises:
        CertiflexError: the command failed.
    """
    file = stage.path("proof", name)
    file.parent.mkdir(exist_ok=True)
    await _command(
        stage, "ledger", "trust", "--rpc", stage.chain_url, "--chain-id", str(CHAIN_ID),
        "--contract", stage.contract, "--origin", origin, "--log-key", log_key,
        "-o", str(file),
    )  # fmt: skip
    return file


async def verified(stage: Stage, bundle: Path, trust: Path) -> Verified:
    """Return what the offline verifier says of a bundle.

    Raises:
        CertiflexError: it could not even say a verdict.
    """
    status, output = await ran(
        ["ledger", "verify", str(bundle), "--trust", str(trust), "--json"],
        log=stage.path("log", "commands.log"),
        ok=_VERDICTS,
    )
    document = json.loads(output)
    return Verified(status=status, verdict=document["verdict"], step=document["step"] or "")


def tamper_bundle(bundle: Path) -> Path:
    """Write a copy of a bundle whose reading shows more power, well formed in every byte.

    Raises:
        InvariantBroken: the bundle proves no reading.
    """
    proof = decode_bundle(bundle.read_bytes())
    if not isinstance(proof, RecordBundle):
        raise InvariantBroken("the bundle proves no single record", where=str(bundle))
    forged = replace(proof, record=_with_more_power(proof.record))
    file = bundle.with_name("tampered.bundle")
    file.write_bytes(encode_bundle(forged))
    return file


async def tamper_database(stage: Stage, house: House) -> tuple[str, dict[str, Any]]:
    """Change one reading in a copy of the database; return its row and the audit's word.

    Raises:
        CertiflexError: the audit could not be run.
    """
    copy = stage.path("tampered", "evidence.db")
    copy.parent.mkdir(exist_ok=True)
    source, target = sqlite3.connect(stage.path("central", "evidence.db")), sqlite3.connect(copy)
    try:
        source.backup(target)
        row = _tamper_row(target, house)
    finally:
        source.close()
        target.close()
    config = copy.with_name("central.toml")
    stage.write_central(config, copy)
    _, output = await ran(
        ["central", "scd", "audit", "-c", str(config), "--json"],
        log=stage.path("log", "commands.log"),
        timeout_s=120.0,
        ok=(0, 1),
    )
    document: dict[str, Any] = json.loads(output)
    return row, document


async def audit(stage: Stage) -> dict[str, Any]:
    """Return what the audit says of the database as it is.

    Raises:
        CertiflexError: the audit could not be run.
    """
    _, output = await ran(
        ["central", "scd", "audit", "-c", str(stage.path("central.toml")), "--json"],
        log=stage.path("log", "commands.log"),
        timeout_s=120.0,
        ok=(0, 1),
    )
    document: dict[str, Any] = json.loads(output)
    return document


def _tamper_row(database: sqlite3.Connection, house: House) -> str:
    arrival, body = database.execute(_NEWEST_SEGMENT, (house.number,)).fetchone()
    segment = codec.decode_segment(body)
    rows = codec.read_rows(segment.records)
    at = next(n for n, row in enumerate(rows) if isinstance(codec.record_of(row), Reading))
    records = [*segment.records]
    records[at] = _with_more_power(records[at])
    forged = codec.encode_segment(
        Segment(signed_header=segment.signed_header, records=tuple(records), salts=segment.salts)
    )
    database.execute("update arrival set body = ? where arrival = ?", (forged, arrival))
    database.commit()
    return f"node {house.number} sequence {rows[0][2]}"


def _with_more_power(encoded: bytes) -> bytes:
    reading = codec.decode_record(encoded)
    if not isinstance(reading, Reading):
        raise InvariantBroken("only a reading has power")
    return codec.encode_record(replace(reading, power_w=reading.power_w + _EXTRA_W))


async def _command(stage: Stage, *arguments: str) -> None:
    await ran(arguments, log=stage.path("log", "commands.log"))
