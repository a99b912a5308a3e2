"""Training curves as a picture."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from ..atomic import replacing
from ..train.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRAIN, _TEST = "#3b6ea5", "#d1662f"


def save_curves(path: str | os.PathLike[str], history: History, title: str) -> None:
    """Draw loss and accuracy over the epochs, of training and of the rows held out, as a PNG.

    No window, no global state: the figure is made, written and forgotten.
    """
    # On a machine where it cannot keep its cache, matplotlib says so; the picture is none the worse.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, parse_math=False)
    loss, accuracy = figure.subplots(1, 2)
    _curves(loss, "loss (nats)", history.loss, history.validation_loss)
    loss.set_yscale("log")
    percent = [[100.0 * (a or 0.0) for a in column] for column in (history.accuracy, history.validation_accuracy)]
    _curves(accuracy, "accuracy (%)", *percent)
    accuracy.legend(frameon=False, loc="lower right")
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=144)


def _curves(axes: Axes, name: str, train: Any, test: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(train) + 1)
    marker = "o" if len(epochs) < 10 else ""
    axes.plot(epochs, train, color=_TRAIN, marker=marker, markersize=3, label="train, while learning")
    axes.plot(epochs, test, color=_TEST, marker=marker, markersize=3, label="test, after the epoch")
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
