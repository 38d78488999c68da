"""Meter profiles: shipped ones are sound, wrong ones are told with everything that is wrong."""

import re
from pathlib import Path

import pytest

from ledger.configuration import Misconfigured
from lightnode.meters.profile import Identify, load_profile, shipped_profiles, wire_unit

FOLDER = Path("lightnode/meters/profiles")


def test_every_shipped_profile_is_sound_and_named_as_its_file() -> None:
    names = shipped_profiles()
    assert {"eastron-sdm120", "eastron-sdm630"} <= set(names)
    for name in names:
        profile = load_profile(name)
        assert profile.id == name
        assert profile.name == f"{name}@{profile.version}"
        assert len(profile.sources) >= 2
        covered = [quantity for golden in profile.golden for quantity in _expected(golden.expect)]
        assert {wire_unit(point.quantity) for point in profile.point} <= set(covered)


def _expected(expect: object) -> list[str]:
    return [
        name.rpartition("_")[2]
        for name in type(expect).__dataclass_fields__  # type: ignore[attr-defined]
        if getattr(expect, name) is not None
    ]


def test_registers_of_the_datasheets() -> None:
    """The table of the edge's design, read with other eyes than the profile's."""
    common = {"frequency": 0x46, "import": 0x48, "export": 0x4A}
    three = {
        f"{q}_l{n}": a + 2 * (n - 1) for q, a in (("voltage", 0), ("current", 6)) for n in (1, 2, 3)
    }
    expected = {
        "eastron-sdm120": common
        | {"voltage_l1": 0, "current_l1": 6, "power": 0x0C, "reactive_power": 0x18},
        "eastron-sdm630": common | three | {"power": 0x34, "reactive_power": 0x3C},
    }
    for name, places in expected.items():
        assert {point.quantity: point.address for point in load_profile(name).point} == places


@pytest.mark.parametrize(
    ("pattern", "replacement", "told"),
    [
        (r"^id = .*$", "", r"id: is missing; expected a text"),
        (r"^title", "titel", r":\d+: titel: unknown key; did you mean title\?"),
        (r"sources = \[\n.*\n.*\n.*\n\]", 'sources = ["one"]', "cite two that agree"),
        (r"lengths = \[76, 78, 80\]", "lengths = [76]", "two or more different lengths"),
        (r"lengths = \[76, 78, 80\]", "lengths = [76, 78, 82]", "longer than max_read = 80"),
        (r"lengths = \[76, 78, 80\]", "lengths = [76, 77]", "77 is not a multiple of align = 2"),
        (r"lengths = \[76, 78, 80\]", "lengths = [74, 78]", "point export: in no block's shortest"),
        (r"lengths = \[2, 4, 6, 8, 10\]", "lengths = [2, 76]", "must differ from every block's"),
        (r'quantity = "export"', 'quantity = "import"', "expected exactly one import"),
        (r'unit = "Hz"', 'unit = "kWh"', "frequency is kept in mhz, which kWh is not"),
        (r'unit = "W"', 'unit = "kW"', "golden: power is 2650000, expected 2650"),
        (r'"4366 3334"', '"4366 333"', "groups of four hexadecimal digits"),
        (r"voltage_v = \[0, 300\]", "voltage_v = [300, 0]", r"voltage_v: expected \[least, most\]"),
        (r'type = "f32"', 'type = "f64"', "expected one of 'f32', 's16'"),
        (r"words = \[0, 2\]", "words = [0, 4]", "within count"),
    ],
)
def test_a_wrong_profile_is_told(pattern: str, replacement: str, told: str, tmp_path: Path) -> None:
    text = (FOLDER / "eastron-sdm630.toml").read_text()
    wrong, changes = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert changes == 1
    file = tmp_path / "wrong.toml"
    file.write_text(wrong)
    with pytest.raises(Misconfigured, match=told):
        load_profile(str(file))


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(Misconfigured, match=r"'sdm631' is not known; expected eastron-sdm120"):
        load_profile("sdm631")
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_profile("nowhere.toml")


def test_a_serial_number_in_two_halves() -> None:
    place = Identify(space="holding", address=42, count=4, words=(0, 2))
    assert place.serial_number(bytes.fromhex("0012 ffff d687 ffff")) == 0x0012D687
