"""kl_div, of distributions given by their logarithms, and cosine_similarity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..invariants import homogeneous
from ..node import plain
from ..registry import op
from .exponentials import narrow, wide
from .sums import class_sum
from .targets import first, where
from .terms import reduced, require, same_shapes, shared

# -- Kullback and Leibler --------------------------------------------------------------------------------------


def _kl_samples(rng: np.random.Generator) -> Iterable[Any]:
    q = np.log(rng.dirichlet(np.ones(4), size=3))
    p = rng.uniform(0.5, 2, size=(3, 4))
    p = p / np.sum(p, axis=-1, keepdims=True)
    yield (q, p), {}
    yield (q, p), {"reduction": "batchmean"}
    yield (q, np.log(p)), {"log_target": True, "reduction": "sum"}
    yield (rng.normal(size=(2, 3)), rng.uniform(0.1, 2, size=(2, 3))), {"reduction": "none"}
    yield (np.zeros((0, 3)), np.zeros((0, 3))), {"reduction": "batchmean"}


@op(name="kl_divergence", samples=_kl_samples)
def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """p (log p − input), entry by entry, for log-probabilities `input` and probabilities p; 0 log 0 is 0.

    Parameters
    ----------
    input : Value or array
        Log-probabilities: of `log_softmax`, not of `softmax`.
    target : Value or array of that shape
        Probabilities p, or with `log_target` log p.
    reduction : "mean", "batchmean", "sum" or "none"
        "batchmean" divides the sum by the first axis's length: the divergence. "mean" divides by all entries' number.
    log_target : bool

    Raises
    ------
    ValueError
        If shapes differ, or a probability is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.nn import functional as F
    >>> round(float(F.kl_div(np.log([[0.5, 0.5]]), [[1.0, 0.0]], reduction="batchmean")), 4)
    0.6931
    """
    q, t = wide(input), wide(target)
    terms = np.exp(t) * (t - q) if log_target else t * (_log(t) - q)
    if reduction == "batchmean":
        return narrow(reduced(terms, "sum", q) / _rows(input), input)
    return reduced(terms, reduction, input)


def _log(p: Any) -> Any:
    """log p, 0 at 0."""
    return np.log(np.where(p == 0, 1.0, p))


def _rows(x: Any) -> int:
    shape = np.shape(x)
    return max(shape[0], 1) if shape else 1


@kl_div.guard
def _(q: Any, t: Any, *, reduction: str, log_target: bool) -> None:
    require("kl_div", reduction, ("mean", "batchmean", "sum", "none"))
    same_shapes("kl_div", {"input": q, "target": t})
    p = plain(t)
    if not log_target and isinstance(p, np.ndarray) and np.any(p < 0):
        at = first(p < 0)
        raise ValueError(
            f"kl_div: target{where(at)} is negative: {p[at]}; targets are probabilities, or their logarithms with "
            "log_target=True"
        )


def _kl_shared(g: Any, q: Any, reduction: str) -> Any:
    return wide(g) / _rows(q) if reduction == "batchmean" else shared(g, np.size(q), reduction)


def _kl_to_input(g: Any, out: Any, q: Any, t: Any, *, reduction: str, log_target: bool) -> Any:
    return -_kl_shared(g, q, reduction) * (np.exp(wide(t)) if log_target else wide(t))


def _kl_to_target(g: Any, out: Any, q: Any, t: Any, *, reduction: str, log_target: bool) -> Any:
    difference = wide(t) - wide(q) if log_target else _log(wide(t)) - wide(q)
    slope = np.exp(wide(t)) * (difference + 1.0) if log_target else difference + np.where(t == 0, 0.0, 1.0)
    return _kl_shared(g, q, reduction) * slope


kl_div.derivation("analytic", formula="−g p, g (log p + 1 − input)")((_kl_to_input, _kl_to_target))

# -- angles ----------------------------------------------------------------------------------------------------


def _cosine_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}
    yield (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {"axis": 0}
    yield (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), {"axis": -1, "eps": 5.0}
    yield (rng.normal(size=4), rng.normal(size=4)), {"axis": 0}
    yield (rng.normal(size=(0, 3)), rng.normal(size=(0, 3))), {}


_DIRECTIONS = [homogeneous(x, degree=0.0, when=lambda o: o["eps"] < 1e-6) for x in ("x1", "x2")]


@op(samples=_cosine_samples, invariants=_DIRECTIONS)
def cosine_similarity(x1: Any, x2: Any, *, axis: int = 1, eps: float = 1e-8) -> Any:
    """<x1, x2> / (max(‖x1‖, ε) max(‖x2‖, ε)) along an axis.

    Parameters
    ----------
    x1, x2 : Value or array, of one shape
    axis : int
    eps : float

    Returns
    -------
    Value or array
        Without `axis`; in [−1, 1].

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> F.cosine_similarity([[1.0, 0.0]], [[1.0, 1.0]]).round(4).tolist()
    [0.7071]
    """
    u, _ = _directed(x1, axis, eps)
    v, _ = _directed(x2, axis, eps)
    return narrow(np.squeeze(class_sum(u * v, axis), axis), x1)


def _directed(x: Any, axis: int, eps: float) -> tuple[Any, Any]:
    """x / max(‖x‖, ε), and that divisor."""
    x = wide(x)
    square = class_sum(x * x, axis)
    long = square > eps * eps
    size = np.where(long, np.sqrt(np.where(long, square, 1.0)), eps)
    return x / size, size


@cosine_similarity.guard
def _(x1: Any, x2: Any, *, axis: int, eps: float) -> None:
    same_shapes("cosine_similarity", {"x1": x1, "x2": x2})
    ndim = np.ndim(x1)
    if not -ndim <= axis < ndim:
        raise ValueError(f"cosine_similarity: vectors of shape {np.shape(x1)} have no axis {axis}")


def _cosine_rule(own: int) -> Any:
    def rule(g: Any, out: Any, x1: Any, x2: Any, *, axis: int, eps: float) -> Any:
        u, size = _directed((x1, x2)[own], axis, eps)
        v, _ = _directed((x2, x1)[own], axis, eps)
        turned = v - np.where(size > eps, class_sum(u * v, axis), 0.0) * u
        return np.expand_dims(wide(g), axis) * turned / size

    return rule


cosine_similarity.derivation("analytic", formula="g (v − <u, v> u) / ‖x‖, u and v the unit vectors")(
    (_cosine_rule(0), _cosine_rule(1))
)
