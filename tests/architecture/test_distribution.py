"""What is installed is whole: every data file in the wheel, every extra enough for its program."""

import json
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.architecture.installed import asked_by, distributions
from tests.architecture.test_kernel import foreign_imports
from tests.architecture.tree import PACKAGES, ROOT, files, modules

# Imports every module of the packages named, in an interpreter where the distributions named are
# not to be found.
IMPORT_ALL = """
import importlib, json, pkgutil, sys
packages, absent, skipped = json.loads(sys.argv[1])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not part of this installation", name=name)

sys.meta_path.insert(0, Absent())
seen = 0
for package in packages:
    root = importlib.import_module(package)
    seen += 1
    for module in pkgutil.walk_packages(getattr(root, "__path__", []), package + "."):
        if not module.name.startswith(tuple(skipped)) and ".migrations." not in module.name:
            importlib.import_module(module.name)
            seen += 1
print(seen)
"""


def absent_without(*extras: str) -> list[str]:
    """Return the top-level modules of this environment that these extras do not install."""
    present = distributions(*extras)
    return sorted(
        module
        for module, owners in packages_distributions().items()
        if not {str(canonicalize_name(owner)) for owner in owners} & present
        and module not in sys.stdlib_module_names
    )


def import_all(
    *packages: str, absent: list[str], skipped: tuple[str, ...] = ("none",)
) -> subprocess.CompletedProcess[str]:
    """Import modules, packages with all of theirs, in a fresh interpreter; it prints how many."""
    said = json.dumps([packages, absent, skipped])
    return subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, said],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("package", "extras", "skipped"),
    [
        pytest.param("ledger", (), ("ledger.chain", "ledger.contract.build"), id="verifier"),
        pytest.param("ledger", ("chain",), ("none",), id="chain"),
        pytest.param("lightnode", ("lightnode",), ("none",), id="lightnode"),
        pytest.param("gateway", ("gateway",), ("none",), id="gateway"),
        pytest.param("hil", ("hil",), ("none",), id="hil"),
        pytest.param("central", ("central",), ("none",), id="central"),
        pytest.param("central.client", ("client",), ("none",), id="client"),
    ],
)
def test_each_extra_is_enough_for_its_program(
    package: str, extras: tuple[str, ...], skipped: tuple[str, ...]
) -> None:
    told = import_all(package, absent=absent_without(*extras), skipped=skipped)
    assert told.returncode == 0, told.stderr[-1500:]
    assert int(told.stdout) == 1 or package in PACKAGES, "one module alone was meant"
    assert int(told.stdout) >= 5 or package not in PACKAGES, "no modules were found"


def test_a_missing_distribution_is_seen() -> None:
    absent = absent_without()
    assert {"eth", "fastapi", "pytest"} <= set(absent)
    assert "cbor2" not in absent
    told = import_all("ledger", absent=[*absent, "cbor2"])
    assert "cbor2 is not part of this installation" in told.stderr


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    wanted = set()
    for path in files():
        name = path.relative_to(ROOT)
        if name.parts[0] in PACKAGES:
            wanted.add(str(name))
        if name.parts[0] in PACKAGES or name.name in {"pyproject.toml", "README.md", "LICENSE"}:
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "source" / name)
    assert sum(not name.endswith(".py") for name in wanted) >= 5, "no data files were found"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    made = subprocess.run(
        [*build, "--wheel-dir", str(tmp_path), str(tmp_path / "source")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("certiflex-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert not wanted - set(packed.namelist())


OWNERS = {"": "ledger", "chain": "ledger"} | {
    extra: extra for extra in ("lightnode", "gateway", "central", "hil")
}
# Extras for those who choose an engine or a format that most do without.
CHOSEN = {"central": ("grid", "ray")}
# Asked for though no line imports them, and why.
NOT_IMPORTED: dict[str, str] = {}


def imported_by(package: str) -> set[str]:
    """Return the distributions whose modules a package imports."""
    owners = packages_distributions()
    return {
        str(canonicalize_name(owner))
        for module in modules(package)
        for name in foreign_imports(module, own=package)
        for owner in owners.get(name.split(".")[0], [])
    }


def unused(extra: str) -> set[str]:
    """Return what an extra asks for and its package does not import."""
    asked = {name for name in asked_by(extra) if name != "certiflex"}
    return asked - imported_by(OWNERS[extra]) - NOT_IMPORTED.keys()


def undeclared(extra: str) -> set[str]:
    """Return what a package imports though it is asked for neither by its extra nor by none."""
    asked = asked_by(extra) | asked_by("") | {"certiflex"}
    if extra == "":  # the whole ledger: what its chain needs is the extra's
        asked |= asked_by("chain")
    for chosen in CHOSEN.get(extra, ()):
        asked |= asked_by(chosen)
    return imported_by(OWNERS[extra]) - asked


@pytest.mark.parametrize("extra", OWNERS)
def test_what_is_imported_is_asked_for(extra: str) -> None:
    assert imported_by(OWNERS[extra])
    assert not undeclared(extra), "luck is no dependency: add them to pyproject.toml"


@pytest.mark.parametrize("extra", OWNERS)
def test_nothing_is_asked_for_in_vain(extra: str) -> None:
    assert asked_by(extra)
    assert not unused(extra), "drop them from pyproject.toml, or say why in NOT_IMPORTED"


def test_a_vain_dependency_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OWNERS, "chain", "lightnode")
    assert "py-evm" in unused("chain")
    assert "pymodbus" in undeclared("chain")
