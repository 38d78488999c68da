"""A number on the wire says its unit in its name."""

import ast

from tests.architecture.tree import Module, modules, parsed

NUMBERS = {"int", "float", "Decimal"}
UNITS = (
    "_w", "_wh", "_var", "_varh", "_va", "_mv", "_v", "_ma", "_a", "_mhz", "_hz", "_pct",
    "_s", "_ms", "_eur", "_ueur", "_ueur_per_mwh", "_wei", "_gas", "_bytes", "_slots",
    "_permille", "_milli", "_ppm", "_nano_per_w", "_nano_per_var",
)  # fmt: skip
# Numbers that count or name something, and a factor between two of the same unit.
COUNTS = {
    "sequence", "first_sequence", "next_sequence", "revision", "version", "position",
    "slot", "first_slot", "end_slot", "from_slot", "to_slot", "slots_in_window",
    "window", "count", "node_count", "size", "node_index", "index", "rate", "slots",
    "call_count", "step_count", "quarter_count", "from_tap", "to_tap",
}  # fmt: skip


# What reads and tells numbers of whatever unit.
MACHINERY = {f"central.documents.{name}" for name in ("faults", "forms", "shapes")}


def bare_numbers(module: Module) -> list[str]:
    """Return the numeric fields, parameters and constants that carry no unit."""
    named: list[tuple[str, ast.expr]] = []
    for node in ast.walk(module.tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind):
                named.append((name, kind))
            case ast.arg(arg=name, annotation=ast.expr() as kind):
                named.append((name, kind))
    return [
        name
        for name, kind in named
        if NUMBERS & {part.id for part in ast.walk(kind) if isinstance(part, ast.Name)}
        and name not in COUNTS
        and not name.strip("_").endswith(UNITS)
    ]


def wire_modules() -> list[Module]:
    """Return the modules whose values cross a process border."""
    return [
        module
        for module in modules("ledger", "central")
        if module.name.startswith(("ledger.facts", "central.documents"))
        and module.name not in MACHINERY
    ]


def test_numbers_on_the_wire_carry_their_unit() -> None:
    read = wire_modules()
    assert len(read) >= 25, "the shared kernel and the documents were not found"
    assert sum(module.source.count("_ms: int") for module in read) >= 5, "no number was seen"
    found = {module.name: bare for module in read if (bare := bare_numbers(module))}
    assert not found, f"name the unit ({', '.join(UNITS)}): {found}"


def test_a_bare_number_is_seen() -> None:
    wrong = parsed(
        "class Reading:\n"
        "    power: int\n"
        "    power_w: int\n"
        "    voltages: tuple[int, ...]\n"
        "    price: Annotated[int, Whole('what is paid')]\n"
        "def hold(limit: float | None, sequence: int, label: str) -> int: ...\n"
    )
    assert bare_numbers(wrong) == ["power", "voltages", "price", "limit"]
