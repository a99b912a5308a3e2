"""What the plots have in common: where they draw, their colours, and figures as files.

panels(axes, n)         the Axes given, or n new ones on a figure that nobody else knows
svg(figure), png(...)   a figure as text or bytes, for pages
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, whose colours are told apart by colour-blind eyes, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = "os^DvP*X"
SIGNED = "RdBu_r"  # negative blue, positive red, nothing white
AMOUNT = "cividis"


def panels(axes: Any, count: int, *, size: tuple[float, float] = (4.6, 3.5), columns: int = 3) -> list[Axes]:
    """The Axes to draw `count` panels in: those given, or new ones, each of a size in inches.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If there are not as many Axes as panels.
    """
    if find_spec("matplotlib") is None:
        raise ImportError("plots need matplotlib: run pip install 'tinygrad_ce[plot]'")
    if axes is not None:
        given = [axes] if hasattr(axes, "plot") else list(np.ravel(np.asarray(axes, dtype=object)))
        for one in given:
            if not hasattr(one, "imshow"):
                raise ValueError(f"axes= is an Axes of matplotlib, or a list of them, not {one!r:.60}")
        if len(given) != count:
            raise ValueError(f"this draws {count} panel{'s' * (count != 1)}, and axes= holds {len(given)}")
        return given
    # On a machine where it cannot keep its cache, matplotlib says so; the picture is none the worse.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    across = min(count, columns)
    down = -(-count // across)
    figure = Figure(figsize=(size[0] * across, size[1] * down), layout="constrained")
    made = [figure.add_subplot(down, across, i + 1) for i in range(count)]
    return made


def tidy(axes: Axes, *, grid: bool = True) -> None:
    """Only the lines that say something."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(alpha=0.25)


def whole_numbers(axes: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers: epochs, classes."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]


def named(labels: Sequence[str] | None, count: int) -> list[str]:
    """Names of classes: those given, or their numbers."""
    if labels is not None and (isinstance(labels, str | Mapping) or not isinstance(labels, Iterable)):
        raise ValueError(f"class_names= is a list of names, not {labels!r:.60}")
    names = [str(k) for k in range(count)] if labels is None else [str(name) for name in labels]
    if len(names) < count:
        raise ValueError(f"{len(names)} class names for {count} classes")
    return names[:count]


def literal(text: str) -> str:
    """Text that matplotlib shows as it is, dollar signs too."""
    return text.replace("$", r"\$")


def png(figure: Figure, dpi: int = 110) -> bytes:
    """A figure as PNG, without a date in it."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()
