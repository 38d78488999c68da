"""The tables of the documents name what the code has: no field more, none less."""

import csv
import dataclasses
import re
from enum import Enum
from types import ModuleType

import pytest

from central.api.app import application, description
from central.documents import shapes
from central.documents.catalogue import KINDS
from central.documents.forms import Form, Instant, OneOf, PodCode, Quarter, Span, Whole, Words
from central.documents.header import Document
from central.documents.shapes import Each, Maybe, Shape, shape_of
from central.scd.stored import State
from ledger.facts import document, interval, pod, receipt, record, registry, segment, topics, window
from tests.architecture.tree import PACKAGES, ROOT, modules

KERNEL = (document, interval, pod, receipt, record, registry, segment, window)
MESSAGES = (ROOT / "docs/messages.md").read_text()
GLOSSARY = (ROOT / "docs/glossary.md").read_text()


def sections(document: str) -> dict[str, list[list[str]]]:
    """Return the rows of the first table below each heading; cells without backticks."""
    found: dict[str, list[list[str]]] = {}
    for part in re.split(r"^#{2,3} ", document, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        table = re.search(r"^\|.*\n\|[-| ]+\|\n((?:\|.*\n?)*)", body, re.MULTILINE)
        rows = table.group(1).splitlines() if table else []
        found[title.strip()] = [
            [cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows
        ]
    return found


def classes(module: ModuleType) -> list[type]:
    """Return the public classes that a module defines."""
    return [
        one
        for name, one in vars(module).items()
        if isinstance(one, type) and one.__module__ == module.__name__ and not name.startswith("_")
    ]


def own_fields(shape: type) -> list[str]:
    """Return the fields a dataclass adds to those of its parents."""
    inherited = {
        field.name
        for parent in shape.__mro__[1:]
        if dataclasses.is_dataclass(parent)
        for field in dataclasses.fields(parent)
    }
    assert dataclasses.is_dataclass(shape)
    return [field.name for field in dataclasses.fields(shape) if field.name not in inherited]


SHAPES = [
    one
    for module in (document, receipt, record, registry, segment, window)
    for one in classes(module)
    if dataclasses.is_dataclass(one)
]
ENUMS = [one for one in classes(record) if issubclass(one, Enum)]


# How the names of numbers end in documents, and what that is in a table.
UNITS = {
    "_ueur_per_mwh": "µEUR/MWh", "_nano_per_w": "nV/W, nA/W", "_nano_per_var": "nV/var, nA/var",
    "_permille": "‰", "_milli": "mV, mA", "_ppm": "ppm", "_ueur": "µEUR", "_wh": "Wh",
    "_var": "var", "_mv": "mV", "_ma": "mA", "_w": "W", "_ms": "ms", "_s": "s",
}  # fmt: skip


def held(form: Form) -> Form:
    """Return what an optional or repeated form holds."""
    if isinstance(form, Maybe):
        return held(form.form)
    return held(form.entry) if isinstance(form, Each) and form.entry else form


def parts(kind: type) -> list[type]:
    """Return a shape and those it is made of, each once, in the order of their fields."""
    found = [kind]
    for form in shape_of(kind).forms.values():
        if isinstance(inner := held(form), Shape):
            found += [each for each in parts(inner.kind) if each not in found]
    return found


TYPES = {
    Whole: "int", Instant: "instant", Quarter: "instant", Span: "interval", PodCode: "POD",
    OneOf: "name", Words: "text",
}  # fmt: skip


def type_of(form: Form) -> str:
    """Return the type of a field of a document as its table tells it."""
    if isinstance(form, Maybe):
        return f"{type_of(form.form)} ?"
    if isinstance(form, Each) and form.entry:
        return f"array of {type_of(form.entry)}"
    if isinstance(form, Shape):
        return f"[{form.kind.__name__}](#{form.kind.__name__.lower()})"
    return TYPES[type(form)]


def row_of(name: str, form: Form) -> list[str]:
    """Return the row that describes a field of a document."""
    is_number = isinstance(held(form), Whole | Instant | Quarter)
    unit = next((UNITS[end] for end in UNITS if name.endswith(end)), "–") if is_number else "–"
    return [name, type_of(form), unit, form.meaning, form.valid()]


def document_table(kind: type) -> str:
    """Return the table that docs/messages.md must have for a document or a part of one."""
    fields = set(own_fields(kind))
    rows = [row_of(*each) for each in shape_of(kind).forms.items() if each[0] in fields]
    lines = [f"| `{name}` | {' | '.join(rest)} |" for name, *rest in rows]
    head = ["| name | type | unit | meaning | valid values |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(line.replace("|  |", "| |") for line in lines)]) + "\n"


DOCUMENT_SHAPES = list(
    dict.fromkeys([Document, *(part for kind in KINDS.values() for part in parts(kind))])
)


@pytest.mark.parametrize("kind", DOCUMENT_SHAPES, ids=lambda kind: kind.__name__)
def test_every_document_has_its_table(kind: type) -> None:
    part = re.search(
        rf"^#{{3,4}} {kind.__name__}\n(.*?)(?=^#|\Z)", MESSAGES, re.MULTILINE | re.DOTALL
    )
    assert part, f"docs/messages.md has no section {kind.__name__}"
    assert document_table(kind) in part[1], f"its table is\n{document_table(kind)}"


def test_the_documents_were_found() -> None:
    assert len(DOCUMENT_SHAPES) >= 40
    assert shapes.shape_of(Document).forms.keys() >= {"mrid", "validity"}


def test_every_information_object_has_its_row() -> None:
    rows = sections(MESSAGES)["Information objects"]
    assert [row[0] for row in rows] == [f"I-{number:02}" for number in range(1, 20)]
    told = {row[0]: row[1] for row in rows}
    for kind in KINDS.values():
        assert f"[{kind.__name__}](#{kind.__name__.lower()})" in told[kind.ii]
    paths = description(application(None))["paths"]
    served = {f"{verb.upper()} {path}" for path, verbs in paths.items() for verb in verbs}
    for row in rows:
        named = re.findall(r"[A-Z]+ /v1[^`;,]*", row[4])
        assert named or "not served yet" in row[4]
        assert set(named) <= served, row


ROLES = {
    "Aggregator Platform": "aggregator", "Blockchain Access Layer": "", "DER Owner": "DER owner",
    "DSO Technical Platform": "DSO", "DSO's operator": "DSO", "DSO's platform": "DSO",
    "LV3G": "LV3G breakers", "Light Node": "light node", "Market Platform": "market",
    "SCD": "Shared Customer Database", "TSO Simulator": "TSO", "BMS": "EMS", "HMS": "EMS",
    "Smart Appliance": "appliance", "EV": "appliance", "Storage": "appliance",
}  # fmt: skip
"""Who is who on the page and in the use case's tables; the access layer passes on."""


def parties(cell: str, separator: str) -> set[str]:
    """Return who is named in a cell, by one name each."""
    return {ROLES.get(one, one) for one in cell.split(separator)} - {""}


def told_ends() -> dict[str, tuple[set[str], set[str]]]:
    """Return who makes each information object and who gets it, by the use case's step tables.

    Two numbers in a row are those of its producers in turn: sensors tell I-19, the database I-01.
    The database hands on what others have made; of its own it has I-01 alone.
    """
    ends: dict[str, tuple[set[str], set[str]]] = {}
    with (ROOT / "tests" / "vectors" / "use-case-rows.csv").open(encoding="utf-8") as file:
        steps = list(csv.DictReader(file))
    for step in steps:
        for number in {"DA-1b": "I-13"}.get(step["row"], step["information"]).split():
            made, got = ends.setdefault(number, (set(), set()))
            made |= parties(step["producer"], " / ")
            got |= parties(step["receiver"], " / ")
    store = {"Shared Customer Database"}
    return {
        number: (made & store if number == "I-01" else made - store, got)
        for number, (made, got) in ends.items()
    }


def test_information_objects_go_from_whom_to_whom_the_use_case_says() -> None:
    rows = sections(MESSAGES)["Information objects"]
    page = {row[0]: (parties(row[2], ", "), parties(row[3], ", ")) for row in rows}
    assert page == told_ends()


def test_the_kernel_was_found() -> None:
    assert len(SHAPES) >= 14
    assert len(ENUMS) >= 5


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_shape_has_its_table(shape: type) -> None:
    rows = sections(MESSAGES).get(shape.__name__)
    assert rows, f"docs/messages.md has no table for {shape.__name__}"
    assert [row[0] for row in rows] == own_fields(shape)
    assert all(len(row) == 5 and row[1] and row[2] and row[3] for row in rows)


@pytest.mark.parametrize("kind", ENUMS, ids=lambda kind: kind.__name__)
def test_every_enumeration_has_its_table(kind: type[Enum]) -> None:
    rows = sections(MESSAGES).get(kind.__name__)
    assert rows, f"docs/messages.md has no table for {kind.__name__}"
    told = {row[1]: row[0] for row in rows}
    assert told == {name: str(member.value) for name, member in kind.__members__.items()}


def test_every_topic_is_described() -> None:
    builders = [
        topics.segment_topic,
        topics.backfill_topic,
        topics.live_topic,
        topics.receipt_topic,
    ]
    rows = sections(MESSAGES)["MQTT: between light node and gateway"]
    described = {row[0].replace("{node_index}", "7") for row in rows}
    assert described == {build(7) for build in builders}


def test_every_route_is_described() -> None:
    paths = description(application(None))["paths"]
    served = {f"{verb.upper()} {path}" for path, verbs in paths.items() for verb in verbs}
    assert len(served) >= 15, "no routes were found"
    told = sections(MESSAGES)
    ingest = told["HTTP: from the gateway to the Shared Customer Database"]
    query = told["HTTP: for those who query"]
    documents = told["HTTP: for those who hand in documents"]
    assert {row[0] for row in [*ingest, *query, *documents]} == served


def test_every_state_is_described() -> None:
    told = MESSAGES.split("how far it has come")[1].split("\n## ")[0]
    states = re.findall(r"^\| `(\w+)` \| [a-z]", told, re.MULTILINE)
    assert states == [state.value for state in State]


def test_the_glossary_knows_the_kernel() -> None:
    told = {row[0] for rows in sections(GLOSSARY).values() for row in rows}
    shapes = {one.__name__ for module in KERNEL for one in classes(module)}
    assert len(shapes) >= 18
    assert not shapes - told, "add them to docs/glossary.md"


def test_the_glossary_names_what_exists() -> None:
    written = "\n".join(module.source for module in modules(*PACKAGES))
    defined = re.compile(r"^(?:class|def) (\w+)|^(\w+) =", re.MULTILINE).findall(written)
    names = {name for pair in defined for name in pair if name}
    sorts = sections(GLOSSARY)
    told = [row[0] for row in [*sorts["Things"], *sorts["Errors"]]]
    assert len(told) >= 30
    assert not [name for name in told if name not in names]


def test_a_wrong_table_is_seen() -> None:
    document = (
        "## One\n\n| name | unit |\n|---|---|\n| `power` | W |\n| `x_w` | W |\n\n## Two\nno table\n"
    )
    assert sections(document) == {"One": [["power", "W"], ["x_w", "W"]], "Two": []}
