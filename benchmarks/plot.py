"""The ratios as bars, on a logarithmic axis that starts from each row's baseline: left is faster, right is slower."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from .docs import grouped
from .model import Result, Timing, is_ours
from .report import digits, quantity

# Okabe and Ito's colours, which the colour-blind tell apart; hatches tell apart what shares a hue.
_STYLES = {
    "tinygrad_ce": ("#0072B2", ""),
    "tinygrad_ce, numba": ("#0072B2", "////"),
    "tinygrad_ce, compiled": ("#0072B2", "...."),
    "tinygrad_ce, eager": ("#56B4E9", ""),
    "NumPy": ("#999999", ""),
    "jax.jit": ("#E69F00", ""),
    "torch": ("#D55E00", ""),
    "torch.compile": ("#D55E00", "////"),
    "micrograd": ("#000000", ""),
    "MyGrad": ("#009E73", ""),
    "HIPS autograd": ("#CC79A7", ""),
    "others": ("#F0E442", ""),  # named beside their bars
}
_BAR, _GAP = 0.17, 0.24  # inches: of a bar, and between two rows
_WIDTH, _LABELS = 11.0, 3.1  # inches: of the figure, and of the names at its left
_ABOVE, _BELOW, _BETWEEN = 0.95, 0.3, 0.65  # inches: for the legend, the last axis, and between groups


def drawn(results: Iterable[Result], path: Path) -> None:
    """Draw the rows that have a baseline which is not ours, and write the picture there."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = [(title, [r for r in found if plotted(r)]) for title, found in grouped(list(results))]
    groups = [(title, found) for title, found in groups if found]
    heights = [sum(_BAR * len(bars(r)) + _GAP for r in found) + _GAP for _, found in groups] or [1.0]
    margins = _BETWEEN * (len(heights) - 1) + _ABOVE + _BELOW
    figure = Figure(figsize=(_WIDTH, sum(heights) + margins), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    shown: dict[str, Any] = {}
    for ax, (title, found) in zip(axes, groups, strict=False):
        _group(ax, title, found, shown)
    _framed(figure, axes, shown)
    figure.savefig(path, metadata={"Software": None})


def plotted(result: Result) -> bool:
    """Whether a row is in the picture: it was measured, and its 1.0 is somebody else's time or bytes."""
    return result.error is None and not is_ours(result.baseline) and bool(bars(result))


def bars(result: Result) -> Sequence[Timing]:
    """Everybody who took part, but the baseline, which is the line at 1; the fastest first."""
    found = [t for t in result.timings if t.ratio is not None and t.competitor != result.baseline]
    return sorted(found, key=lambda t: t.ratio or 0.0)


# -- pieces ----------------------------------------------------------------------------------------------------


def _group(ax: Any, title: str, results: Sequence[Result], shown: dict[str, Any]) -> None:
    """One axes: a block of bars for each row, from the top down; remembers a bar of each style for the legend."""
    y, ticks, names = _GAP, [], []
    for result in results:
        top = y
        for timing in bars(result):
            style = _style(timing.competitor)
            colour, hatch = _STYLES[style]
            ratio = timing.ratio or 1.0
            options = {"color": colour, "hatch": hatch, "edgecolor": "white" if hatch else "#444444"}
            bar = ax.barh(y + _BAR / 2, ratio - 1.0, height=0.85 * _BAR, left=1.0, linewidth=0.5, **options)
            shown.setdefault(style, bar)
            _labelled(ax, timing, style, ratio, y + _BAR / 2)
            y += _BAR
        ticks.append((top + y) / 2)
        names.append(_named(result))
        y += _GAP
    ax.set_ylim(y, 0.0)
    ax.set_yticks(ticks, names, fontsize=8)
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")


def _labelled(ax: Any, timing: Timing, style: str, ratio: float, y: float) -> None:
    """The ratio at the end of its bar; and the name, where the legend has none."""
    name = f" {timing.competitor}" if style == "others" else ""
    side = {"ha": "left", "xytext": (3, 0)} if ratio >= 1.0 else {"ha": "right", "xytext": (-3, 0)}
    ax.annotate(digits(ratio) + name, (ratio, y), textcoords="offset points", va="center", fontsize=7, **side)


def _framed(figure: Any, axes: Any, shown: dict[str, Any]) -> None:
    """The logarithmic axis, the line at 1, the legend, and the margins."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for ax in axes:
        ax.set_xscale("log")
    low, high = axes[0].get_xlim()
    for ax in axes:
        ax.axvline(1.0, color="black", linewidth=1.2, zorder=3)
        ax.grid(axis="x", which="major", color="#e4e4e4", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
        ax.tick_params(axis="x", labelbottom=True, labelsize=8)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 1000 * low else (1.0,)))
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:g} ×")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.spines[["top", "right", "left"]].set_visible(False)
    axes[0].set_xlim(low / 2.0, high * 1.25)  # room for the numbers
    order = [style for style in _STYLES if style in shown]
    height = figure.get_figheight()
    between = _BETWEEN * len(axes) / max(sum(ax.get_ylim()[0] for ax in axes), 1.0)
    figure.legend([shown[s] for s in order], order, loc="upper center", ncols=5, frameon=False, fontsize=9)
    figure.subplots_adjust(
        left=_LABELS / _WIDTH, right=0.98, top=1 - _ABOVE / height, bottom=_BELOW / height, hspace=between
    )


def _style(competitor: str) -> str:
    """Which of the styles: the name's own, or NumPy's for all that is written in it."""
    if competitor in _STYLES:
        return competitor
    return {"NumPy": "NumPy", "numpy": "NumPy", "jax": "jax.jit"}.get(
        competitor.partition(" ")[0].rstrip(","), "others"
    )


def _named(result: Result) -> str:
    """The row, and what its 1 is."""
    own = next((t.median for t in result.timings if t.competitor == result.baseline), None)
    took = "" if own is None else f" ({quantity(own, result.measures)})"
    name = "\n".join(wrap(result.name, 50))
    return f"{name}\n1 = {result.baseline}{took}"
