"""Cross-entropy of independent labels, sigmoid included: σ(s) − y by the same argument, for many labels at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..derivation import Assumption
from ..forms import unbroadcast
from ..invariants import homogeneous
from ..registry import op
from .activation import softplus
from .elementwise import sigmoid
from .exponentials import narrow, wide
from .sums import total
from .targets import as_array, first, validate_options, where


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


@op(
    samples=_binary_samples,
    accurate=NEAR_ZERO,
    invariants=[homogeneous("weight")],
)
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
    s = wide(logits)
    yes, no = _smoothed(targets, label_smoothing)
    terms = yes * softplus(-s) + no * softplus(s)
    terms = terms if weight is None else terms * weight
    if reduction == "none":
        return terms
    return total(terms) / max(np.size(logits), 1) if reduction == "mean" else total(terms)


def _smoothed(targets: Any, label_smoothing: float) -> tuple[Any, Any]:
    """ỹ and 1 − ỹ, neither of which cancels."""
    y = wide(targets)
    if not label_smoothing:
        return y, 1.0 - y
    faith, half = 1.0 - label_smoothing, 0.5 * label_smoothing
    return y * faith + half, (1.0 - y) * faith + half


@sigmoid_binary_cross_entropy.forward
def _(logits: Any, targets: Any, weight: Any, **o: Any) -> Any:
    with np.errstate(all="ignore"):
        return narrow(as_array(sigmoid_binary_cross_entropy.decomposition(logits, targets, weight, **o))[()], logits)


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
        return _spread(g, s, weight, reduction) * slope(wide(s), *_smoothed(targets, label_smoothing))

    return rule


def _spread(g: Any, s: Any, weight: Any, reduction: str) -> Any:
    """The cotangent of the loss as one of its terms."""
    g = wide(g) / max(np.size(s), 1) if reduction == "mean" else wide(g)
    return g if weight is None else g * weight


def _binary_to_targets(
    g: Any, out: Any, s: Any, targets: Any, weight: Any, *, label_smoothing: float, reduction: str
) -> Any:
    return _spread(g, s, weight, reduction) * -wide(s) * (1.0 - label_smoothing)


def _binary_to_weight(
    g: Any, out: Any, s: Any, targets: Any, weight: Any, *, label_smoothing: float, reduction: str
) -> Any:
    yes, no = _smoothed(targets, label_smoothing)
    s = wide(s)
    return unbroadcast(_spread(g, s, None, reduction) * (yes * softplus(-s) + no * softplus(s)), weight)


_binary_rest = (_binary_to_targets, _binary_to_weight)
sigmoid_binary_cross_entropy.derivation("stable", formula="(1 − y) σ(s) − y σ(−s)")(
    (_binary(lambda s, yes, no: no * sigmoid(s) - yes * sigmoid(-s)), *_binary_rest)
)
sigmoid_binary_cross_entropy.derivation(
    "analytic",
    formula="σ(s) − y",
    accurate=NEAR_ZERO,
)((_binary(lambda s, yes, no: sigmoid(s) - yes), *_binary_rest))
