"""Names that say something, modules and functions that fit into a head."""

import ast
import re
import statistics

from tests.architecture.tree import PACKAGES, Module, code_lines, modules, parsed

DRAWERS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "tools"}
EMPTY_VERBS = {"process", "handle", "manage", "do", "execute_all", "perform"}
MODULE_LINES = 500
FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 8


def drawers(module: Module) -> list[str]:
    """Return the parts of a module's name, and of its classes, that could hold anything."""
    found = [part for part in module.name.split(".") if part in DRAWERS]
    classes = (node.name for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef))
    endings = ("Manager", "Helper", "Utils", "Base")
    return found + [
        name for name in classes if name.endswith(endings) or re.match(r"Base([A-Z]|$)", name)
    ]


def empty_verbs(module: Module) -> list[str]:
    """Return the functions whose name does not say what they do."""
    return [one.name for one in module.functions() if one.name.strip("_") in EMPTY_VERBS]


def long_functions(module: Module) -> list[str]:
    """Return the functions above the limit, with their length."""
    return [
        f"{one.name}: {code_lines(one)} lines"
        for one in module.functions()
        if code_lines(one) > FUNCTION_LINES
    ]


def test_no_drawers() -> None:
    read = modules(*PACKAGES, "tests")
    assert len(read) >= 30, "the sources were not found"
    found = {module.name: names for module in read if (names := drawers(module))}
    assert not found, f"say what it is about: {found}"


def test_no_empty_verbs() -> None:
    read = modules(*PACKAGES)
    found = {module.name: names for module in read if (names := empty_verbs(module))}
    assert not found, f"one verb per hop, see docs/glossary.md: {found}"


def test_modules_fit_into_a_head() -> None:
    read = modules(*PACKAGES, "tests")
    found = {module.name: module.lines for module in read if module.lines > MODULE_LINES}
    assert not found, f"at most {MODULE_LINES} lines: {found}"


def test_functions_fit_onto_a_screen() -> None:
    read = modules(*PACKAGES, "tests")
    lengths = [code_lines(one) for module in read for one in module.functions()]
    assert len(lengths) >= 200, "the functions were not found"
    found = {module.name: long for module in read if (long := long_functions(module))}
    assert not found, f"at most {FUNCTION_LINES} lines: {found}"


def test_the_usual_function_is_short() -> None:
    lengths = [code_lines(one) for module in modules(*PACKAGES) for one in module.functions()]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION_LINES


def test_every_module_opens_with_a_sentence() -> None:
    silent = [one.name for one in modules(*PACKAGES, "tests") if not ast.get_docstring(one.tree)]
    assert not silent


def test_wrong_shapes_are_seen() -> None:
    long = "def run() -> None:\n" + "    x = 1\n" * FUNCTION_LINES
    wrong = parsed(
        "class TaskManager: ...\nclass BaseTask: ...\nclass Baseline: ...\n"
        f"def handle(): ...\n{long}",
        "gateway/utils/x.py",
    )
    assert drawers(wrong) == ["utils", "TaskManager", "BaseTask"]
    assert empty_verbs(wrong) == ["handle"]
    assert long_functions(wrong) == ["run: 61 lines"]
