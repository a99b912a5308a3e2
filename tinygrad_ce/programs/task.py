"""A configuration as something to train: data, network, loss, optimiser, schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import cos, pi
from typing import Any

import numpy as np

from .. import optim
from ..data import DataLoader, Dataset
from ..nn import Module
from ..ops import softmax_cross_entropy
from ..train import F1, Calibration, Metric, Perplexity, Stepping, TopK
from .config import Config
from .corpus import Corpus, characters, rows
from .models import build

_EVALUATED = 256


@dataclass(frozen=True)
class Task:
    """All that `fit` wants."""

    config: Config
    corpus: Corpus
    model: Module
    loss: Callable[[Any, Any], Any]
    metrics: Sequence[Metric]

    @property
    def meta(self) -> dict[str, Any]:
        """What a checkpoint has to say for the model to be used again."""
        return {"config": self.config.to_dict(), "facts": asdict(self.corpus.facts), "data": self.corpus.name}

    def loader(self) -> DataLoader:
        return DataLoader(_typed(self.corpus.train, self.config), self.config.batch, seed=self.config.seed)

    def validation(self) -> DataLoader:
        return DataLoader(_typed(self.corpus.test, self.config), _EVALUATED, shuffle=False)

    def optimiser(self) -> Any:
        """The optimiser; weight decay leaves biases, scales and norms alone."""
        params = self.model.parameters()
        decay = self.config.weight_decay
        groups = [
            {"params": [p for p in params if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0},
        ]
        makers: dict[str, Callable[..., Any]] = {
            "adam": optim.Adam,
            "adamw": optim.AdamW,
            "sgd": partial(optim.SGD, momentum=0.9),
            "rmsprop": optim.RMSprop,
            "adagrad": optim.Adagrad,
            "lion": optim.Lion,
        }
        return makers[self.config.optimiser]([group for group in groups if group["params"]], lr=self.config.lr)

    def schedule(self, optimiser: Any) -> Stepping | None:
        """Up in a twentieth of the steps, then down along a cosine to a hundredth."""
        if self.config.schedule == "constant":
            return None
        steps = self.config.epochs * len(self.loader())
        return Stepping(optim.LambdaLR(optimiser, partial(_cosine, steps=steps)), every="step")


def task(config: Config) -> Task:
    """Read the data and build the network.

    Raises
    ------
    DataError
        If anything is wrong with the data, or they are none for this preset.
    """
    corpus = characters(config) if config.preset == "gpt" else rows(config)
    return task_of(config, corpus, build(config, corpus.facts))


def task_of(config: Config, corpus: Corpus, model: Module) -> Task:
    """A task of parts that are there already."""
    if config.preset == "gpt":
        return Task(config, corpus, model, softmax_cross_entropy, [Perplexity()])
    if corpus.facts.class_names:
        few = [TopK(3)] if corpus.facts.outputs > 5 else []
        return Task(config, corpus, model, softmax_cross_entropy, [F1(), *few, Calibration()])
    return Task(config, corpus, model, _squared, [])


# -- pieces -----------------------------------------------------------------------------------------------------


def _cosine(step: int, *, steps: int) -> float:
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1 + cos(pi * min(1.0, (step - warm) / max(1, steps - warm))))


def _squared(outputs: Any, targets: Any) -> Any:
    """The mean of squared errors, of one quantity or several."""
    return np.mean((outputs.reshape(np.shape(targets)) - targets) ** 2)


class _typed:
    """A data set in the dtype of the network."""

    def __init__(self, rows: Any, config: Config) -> None:
        inputs, targets = rows.inputs, rows.targets
        if isinstance(rows, Dataset):
            inputs = inputs.astype(config.dtype, copy=False)
            targets = targets if targets.dtype.kind in "iu" else targets.astype(config.dtype)
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)
