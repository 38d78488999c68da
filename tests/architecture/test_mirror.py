"""Every module has its test at the mirrored place, and every such test has its module."""

import ast
from pathlib import Path, PurePosixPath

from tests.architecture.tree import PACKAGES, ROOT, Function, Module, modules, parsed

# Modules that a unit test has nothing to say about, and who says it instead.
EXCEPTIONS: dict[str, str] = {}


def needs_test(module: Module) -> bool:
    """Tell whether a module does something: declared shapes and Protocols alone do not."""
    return any(not is_declaration(one) for one in module.functions())


def is_declaration(function: Function) -> bool:
    """Tell whether a function says only its signature, as in a Protocol."""
    match function.body:
        case [ast.Expr(value=ast.Constant()), ast.Expr(value=ast.Constant(value=value))]:
            return value is ...
        case [ast.Expr(value=ast.Constant())]:
            return True
        case _:
            return False


def places(module: Module) -> list[PurePosixPath]:
    """Return where the test of a module may stand: its own file, or one for its whole package.

    `ledger/codec/cbor.py` is tested by `tests/unit/ledger/codec/test_cbor.py`, or together
    with its siblings by `tests/unit/ledger/test_codec.py`; so on up to the top-level package,
    which is too much for one file.
    """
    parts = [part.strip("_") for part in module.path.relative_to(ROOT).with_suffix("").parts]
    if parts[-1] == "init":
        parts = parts[:-1]
    mirrored = PurePosixPath("tests/unit")
    return [
        mirrored.joinpath(*parts[: depth - 1], f"test_{parts[depth - 1]}.py")
        for depth in range(len(parts), 1, -1)
    ]


def untested(product: tuple[Module, ...]) -> list[str]:
    """Return the modules without a test at any of their places."""
    return [
        module.name
        for module in product
        if needs_test(module)
        and module.name not in EXCEPTIONS
        and not any((ROOT / place).is_file() for place in places(module))
    ]


def orphans(tests: list[Path], product: tuple[Module, ...]) -> list[str]:
    """Return the unit tests whose name is no module's and no package's."""
    known = {str(place) for module in product for place in places(module)}
    relative = (str(path.relative_to(ROOT)) for path in tests)
    return [path for path in relative if path not in known]


def test_every_module_has_its_test() -> None:
    product = modules(*PACKAGES)
    assert len(product) >= 30, "the product was not found"
    assert not untested(product), "write tests/unit/<the same path>/test_<module>.py"


def test_every_unit_test_has_its_module() -> None:
    tests = sorted((ROOT / "tests/unit").rglob("test_*.py"))
    assert len(tests) >= 10, "the unit tests were not found"
    assert not orphans(tests, modules(*PACKAGES)), "no module of that name: rename or remove"


def test_exceptions_are_still_needed() -> None:
    names = {module.name for module in modules(*PACKAGES)}
    assert EXCEPTIONS.keys() <= names


def test_a_missing_test_and_an_orphan_are_seen() -> None:
    lonely = parsed("def greet() -> str:\n    return 'hello'\n", "ledger/lonely.py")
    assert untested((lonely,)) == ["ledger.lonely"]
    port = 'class Door(Protocol):\n    def open(self) -> None:\n        """Open."""\n        ...\n'
    assert untested((parsed(port),)) == []
    assert orphans([ROOT / "tests/unit/ledger/test_nothing.py"], (lonely,)) == [
        "tests/unit/ledger/test_nothing.py"
    ]
