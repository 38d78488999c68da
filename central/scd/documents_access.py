"""Who may hand in and who may see which document: deny, unless a cell says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass

from central.scd.documents import Scope, Sight
from central.scd.roles import EVERY_POD, Holder, Role


@dataclass(frozen=True, slots=True)
class Right:
    """A cell of the matrix: what a role may do with one information object."""

    sight: Sight | None = None
    creates: bool = False


_OWN, _ALL = Right(Sight.OWN), Right(Sight.ALL)
_HASHES, _OPENED = Right(Sight.HASHES), Right(Sight.OPENED)
_WRITES, _WRITES_ALL = Right(Sight.OWN, creates=True), Right(Sight.ALL, creates=True)

DOCUMENT_MATRIX: Mapping[Role, Mapping[str, Right]] = {
    Role.GATEWAY: {},
    Role.DSO: {
        "I-01": _WRITES,  # imported history only: the desk refuses what claims to be certified
        "I-02": _OWN,
        "I-03": _OWN,
        "I-05": _OPENED,
        "I-06": _WRITES,
        "I-07": _WRITES,
        "I-08": _ALL,
        "I-09": _WRITES,
        "I-10": _WRITES,
        "I-11": _WRITES,
        "I-12": _WRITES,
        "I-14": _ALL,
        "I-19": _OWN,
    },
    Role.TSO: {
        "I-06": _WRITES,
        "I-08": _ALL,
        "I-09": _WRITES,
        "I-12": _OWN,
        "I-14": _ALL,
    },
    Role.MARKET_OPERATOR: {
        "I-02": _ALL,
        "I-03": _ALL,
        "I-05": _ALL,
        "I-06": _ALL,
        "I-07": _ALL,
        "I-08": _WRITES_ALL,
        "I-09": _WRITES,
        "I-14": _WRITES_ALL,
    },
    Role.AGGREGATOR: {
        "I-01": _OWN,
        "I-02": _WRITES,
        "I-03": _OWN,
        "I-05": _WRITES,
        "I-06": _OWN,
        "I-07": _OWN,
        "I-08": _OWN,
        "I-09": _OWN,
        "I-13": _OWN,
        "I-14": _WRITES,
    },
    Role.BRP: {
        "I-01": _OWN,
        "I-03": _WRITES,
        "I-08": _OWN,
        "I-14": _OWN,
    },
    Role.DER_OWNER: {
        "I-01": _OWN,
        "I-02": _OWN,
        "I-03": _OWN,
        "I-08": _OWN,
        "I-09": _OWN,
        "I-13": _WRITES,
        "I-14": _OWN,
    },
    Role.AUDITOR: {
        "I-01": _HASHES,
        "I-03": _HASHES,
        "I-05": _HASHES,
        "I-06": _ALL,
        "I-07": _ALL,
        "I-08": _ALL,
        "I-09": _HASHES,
        "I-14": _ALL,
    },
    Role.FIELD_SENSOR: {
        "I-19": Right(creates=True),
    },
}
"""The second table of docs/trust.md; a cell that is not here is deny."""


def may_create(role: Role, ii: str) -> bool:
    """Tell whether a role may hand in a document of one kind."""
    return DOCUMENT_MATRIX[role].get(ii, Right()).creates


def scope_of(holder: Holder, now_ms: int) -> Scope:
    """Return what the holder of a token may see now."""
    granted = frozenset(grant.pod for grant in holder.grants)
    return Scope(
        sights={
            ii: right.sight for ii, right in DOCUMENT_MATRIX[holder.role].items() if right.sight
        },
        party=holder.party,
        pods=None if EVERY_POD in granted else granted,
        now_ms=now_ms,
    )
