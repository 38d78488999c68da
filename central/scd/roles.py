"""Who may see what: deny, unless a cell of the matrix and a relation to the POD both say yes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ledger.facts.interval import Interval

EVERY_POD = "*"
ALWAYS = Interval(0, (1 << 53) - 1)


class Role(StrEnum):
    """Who holds a token."""

    GATEWAY = "gateway"
    DSO = "dso"
    TSO = "tso"
    MARKET_OPERATOR = "market_operator"
    AGGREGATOR = "aggregator"
    BRP = "brp"
    DER_OWNER = "der_owner"
    AUDITOR = "auditor"
    FIELD_SENSOR = "field_sensor"


class Resource(StrEnum):
    """What can be asked for."""

    QUARTERS = "quarters"  # 15-minute measures, I-01
    QUARTER_SUMS = "quarter_sums"  # their sum over a primary substation
    READINGS = "readings"  # 4-second measures, I-04
    HASHES = "hashes"  # what is stored, without what it says
    NODES = "nodes"
    LOG = "log"
    DISCLOSURES = "disclosures"
    INGEST = "ingest"


class Reach(StrEnum):
    """How far a cell of the matrix reaches.

    OWN are the PODs of the token; OWN_SLOTS are its PODs within the intervals granted with
    them; ALL needs no relation.
    """

    OWN = "own"
    OWN_SLOTS = "own_slots"
    ALL = "all"


_OWNER = {
    Resource.QUARTERS: Reach.OWN,
    Resource.READINGS: Reach.OWN,
    Resource.HASHES: Reach.OWN,
    Resource.NODES: Reach.OWN,
    Resource.LOG: Reach.ALL,
}
MATRIX: dict[Role, dict[Resource, Reach]] = {
    Role.GATEWAY: {
        Resource.INGEST: Reach.ALL,
        Resource.NODES: Reach.ALL,
        Resource.HASHES: Reach.ALL,
        Resource.LOG: Reach.ALL,
    },
    Role.DSO: _OWNER,
    Role.TSO: {Resource.QUARTER_SUMS: Reach.OWN, Resource.LOG: Reach.ALL},
    Role.MARKET_OPERATOR: {
        Resource.QUARTERS: Reach.OWN_SLOTS,
        Resource.READINGS: Reach.OWN_SLOTS,
        Resource.LOG: Reach.ALL,
    },
    Role.AGGREGATOR: _OWNER,
    Role.BRP: {Resource.QUARTERS: Reach.OWN, Resource.LOG: Reach.ALL},
    Role.DER_OWNER: {**_OWNER, Resource.DISCLOSURES: Reach.OWN},
    Role.AUDITOR: {
        Resource.HASHES: Reach.ALL,
        Resource.NODES: Reach.ALL,
        Resource.LOG: Reach.ALL,
    },
    Role.FIELD_SENSOR: {Resource.LOG: Reach.ALL},
}
"""Rows I-01 and I-04 of docs/trust.md; a cell that is not here is deny."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A POD that a token's holder has to do with, and when; `EVERY_POD` stands for all."""

    pod: str
    interval: Interval = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whoever holds a token; `party` is the identifier that its documents bear."""

    token_id: str
    role: Role
    grants: Sequence[Grant] = ()
    party: str | None = None

    def reach(self, resource: Resource) -> Reach | None:
        """Return how far the holder's role reaches; None is deny."""
        return MATRIX[self.role].get(resource)

    def may_see(self, resource: Resource, pod: str, interval: Interval | None = None) -> bool:
        """Tell whether the holder may see a resource of a POD, in an interval if it has one."""
        match self.reach(resource):
            case None:
                return False
            case Reach.ALL:
                return True
            case Reach.OWN:
                return any(grant.pod in {pod, EVERY_POD} for grant in self.grants)
            case Reach.OWN_SLOTS:
                return interval is not None and any(
                    grant.pod == pod
                    and grant.interval != ALWAYS
                    and grant.interval.start_ms <= interval.start_ms
                    and interval.end_ms <= grant.interval.end_ms
                    for grant in self.grants
                )

    def sees_every_pod(self, resource: Resource) -> bool:
        """Tell whether no POD is hidden from the holder."""
        reach = self.reach(resource)
        return reach is Reach.ALL or (
            reach is Reach.OWN and any(grant.pod == EVERY_POD for grant in self.grants)
        )

    def pods(self, resource: Resource, known: Sequence[str]) -> list[str]:
        """Return those of the known PODs that the holder has to do with, for a resource."""
        if self.sees_every_pod(resource):
            return list(known)
        granted = {grant.pod for grant in self.grants} if self.reach(resource) else set()
        return [pod for pod in known if pod in granted]
