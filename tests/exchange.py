"""A Shared Customer Database with parties that know how to sign, and their tokens."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from central.config import PartyConfig
from central.documents.encoding import sign, to_json
from central.documents.header import Document
from central.scd.documents_desk import DocumentDesk
from central.scd.roles import EVERY_POD, Grant, Role
from ledger.signing import SigningKey
from tests.documents import AGGREGATOR, BRP, DSO, MARKET, OWNER, POD, SENSORS, TSO
from tests.fakes.scd_doorkeeper import FakeDoorkeeper
from tests.scd import World, world

ROLES = {
    DSO: Role.DSO, TSO: Role.TSO, MARKET: Role.MARKET_OPERATOR, AGGREGATOR: Role.AGGREGATOR,
    BRP: Role.BRP, OWNER: Role.DER_OWNER, SENSORS: Role.FIELD_SENSOR, "auditor-1": Role.AUDITOR,
    "gateway-1": Role.GATEWAY,
}  # fmt: skip
KEYS = {party: SigningKey.generate("EdDSA") for party in ROLES}
PARTIES = {role: party for party, role in ROLES.items()}
PODS = {
    Role.DSO: Grant(EVERY_POD), Role.AGGREGATOR: Grant(POD.code), Role.DER_OWNER: Grant(POD.code),
    Role.BRP: Grant(POD.code),
}  # fmt: skip


def envelope(document: Document, key: SigningKey | None = None) -> dict[str, Any]:
    """Return the body that hands a document in, signed by its sender unless told otherwise."""
    signed = sign(document, key or KEYS[document.sender])
    return {"document": to_json(document), "signed": base64.b64encode(signed).decode()}


@dataclass
class Exchange:
    """The database, and a client for each party."""

    world: World
    clients: dict[Role, httpx.Client] = field(default_factory=dict)

    def client(self, role: Role) -> httpx.Client:
        """Return the client of the party of a role, with the PODs that are its own."""
        if role not in self.clients:
            grants = [PODS[role]] if role in PODS else []
            self.clients[role] = self.world.client(role, *grants, party=PARTIES[role])
        return self.clients[role]

    def post(self, document: Document, **headers: str) -> httpx.Response:
        """Hand a document in as its sender, and return the answer."""
        client = self.client(ROLES[document.sender])
        return client.post("/v1/documents", json=envelope(document), headers=headers)


@contextmanager
def exchange(folder: Path) -> Iterator[Exchange]:
    """Yield a database that knows the parties, and holds no document yet.

    Its doorkeeper lets in documents of any session: rights, signatures and storing are tried here.
    """
    parties = tuple(
        PartyConfig(id=party, key=key.public.encode().hex()) for party, key in KEYS.items()
    )
    with world(folder, parties=parties) as made:
        keys = made.central.config.party_keys()
        desk = DocumentDesk(made.central.documents, keys, made.clock, FakeDoorkeeper())
        made.services = replace(made.services, desk=desk)
        yield Exchange(made)
