"""The few shapes of SVG that the pictures need, and their colours."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

INK, MUTED, RULE, PAPER = "#1f2933", "#6b7785", "#d5dbe1", "#ffffff"
GOOD, LOW, HIGH, WARM, HOT = "#3f7f5f", "#2b6cb0", "#c53030", "#d69e2e", "#c53030"
_LETTER_WIDTH = 0.6  # of its size, of a bold letter on average
_FONT = "system-ui, 'DejaVu Sans', sans-serif"


class Picture:
    """A drawing of a given size in pixels, with a title for those who cannot see it."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height = width, height
        self._root = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {width:g} {height:g}",
                "width": f"{width:g}",
                "height": f"{height:g}",
                "role": "img",
                "font-family": _FONT,
            },
        )
        ET.SubElement(self._root, "title").text = title
        self.box(0, 0, width, height, fill=PAPER)

    def box(
        self, x: float, y: float, width: float, height: float, *, fill: str, opacity: float = 1.0
    ) -> None:
        """Fill a rectangle."""
        self._add("rect", x=x, y=y, width=width, height=height, fill=fill, opacity=opacity)

    def line(  # noqa: PLR0917 -- two points, as everywhere
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        color: str = RULE,
        width: float = 1.0,
        *,
        dash: str = "",
        told: str = "",
    ) -> None:
        """Draw a line; `told` is shown to who points at it."""
        self._add(
            "line", told, x1=x1, y1=y1, x2=x2, y2=y2, stroke=color,
            stroke_width=width,
            stroke_linecap="round", stroke_dasharray=dash,
        )  # fmt: skip

    def dot(self, x: float, y: float, radius: float, color: str, *, told: str = "") -> None:
        """Draw a filled circle."""
        self._add("circle", told, cx=x, cy=y, r=radius, fill=color, stroke=PAPER)

    def path(
        self,
        points: Sequence[tuple[float, float]],
        color: str,
        width: float = 2.0,
        *,
        dash: str = "",
    ) -> None:
        """Draw a line through points."""
        told = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._add(
            "path", d=told, fill="none", stroke=color,
            stroke_width=width,
            stroke_linejoin="round", stroke_dasharray=dash,
        )  # fmt: skip

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 12.0,
        color: str = INK,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """Write words with their foot at a point."""
        element = self._add(
            "text",
            x=x,
            y=y,
            fill=color,
            font_size=size,
            text_anchor=anchor,
            font_weight="600" if bold else "",
        )
        element.text = words

    def heading(self, x: float, y: float, words: str) -> None:
        """Write a heading, small enough to end within the picture."""
        size = min(15.0, (self.width - x) / (_LETTER_WIDTH * max(1, len(words))))
        self.text(x, y, words, size=size, bold=True)

    def svg(self) -> str:
        """Return the picture as a document."""
        ET.indent(self._root, " ")
        return ET.tostring(self._root, encoding="unicode") + "\n"

    def _add(self, tag: str, told: str = "", **attributes: float | str) -> ET.Element:
        """Put an element in; of its attributes the empty ones are left out."""
        written = {
            name.replace("_", "-"): value if isinstance(value, str) else _short(value)
            for name, value in attributes.items()
            if value != ""
        }
        element = ET.SubElement(self._root, tag, written)
        if told:
            ET.SubElement(element, "title").text = told
        return element


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def mixed(low: str, high: str, share: float) -> str:
    """Return the colour that lies between two, at a share of the way from 0 to 1."""
    within = min(max(share, 0.0), 1.0)
    parts = [
        round(int(low[at : at + 2], 16) * (1 - within) + int(high[at : at + 2], 16) * within)
        for at in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)
