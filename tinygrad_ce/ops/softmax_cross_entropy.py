"""Cross-entropy on logits, softmax included.

For scores s, ŷ = softmax(s), effective targets ỹ (see targets.py), T = Σ ỹ, a = argmax s, r = Σ_{j≠a} exp(s_j − s_a):

    L = Σ ỹ_j (s_a − s_j) + T log1p(r)        dL/ds = T ŷ − ỹ

which is ŷ − y exactly where T = 1 and ỹ = y. In floating point ŷ_y − 1 cancels where the answer is confident and
right; "stable", the default, computes entry i as ŷ_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} ŷ_j and keeps its digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..derivation import Assumption
from ..invariants import shift, sums_to_zero
from ..node import Node
from ..registry import op
from .cross_entropy_rows import gradient, losses
from .exponentials import ACCURATE, Exponentials, exponentials, narrow, small_gap, wide
from .loss import PLAIN, invariants, of_logits, sampler, weighed
from .residual import residual
from .softmax import log_softmax, softmax, through_jacobian
from .sums import class_sum
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
    return narrow(reduce(losses(logits, t), t, reduction), logits)


def _row_losses(parts: Exponentials, t: Target) -> Any:
    target = t.effective
    behind = np.where(target == 0, 0.0, -(parts.high + parts.low))
    return class_sum(target * behind, t.axis) + class_sum(target, t.axis) * np.log1p(parts.rest)


def stable(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    if type(z) is np.ndarray and not isinstance(g, Node) and t.is_plain:
        scale = np.ravel(g) if reduction == "none" else g / t.divisor if reduction == "mean" else g
        return gradient(z, t, scale)
    return residual(z, spread(g, t, reduction) * t.effective, axis=t.axis)


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


SILENT = np.errstate(divide="ignore", invalid="ignore", over="ignore")  # −ỹ / ŷ where ŷ underflows


@SILENT
def _chain(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    p = softmax(wide(z), axis=t.axis)
    g = spread(g, t, reduction) * over(-t.effective, p)
    return p * (g - class_sum(g * p, t.axis))


@SILENT
def _jacobian(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    p = softmax(wide(z), axis=t.axis)
    g = spread(g, t, reduction) * over(-t.effective, p)
    return through_jacobian(p, g, t.axis)


def over(a: Any, p: Any) -> Any:
    """a / p, 0 where both are 0."""
    dead = np.equal(a, 0) & np.equal(p, 0)
    return np.where(dead, 0.0, a) / np.where(dead, 1.0, p)


def _surprise(z: Any, t: Target) -> Any:
    """−log ŷ, 0 for classes that are masked: they take no part."""
    return np.where(np.isneginf(z), 0.0, -log_softmax(wide(z), axis=t.axis))


def _to_targets(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    return to_targets(g, t, _surprise(z, t), targets, reduction)


def _to_weight(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_logits(z, targets, weight, o)
    return to_weight(g, t, _surprise(z, t), reduction)


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
