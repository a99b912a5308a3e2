"""The kernels of softmax and its kin, beside the stable ones that a good programmer writes: what exactness costs.

What calling an op costs beyond its kernel (arguments, validation, the graph) is in the other rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..model import OURS, Aim, Competitor, Row, Run

BY_HAND = "NumPy by hand"
Shape = tuple[int, int]
_SHAPES: dict[Shape, float] = {(64, 10): 1.5, (256, 1000): 2.0}


def _data(shape: Shape, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=shape) * 2.0).astype(dtype), rng.integers(0, shape[1], size=shape[0])


def _ours(what: str, shape: Shape, dtype: Any) -> Run:
    import tinygrad_ce as tg

    z, y = _data(shape, dtype)
    op = getattr(tg, what, tg.softmax_cross_entropy)
    if what == "gradient":
        rule, g = op.derivations[op.default].rule, np.ones((), dtype)
        return lambda: rule(g, None, (z, y, None), op.defaults, (0,))[0]
    inputs = (z, y, None) if what == "loss" else (z,)
    return partial(op.kernel, *inputs, **op.defaults)


def _by_hand(what: str, shape: Shape, dtype: Any) -> Run:
    return partial(_KERNELS[what], *_data(shape, dtype))


def _softmax(z: Any, y: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _log_softmax(z: Any, y: Any) -> Any:
    h = z - z.max(axis=1, keepdims=True)
    return h - np.log(np.exp(h).sum(axis=1, keepdims=True))


def _logsumexp(z: Any, y: Any) -> Any:
    top = z.max(axis=1, keepdims=True)
    return (top + np.log(np.exp(z - top).sum(axis=1, keepdims=True)))[:, 0]


def _loss(z: Any, y: Any) -> Any:
    h = z - z.max(axis=1, keepdims=True)
    return (np.log(np.exp(h).sum(axis=1)) - h[np.arange(len(z)), y]).mean()


def _gradient(z: Any, y: Any) -> Any:
    p = _softmax(z, y)
    p[np.arange(len(z)), y] -= 1.0
    p /= len(z)
    return p


_KERNELS: dict[str, Callable[[Any, Any], Any]] = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "loss": _loss,
    "gradient": _gradient,
}


def _row(what: str, shape: Shape, at_most: float, dtype: Any) -> Row:
    return Row(
        name=f"{what}, {shape[0]} × {shape[1]}, {np.dtype(dtype)}",
        what="The kernel on plain arrays; of the gradient, the rule.",
        unit="call",
        baseline=BY_HAND,
        competitors=(
            Competitor(OURS, partial(_ours, what, shape, dtype)),
            Competitor(BY_HAND, partial(_by_hand, what, shape, dtype)),
        ),
        aim=Aim(BY_HAND, at_most),
        tolerance=1e-5 if dtype == np.float32 else 1e-9,
    )


ROWS = tuple(
    _row(what, shape, at_most, dtype)
    for shape, at_most in _SHAPES.items()
    for dtype in (np.float32, np.float64)
    for what in _KERNELS
)
