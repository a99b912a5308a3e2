"""Where layers get their randomness: the one door through which weights begin and masks are drawn.

A layer keeps a Generator of its own and draws from it at each call; what is drawn is an array, which enters its op as
an input. `Module.named_generators` finds the Generators, so that a checkpoint can keep where they stand.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

# A Generator is drawn from, so that a network's layers differ; an int seeds a new one, None a random one.
Randomness: TypeAlias = "np.random.Generator | int | None"


def generator_of(rng: Randomness) -> np.random.Generator:
    """The Generator that is meant; what stands for one while a function is captured is one."""
    drawn: Any = rng
    return drawn if hasattr(drawn, "random") else np.random.default_rng(rng)


def kept(generator: np.random.Generator, shape: tuple[int, ...], p: float) -> Any:
    """A mask: False with probability `p`, entry by entry.

    >>> kept(np.random.default_rng(0), (4,), 0.5)
    array([ True, False, False, False])
    """
    return generator.random(shape) >= p
