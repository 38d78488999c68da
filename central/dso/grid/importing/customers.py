"""Loads, generators and storages of pandapower as points of delivery with made-up codes."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from central.dso.grid.importing.report import ImportReport
from central.dso.grid.importing.tables import Net, Record, is_on, names, number, records, text
from central.dso.grid.model import LEAST_CONTRACT_W, Connection, Phases
from ledger.errors import Rejected

# Whether what is positive there is drawn.
_DRAWN = {"load": 1.0, "sgen": -1.0, "storage": 1.0}
_BY_PHASE = {"asymmetric_load": 1.0, "asymmetric_sgen": -1.0}
TABLES = (*_DRAWN, *_BY_PHASE, "ward")
_PHASES: tuple[Phases, ...] = ("a", "b", "c")
_VOLTAGE_DEPENDENT = (
    "const_z_p_percent", "const_i_p_percent", "const_z_q_percent", "const_i_q_percent",
    "const_z_percent", "const_i_percent",
)  # fmt: skip
_PROFILES = (
    ("pv", ("pv", "solar")), ("wind", ("wp", "wind", "wka")), ("household", ("h0", "lv_")),
    ("business", ("g", "l0", "l1", "l2", "mv_")), ("industry", ("bl", "industr")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Customer:
    """A point of delivery, what it was called, and what it draws in the origin's state [VA]."""

    connection: Connection
    origin: str
    drawn_va: complex


@dataclass(frozen=True, slots=True)
class _Drawn:
    table: str
    name: str
    node: int
    va: complex
    phases: Phases
    record: Record


def customers(
    net: Net, node_of: Mapping[int, int], prefix: str, report: ImportReport
) -> Iterator[Customer]:
    """Return every customer, with codes ``<prefix>`` and a number.

    Raises:
        Rejected: `bad_prefix`: no code can begin so, or there are not enough of them.
    """
    if not _PREFIX.fullmatch(prefix):
        what = f"{prefix!r}: codes begin as IT002E does, with up to 7 digits behind"
        raise Rejected(what, where="PODs", reason="bad_prefix")
    for number_, one in enumerate(_drawn(net, node_of, report)):
        for column in _VOLTAGE_DEPENDENT:
            if number(one.record, column, 0.0):
                what = "changes with the voltage: draws its rated power at any"
                report.approximated(one.table, one.name, what)
                break
        pod = prefix + f"{number_:0{_CODE_LENGTH - len(prefix)}d}"
        if len(pod) > _CODE_LENGTH:
            what = f"{prefix} has codes for {number_} customers, and there are more"
            raise Rejected(what, where="PODs", remedy="take a shorter one", reason="bad_prefix")
        connection = Connection(
            pod, one.node, _contract_w(one, report), one.phases, _tan_phi(one, report),
            _profile(one, report),
        )  # fmt: skip
        yield Customer(connection, f"{one.table} {one.name}", one.va)


_CODE_LENGTH = len("IT002E00000000")
_PREFIX = re.compile(r"IT[0-9]{3}E[0-9]{0,7}")


def _drawn(net: Net, node_of: Mapping[int, int], report: ImportReport) -> Iterator[_Drawn]:
    for table in TABLES:
        called = names(net, table)
        for index, record in records(net, table):
            name, node = called[index], node_of.get(int(number(record, "bus")))
            if node is None or not is_on(record):
                report.dropped(table, name, "is out of service, or its bus is")
            else:
                yield from _parts(table, name, node, record)
            if table == "storage":
                report.dropped(table, name, "its energy and state of charge")


def _parts(table: str, name: str, node: int, record: Record) -> Iterator[_Drawn]:
    if table in _DRAWN:
        power_va = _va(record, "p_mw", "q_mvar") * _DRAWN[table]
        yield _Drawn(table, name, node, power_va, "abc", record)
    elif table == "ward":
        yield _Drawn(table, name, node, _va(record, "ps_mw", "qs_mvar"), "abc", record)
    else:
        for phase in _PHASES:
            power_va = _va(record, f"p_{phase}_mw", f"q_{phase}_mvar") * _BY_PHASE[table]
            if power_va:
                yield _Drawn(table, f"{name}.{phase}", node, power_va, phase, record)


def _va(record: Record, active: str, reactive: str) -> complex:
    value = complex(number(record, active, 0.0), number(record, reactive, 0.0))
    return value * 1e6 * number(record, "scaling", 1.0)


def _contract_w(one: _Drawn, report: ImportReport) -> int:
    """Return the most that a customer is known to draw or give."""
    rated = [number(one.record, column, 0.0) for column in ("max_p_mw", "min_p_mw", "sn_mva")]
    most_w = max(abs(one.va.real), *(abs(value) * 1e6 for value in rated))
    if not any(rated):
        report.approximated(one.table, one.name, "no rating: its contract is what it draws now")
    if most_w < LEAST_CONTRACT_W:
        told = f"next to no power: its contract is {LEAST_CONTRACT_W} W, the least of any"
        report.approximated(one.table, one.name, told)
    return max(LEAST_CONTRACT_W, math.ceil(round(most_w, 3)))


def _tan_phi(one: _Drawn, report: ImportReport) -> float:
    if one.va.real:
        return one.va.imag / one.va.real
    if one.va.imag:
        report.approximated(one.table, one.name, "reactive power alone: taken as tan φ of 0")
    return 0.0


def _profile(one: _Drawn, report: ImportReport) -> str:
    if one.table == "storage":
        return "storage"
    told = (text(one.record, "type"), text(one.record, "profile"))
    for profile, beginnings in _PROFILES:
        if any(each.casefold().startswith(beginnings) for each in told if each):
            return profile
    profile = "cogeneration" if one.table.endswith("sgen") else "household"
    report.approximated(one.table, one.name, f"no class of customers: taken as {profile}")
    return profile
