"""Dropout, with a generator of its own."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module
from .randomness import Randomness, generator_of
from .shapes import probability


class Dropout(Module):
    """In training each entry 0 with probability p, the others scaled by 1 / (1 − p); in eval mode nothing.

    Parameters
    ----------
    p : float in [0, 1]
    rng : numpy.random.Generator or int, optional
        Where masks are drawn from, one at each call. A Generator may be shared with other layers.

    Attributes
    ----------
    generator : numpy.random.Generator
        What `Module.named_generators` finds, and a checkpoint keeps.

    Examples
    --------
    >>> layer = Dropout(0.5, rng=0)
    >>> layer([1.0, 1.0, 1.0, 1.0]).tolist(), layer.eval()([1.0, 1.0])
    ([2.0, 0.0, 0.0, 0.0], [1.0, 1.0])
    """

    def __init__(self, p: float = 0.5, *, rng: Randomness = None) -> None:
        self.p = probability("p", p)
        self.generator = generator_of(rng)

    def forward(self, x: Any) -> Any:
        """x of any shape to the same."""
        return F.dropout(x, self.p, self.training, rng=self.generator)

    def extra_repr(self) -> str:
        return f"{self.p:g}"

    def __repr__(self) -> str:
        return self._headline()
