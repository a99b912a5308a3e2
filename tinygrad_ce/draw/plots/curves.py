"""Curves of training: a panel for each thing that a history remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .figure import colour, literal, panels, tidy, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Lines = dict[str, list[float]]  # name → a number for each epoch, nan where there is none
_HUGE = 1e290  # of larger numbers matplotlib's margins overflow
MOST = 8  # lines of one panel: of more, those that end largest


def curves(history: Any, *, what: Iterable[str] | None = None, axes: Any = None) -> list[Axes]:
    """Training, epoch by epoch.

    Parameters
    ----------
    history : History
        What `fit` returns; anything with `loss`, a number for each epoch. The other panels are drawn of what it has:
        `accuracy`, `validation_loss`, `validation_accuracy`, `learning_rate`, `gradient_norms` and `dead_relus` (the
        last two a number, or a mapping of names to numbers, for each epoch: the callback
        `tinygrad_ce.train.GradientStatistics` writes them).
    what : iterable of str, optional
        Which panels, of "loss", "accuracy", "learning rate", "gradient norms", "dead relus"; by default all that
        there are numbers for.
    axes : Axes or sequence of Axes, optional
        One for each panel.

    Returns
    -------
    list of Axes

    Raises
    ------
    ValueError
        If the history is empty, has nothing of what is asked for, or the number of Axes is another.

    Examples
    --------
    >>> from tinygrad_ce.train import EpochReport, History
    >>> history = History([EpochReport(k, 2, 1.0 / k, 0.5 * k, None, None, 0.1) for k in (1, 2)])
    >>> [axes.get_ylabel() for axes in curves(history)]
    ['loss', 'accuracy (%)']
    """
    found = {name: lines for name, panel in _PANELS.items() if (lines := panel.read(history))}
    if what is not None and not isinstance(what, Iterable):
        raise ValueError(f"what= names panels, of {', '.join(_PANELS)}, not {what!r:.40}")
    chosen = list(found) if what is None else [what] if isinstance(what, str) else list(what)
    if not chosen and what is not None:
        raise ValueError(f"what= names no panel; there are {', '.join(_PANELS)}")
    if not chosen:
        raise ValueError(_why_not(history))
    for name in chosen:
        if name not in _PANELS:
            raise ValueError(f"no panel '{name}'; there are {', '.join(_PANELS)}")
        if name not in found:
            advice = ": fit(..., callbacks=[GradientStatistics()]) writes them" if name in _BY_CALLBACK else ""
            raise ValueError(f"the history has no {name}; it has {', '.join(found) or 'nothing'}{advice}")
    drawn = panels(axes, len(chosen))
    for one, name in zip(drawn, chosen, strict=True):
        _panel(one, _PANELS[name], found[name])
    return drawn


# -- what there is -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Panel:
    title: str
    read: Callable[[Any], Lines]
    logarithmic: bool = False
    scale: float = 1.0


def _pair(name: str) -> Callable[[Any], Lines]:
    """A column, and the same of the validation data."""

    def read(history: Any) -> Lines:
        lines = {
            "training": _numbers(_column(history, name)),
            "validation": _numbers(_column(history, f"validation_{name}")),
        }
        return {key: line for key, line in lines.items() if _says_something(line)}

    return read


def _any_of(*names: str) -> Callable[[Any], Lines]:
    """The first column of these names that there is: numbers, or a mapping of names to numbers each epoch."""

    def read(history: Any) -> Lines:
        column: Sequence[Any] = next((c for name in names if (c := _column(history, name))), ())
        keys = dict.fromkeys(key for cell in column if isinstance(cell, Mapping) for key in cell)
        if not keys:
            line = _numbers(column)
            return {names[0].replace("_", " "): line} if _says_something(line) else {}
        rows = [cell if isinstance(cell, Mapping) else {} for cell in column]
        lines = {str(key): _numbers([row.get(key) for row in rows]) for key in keys}
        return {key: line for key, line in lines.items() if _says_something(line)}

    return read


_PANELS = {
    "loss": _Panel("loss", _pair("loss"), logarithmic=True),
    "accuracy": _Panel("accuracy (%)", _pair("accuracy"), scale=100.0),
    "learning rate": _Panel("learning rate", _any_of("learning_rate", "learning_rates", "lr")),
    "gradient norms": _Panel(
        "gradient norm", _any_of("gradient_norms", "gradient_norm", "grad_norms", "grad_norm"), logarithmic=True
    ),
    "dead relus": _Panel("dead relus (%)", _any_of("dead_relus", "dead_relu", "dead"), scale=100.0),
}

_BY_CALLBACK = ("gradient norms", "dead relus")


def _column(history: Any, name: str) -> Sequence[Any]:
    """A cell for each epoch: the history's own column, or what its reports (or their metrics) have of that name."""
    column = getattr(history, name, None)
    if isinstance(column, Mapping):  # name → column
        length = max((len(c) for c in column.values()), default=0)
        return [{key: c[k] for key, c in column.items() if k < len(c)} for k in range(length)]
    if column is not None and np.ndim(column) and not isinstance(column, str):
        return list(column)
    cells = [_cell(report, name) for report in getattr(history, "reports", ())]
    return cells if any(cell is not None for cell in cells) else ()


def _cell(report: Any, name: str) -> Any:
    found = getattr(report, name, None)
    metrics = getattr(report, "metrics", None)
    return metrics.get(name) if found is None and isinstance(metrics, Mapping) else found


def _numbers(column: Sequence[Any]) -> list[float]:
    return [np.nan if cell is None or isinstance(cell, Mapping) else float(cell) for cell in column]


def _why_not(history: Any) -> str:
    """Why there is nothing to draw."""
    if not hasattr(history, "loss"):
        return f"curves are drawn of a history, which fit returns, not of {history!r:.60}"
    losses = _column(history, "loss")
    if not len(losses):
        return "the history has no epoch to draw"
    return f"the history has no finite number to draw: its loss is {losses[-1]} after {len(losses)} epochs"


def _says_something(line: Sequence[float]) -> bool:
    return bool(np.any(np.isfinite(line)))


# -- how it looks ------------------------------------------------------------------------------------------------


def _panel(axes: Axes, panel: _Panel, lines: Lines) -> None:
    shown = _largest(lines)
    for k, (name, line) in enumerate(shown.items()):
        epochs = range(1, len(line) + 1)
        # Colour alone does not tell lines apart in print.
        style = ("-", "--", "-.", ":")[k % 4]
        marker = "o" if len(line) < 10 else ""
        finite = np.where(np.isfinite(line), line, np.nan)
        numbers = np.clip(panel.scale * finite, -_HUGE, _HUGE)
        numbers = np.where(np.abs(numbers) < 1 / _HUGE, 0.0 * numbers, numbers)
        axes.plot(epochs, numbers, color=colour(k), ls=style, marker=marker, markersize=3, label=literal(name))
    axes.set_xlabel("epoch")
    axes.set_ylabel(panel.title)
    if len(shown) < len(lines):
        axes.set_title(f"the {len(shown)} largest of {len(lines)}", fontsize="small", loc="left")
    if panel.logarithmic and all(np.nanmin(line) > 1 / _HUGE for line in shown.values()):
        axes.set_yscale("log")
    if len(shown) > 1 or next(iter(shown)) not in ("training", panel.title):
        axes.legend(frameon=False, fontsize="small")
    whole_numbers(axes)
    tidy(axes)


def _largest(lines: Lines) -> Lines:
    if len(lines) <= MOST:
        return lines
    last = {name: ([x for x in line if np.isfinite(x)] or [0.0])[-1] for name, line in lines.items()}
    kept = set(sorted(last, key=lambda name: -last[name])[:MOST])
    return {name: line for name, line in lines.items() if name in kept}
