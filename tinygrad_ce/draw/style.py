"""How a picture looks. Shapes carry the meaning, so that it survives black and white; colours (of Okabe and
Ito's palette, safe for colour-blind eyes) only repeat it. The picture brings its own background, so that it can be
read in any notebook.

    Theme           the colours: LIGHT, DARK
    heat            the colour of a number in a heat map: from dark blue over grey to yellow, ever lighter
"""

from __future__ import annotations

from dataclasses import dataclass

FONT = "Helvetica,Arial,sans-serif"

GRAPH = {"pad": "0.15", "nodesep": "0.18", "ranksep": "0.28", "fontname": FONT, "fontsize": "10"}
NODE = {
    "fontname": FONT,
    "fontsize": "11",
    "shape": "box",
    "style": "rounded,filled",
    "margin": "0.06,0.03",
    "width": "0.5",
    "height": "0.3",
}
EDGE = {"arrowsize": "0.6", "fontname": FONT, "fontsize": "9"}
CLUSTER = {"fontname": FONT, "fontsize": "10", "labeljust": "l", "labelloc": "t", "margin": "6"}

Look = dict[str, str]


@dataclass(frozen=True)
class Theme:
    """Colours: a pair is a border and what it fills."""

    paper: str
    ink: str
    quiet: str  # shapes, options, the legend
    gradient: str
    leaf: tuple[str, str]
    inner: tuple[str, str]
    constant: tuple[str, str]
    op: tuple[str, str]
    group: tuple[str, str]
    arc: str
    frames: tuple[tuple[str, str], ...]  # the outermost first, then over again

    @property
    def graph(self) -> Look:
        return {**GRAPH, "bgcolor": self.paper, "fontcolor": self.ink}

    @property
    def node(self) -> Look:
        return {**NODE, "fontcolor": self.ink}

    @property
    def edge(self) -> Look:
        return {**EDGE, "color": self.quiet, "fontcolor": self.quiet}

    def value(self, role: str) -> Look:
        border, fill = {"leaf": self.leaf, "inner": self.inner, "constant": self.constant}[role]
        look = {"color": border, "fillcolor": fill}
        return {**look, "style": "rounded,filled,dashed", "fontcolor": self.quiet} if role == "constant" else look

    @property
    def operation(self) -> Look:
        border, fill = self.op
        return {"shape": "ellipse", "style": "filled", "color": border, "fillcolor": fill, "margin": "0.02,0.01"}

    def step(self, lies: str) -> Look:
        """A step of a compiled program, by how its result lies."""
        border, fill = self.constant if lies == "view" else self.op
        style = "filled,rounded,dashed" if lies == "view" else "filled,rounded"
        look = {"style": style, "color": border, "fillcolor": fill, "margin": "0.08,0.03"}
        return {**look, "penwidth": "2.5"} if lies == "in place" else look

    @property
    def box(self) -> Look:
        border, fill = self.group
        return {"style": "filled", "peripheries": "2", "color": border, "fillcolor": fill, "margin": "0.1,0.05"}

    def frame(self, level: int) -> Look:
        border, fill = self.frames[level % len(self.frames)]
        return {**CLUSTER, "style": "rounded,filled", "color": border, "fillcolor": fill, "fontcolor": self.ink}


LIGHT = Theme(
    paper="#FFFFFF",
    ink="#1A1A1A",
    quiet="#555555",
    gradient="#A63A00",
    leaf=("#0072B2", "#DCEBF7"),
    inner=("#555555", "#FFFFFF"),
    constant=("#8A8A8A", "#F7F7F7"),
    op=("#B36B00", "#FFE9C4"),
    group=("#7A3E6B", "#F6E3F0"),
    arc="#00785A",
    frames=(("#A8A8A8", "#F3F3F0"), ("#A8A8A8", "#E9EDF0")),
)
DARK = Theme(
    paper="#1B1E23",
    ink="#F0F0F0",
    quiet="#B4B8BE",
    gradient="#FFA66B",
    leaf=("#56B4E9", "#16384D"),
    inner=("#B4B8BE", "#24282E"),
    constant=("#80868E", "#202328"),
    op=("#E69F00", "#4A3510"),
    group=("#CC79A7", "#43283A"),
    arc="#35C79B",
    frames=(("#5A616B", "#262A30"), ("#5A616B", "#2E343B")),
)
THEMES = {"light": LIGHT, "dark": DARK}

# Two gradients of one graph (tg.bisect): where they agree, where they part, where they first do.
AGREES = {"color": "#00785A", "fillcolor": "#D6F0E6"}
PARTS = {"color": "#B33A00", "fillcolor": "#FAD9CC"}
FIRST = {**PARTS, "peripheries": "2", "penwidth": "2"}
UNCOMPARED = {"color": "#8A8A8A", "fillcolor": "#EFEFEF"}

RESULT = {"penwidth": "2.5"}
SPINE = {"weight": "4"}  # from inner node to inner node the picture runs straight
QUIET = {"style": "dashed"}

SYMBOLS = {
    "add": "+",
    "subtract": "\N{MINUS SIGN}",
    "multiply": "\N{MULTIPLICATION SIGN}",
    "divide": "\N{DIVISION SIGN}",
    "matmul": "@",
    "power": "**",
}

# Where the order of inputs is what an op means, its edges say which is which.
SYMMETRIC = {"add", "multiply", "maximum", "minimum"}

_HEAT = ((0x00, 0x22, 0x4E), (0x4A, 0x54, 0x6C), (0x8F, 0x8C, 0x80), (0xC6, 0xB6, 0x6B), (0xFE, 0xE8, 0x38))


def heat(x: float, low: float, high: float) -> str:
    """The colour of `x` between `low` and `high`.

    >>> heat(0.0, 0.0, 1.0), heat(1.0, 0.0, 1.0), heat(float("nan"), 0.0, 1.0)
    ('#00224E', '#FEE838', '')
    """
    if x != x:
        return ""
    at = 0.5 if high <= low else min(max((x - low) / (high - low), 0.0), 1.0)
    i = min(int(at * (len(_HEAT) - 1)), len(_HEAT) - 2)
    part = at * (len(_HEAT) - 1) - i
    return "#" + "".join(f"{round(a + (b - a) * part):02X}" for a, b in zip(_HEAT[i], _HEAT[i + 1], strict=True))
