"""The demo's first part: a network trained before one's eyes."""

from __future__ import annotations

from contextlib import nullcontext
from math import ceil, cos, pi
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Loader
from ..nn import MLP
from ..ops import softmax_cross_entropy
from ..optim import Adam
from ..train import EpochReport, History, fit
from .settings import Prepared, Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_STEPS, _FEWEST, _MOST = 1350, 10, 200
_LINES = 10


def build(data: Prepared, settings: Settings) -> MLP:
    """The network: weights as He et al. begin them, which suits relu."""
    features = data.train.inputs.shape[1]
    sizes = [features, *settings.hidden, len(data.train.class_names)]
    return MLP(sizes, init="he", rng=np.random.default_rng(settings.seed))


def planned_epochs(data: Prepared, settings: Settings) -> int:
    """The epochs asked for, or those that 1,350 steps take."""
    batches = ceil(len(data.train) / settings.batch)
    return settings.epochs or min(max(ceil(_STEPS / batches), _FEWEST), _MOST)


def train(model: MLP, data: Prepared, settings: Settings, console: Console) -> History:
    """Train with Adam, the learning rate falling to 0 along a cosine; show how it goes."""
    epochs = planned_epochs(data, settings)
    optimiser = Adam(model.parameters(), lr=settings.lr)

    def anneal(report: EpochReport) -> None:
        optimiser.lr = settings.lr * 0.5 * (1 + cos(pi * report.epoch / report.epochs))

    loader = Loader(data.train, settings.batch, seed=settings.seed)
    with _Watch(console, epochs) as watch:
        return fit(
            model,
            loader,
            softmax_cross_entropy,
            optimiser,
            epochs,
            validation=data.test,
            callbacks=[anneal, watch.report],
        )


class _Watch:
    """A line for about ten of the epochs; at a terminal a progress bar beneath them, for every one."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self.milestones = {1, epochs, *(round(epochs * k / _LINES) for k in range(1, _LINES))}
        self.bar: Progress | None = _bar(console) if console.is_terminal else None
        self.task = self.bar.add_task("", total=epochs, score="") if self.bar else None

    def __enter__(self) -> _Watch:
        (self.bar or nullcontext()).__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        (self.bar or nullcontext()).__exit__(*error)

    def report(self, report: EpochReport) -> None:
        accuracy, test = _percent(report.accuracy), _percent(report.validation_accuracy)
        if report.epoch in self.milestones:
            epoch = f"{report.epoch:>{len(str(report.epochs))}}"
            learnt = f"loss {report.loss:.4f}  accuracy {accuracy}"
            self.console.print(f"epoch {epoch}  {learnt}   test: loss {report.validation_loss:.4f}  accuracy {test}")
        if self.bar and self.task is not None:
            score = f"loss {report.loss:.4f}  accuracy {accuracy}  test {test}"
            self.bar.update(self.task, completed=report.epoch, score=score)


def _percent(fraction: float | None) -> str:
    return f"{100 * (fraction or 0):6.2f} %"


def _bar(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[score]}"),
        TimeElapsedColumn(),
        console=console,
        expand=True,
    )
