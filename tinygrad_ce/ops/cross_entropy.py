"""Cross-entropy: on probabilities, on logits (softmax included), and of independent labels (sigmoid included).

For scores s, ŷ = softmax(s), effective targets ỹ (see targets.py), T = Σ ỹ, a = argmax s, r = Σ_{j≠a} exp(s_j − s_a):

    on probabilities    L = −Σ ỹ log p                            dL/dp = −ỹ / p
    on logits           L = Σ ỹ_j (s_a − s_j) + T log1p(r)        dL/ds = T ŷ − ỹ

which is ŷ − y exactly where T = 1 and ỹ = y. In floating point ŷ_y − 1 cancels where the answer is confident and
right; "stable", the default, computes entry i as ŷ_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} ŷ_j and keeps its digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..forms import unbroadcast
from ..op import Assumption, op, shortcut
from .elementwise import sigmoid
from .activation import softplus
from .softmax import (
    ACCURATE,
    Exponentials,
    as_rows,
    class_sum,
    exponentials,
    from_rows,
    log_probabilities,
    log_softmax,
    narrow,
    rows_of,
    softmax,
    through_jacobian,
    wide,
)
from .targets import (
    Target,
    first,
    read_targets,
    reduce,
    spread,
    to_targets,
    to_weight,
    tolerance,
    validate_options,
    validate_probabilities,
    validate_targets,
    where,
)

# -- shared pieces ---------------------------------------------------------------------------------------------


def _of_logits(z: Any, targets: Any, weight: Any, o: dict[str, Any]) -> Target:
    return read_targets(targets, weight, z, -np.inf, **o)


def _of_probabilities(p: Any, targets: Any, weight: Any, o: dict[str, Any]) -> Target:
    return read_targets(targets, weight, p, 0.0, **o)


def _weighed(log_p: Any, t: Target, reduction: str) -> Any:
    """−Σ ỹ log p from log-probabilities, in plain ops; terms without weight are dropped, not multiplied."""
    target = t.effective
    dropped = np.isneginf(log_p) & np.equal(target, 0)
    terms = target * np.where(dropped, 0.0, log_p)
    return reduce(-np.sum(terms, axis=t.axis, keepdims=True), t, reduction)


def _surprise(parts: Exponentials) -> Any:
    """−log ŷ, 0 for classes that are masked: they take no part."""
    return np.where(np.isneginf(parts.high), 0.0, -log_probabilities(parts))


def _is_plain(z: Any, targets: Any, weight: Any, *, axis: int, label_smoothing: float, ignore_index: Any, **_: Any) -> bool | str:
    """Whether T = 1 and ỹ = y in every row."""
    if label_smoothing:
        return f"label_smoothing is {label_smoothing}"
    if weight is not None and not np.all(np.asarray(weight) == 1):
        return "there are class weights"
    t = read_targets(targets, None, z, -np.inf, axis=axis, ignore_index=ignore_index, label_smoothing=0.0)
    sums = class_sum(t.y, axis)
    off = np.abs(sums - 1.0) > tolerance(np.asarray(targets), t.y.shape[axis])
    off = off if t.kept is None else off & t.kept
    if np.any(off):
        at = first(np.squeeze(off, axis))
        return f"target row{where(at)} sums to {float(np.squeeze(sums, axis)[at])!r}"
    return True


PLAIN = Assumption("Σy = 1, no class weights, no smoothing", _is_plain)


def _sampler(as_scores: Any) -> Any:
    """Samples of a loss: every spelling of the target, every option; `as_scores` makes what the loss is on."""

    def samples(rng: np.random.Generator) -> Iterable[Any]:
        z = rng.normal(size=(3, 4))
        soft = rng.dirichlet(np.ones(4), size=3)
        w = rng.uniform(0.5, 2.0, size=4)
        yield (as_scores(z, -1), np.array([1, 0, 3]), None), {}
        yield (as_scores(z, -1), np.array([1, -7, 3]), w), {"ignore_index": -7}
        yield (as_scores(z, -1), soft, None), {"reduction": "none"}
        yield (as_scores(z, -1), soft, w), {"label_smoothing": 0.2}
        yield (as_scores(z, -1), rng.normal(size=(3, 4)), w), {"reduction": "sum"}
        yield (as_scores(z.T, 0), np.array([1, 0, 3]), w), {"axis": 0, "label_smoothing": 0.1}
        yield (as_scores(rng.normal(size=(2, 3, 2)), 1), rng.integers(0, 3, size=(2, 2)), None), {"axis": 1}
        yield (as_scores(rng.normal(size=5), -1), np.array(2), None), {}
        yield (as_scores(rng.normal(size=(1, 2)), -1), np.array([[0.25, 0.75]]), None), {}
        yield (as_scores(rng.normal(size=(2, 1)), -1), np.array([0, 0]), None), {}
        yield (as_scores(rng.normal(size=(0, 3)), -1), np.zeros(0, dtype=int), None), {}

    return samples


def _softmaxed(z: Any, axis: int) -> Any:
    return softmax(z, axis=axis)


# -- on logits -------------------------------------------------------------------------------------------------


@op(indices=["targets"], samples=_sampler(lambda z, axis: z), accurate=ACCURATE)
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
    t = _of_logits(logits, targets, weight, o)
    return _weighed(log_p, t, reduction)


@softmax_cross_entropy.guard
def _(
    logits: Any, targets: Any, weight: Any, *, axis: int, ignore_index: int | None, label_smoothing: float, reduction: str
) -> None:
    name = "softmax_cross_entropy"
    validate_options(name, label_smoothing, reduction)
    validate_targets(name, logits, targets, weight, axis, ignore_index)
    if isinstance(logits, np.ndarray) and logits.size and np.min(logits) == -np.inf:
        masked = np.isneginf(logits)
        if np.any(np.all(masked, axis=axis)):
            raise ValueError(f"{name}: every class of row{where(first(np.all(masked, axis=axis)))} is masked")
        t = read_targets(targets, None, logits, -np.inf, axis=axis, ignore_index=ignore_index, label_smoothing=0.0)
        hit = np.any(masked & (t.y > 0), axis=axis)
        if np.any(hit):
            raise ValueError(f"{name}: the true class of row{where(first(hit))} is masked (logit −inf)")


@softmax_cross_entropy.forward
def _(logits: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_logits(logits, targets, weight, o)
    if type(logits) is not np.ndarray:
        return narrow(reduce(_row_losses(exponentials(logits, t.axis), t), t, reduction), logits)
    # Σ ỹ_j (s_a − s_j) + T log1p(r): no term is negative for ỹ ≥ 0, so nothing cancels.
    rows, target = rows_of(logits, t.axis), as_rows(t.effective, t.axis)
    behind = rows.high if rows.low is None else rows.high + rows.low
    if behind.size and np.minimum.reduce(behind, axis=None) == -np.inf:
        behind = np.where(target == 0, 0.0, behind)
    losses = np.add.reduce(target, axis=-1, keepdims=True) * np.log1p(rows.rest)
    losses -= np.add.reduce(target * behind, axis=-1, keepdims=True)
    if reduction == "none":
        kept = tuple([n for i, n in enumerate(logits.shape) if i != t.axis % logits.ndim])
        return narrow(losses.reshape(kept), logits)
    total = np.add.reduce(losses, axis=None)
    return narrow(total / t.divisor if reduction == "mean" else total, logits)


def _row_losses(parts: Exponentials, t: Target) -> Any:
    target = t.effective
    behind = np.where(target == 0, 0.0, -(parts.high + parts.low))
    return class_sum(target * behind, t.axis) + class_sum(target, t.axis) * np.log1p(parts.rest)


def _residual_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}
    yield (rng.normal(size=(2, 3, 2)), rng.dirichlet(np.ones(3), size=(2, 2)).swapaxes(1, 2)), {"axis": 1}


@op(samples=_residual_samples)
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


def _stable(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_logits(z, targets, weight, o)
    return spread(g, t, reduction, z) * residual(z, t.effective, axis=t.axis)


def _analytic(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_logits(z, targets, None, o)
    p = softmax(z, axis=t.axis)
    difference = p - t.y
    if t.kept is not None:
        difference = np.where(t.kept, difference, 0.0)
    return spread(g, t, reduction, z) * difference


def _chain(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_logits(z, targets, weight, o)
    p = softmax(wide(z), axis=t.axis)
    g = spread(g, t, reduction, z) * _over(-t.effective, p)
    return p * (g - np.sum(g * p, axis=t.axis, keepdims=True))


def _jacobian(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_logits(z, targets, weight, o)
    p = softmax(wide(z), axis=t.axis)
    g = spread(g, t, reduction, z) * _over(-t.effective, p)
    return through_jacobian(p, g, t.axis)


def _over(a: Any, p: Any) -> Any:
    """a / p, 0 where both are 0."""
    dead = np.equal(a, 0) & np.equal(p, 0)
    return np.where(dead, 0.0, a) / np.where(dead, 1.0, p)


def _to_targets(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_logits(z, targets, weight, o)
    return to_targets(g, out, t, _surprise(exponentials(z, t.axis)), targets, reduction, z)


def _to_weight(g: Any, out: Any, z: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_logits(z, targets, weight, o)
    return to_weight(g, out, t, _surprise(exponentials(z, t.axis)), weight, reduction, z)


_STABLE = "entry i: ŷ_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} ŷ_j"
_rest = (_to_targets, _to_weight)
softmax_cross_entropy.derivation("stable", formula=_STABLE)((_stable, *_rest))
# Order 1: where y moves, so does T = Σy, which ŷ − y has taken for 1.
softmax_cross_entropy.derivation("analytic", order=1, formula="ŷ − y", assumes=[PLAIN], accurate=ACCURATE)(
    (_analytic, *_rest)
)
softmax_cross_entropy.derivation("chain", formula="ŷ ⊙ (h − Σ h ŷ), h = −ỹ / ŷ", accurate=ACCURATE)((_chain, *_rest))
softmax_cross_entropy.derivation("jacobian", formula="(diag ŷ − ŷ ŷᵀ)(−ỹ / ŷ)", accurate=ACCURATE)((_jacobian, *_rest))


# -- on probabilities ------------------------------------------------------------------------------------------


@op(indices=["targets"], samples=_sampler(_softmaxed))
def cross_entropy(
    probabilities: Any,
    targets: Any,
    weight: Any = None,
    *,
    axis: int = -1,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """Cross-entropy of probabilities: L = −Σ ỹ log p.

    On `softmax(z)` it is computed from z, which it can see, so that it is never inf where the truth is finite;
    and its gradient jumps from the loss to z (see "stable" and "analytic" below).

    Parameters
    ----------
    probabilities : Value or array of shape (..., K, ...)
        Rows along `axis` that are ≥ 0 and sum to one. A probability of exactly 0 counts as masked.
    targets, weight, axis, ignore_index, label_smoothing, reduction, validate
        As for `softmax_cross_entropy`.

    Returns
    -------
    Value or array
        The loss in nats, of the probabilities' dtype.

    Raises
    ------
    ValueError
        As `softmax_cross_entropy`; also if rows are no probabilities, with the question whether they are logits.

    Notes
    -----
    Derivations: "analytic" −ỹ/p (default) and "autodiff"; over a softmax the shortcuts "stable" (default) and
    "analytic" ŷ − y. "autodiff" bars the shortcuts, and so does a derivation named for one of the two ops.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> z = tg.Value([0.0, 800.0])
    >>> loss = tg.cross_entropy(tg.softmax(z), 0)
    >>> loss.backward()
    >>> float(loss), z.grad.tolist()
    (800.0, [-1.0, 1.0])
    """
    o = {"axis": axis, "ignore_index": ignore_index, "label_smoothing": label_smoothing}
    t = _of_probabilities(probabilities, targets, weight, o)
    p = wide(probabilities)
    dropped = np.equal(p, 0) & np.equal(t.effective, 0)
    return _weighed(np.log(np.where(dropped, 1.0, p)), t, reduction)


@cross_entropy.guard
def _(
    probabilities: Any, targets: Any, weight: Any, *, axis: int, ignore_index: int | None, label_smoothing: float, reduction: str
) -> None:
    validate_options("cross_entropy", label_smoothing, reduction)
    validate_targets("cross_entropy", probabilities, targets, weight, axis, ignore_index)
    validate_probabilities(probabilities, axis)


@cross_entropy.forward
def _(probabilities: Any, targets: Any, weight: Any, **o: Any) -> Any:
    with np.errstate(divide="ignore"):
        return narrow(np.asarray(cross_entropy.decomposition(probabilities, targets, weight, **o))[()], probabilities)


def _to_probabilities(g: Any, out: Any, p: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_probabilities(p, targets, weight, o)
    return spread(g, t, reduction, p) * _over(-t.effective, wide(p))


def _log_loss(p: Any, t: Target) -> Any:
    dead = np.equal(p, 0) & np.equal(t.effective, 0)
    return -np.log(np.where(dead, 1.0, wide(p)))


def _p_to_targets(g: Any, out: Any, p: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_probabilities(p, targets, weight, o)
    return to_targets(g, out, t, _log_loss(p, t), targets, reduction, p)


def _p_to_weight(g: Any, out: Any, p: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = _of_probabilities(p, targets, weight, o)
    return to_weight(g, out, t, _log_loss(p, t), weight, reduction, p)


cross_entropy.derivation("analytic", formula="−ỹ / p")((_to_probabilities, _p_to_targets, _p_to_weight))
shortcut(softmax, cross_entropy, name="stable", formula=_STABLE, forward=softmax_cross_entropy.kernel)((_stable, *_rest))
shortcut(
    softmax,
    cross_entropy,
    name="analytic",
    order=1,
    formula="ŷ − y",
    assumes=[PLAIN],
    accurate=ACCURATE,
    forward=softmax_cross_entropy.kernel,
)((_analytic, *_rest))


# -- independent labels ----------------------------------------------------------------------------------------


def _binary_samples(rng: np.random.Generator) -> Iterable[Any]:
    z = rng.normal(size=(3, 4)) * 2
    yield (z, (rng.random((3, 4)) > 0.5).astype(float), None), {}
    yield (z, rng.random((3, 4)), rng.uniform(0.5, 2, size=4)), {"reduction": "sum"}
    yield (z, rng.random((3, 4)), None), {"reduction": "none", "label_smoothing": 0.1}
    yield (rng.normal(size=()), rng.random(), None), {}
    yield (rng.normal(size=(0, 2)), rng.random((0, 2)), None), {"reduction": "sum"}


def _small(s: Any) -> bool | str:
    s = np.asarray(s)
    largest = float(np.max(np.abs(s), initial=0.0))
    return True if largest < (10.0 if s.dtype.itemsize < 8 else 30.0) else f"a logit is {largest:.3g} from 0"


NEAR_ZERO = Assumption("|s| below 30 (10 in float32)", lambda s, *_, **__: _small(s))


@op(samples=_binary_samples, accurate=NEAR_ZERO)
def sigmoid_binary_cross_entropy(
    logits: Any, targets: Any, weight: Any = None, *, label_smoothing: float = 0.0, reduction: str = "mean"
) -> Any:
    """Cross-entropy of independent yes/no labels: L = −Σ w (ỹ log σ(s) + (1 − ỹ) log(1 − σ(s))).

    Parameters
    ----------
    logits : Value or array of any shape
    targets : Value or array of that shape
        Probabilities of "yes", in [0, 1]; with smoothing ε, ỹ = (1 − ε) y + ε / 2.
    weight : Value or array that broadcasts against logits, optional
    label_smoothing : float in [0, 1]
    reduction : "mean" (over all entries), "sum" or "none"
    validate : bool

    Returns
    -------
    Value or array
        The loss in nats, of the logits' dtype.

    Raises
    ------
    ValueError
        If targets are of another shape, or lie outside [0, 1].

    Notes
    -----
    "analytic" is σ(s) − y; "stable", the default, is (1 − y) σ(s) − y σ(−s), in which nothing cancels.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> s = tg.Value([40.0, -1.0])
    >>> loss = tg.sigmoid_binary_cross_entropy(s, [1.0, 0.0], reduction="sum")
    >>> loss.backward(); print(s.grad)
    [-4.24835426e-18  2.68941421e-01]
    """
    y = _smoothed(targets, label_smoothing)
    terms = y * softplus(-logits) + (1.0 - y) * softplus(logits)
    terms = terms if weight is None else terms * weight
    if reduction == "none":
        return terms
    return np.sum(terms) / max(np.size(logits), 1) if reduction == "mean" else np.sum(terms)


def _smoothed(y: Any, label_smoothing: float) -> Any:
    return y * (1.0 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y


@sigmoid_binary_cross_entropy.guard
def _(logits: Any, targets: Any, weight: Any, *, label_smoothing: float, reduction: str) -> None:
    name = "sigmoid_binary_cross_entropy"
    validate_options(name, label_smoothing, reduction)
    if np.shape(targets) != np.shape(logits):
        raise ValueError(f"{name}: targets of shape {np.shape(targets)} for logits of shape {np.shape(logits)}")
    if weight is not None and np.broadcast_shapes(np.shape(weight), np.shape(logits)) != np.shape(logits):
        raise ValueError(f"{name}: weight of shape {np.shape(weight)} does not broadcast to {np.shape(logits)}")
    if isinstance(targets, (np.ndarray, float)):
        bad = np.logical_not((np.asarray(targets) >= 0) & (np.asarray(targets) <= 1))
        if np.any(bad):
            at = first(bad)
            raise ValueError(f"{name}: target{where(at)} is {np.asarray(targets)[at]}, outside [0, 1]")


def _binary(slope: Any) -> Any:
    """The rule of the logits, given the slope of one term in its logit."""

    def rule(g: Any, out: Any, s: Any, targets: Any, weight: Any, *, label_smoothing: float, reduction: str) -> Any:
        g = g / max(np.size(s), 1) if reduction == "mean" else g
        g = g * slope(s, _smoothed(targets, label_smoothing))
        return g if weight is None else g * weight

    return rule


def _binary_to_targets(
    g: Any, out: Any, s: Any, targets: Any, weight: Any, *, label_smoothing: float, reduction: str
) -> Any:
    g = g / max(np.size(s), 1) if reduction == "mean" else g
    g = g * -s * (1.0 - label_smoothing)
    return g if weight is None else g * weight


def _binary_to_weight(
    g: Any, out: Any, s: Any, targets: Any, weight: Any, *, label_smoothing: float, reduction: str
) -> Any:
    y = _smoothed(targets, label_smoothing)
    g = g / max(np.size(s), 1) if reduction == "mean" else g
    return unbroadcast(g * (y * softplus(-s) + (1.0 - y) * softplus(s)), weight)


_binary_rest = (_binary_to_targets, _binary_to_weight)
sigmoid_binary_cross_entropy.derivation("stable", formula="(1 − y) σ(s) − y σ(−s)")(
    (_binary(lambda s, y: (1.0 - y) * sigmoid(s) - y * sigmoid(-s)), *_binary_rest)
)
sigmoid_binary_cross_entropy.derivation(
    "analytic",
    formula="σ(s) − y",
    accurate=NEAR_ZERO,
)((_binary(lambda s, y: sigmoid(s) - y), *_binary_rest))
