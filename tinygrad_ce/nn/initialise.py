"""How weights begin: distributions with the spread that keeps signals the same size from layer to layer.

"default"   weight and bias U(−1/√in, 1/√in): what torch.nn.Linear does (kaiming_uniform with a = √5)
"he"        weight N(0, 2/in), bias 0: keeps the variance through relu (He et al., 2015)
"glorot"    weight U(−√(6/(in + out)), √(6/(in + out))), bias 0: for tanh, sigmoid (Glorot and Bengio, 2010)
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], NDArray[Any]]


def initial(init: str, out_features: int, in_features: int, rng: np.random.Generator) -> Arrays:
    """Return a weight of shape (out, in) and a bias of shape (out,), float64, drawn in this order.

    Raises
    ------
    ValueError
        If `init` is not one of the names above.

    Examples
    --------
    >>> weight, bias = initial("he", 2, 3, np.random.default_rng(0))
    >>> weight.shape, bias
    ((2, 3), array([0., 0.]))
    """
    if init not in _BY_NAME:
        raise ValueError(f"init is one of {', '.join(map(repr, _BY_NAME))}, not {init!r}")
    return _BY_NAME[init](out_features, in_features, rng)


def _default(n: int, m: int, rng: np.random.Generator) -> Arrays:
    bound = 1 / sqrt(m)
    return rng.uniform(-bound, bound, (n, m)), rng.uniform(-bound, bound, n)


def _he(n: int, m: int, rng: np.random.Generator) -> Arrays:
    return rng.normal(0.0, sqrt(2 / m), (n, m)), np.zeros(n)


def _glorot(n: int, m: int, rng: np.random.Generator) -> Arrays:
    bound = sqrt(6 / (m + n))
    return rng.uniform(-bound, bound, (n, m)), np.zeros(n)


_BY_NAME: dict[str, Callable[[int, int, np.random.Generator], Arrays]] = {
    "default": _default,
    "he": _he,
    "glorot": _glorot,
}
