"""Losses that ask for a margin: hinge_loss, multi_margin_loss, triplet_margin_loss. Slope 0 where it is just met."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import is_eager
from ..forms import unbroadcast
from ..invariants import homogeneous, shift, sums_to_zero
from ..node import plain
from ..registry import op
from .activation import relu
from .elementwise import inverse
from .exponentials import wide
from .targets import first, validate_targets, where
from .terms import reduced, require, same_shapes, shared

# -- two classes -----------------------------------------------------------------------------------------------


def _hinge_samples(rng: np.random.Generator) -> Iterable[Any]:
    for shape, options in (((3, 4), {}), ((5,), {"margin": 0.3, "reduction": "sum"}), ((2, 2), {"reduction": "none"})):
        yield (rng.normal(size=shape), rng.choice([-1.0, 1.0], size=shape)), options
    yield (rng.normal(size=()), np.array(1.0)), {}
    yield (np.zeros((0, 2)), np.zeros((0, 2))), {}


@op(samples=_hinge_samples)
def hinge_loss(input: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean") -> Any:
    """max(0, margin − y s), for scores s and labels y of −1 and 1.

    Parameters
    ----------
    input : Value or array
        Scores s.
    target : Value or array of that shape
        Labels y.
    margin : float
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        If shapes differ, or a label is neither −1 nor 1.

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> F.hinge_loss([2.0, 0.5, -1.0], [1.0, 1.0, 1.0], reduction="none").tolist()
    [0.0, 0.5, 2.0]
    """
    return reduced(relu(margin - wide(target) * wide(input)), reduction, input)


@hinge_loss.guard
def _(s: Any, y: Any, *, margin: float, reduction: str) -> None:
    require("hinge_loss", reduction)
    same_shapes("hinge_loss", {"input": s, "target": y})
    if is_eager(y):
        found = np.asarray(y)
        if np.any(bad := (found != 1) & (found != -1)):
            raise ValueError(f"hinge_loss: target{where(first(bad))} is {found[first(bad)]}; labels are −1 and 1")


def _hinge_rule(other: int) -> Any:
    def rule(g: Any, out: Any, s: Any, y: Any, *, margin: float, reduction: str) -> Any:
        factor = wide((s, y)[other])
        return -shared(g, np.size(s), reduction) * np.where(margin - wide(y) * wide(s) > 0, factor, 0.0)

    return rule


hinge_loss.derivation("analytic", formula="−g y, −g s where y s is below the margin")((_hinge_rule(1), _hinge_rule(0)))

# -- several classes -------------------------------------------------------------------------------------------


_MULTI = [homogeneous("weight"), sums_to_zero("input"), shift("input")]


def _multi_samples(rng: np.random.Generator) -> Iterable[Any]:
    x, y, w = rng.normal(size=(4, 3)), np.array([0, 2, 1, 1]), rng.uniform(0.5, 2, size=3)
    yield (x, y, None), {}
    yield (x, y, w), {"p": 2, "margin": 0.7, "reduction": "sum"}
    yield (x, y, w), {"reduction": "none"}
    yield (rng.normal(size=(2, 2, 3)), np.array([[0, 1], [2, 2]]), None), {"p": 2}
    yield (rng.normal(size=5), np.array(2), None), {}
    yield (np.zeros((0, 3)), np.zeros(0, int), None), {}


@op(samples=_multi_samples, constants=("target",), invariants=_MULTI)
def multi_margin_loss(
    input: Any, target: Any, weight: Any = None, *, p: int = 1, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    """Σ_{j≠y} w_y max(0, margin − s_y + s_j)^p / K: the hinge loss of K classes, as in PyTorch.

    Parameters
    ----------
    input : Value or array of shape (..., K)
        Scores s.
    target : array of integers of shape (...)
        The classes y.
    weight : Value or array of shape (K,), optional
        Class weights ≥ 0.
    p : 1 or 2
    margin : float
    reduction : "mean", "sum" or "none"
        "mean" is over rows.

    Raises
    ------
    ValueError
        If shapes do not match or a class is out of range.

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> round(float(F.multi_margin_loss([[0.1, 0.2, 0.4, 0.8]], [3])), 4)  # (0.3 + 0.4 + 0.6) / 4
    0.325
    """
    z = relu(_gaps(input, target, margin))
    terms = np.sum(z if p == 1 else z * z, axis=-1) / np.shape(input)[-1]
    return reduced(terms if weight is None else terms * _row_weights(weight, target), reduction, input)


def _is_class(scores: Any, target: Any) -> Any:
    return np.expand_dims(target, -1) == np.arange(np.shape(scores)[-1])


def _gaps(scores: Any, target: Any, margin: float) -> Any:
    """margin − s_y + s_j; of the class itself 0."""
    hit, s = _is_class(scores, target), wide(scores)
    own = np.sum(np.where(hit, s, 0.0), axis=-1, keepdims=True)
    return np.where(hit, 0.0, margin - own + s)


def _row_weights(weight: Any, target: Any) -> Any:
    hit = np.expand_dims(target, -1) == np.arange(np.shape(weight)[0])
    return np.sum(np.where(hit, wide(weight), 0.0), axis=-1)


@multi_margin_loss.guard
def _(s: Any, target: Any, weight: Any, *, p: int, margin: float, reduction: str) -> None:
    require("multi_margin_loss", reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is 1 or 2, not {p!r}")
    if np.ndim(target) != np.ndim(s) - 1:
        raise ValueError(
            f"multi_margin_loss: class indices of shape {np.shape(target)} for scores of shape {np.shape(s)}; "
            f"{np.shape(s)[:-1]} is wanted"
        )
    validate_targets("multi_margin_loss", s, target, weight, -1, None)


def _multi_to_scores(
    g: Any, out: Any, s: Any, target: Any, weight: Any, *, p: int, margin: float, reduction: str
) -> Any:
    z, k = _gaps(s, target, margin), np.shape(s)[-1]
    rows = shared(g, np.size(plain(target)), reduction) / k
    rows = rows if weight is None else rows * _row_weights(weight, target)
    rows = np.expand_dims(rows, -1) if np.ndim(plain(rows)) else rows
    h = rows * (np.where(z > 0, 1.0, 0.0) if p == 1 else 2.0 * np.where(z > 0, z, 0.0))
    return h - np.where(_is_class(s, target), np.sum(h, axis=-1, keepdims=True), 0.0)


def _multi_to_weight(
    g: Any, out: Any, s: Any, target: Any, weight: Any, *, p: int, margin: float, reduction: str
) -> Any:
    z, k = relu(_gaps(s, target, margin)), np.shape(s)[-1]
    terms = shared(g, np.size(plain(target)), reduction) * np.sum(z if p == 1 else z * z, axis=-1) / k
    return unbroadcast(np.where(_is_class(s, target), np.expand_dims(terms, -1), 0.0), weight)


multi_margin_loss.derivation(
    "analytic", formula="h_j = g p max(0, z_j)^(p−1) w_y / K at j ≠ y, −Σ h at y; to w_y the row's loss"
)((_multi_to_scores, None, _multi_to_weight))

# -- triplets --------------------------------------------------------------------------------------------------


def _triplet_samples(rng: np.random.Generator) -> Iterable[Any]:
    def draw(*shape: int) -> tuple[Any, ...]:
        return tuple([rng.normal(size=shape) for _ in range(3)])

    yield draw(4, 3), {}
    yield draw(4, 3), {"margin": 0.5, "p": 1.0, "reduction": "sum"}
    yield draw(2, 2, 3), {"p": 3.0, "swap": True, "reduction": "none"}
    yield draw(6, 2), {"swap": True, "margin": 2.0}
    yield draw(3), {"margin": 4.0}
    yield draw(0, 3), {}


@op(samples=_triplet_samples)
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """max(0, d(a, p) − d(a, n) + margin), d(x, y) = ‖x − y + ε‖ₚ over the last axis (Schroff et al., 2015).

    Parameters
    ----------
    anchor, positive, negative : Value or array of one shape (..., D)
    margin : float
    p : float ≥ 1
        Of the norm.
    eps : float
        Added to differences, as in PyTorch: it keeps the norm away from its kink.
    swap : bool
        Take the smaller of d(a, n) and d(p, n) (Balntas et al., 2016).
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> round(float(F.triplet_margin_loss([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 1.0]])), 4)
    5.0
    """
    a, b, c = wide(anchor), wide(positive), wide(negative)
    far = _norm(a - c + eps, p)
    far = np.minimum(far, _norm(b - c + eps, p)) if swap else far
    return reduced(relu(_norm(a - b + eps, p) - far + margin), reduction, anchor)


def _norm(v: Any, p: float) -> Any:
    if p == 2:
        return np.sqrt(np.sum(v * v, axis=-1))
    size = np.abs(v)
    return np.sum(size, axis=-1) if p == 1 else np.sum(size**p, axis=-1) ** (1.0 / p)


def _slope(v: Any, p: float) -> Any:
    """The gradient of ‖v‖ₚ."""
    if p == 1:
        return np.sign(v)
    length = np.expand_dims(inverse(_norm(v, p)), -1)
    return v * length if p == 2 else np.sign(v) * (np.abs(v) * length) ** (p - 1.0)


@triplet_margin_loss.guard
def _(a: Any, b: Any, c: Any, *, margin: float, p: float, eps: float, swap: bool, reduction: str) -> None:
    require("triplet_margin_loss", reduction)
    same_shapes("triplet_margin_loss", {"anchor": a, "positive": b, "negative": c})
    if not np.ndim(a):
        raise ValueError("triplet_margin_loss: vectors are compared, and these have no axis")
    if not p >= 1:
        raise ValueError(f"triplet_margin_loss: p is at least 1, not {p!r}")


def _triplet_rule(position: int) -> Any:
    def rule(
        g: Any,
        out: Any,
        anchor: Any,
        positive: Any,
        negative: Any,
        *,
        margin: float,
        p: float,
        eps: float,
        swap: bool,
        reduction: str,
    ) -> Any:
        a, b, c = wide(anchor), wide(positive), wide(negative)
        ab, ac, bc = a - b + eps, a - c + eps, b - c + eps
        far, other = _norm(ac, p), _norm(bc, p)
        own: Any = 1.0
        if swap:  # how much of the distance to the negative is the anchor's: half at a tie
            own = np.expand_dims(np.where(far < other, 1.0, np.where(far == other, 0.5, 0.0)), -1)
            far = np.minimum(far, other)
        active = _norm(ab, p) - far + margin > 0
        rows = np.where(active, shared(g, np.size(plain(far)), reduction), 0.0)
        near, away = _slope(ab, p), own * _slope(ac, p)
        swapped = (1.0 - own) * _slope(bc, p) if swap else 0.0
        parts = (near - away, -near - swapped, away + swapped)
        return np.expand_dims(rows, -1) * parts[position]

    return rule


triplet_margin_loss.derivation(
    "analytic", formula="g (u(a, p) − u(a, n)), −g u(a, p), g u(a, n), u = ∇ d, where active"
)((_triplet_rule(0), _triplet_rule(1), _triplet_rule(2)))
