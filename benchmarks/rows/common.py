"""What compiled rows and their peers share: names, first weights, batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from itertools import pairwise
from typing import Any

import numpy as np

from ..model import OURS, Competitor, Run

BY_HAND = "NumPy by hand, out="
EAGER, WITH_NUMBA = f"{OURS}, eager", f"{OURS}, numba"
Sizes = tuple[int, ...]


def warm(make: Callable[[], Run]) -> Callable[[], Run]:
    """Runs that have run once: what compiles has then compiled."""

    def made() -> Run:
        run = make()
        run()
        return run

    return made


def ours(make: Callable[[str], Run]) -> tuple[Competitor, ...]:
    """Our three forms; `make` takes the name of one of them and passes it to `prepared`."""
    return (
        Competitor(OURS, warm(partial(make, OURS))),
        Competitor(EAGER, warm(partial(make, EAGER))),
        Competitor(WITH_NUMBA, warm(partial(make, WITH_NUMBA)), needs="numba"),
    )


def prepared(f: Callable[..., Any], form: str) -> Callable[..., Any]:
    """f in one of our forms: as it is, compiled to NumPy, or with loops that numba compiles."""
    import tinygrad_ce as tg

    if form == EAGER:
        return f
    several = "backend" in signature(tg.compile).parameters  # earlier commits have NumPy alone
    if form == WITH_NUMBA and not several:
        raise RuntimeError("this commit's tg.compile knows no numba")
    backend = "numba" if form == WITH_NUMBA else "numpy"
    return tg.compile(f, **({"backend": backend} if several else {}))


def weights_of(sizes: Sizes) -> list[Any]:
    """W₁ (out, in), b₁, W₂, b₂, …, uniform as torch.nn.Linear draws them."""
    rng = np.random.default_rng(0)
    made = []
    for m, n in pairwise(sizes):
        bound = m**-0.5
        made += [rng.uniform(-bound, bound, size=(n, m)), rng.uniform(-bound, bound, size=n)]
    return made


def batch_of(sizes: Sizes, n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, sizes[0]))
    return x, (rng.choice([-1.0, 1.0], size=(n, 1)) if sizes[-1] == 1 else rng.integers(0, sizes[-1], size=n))


def joined(parts: Any) -> Any:
    """Arrays as one vector, which is an answer to compare."""
    return np.concatenate([np.ravel(p) for p in parts])
