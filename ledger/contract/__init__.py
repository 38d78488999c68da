"""The anchor contract: what is shipped of it, and how its logs are named; no chain needed.

`anchor.json` holds ABI and bytecode, built from the Vyper sources beside it by `build`; a test
compiles them again and compares.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ledger.errors import InvariantBroken

__all__ = ["Artifact", "anchor", "log_id", "read_artifact"]

SCHEMA = "certiflex/contract/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A compiled contract.

    `bytecode` creates it, `runtime` is the code that then stands at its address, and
    `sources` names each source file with its SHA-256 in hexadecimal.
    """

    name: str
    compiler: str
    sources: dict[str, str]
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    runtime: bytes


def log_id(origin: str) -> bytes:
    """Return the name a log has on the chain: SHA-256 of its origin line in UTF-8."""
    return hashlib.sha256(origin.encode()).digest()


def anchor() -> Artifact:
    """Return the anchor contract as shipped."""
    return read_artifact(files(__package__).joinpath("anchor.json").read_text("utf-8"))


def read_artifact(text: str) -> Artifact:
    """Return the compiled contract that a JSON text holds.

    Raises:
        InvariantBroken: the text is not what `build` writes.
    """
    try:
        told = json.loads(text)
        return Artifact(
            name=told["name"],
            compiler=told["compiler"],
            sources=told["sources"],
            abi=tuple(told["abi"]),
            bytecode=bytes.fromhex(told["bytecode"]),
            runtime=bytes.fromhex(told["runtime"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvariantBroken(
            f"the shipped contract is damaged ({error!r})",
            where="ledger/contract/anchor.json",
            remedy="install certiflex again",
        ) from error
