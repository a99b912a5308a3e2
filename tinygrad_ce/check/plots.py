"""Pictures of a failed check, as SVG that stands in a page by itself (extra `plot`).

figures(pictures)       title → SVG text; empty where matplotlib is not installed
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from .curves import Pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RULE, _REFEREE, _QUIET = "#cf222e", "#1a7f37", "#8c959f"


def figures(pictures: Pictures) -> dict[str, str]:
    """The pictures that there are data for, as inline SVG."""
    if find_spec("matplotlib") is None:
        return {}
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    found = {}
    if pictures.v_curve is not None:
        title = f"Central differences of {pictures.v_curve.where}: step against distance"
        found[title] = _svg(_v_curve, pictures, (5.2, 3.4))
    if pictures.wrong is not None and pictures.right is not None:
        found[f"Taylor remainder along a random direction of {pictures.name}"] = _svg(_taylor, pictures, (5.2, 3.4))
    if pictures.residual is not None:
        rows, columns = pictures.residual.shape
        height = min(max(0.32 * rows + 1.2, 1.8), 6.0)
        title = f"Residual: rule minus referee, in {pictures.name}"
        found[title] = _svg(_residual, pictures, (min(max(0.42 * columns + 1.6, 3.2), 7.0), height))
    return found


def _svg(draw: Callable[[Figure, Pictures], None], pictures: Pictures, size: tuple[float, float]) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    out = io.StringIO()
    # Text as text: small, searchable, and in the page's own font; the same file for the same report.
    with rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "tinygrad_ce", "font.family": "sans-serif", "font.size": 9}
    ):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure, pictures)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = out.getvalue()
    return _own_names(text[text.index("<svg") :])


_count = iter(range(10**9))


def _own_names(svg: str) -> str:
    """The picture with ids that no other picture of the page has."""
    mark = f"p{next(_count)}"
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{mark}-\1"', svg)
    svg = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{mark}-\2"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{mark}-\1)", svg)


def _v_curve(figure: Figure, pictures: Pictures) -> None:
    curve = pictures.v_curve
    assert curve is not None
    axes = figure.subplots()
    axes.loglog(curve.steps, _above_zero(curve.from_rule), color=_RULE, label="from the rule's number")
    axes.loglog(curve.steps, _above_zero(curve.from_referee), color=_REFEREE, label="from the referee's")
    axes.set_xlabel("step, relative to the entry")
    axes.set_ylabel("distance, relative")
    _tidy(axes)


def _taylor(figure: Figure, pictures: Pictures) -> None:
    axes = figure.subplots()
    assert pictures.wrong is not None and pictures.right is not None
    for test, colour, who in ((pictures.wrong, _RULE, "rule"), (pictures.right, _REFEREE, "referee")):
        slope = f", slope {test.slope:.2f}" if np.isfinite(test.slope) else ""
        axes.loglog(
            test.steps, _above_zero(test.remainders), color=colour, marker="o", markersize=2.5, label=who + slope
        )
    axes.loglog(pictures.right.steps, _above_zero(pictures.right.noise), color=_QUIET, ls=":", label="rounding")
    axes.set_xlabel("h")
    axes.set_ylabel("|f(x + hv) − f(x) − h <gradient, v>|")
    _tidy(axes)


def _residual(figure: Figure, pictures: Pictures) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots()
    residual = pictures.residual
    top = float(np.max(np.abs(residual[np.isfinite(residual)]), initial=0.0)) or 1.0
    image = axes.imshow(np.ma.masked_invalid(residual), cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto")
    axes.set_facecolor("#222222")  # what is not finite
    for locator in (axes.xaxis, axes.yaxis):
        locator.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.colorbar(image, ax=axes)


def _above_zero(xs: Any) -> Any:
    x = np.array([np.nan if v is None else v for v in xs], dtype=float)
    return np.where(x > 0, x, np.nan)


def _tidy(axes: Any) -> None:
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
