"""What ops are in steps: functions that `opened` traces in the place of an op, and of each of its gradients.

An opening takes what the op does, or (g, out, *inputs) in the place of a gradient, and raises NotCaptured where it is
not for such arguments. What forward and gradients say in the same words is done once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.attention import dropped, scaled_dot_product_attention
from ...ops.normalization import layer_norm, rms_norm
from ...ops.residual import residual
from .. import blocks
from .image_openings import IMAGES
from .kernel_calls import FLOATS, call, require

# -- attention -----------------------------------------------------------------------------------------------------


def _scaled(query: Any, scale: float | None) -> Any:
    return query * (1.0 / math.sqrt(query.shape[-1]) if scale is None else scale)


def _weights(q: Any, k: Any, mask: Any, is_causal: bool, scale: float | None) -> Any:
    require(q.dtype in FLOATS and q.dtype == k.dtype and q.shape[:-2] == k.shape[:-2] and q.size and k.size)
    scores = np.matmul(_scaled(q, scale), np.swapaxes(k, -1, -2))
    if mask is not None:
        require(np.broadcast_shapes(mask.shape, scores.shape) == scores.shape)
        scores = np.where(mask, scores, -np.inf) if mask.dtype.kind == "b" else scores + mask
        require(scores.dtype == q.dtype)
    return call(blocks.masked_softmax, scores, causal=is_causal)


def _attention(q: Any, k: Any, v: Any, mask: Any, keep: Any, *, dropout_p: float, is_causal: bool, scale: Any) -> Any:
    require(v.shape[:-2] == q.shape[:-2] and v.dtype == q.dtype)
    return np.matmul(dropped(_weights(q, k, mask, is_causal, scale), keep, dropout_p), v)


def _to_scores(g: Any, q: Any, k: Any, v: Any, mask: Any, keep: Any, o: Any) -> Any:
    require(v.shape[:-2] == q.shape[:-2] and v.dtype == q.dtype == g.dtype)
    p = _weights(q, k, mask, o["is_causal"], o["scale"])
    return call(blocks.score_gradient, p, dropped(np.matmul(g, np.swapaxes(v, -1, -2)), keep, o["dropout_p"]))


def _to_query(g: Any, out: Any, q: Any, k: Any, v: Any, mask: Any, keep: Any, **o: Any) -> Any:
    return _scaled(np.matmul(_to_scores(g, q, k, v, mask, keep, o), k), o["scale"])


def _to_key(g: Any, out: Any, q: Any, k: Any, v: Any, mask: Any, keep: Any, **o: Any) -> Any:
    return np.matmul(np.swapaxes(_to_scores(g, q, k, v, mask, keep, o), -1, -2), _scaled(q, o["scale"]))


def _to_value(g: Any, out: Any, q: Any, k: Any, v: Any, mask: Any, keep: Any, **o: Any) -> Any:
    require(v.shape[:-2] == q.shape[:-2] and v.dtype == q.dtype == g.dtype)
    p = dropped(_weights(q, k, mask, o["is_causal"], o["scale"]), keep, o["dropout_p"])
    return np.matmul(np.swapaxes(p, -1, -2), g)


# -- norms ---------------------------------------------------------------------------------------------------------


def _norm(centre: bool) -> tuple[Callable[..., Any], ...]:
    """The forward of a norm of last axes, and its gradients."""

    def parts(x: Any, weight: Any, bias: Any, axes: int, eps: float) -> tuple[Any, int, int]:
        k = math.prod(x.shape[x.ndim - axes :])
        n = x.size // k if k else 0
        require(x.dtype in FLOATS and n > 0 and all(w is None or w.dtype == x.dtype for w in (weight, bias)))
        w, b = [a if a is None else np.reshape(a, (k,)) for a in (weight, bias)]
        return call(blocks.norm_parts, np.reshape(x, (n, k)), w, b, eps=eps, centre=centre), n, k

    def forward(x: Any, weight: Any, bias: Any = None, *, axes: int, eps: float) -> Any:
        made, n, k = parts(x, weight, bias, axes, eps)
        return _like(np.reshape(made[: n * k], x.shape), x)

    def gradients(g: Any, x: Any, weight: Any, bias: Any, axes: int, eps: float) -> tuple[Any, int, int]:
        made, n, k = parts(x, weight, bias, axes, eps)
        require(g.dtype == x.dtype)
        w = weight if weight is None else np.reshape(weight, (k,))
        return call(blocks.norm_gradient, made, np.reshape(g, (n, k)), w, eps=eps, centre=centre), n, k

    def to_x(g: Any, out: Any, x: Any, weight: Any, bias: Any = None, *, axes: int, eps: float) -> Any:
        made, n, k = gradients(g, x, weight, bias, axes, eps)
        return _like(np.reshape(made[: n * k], x.shape), x)

    def to_weight(g: Any, out: Any, x: Any, weight: Any, bias: Any = None, *, axes: int, eps: float) -> Any:
        made, n, k = gradients(g, x, weight, bias, axes, eps)
        return _like(np.reshape(made[n * k : n * k + k], weight.shape), weight)

    def to_bias(g: Any, out: Any, x: Any, weight: Any, bias: Any = None, *, axes: int, eps: float) -> Any:
        made, n, k = gradients(g, x, weight, bias, axes, eps)
        return _like(np.reshape(made[n * k + k :], bias.shape), bias)

    return forward, to_x, to_weight, to_bias


def _like(x: Any, other: Any) -> Any:
    return x if x.dtype == other.dtype else x.astype(other.dtype)


# -- the gradient of cross-entropy, where it is differentiated again -----------------------------------------------

_SMALL = 1 << 14  # larger ones are quicker whole, in blocks


def _residual(z: Any, target: Any, *, axis: int) -> Any:
    """The decomposition: its exponentials are those of its tangent."""
    require(z.dtype == np.float64 and z.size <= _SMALL and residual.decomposition is not None)
    return residual.decomposition(z, target, axis=axis)


# -- by op ---------------------------------------------------------------------------------------------------------

_ATTENTION = scaled_dot_product_attention
OPENED: dict[Any, Callable[..., Any]] = {
    **IMAGES,
    residual: _residual,
    _ATTENTION: _attention,
    (_ATTENTION, "analytic", 0): _to_query,
    (_ATTENTION, "analytic", 1): _to_key,
    (_ATTENTION, "analytic", 2): _to_value,
}
for _op, _centre in ((layer_norm, True), (rms_norm, False)):
    OPENED[_op], *_pulls = _norm(_centre)
    OPENED |= {(_op, "stable", i): pull for i, pull in enumerate(_pulls)}
