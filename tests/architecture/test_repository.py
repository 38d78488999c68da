"""The repository speaks of itself alone, is locked, and may be given away under its licence."""

import re
from importlib.metadata import PackageNotFoundError, metadata, requires

import pytest
from packaging.requirements import Requirement

from tests.architecture.installed import distributions
from tests.architecture.tree import ROOT, texts

# A path that only one machine has, a number that only a tracker knows, work that is not done.
FORBIDDEN = {
    "path of a machine": re.compile(r"(?<![\w.$}~*/-])/(home|root|Users|work|mnt)/[\w.]"),
    "number of a tracker": re.compile(r"\b(issue|ticket)\s+#?\d", re.IGNORECASE),
    "work left over": re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"),
}
# Where packages come from is the setting of a machine, never of this repository.
SOURCE_OF_PACKAGES = re.compile(
    r"(?<!no-emit-)(extra-index-url|index-url|find-links|trusted-host)\b|\"resolved\":"
)
ITSELF = "tests/architecture/test_repository.py"
LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==", re.MULTILINE)


def foreign_words(content: str) -> list[str]:
    """Return what a file says that is not about this project."""
    return [what for what, pattern in FORBIDDEN.items() if pattern.search(content)]


def locked(lock: str) -> set[str]:
    """Return the distributions that a lock names."""
    return set(LOCKED.findall((ROOT / "requirements" / lock).read_text()))


def licence_of(name: str) -> str:
    """Return what an installed distribution says about its licence; nothing if not installed."""
    try:
        about = metadata(name).json
    except PackageNotFoundError:
        return ""
    listed = [one for one in about.get("classifier", ()) if one.startswith("License")]
    # Some put the whole text where the name belongs: its title is enough.
    said = [str(about.get("license_expression", "")), str(about.get("license", ""))[:200]]
    return " ".join([*said, *listed])


def is_copyleft(licence: str) -> bool:
    """Tell whether a licence asks of the whole product to be under (A)GPL."""
    strict = re.search(r"(?<!L)GPL|(?<!Lesser )General Public License|Affero", licence)
    return strict is not None and " OR " not in licence


def test_files_speak_of_the_project_alone() -> None:
    read = [(path, said) for path, said in texts() if str(path.relative_to(ROOT)) != ITSELF]
    assert len(read) >= 60, "the files were not found"
    found = {str(path.relative_to(ROOT)): w for path, said in read if (w := foreign_words(said))}
    assert not found


def test_no_file_says_where_packages_come_from() -> None:
    read = [(path, said) for path, said in texts() if str(path.relative_to(ROOT)) != ITSELF]
    found = [str(path.relative_to(ROOT)) for path, said in read if SOURCE_OF_PACKAGES.search(said)]
    assert not found


@pytest.mark.parametrize("lock", ["test.lock", "lightnode.lock", "contract.lock"])
def test_locks_pin_every_file_and_name_no_place(lock: str) -> None:
    content = (ROOT / "requirements" / lock).read_text()
    assert len(locked(lock)) >= 5
    assert "://" not in content
    assert " @ " not in content
    for entry in re.split(r"\n(?=\S)", content.strip()):
        assert "--hash=sha256:" in entry, entry


def test_the_lock_covers_what_the_project_asks_for() -> None:
    asked = {Requirement(line).name.lower() for line in requires("certiflex") or []}
    assert len(asked) >= 20
    assert asked - {"certiflex"} <= locked("test.lock")


def test_the_node_needs_nothing_of_the_chain() -> None:
    assert not {"eth-abi", "eth-account", "py-evm", "web3"} & locked("lightnode.lock")


def test_no_dependency_of_the_product_is_copyleft() -> None:
    installed = distributions("lightnode", "chain", "gateway", "central", "hil")
    assert {"py-evm", "fastapi", "pymodbus", "aiomqtt"} <= installed, "nothing was walked"
    assert "MIT" in licence_of("fastapi"), "no licence was read"
    found = sorted(name for name in installed if is_copyleft(licence_of(name)))
    assert not found


def test_foreign_words_are_seen() -> None:
    assert foreign_words("see /home/ada/notes") == ["path of a machine"]
    assert foreign_words("as issue 12 says") == ["number of a tracker"]
    assert foreign_words("# TODO: later") == ["work left over"]
    assert foreign_words("GET /v1/work/orders, ../root/x") == []
    assert SOURCE_OF_PACKAGES.search('"resolved": "…"')
    assert SOURCE_OF_PACKAGES.search("--extra-index-url x")
    assert not SOURCE_OF_PACKAGES.search("--no-emit-index-url")


@pytest.mark.parametrize(
    ("licence", "refused"),
    [
        ("GPL-3.0-only", True),
        ("AGPL-3.0-or-later", True),
        ("License :: OSI Approved :: GNU General Public License v3 (GPLv3)", True),
        ("LGPL-3.0-only", False),
        ("License :: OSI Approved :: GNU Lesser General Public License v3", False),
        ("EPL-2.0 OR BSD-3-Clause", False),
        ("MIT", False),
    ],
)
def test_copyleft_is_seen(licence: str, *, refused: bool) -> None:
    assert is_copyleft(licence) is refused
