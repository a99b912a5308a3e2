"""Cross-entropy on logits, softmax included.

For scores s, ŷ = softmax(s), effective targets ỹ (see targets.py), T = Σ ỹ, a = argmax s, r = Σ_{j≠a} exp(s_j − s_a):

    L = Σ ỹ_j (s_a − s_j) + T log1p(r)        dL/ds = T ŷ − ỹ

which is ŷ − y exactly where T = 1 and ỹ = y. In floating point ŷ_y − 1 cancels where the answer is confident and
right; "stable", the default, computes entry i as ŷ_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} ŷ_j and keeps its digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..derivation import Assumption
from ..invariants import blind_to_constants, homogeneous, permutation, rows_apart, shift, sums_to_zero
from ..registry import op
from .exponentials import (
    ACCURATE,
    Exponentials,
    Rows,
    along,
    as_rows,
    class_sum,
    exponentials,
    from_rows,
    narrow,
    rows_of,
    small_gap,
    wide,
)
from .loss import PLAIN, invariants, of_logits, sampler, weighed
from .softmax import log_probabilities, log_softmax, softmax, through_jacobian
from .targets import (
    Target,
    first,
    read_targets,
    reduce,
    spread,
    to_targets,
    to_weight,
    validate_options,
    validate_targets,
    where,
)


@op(
    indices=["targets"],
    samples=sampler(lambda z, axis: z),
    accurate=ACCURATE,
    invariants=[sums_to_zero("logits"), shift("logits"), *invariants("logits")],
)
def softmax_cross_entropy(
    logits: Any,
    targets: Any,
    weight: Any = None,
    *,
    axis: int = -1,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """Cross-entropy of softmax(logits), from the logits: L = Σ ỹ_j (s_a − s_j) + T log1p(r), never inf in vain.

    Parameters
    ----------
    logits : Value or array of shape (..., K, ...)
        Scores; −inf masks a class.
    targets : array of integers of shape (..., ...), or Value or array of logits' shape
        Class indices, one-hot rows, or probabilities along `axis`.
    weight : Value or array of shape (K,), optional
        Class weights ≥ 0.
    axis : int
        The axis of the classes.
    ignore_index : int, optional
        Rows with this class index take no part.
    label_smoothing : float in [0, 1]
    reduction : "mean", "sum" or "none"
        "mean" divides by Σ_n Σ_j w_j y_nj over rows not ignored; a batch in which none counts has loss 0.
    validate : bool
        Check the arguments (the default).

    Returns
    -------
    Value or array
        The loss in nats, of the logits' dtype: of shape () or, for "none", of the logits' shape without `axis`.

    Raises
    ------
    ValueError
        If targets are of a wrong shape, out of range, negative, nan, do not sum to one or have several ones, or
        if a row's true class or every class is masked. `validate=False` skips all but what NumPy refuses.

    Notes
    -----
    Derivations: "stable" (default), "analytic" ŷ − y, which assumes Σy = 1 and neither weights nor smoothing,
    "chain" (softmax's rule after cross-entropy's), "jacobian" (the matrices written out), "autodiff".

    Examples
    --------
    >>> import numpy as np, tinygrad_ce as tg
    >>> z = tg.Value([[40.0, 0.0]])
    >>> loss = tg.softmax_cross_entropy(z, [0])
    >>> loss.backward(); print(z.grad)  # every digit kept
    [[-4.24835426e-18  4.24835426e-18]]
    >>> z.zero_grad(); loss.backward(derivation="analytic"); print(z.grad)  # ŷ − y: 1 − 1 = 0
    [[0.00000000e+00 4.24835426e-18]]
    """
    log_p = log_softmax(wide(logits), axis=axis)
    o = {"axis": axis, "ignore_index": ignore_index, "label_smoothing": label_smoothing}
    t = of_logits(logits, targets, weight, o)
    return weighed(log_p, t, reduction)


@softmax_cross_entropy.guard
def _(
    logits: Any,
    targets: Any,
    weight: Any,
    *,
    axis: int,
    ignore_index: int | None,
    label_smoothing: float,
    reduction: str,
) -> None:
    name = "softmax_cross_entropy"
    validate_options(name, label_smoothing, reduction)
    validate_targets(name, logits, targets, weight, axis, ignore_index)
    if isinstance(logits, np.ndarray) and logits.size and logits.min() == -np.inf:
        masked = np.isneginf(logits)
        if np.any(np.all(masked, axis=axis)):
            raise ValueError(f"{name}: every class of row{where(first(np.all(masked, axis=axis)))} is masked")
        t = read_targets(targets, None, logits, -np.inf, axis=axis, ignore_index=ignore_index, label_smoothing=0.0)
        hit = np.any(masked & (t.y > 0), axis=axis)
        if np.any(hit):
            raise ValueError(f"{name}: the true class of row{where(first(hit))} is masked (logit −inf)")


@softmax_cross_entropy.forward
def _(logits: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(logits, targets, weight, o)
    if type(logits) is not np.ndarray:
        return narrow(reduce(_row_losses(exponentials(logits, t.axis), t), t, reduction), logits)
    rows = rows_of(logits, t.axis)
    losses = _one_class_losses(rows, t) if t.one_class else _dense_losses(rows, as_rows(t.effective, t.axis))
    if reduction == "none":
        kept = tuple([n for i, n in enumerate(logits.shape) if i != t.axis % logits.ndim])
        return narrow(losses.reshape(kept), logits)
    total = np.add.reduce(losses, axis=None)
    return narrow(total / t.divisor if reduction == "mean" else total, logits)


def _dense_losses(rows: Rows, target: Any) -> Any:
    """Σ ỹ_j (s_a − s_j) + T log1p(r): no term is negative for ỹ ≥ 0, so nothing cancels."""
    behind = rows.high if rows.low is None else rows.high + rows.low
    if behind.size and np.minimum.reduce(behind, axis=None) == -np.inf:
        behind = np.where(target == 0, 0.0, behind)
    losses = np.add.reduce(target, axis=-1, keepdims=True) * np.log1p(rows.rest)
    losses -= np.add.reduce(target * behind, axis=-1, keepdims=True)
    return losses


def _one_class_losses(rows: Rows, t: Target) -> Any:
    """The same where one class has all the weight: w (s_a − s_y + log1p(r))."""
    at = flat(t.indices, t.axis, rows)
    behind = rows.high.ravel()[at]
    if rows.low is not None:
        behind += rows.low.ravel()[at]
    losses = np.log1p(rows.rest).ravel() - behind
    if t.row_weight is None:
        return losses
    weight = column(t.row_weight, t.axis).ravel()
    return np.where(weight == 0, 0.0, losses * weight)


def column(x: Any, axis: int) -> Any:
    """One number a row, with `axis` kept at length 1, in the order of `rows_of`."""
    return (x if axis in (-1, x.ndim - 1) else np.moveaxis(x, axis, -1)).reshape(-1, 1)


def flat(indices: Any, axis: int, rows: Rows) -> Any:
    """Class indices as flat indices into rows."""
    n, k = rows.x.shape
    found = column(indices, axis).ravel().astype(np.intp)
    if np.maximum.reduce(found.view(np.uintp), initial=0) >= k:  # negative ones are huge, unsigned
        raise IndexError(f"a class index lies outside 0 … {k - 1}")
    found += np.arange(0, n * k, k)
    return found


def _row_losses(parts: Exponentials, t: Target) -> Any:
    target = t.effective
    behind = np.where(target == 0, 0.0, -(parts.high + parts.low))
    return class_sum(target * behind, t.axis) + class_sum(target, t.axis) * np.log1p(parts.rest)


def _residual_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}
    yield (rng.normal(size=(2, 3, 2)), rng.dirichlet(np.ones(3), size=(2, 2)).swapaxes(1, 2)), {"axis": 1}


@op(
    samples=_residual_samples,
    invariants=[
        sums_to_zero("z"),
        blind_to_constants("z"),
        shift("z"),
        permutation("z", "target"),
        rows_apart("z"),
        homogeneous("target"),
    ],
)
def residual(z: Any, target: Any, *, axis: int = -1) -> Any:
    """T ŷ − ỹ, the gradient of cross-entropy in the logits z, without cancellation.

    Entry i is ŷ_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} ŷ_j; the winner's second sum is r / (1 + r). Of z's dtype or wider.
    """
    parts = exponentials(z, axis)
    p = parts.probabilities
    return p * (class_sum(target, axis) - target) - target * parts.complements(p)


@residual.forward
def _(z: Any, target: Any, *, axis: int) -> Any:
    if type(z) is not np.ndarray or type(target) is not np.ndarray:
        return residual.decomposition(z, target, axis=axis)
    rows, y = rows_of(z, axis), as_rows(target, axis)
    total = 1.0 + rows.rest
    p = rows.others
    p.ravel()[rows.winner] = 1.0
    p /= total
    complements = 1.0 - p
    complements.ravel()[rows.winner] = (rows.rest / total).ravel()
    complements *= y
    p *= np.add.reduce(y, axis=-1, keepdims=True) - y
    p -= complements
    return from_rows(p, z, axis)


def _one_class_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)), np.array([[1], [0], [3]]), rng.normal(size=(3, 1))), {}
    yield (rng.normal(size=(2, 3, 2)), rng.integers(0, 3, size=(2, 1, 2)), np.array(0.5)), {"axis": 1}


@op(
    constants=["indices"],
    samples=_one_class_samples,
    invariants=[sums_to_zero("z"), blind_to_constants("z"), shift("z"), rows_apart("z"), homogeneous("scale")],
)
def one_class_residual(z: Any, indices: Any, scale: Any, *, axis: int = -1) -> Any:
    """`scale` (ŷ − y) for class indices and a number a row (axis kept at length 1), without cancellation."""
    target = along(np.arange(z.shape[axis]), axis, z.ndim) == indices
    return scale * residual(z, target.astype(np.float64), axis=axis)


@one_class_residual.forward
def _(z: Any, indices: Any, scale: Any, *, axis: int) -> Any:
    if type(z) is not np.ndarray:
        return one_class_residual.decomposition(z, indices, scale, axis=axis)
    rows = rows_of(z, axis)
    at, total = flat(indices, axis, rows), 1.0 + rows.rest
    p = rows.others
    p.ravel()[rows.winner] = 1.0
    p /= total
    complements = np.where(at == rows.winner, (rows.rest / total).ravel(), 1.0 - p.ravel()[at])
    scale = column(scale, axis) if np.ndim(scale) else scale
    p *= scale
    p.ravel()[at] = -complements * (scale.ravel() if np.ndim(scale) else scale)
    return from_rows(p, z, axis)


def stable(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    if t.one_class:
        scale = spread(g, t, reduction)
        scale = scale if t.row_weight is None else scale * t.row_weight
        return one_class_residual(z, t.indices, scale, axis=t.axis)
    return spread(g, t, reduction) * residual(z, t.effective, axis=t.axis)


def analytic(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, None, o)
    p = softmax(z, axis=t.axis)
    difference = p - t.y
    if t.kept is not None:
        difference = np.where(t.kept, difference, 0.0)
    return spread(g, t, reduction) * difference


def _no_weight_on_underflow(z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> bool | str:
    """Whether 1 / ŷ is finite where it is needed, and no logit leads by so much that digits are lost."""
    t = of_logits(z, targets, weight, o)
    behind = np.max(wide(z), axis=t.axis, keepdims=True, initial=-np.inf) - wide(z)
    worst = np.max(np.where((t.effective != 0) & np.isfinite(behind), behind, 0.0), initial=0.0)
    if worst > 700.0:
        return f"a class with weight stands {worst:.3g} behind"
    return small_gap(z, t.axis)


ACCURATE_QUOTIENT = Assumption(
    "the two largest logits less than 30 apart, no class with weight over 700 behind", _no_weight_on_underflow
)


def _chain(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    p = softmax(wide(z), axis=t.axis)
    g = spread(g, t, reduction) * over(-t.effective, p)
    return p * (g - np.sum(g * p, axis=t.axis, keepdims=True))


def _jacobian(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    p = softmax(wide(z), axis=t.axis)
    g = spread(g, t, reduction) * over(-t.effective, p)
    return through_jacobian(p, g, t.axis)


def over(a: Any, p: Any) -> Any:
    """a / p, 0 where both are 0."""
    dead = np.equal(a, 0) & np.equal(p, 0)
    return np.where(dead, 0.0, a) / np.where(dead, 1.0, p)


def _surprise(parts: Exponentials) -> Any:
    """−log ŷ, 0 for classes that are masked: they take no part."""
    return np.where(np.isneginf(parts.high), 0.0, -log_probabilities(parts))


def _to_targets(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    return to_targets(g, out, t, _surprise(exponentials(z, t.axis)), targets, reduction)


def _to_weight(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    return to_weight(g, out, t, _surprise(exponentials(z, t.axis)), reduction)


STABLE = "entry i: ŷ_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} ŷ_j"
REST = (_to_targets, _to_weight)
softmax_cross_entropy.derivation("stable", formula=STABLE)((stable, *REST))
# Order 1: where y moves, so does T = Σy, which ŷ − y has taken for 1.
softmax_cross_entropy.derivation("analytic", order=1, formula="ŷ − y", assumes=[PLAIN], accurate=ACCURATE)(
    (analytic, *REST)
)
softmax_cross_entropy.derivation("chain", formula="ŷ ⊙ (h − Σ h ŷ), h = −ỹ / ŷ", accurate=ACCURATE_QUOTIENT)(
    (_chain, *REST)
)
softmax_cross_entropy.derivation("jacobian", formula="(diag ŷ − ŷ ŷᵀ)(−ỹ / ŷ)", accurate=ACCURATE_QUOTIENT)(
    (_jacobian, *REST)
)
