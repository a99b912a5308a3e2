"""find_lr: which learning rate to begin with.

The rate rises step by step from far too small to far too large (L. N. Smith, Cyclical Learning Rates for Training
Neural Networks, 2017): the loss first stays, then falls, then flies away. A good rate to begin with is a little below
where it falls fastest.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np

from ..atomic import replacing
from .arguments import pairs, require_batches, require_function, require_optimiser
from .curve import svg
from .evaluation import Batches, Loss, Model
from .mistakes import forward
from .run import Optimiser
from .trial import trial


@dataclass(frozen=True)
class LearningRates:
    """What `find_lr` found.

    Attributes
    ----------
    rates, losses : tuple of float
        The rate of each step, and the loss before it.
    smoothed : tuple of float
        The losses, averaged over neighbours.
    suggestion : float or None
        Half the rate at which the smoothed loss falls fastest; None where it never falls.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None

    def __bool__(self) -> bool:
        return self.suggestion is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; losses that are not finite as text."""
        return {
            "suggestion": self.suggestion,
            "rates": list(self.rates),
            "losses": _finite(self.losses),
            "smoothed": _finite(self.smoothed),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the curve as an .svg file."""
        if not os.fspath(path).lower().endswith(".svg"):
            raise ValueError(f"the curve is saved as .svg, not {os.fspath(path)}")
        with replacing(path) as file:
            file.write(self._svg().encode())

    def _svg(self) -> str:
        low = min((x for x in self.smoothed if isfinite(x)), default=0.0)
        top = low + 2.5 * (self.smoothed[0] - low) if self.smoothed and self.smoothed[0] > low else float("inf")
        clipped = [(r, s) for r, s in zip(self.rates, self.smoothed, strict=True) if s <= top]
        curve = ([r for r, _ in clipped], [s for _, s in clipped])
        return svg({"loss, smoothed": curve}, "learning rate", "loss", log_x=True, mark=self.suggestion)

    def __repr__(self) -> str:
        tried = f"{self.rates[0]:.1e} to {self.rates[-1]:.1e} in {len(self.rates)} steps" if self.rates else "nothing"
        if self.suggestion is None:
            return f"LearningRates(tried {tried}: the loss never fell)"
        return f"LearningRates(suggestion {self.suggestion:.2g}; tried {tried})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self._svg()}"


def find_lr(
    model: Model,
    loader: Batches,
    loss_fn: Loss,
    optimiser: Optimiser,
    *,
    start: float = 1e-6,
    end: float = 10.0,
    steps: int = 100,
) -> LearningRates:
    """Try learning rates from `start` to `end`, and suggest one; everything is then as it was before.

    Parameters
    ----------
    model, loader, loss_fn, optimiser
        As for `fit`; the loader is begun again where it ends.
    start, end : float
        The first and the last rate; it ends earlier where the loss is four times the smallest, or not finite.
    steps : int
        How many rates.

    Returns
    -------
    LearningRates
        `.suggestion`, and the curve.

    Raises
    ------
    ValueError
        If rates or steps make no sense, or the loader has no batch.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> from tinygrad_ce.data import Loader, iris
    >>> from tinygrad_ce.nn import MLP
    >>> from tinygrad_ce.optim import SGD
    >>> model = MLP([4, 16, 3], rng=0)
    >>> found = find_lr(model, Loader(iris()), tg.softmax_cross_entropy, SGD(model.parameters(), lr=1.0))
    >>> 0.001 < found.suggestion < 1
    True
    """
    if not 0 < start < end < float("inf"):
        raise ValueError(f"rates go from start, above 0, to a larger end, not from {start!r} to {end!r}")
    if isinstance(steps, bool) or steps < 10:
        raise ValueError(f"steps is an integer of at least 10, not {steps!r}")
    require_function("model", model)
    require_function("loss_fn", loss_fn)
    require_optimiser(optimiser)
    require_batches("the loader", loader)
    rates = [start * (end / start) ** (i / (steps - 1)) for i in range(steps)]
    losses: list[float] = []
    setter: Any = optimiser
    with trial(model, optimiser, loader), np.errstate(all="ignore"):
        for rate, (inputs, targets) in zip(rates, _endless(loader), strict=False):
            setter.lr = rate
            try:
                _, loss = forward(model, loss_fn, inputs, targets)
            except FloatingPointError:
                losses.append(inf)
                break
            losses.append(loss.item())
            least = min(losses)
            if not isfinite(losses[-1]) or (len(losses) > 10 and losses[-1] > 4 * max(least, 1e-12)):
                break
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    if not losses:
        raise ValueError("the loader has no batch")
    tried, smoothed = tuple(rates[: len(losses)]), _smoothed(losses)
    return LearningRates(tried, tuple(losses), tuple(smoothed), _steepest(tried, smoothed))


# -- pieces -------------------------------------------------------------------------------------------------


def _finite(xs: tuple[float, ...]) -> list[float | str]:
    return [x if isfinite(x) else str(x) for x in xs]


def _endless(loader: Batches) -> Iterator[tuple[Any, Any]]:
    """Pass after pass, until one has nothing."""
    found = True
    while found:
        found = False
        for batch in pairs(loader, "the loader"):
            found = True
            yield batch


def _smoothed(losses: list[float]) -> list[float]:
    """A running mean over some steps before and after, so that one batch's luck does not count."""
    reach = max(1, len(losses) // 12)
    finite = [x for x in losses if isfinite(x)]
    return [
        float(np.mean(finite[max(0, i - reach) : i + reach + 1])) if i < len(finite) else losses[i]
        for i in range(len(losses))
    ]


def _steepest(rates: tuple[float, ...], smoothed: list[float]) -> float | None:
    """Half the rate where the curve falls fastest, before its lowest point."""
    usable = [i for i, loss in enumerate(smoothed) if isfinite(loss)]
    if len(usable) < 3:
        return None
    lowest = min(usable, key=lambda i: smoothed[i])
    falls = {i: smoothed[i - 1] - smoothed[i + 1] for i in usable[1:-1] if i <= lowest and i + 1 in usable}
    if not falls or smoothed[lowest] > 0.98 * smoothed[0]:
        return None
    best = max(falls, key=lambda i: falls[i])
    return rates[best] / 2
