"""A process that stores prepared segments, and says so after each call, until it is killed."""

import sys
from pathlib import Path

from central.config import CentralConfig
from central.service import opened
from central.serving import services_of
from ledger.codec.cbor import loads_plain
from ledger.configuration import load
from tests.segments import FIRST_MS

_CALL = 5


def main(folder: Path) -> None:
    """Store everything from the beginning; print the number of segments stored after each call."""
    config = load(CentralConfig, folder / "central.toml", program="central").value
    bodies = loads_plain((folder / "segments.cbor").read_bytes())
    with opened(config, create=True) as central:
        services = services_of(central)
        services.ingest.registry(loads_plain((folder / "registry.cbor").read_bytes()))
        for at in range(0, len(bodies), _CALL):
            told = services.ingest.segments(bodies[at : at + _CALL])
            assert {each.outcome.value for each in told} <= {"stored", "duplicate"}
            print(at + len(told), flush=True)
            if at % 50 == 0:
                central.sealer.seal_due(FIRST_MS + 86_400_000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
