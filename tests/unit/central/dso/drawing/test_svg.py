"""Shapes are well-formed whatever the words are."""

from xml.etree import ElementTree as ET

import pytest

from central.dso.drawing.svg import Picture, mixed

SVG = "{http://www.w3.org/2000/svg}"


def test_words_are_escaped_and_shapes_say_what_they_are() -> None:
    picture = Picture(100, 50, 'a <title> & "more"')
    picture.line(0, 0, 10, 10, told="5 < 6")
    picture.text(1, 2, "<script>alert(1)</script>")
    picture.dot(1, 2, 0, "#000000")
    root = ET.fromstring(picture.svg())
    assert root.findtext(f"{SVG}title") == 'a <title> & "more"'
    assert root.findtext(f"{SVG}line/{SVG}title") == "5 < 6"
    assert root.findtext(f"{SVG}text") == "<script>alert(1)</script>"
    circle = root.find(f"{SVG}circle")
    assert circle is not None
    assert circle.get("r") == "0"
    assert next(root.iter(f"{SVG}line")).get("stroke-dasharray") is None


def test_a_heading_ends_within_its_picture() -> None:
    picture = Picture(300, 50, "x")
    picture.heading(10, 20, "w" * 200)
    size = float(next(ET.fromstring(picture.svg()).iter(f"{SVG}text")).get("font-size", "99"))
    assert size * 0.6 * 200 <= 291


@pytest.mark.parametrize(
    ("share", "color"), [(0, "#000000"), (1, "#ffffff"), (0.5, "#808080"), (7, "#ffffff")]
)
def test_colours_are_mixed(share: float, color: str) -> None:
    assert mixed("#000000", "#ffffff", share) == color
