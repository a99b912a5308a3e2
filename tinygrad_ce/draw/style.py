"""How a picture looks. Shapes carry the meaning, so that it survives black and white; colours (of Okabe and
Ito's palette, safe for colour-blind eyes) only repeat it. The picture brings its own white background.
"""

from __future__ import annotations

FONT = "Helvetica,Arial,sans-serif"

GRAPH = {
    "bgcolor": "white",
    "pad": "0.15",
    "nodesep": "0.18",
    "ranksep": "0.28",
    "fontname": FONT,
    "fontsize": "10",
}
NODE = {
    "fontname": FONT,
    "fontsize": "11",
    "shape": "box",
    "style": "rounded,filled",
    "margin": "0.06,0.03",
    "width": "0.5",
    "height": "0.3",
}
EDGE = {"color": "#555555", "arrowsize": "0.6", "fontname": FONT, "fontsize": "9", "fontcolor": "#555555"}

LEAF = {"color": "#0072B2", "fillcolor": "#DCEBF7"}
INNER = {"color": "#555555", "fillcolor": "white"}
CONSTANT = {
    "color": "#8A8A8A",
    "fillcolor": "#F7F7F7",
    "style": "rounded,filled,dashed",
    "fontcolor": "#555555",
}
RESULT = {"penwidth": "2.5"}
OP = {
    "shape": "ellipse",
    "style": "filled",
    "color": "#B36B00",
    "fillcolor": "#FFE9C4",
    "margin": "0.02,0.01",
}
# Two gradients of one graph (tg.bisect): where they agree, where they part, where they first do.
AGREES = {"color": "#00785A", "fillcolor": "#D6F0E6"}
PARTS = {"color": "#B33A00", "fillcolor": "#FAD9CC"}
FIRST = {**PARTS, "peripheries": "2", "penwidth": "2"}
UNCOMPARED = {"color": "#8A8A8A", "fillcolor": "#EFEFEF"}

SPINE = {"weight": "4"}  # from inner node to inner node the picture runs straight
QUIET_EDGE = {"style": "dashed", "color": "#8A8A8A"}

QUIET = "#555555"  # shapes, options, the legend
GRADIENT = "#A63A00"

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
