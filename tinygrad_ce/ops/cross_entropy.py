"""Cross-entropy on probabilities, L = −Σ ỹ log p with dL/dp = −ỹ / p; and its shortcuts through softmax.

Where a cross_entropy node stands on a softmax node, the sweep may jump from the loss to the scores: by ŷ − y, or
by the same without its cancellation. The value is computed from the scores too, so it is never inf in vain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import shortcut
from ..registry import op
from .exponentials import ACCURATE, narrow, wide
from .loss import PLAIN, of_probabilities, sampler, weighed
from .softmax import softmax
from .softmax_cross_entropy import REST, STABLE, analytic, over, softmax_cross_entropy, stable
from .targets import (
    Target,
    spread,
    to_targets,
    to_weight,
    validate_options,
    validate_probabilities,
    validate_targets,
)


def _softmaxed(z: Any, axis: int) -> Any:
    return softmax(z, axis=axis)


@op(indices=["targets"], samples=sampler(_softmaxed))
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
    t = of_probabilities(probabilities, targets, weight, o)
    p = wide(probabilities)
    dropped = np.equal(p, 0) & np.equal(t.effective, 0)
    return weighed(np.log(np.where(dropped, 1.0, p)), t, reduction)


@cross_entropy.guard
def _(
    probabilities: Any,
    targets: Any,
    weight: Any,
    *,
    axis: int,
    ignore_index: int | None,
    label_smoothing: float,
    reduction: str,
) -> None:
    validate_options("cross_entropy", label_smoothing, reduction)
    validate_targets("cross_entropy", probabilities, targets, weight, axis, ignore_index)
    validate_probabilities(probabilities, axis)


@cross_entropy.forward
def _(probabilities: Any, targets: Any, weight: Any, **o: Any) -> Any:
    with np.errstate(divide="ignore"):
        return narrow(np.asarray(cross_entropy.decomposition(probabilities, targets, weight, **o))[()], probabilities)


def _to_probabilities(g: Any, out: Any, p: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_probabilities(p, targets, weight, o)
    return spread(g, t, reduction) * over(-t.effective, wide(p))


def _log_loss(p: Any, t: Target) -> Any:
    dead = np.equal(p, 0) & np.equal(t.effective, 0)
    return -np.log(np.where(dead, 1.0, wide(p)))


def _p_to_targets(g: Any, out: Any, p: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_probabilities(p, targets, weight, o)
    return to_targets(g, out, t, _log_loss(p, t), targets, reduction)


def _p_to_weight(g: Any, out: Any, p: Any, targets: Any, weight: Any, *, reduction: str, **o: Any) -> Any:
    t = of_probabilities(p, targets, weight, o)
    return to_weight(g, out, t, _log_loss(p, t), reduction)


cross_entropy.derivation("analytic", formula="−ỹ / p")((_to_probabilities, _p_to_targets, _p_to_weight))


def _from_logits(z: Any, targets: Any, weight: Any, **o: Any) -> Any:
    return softmax_cross_entropy.evaluate((z, targets, weight), o)


shortcut(softmax, cross_entropy, name="stable", formula=STABLE, forward=_from_logits)((stable, *REST))
shortcut(
    softmax,
    cross_entropy,
    name="analytic",
    order=1,
    formula="ŷ − y",
    assumes=[PLAIN],
    accurate=ACCURATE,
    forward=_from_logits,
)((analytic, *REST))
