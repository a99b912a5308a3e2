"""overfit_one_batch: can the model learn at all?

A model that cannot learn a handful of rows by heart has a mistake in it, in its loss, or in its gradient.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np

from ..nn import Module
from ..nn.parts import is_generator, parts
from ..optim import Adam
from .arguments import pair, require_function, require_optimiser
from .curve import svg
from .evaluation import Loss, classes_of
from .mistakes import forward
from .run import Optimiser
from .trial import trial


@dataclass(frozen=True)
class Overfitting:
    """What came of it: true where the batch was learnt by heart.

    Attributes
    ----------
    losses : tuple of float
        Before each step.
    accuracy : float or None
        At the end.
    message : str
        In a sentence.
    """

    losses: tuple[float, ...]
    accuracy: float | None
    learnt: bool
    message: str

    def __bool__(self) -> bool:
        return self.learnt

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; losses that are not finite as text."""
        losses = [x if isfinite(x) else str(x) for x in self.losses]
        return {"learnt": self.learnt, "message": self.message, "accuracy": self.accuracy, "losses": losses}

    def __repr__(self) -> str:
        return f"Overfitting({self.message})"

    def _repr_html_(self) -> str:
        steps = list(range(1, len(self.losses) + 1))
        small = min(self.losses) > 0
        picture = svg({"loss": (steps, self.losses)}, "step", "loss", log_y=small)
        return f"<p>{html.escape(self.message)}</p>{picture}"


def overfit_one_batch(
    model: Any,
    batch: tuple[Any, Any],
    loss_fn: Loss,
    optimiser: Optimiser | None = None,
    *,
    steps: int = 500,
    fraction: float = 0.05,
) -> Overfitting:
    """Train on one batch until it is learnt by heart; everything is then as it was before.

    Layers that draw (Dropout) are in eval mode for the while: noise keeps a model from learning by heart.

    Parameters
    ----------
    model, loss_fn
        As for `fit`.
    batch : (inputs, targets)
    optimiser : optimiser, optional
        By default Adam with a rate of 0.01.
    steps : int
        How many at most.
    fraction : float
        Of the first loss: at this, and where targets are classes with every row right, the batch counts as learnt.

    Returns
    -------
    Overfitting

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> from tinygrad_ce.data import iris
    >>> from tinygrad_ce.nn import MLP
    >>> few = iris().take(range(0, 150, 10))
    >>> bool(overfit_one_batch(MLP([4, 32, 3], rng=0), (few.inputs, few.targets), tg.softmax_cross_entropy))
    True
    """
    if isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps is an integer of at least 1, not {steps!r}")
    if not 0 < fraction < 1:
        raise ValueError(f"fraction is above 0 and below 1, not {fraction!r}")
    require_function("model", model)
    require_function("loss_fn", loss_fn)
    if optimiser is None:
        if not isinstance(model, Module):
            raise TypeError("of a model that is no Module the parameters are not known: give an optimiser")
        optimiser = Adam(model.parameters(), lr=0.01)
    require_optimiser(optimiser)
    inputs, targets = pair(batch)
    losses: list[float] = []
    right: float | None = None
    with trial(model, optimiser), _still(model), np.errstate(all="ignore"):
        for _ in range(steps):
            try:
                outputs, loss = forward(model, loss_fn, inputs, targets)
            except FloatingPointError:
                losses.append(inf)
                break
            losses.append(loss.item())
            classes = classes_of(outputs, targets)
            right = None if classes is None else float(np.mean(np.argmax(outputs.numpy(), axis=-1) == classes))
            if not isfinite(losses[-1]) or _learnt(losses, right, fraction):
                break
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    learnt = _learnt(losses, right, fraction)
    return Overfitting(tuple(losses), right, learnt, _told(losses, right, learnt))


# -- pieces -------------------------------------------------------------------------------------------------


def _learnt(losses: list[float], right: float | None, fraction: float) -> bool:
    return losses[-1] <= fraction * abs(losses[0]) and right in (None, 1.0)


def _told(losses: list[float], right: float | None, learnt: bool) -> str:
    first, last, steps = losses[0], losses[-1], len(losses) - 1
    if learnt:
        return f"learnt by heart in {steps} steps: the loss fell from {first:.3g} to {last:.3g}"
    if not isfinite(last):
        return f"the loss is {last} after {steps} steps: try a smaller learning rate, then tg.check_model"
    share = "" if right is None else f", {100 * right:.0f} % of the rows right"
    if last > 0.98 * first:
        return f"not learnt: the loss did not fall ({first:.3g}, then {last:.3g}){share}: tg.check_model may say why"
    told = f"not learnt in {steps + 1} steps: the loss fell from {first:.3g} to {last:.3g}{share}"
    return f"{told}: try more steps, a larger model, or tg.check_model"


@contextmanager
def _still(model: Any) -> Iterator[None]:
    """A context in which a Module trains, but for the layers that draw."""
    if isinstance(model, Module):
        model.train()
        for module in model.modules():
            if any(is_generator(part) for _, part in parts(module)):
                module.training = False
    yield
