"""Scaled dot-product attention, and its weights: softmax(q kᵀ / √E) v, with masks and dropout.

    P = softmax(S), S = q kᵀ · scale (+ mask)        y = (P ⊙ D) v, D the dropout

The gradient of <g, y>, from the output back (Vaswani et al., 2017; row sums as in Dao et al., FlashAttention, 2022):

    gv = (P ⊙ D)ᵀ g      gP = (g vᵀ) ⊙ D      gS = P ⊙ (gP − Σ gP P)      gq = gS k · scale      gk = gSᵀ q · scale

P is not kept from the forward but computed again. gP at a row's largest weight is first taken off the row, which the
sum allows, so that nothing cancels where a query attends to one key alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..derivation import Derivation
from ..forms import unbroadcast
from ..invariants import Claim, Invariant, Probe, homogeneous
from ..node import plain
from ..registry import op
from .softmax import softmax

_NEAR = 60.0  # scores within ± this have exponentials that can be added up, even in float32


def _scale(query: Any, scale: float | None) -> float:
    return 1.0 / math.sqrt(np.shape(query)[-1]) if scale is None else scale


@lru_cache(maxsize=64)
def earlier(queries: int, keys: int) -> Any:
    """The causal mask: True where the key is not later than the query. Read-only."""
    mask = np.tri(queries, keys, dtype=bool)
    mask.flags.writeable = False
    return mask


def _masked(scores: Any, mask: Any, is_causal: bool) -> Any:
    """Scores with −inf where a query may not look, and an additive mask added."""
    if is_causal:
        scores = np.where(earlier(*np.shape(scores)[-2:]), scores, -np.inf)
    if mask is None:
        return scores
    return np.where(mask, scores, -np.inf) if _is_boolean(mask) else scores + mask


def _is_boolean(mask: Any) -> bool:
    return bool(np.result_type(plain(mask)).kind == "b")


def _weights(query: Any, key: Any, mask: Any, is_causal: bool, scale: float | None) -> Any:
    """The decomposition. A row that is masked throughout has weights 0."""
    scores = np.matmul(query * _scale(query, scale), np.swapaxes(key, -1, -2))
    scores = _masked(scores, mask, is_causal)
    if not np.shape(scores)[-1]:
        return scores
    blind = np.all(np.equal(plain(scores), -np.inf), axis=-1, keepdims=True)
    return np.where(blind, 0.0, softmax(np.where(blind, 0.0, scores), axis=-1))


def _fast_weights(query: Any, key: Any, mask: Any, is_causal: bool, scale: float | None) -> Any:
    """`_weights`, in place, of ndarrays."""
    if not all(type(x) is np.ndarray for x in (query, key)) or not (mask is None or type(mask) is np.ndarray):
        return _weights(query, key, mask, is_causal, scale)
    scores = np.matmul(query * _scale(query, scale), key.swapaxes(-1, -2))
    seen = [] if mask is None or mask.dtype.kind != "b" else [mask]
    seen += [earlier(*scores.shape[-2:])] if is_causal else []
    if mask is not None and mask.dtype.kind != "b":
        scores = scores + mask
    elif mask is not None and np.broadcast_shapes(scores.shape, mask.shape) != scores.shape:
        scores = scores + np.zeros(mask.shape, dtype=scores.dtype)  # the mask brings further axes
    if not scores.size:
        return scores
    if np.minimum.reduce(scores, axis=None) >= -_NEAR and np.maximum.reduce(scores, axis=None) <= _NEAR:
        e = np.exp(scores, out=scores)
        for m in seen:
            e *= m.astype(e.dtype)
    else:
        e = _far(scores, seen)
    total = np.matmul(e, np.ones((e.shape[-1], 1), dtype=e.dtype))
    total[total == 0.0] = 1.0
    e /= total
    return e


def _far(scores: Any, seen: Sequence[Any]) -> Any:
    """exp of scores of any size, less the largest of their row: in their own memory."""
    for m in seen:
        np.copyto(scores, -np.inf, where=~m)
    top = np.maximum.reduce(scores, axis=-1, keepdims=True)
    top[top == -np.inf] = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        scores -= top
        return np.exp(scores, out=scores)


def _flat(probe: Probe) -> Iterator[Claim]:
    i = probe.position("attn_mask")
    if i is None or np.ndim(probe.inputs[i]) < 2 or np.shape(probe.inputs[i])[-1] < 2:
        return
    gm = np.asarray(probe.gradients(probe.cotangent(), probe.inputs)[i])
    yield Claim(np.sum(gm, axis=-1), 0.0, np.sum(np.abs(gm), axis=-1))


# What is added to the scores of all keys moves nothing.
FLAT = Invariant("the gradient in an additive mask sums to 0 along the keys", _flat)


# -- the weights -----------------------------------------------------------------------------------------------


def _weight_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 4, 2)), None), {}
    yield (rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), rng.normal(size=(2, 3, 3))), {"is_causal": True}
    yield (rng.normal(size=(2, 2)), rng.normal(size=(1, 3, 2)), np.array([[True, False, True], [False] * 3])), {}
    yield (rng.normal(size=(0, 2)), rng.normal(size=(3, 2)), None), {"scale": 0.3}


@op(samples=_weight_samples, invariants=[FLAT])
def attention_weights(
    query: Any, key: Any, attn_mask: Any = None, *, is_causal: bool = False, scale: float | None = None
) -> Any:
    """softmax(q kᵀ · scale + mask) along the keys: how much each query attends to each key.

    Parameters
    ----------
    query : Value or array of shape (..., L, E)
    key : Value or array of shape (..., S, E)
    attn_mask : Value or array broadcastable to (..., L, S), optional
        Booleans: True where a query may look. Numbers: added to the scores, −inf where it may not.
    is_causal : bool
        Whether query i sees the keys 0 … i alone, beside what the mask says.
    scale : float, optional
        1 / √E by default.

    Returns
    -------
    Value or array of shape (..., L, S)
        Rows that sum to 1; a query that may not look anywhere has 0 throughout, and so no gradient.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit together, or the mask is neither boolean nor floating.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.attention import attention_weights
    >>> attention_weights(np.zeros((3, 2)), np.zeros((3, 2)), is_causal=True).round(2).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.33, 0.33, 0.33]]
    """
    return _weights(query, key, attn_mask, is_causal, scale)


@attention_weights.forward
def _(query: Any, key: Any, attn_mask: Any, *, is_causal: bool, scale: float | None) -> Any:
    return _fast_weights(query, key, attn_mask, is_causal, scale)


def _to_scores(p: Any, gp: Any) -> Any:
    """P ⊙ (gP − Σ gP P), without cancellation where P is nearly 1."""
    if not np.shape(p)[-1]:
        return p * gp
    if type(p) is np.ndarray and type(gp) is np.ndarray and p.shape == gp.shape and p.dtype == gp.dtype:
        return _to_scores_of_arrays(p, gp)
    winner = np.expand_dims(np.argmax(plain(p), axis=-1), -1)
    gp = gp - np.take_along_axis(gp, winner, axis=-1)
    return p * (gp - np.sum(gp * p, axis=-1, keepdims=True))


def _to_scores_of_arrays(p: Any, gp: Any) -> Any:
    rows = np.reshape(p, (-1, p.shape[-1]))
    gs = np.reshape(gp, rows.shape)
    at = rows.argmax(axis=-1)
    at += np.arange(0, rows.size, rows.shape[1])
    gs = gs - gs.ravel()[at][:, None]
    gs -= np.einsum("ij,ij->i", gs, rows)[:, None]
    gs *= rows
    return np.reshape(gs, p.shape)


def _from_scores(gs: Any, query: Any, key: Any, mask: Any, scale: float | None, needed: Sequence[int]) -> list[Any]:
    """Gradients of query, key and mask from that of the scores."""
    by = _scale(query, scale)
    gq = unbroadcast(np.matmul(gs, key), query) * by if 0 in needed else None
    gk = unbroadcast(np.matmul(np.swapaxes(gs, -1, -2), query), key) * by if 1 in needed else None
    return [gq, gk, unbroadcast(gs, mask) if 2 in needed else None]


def _weights_rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
    query, key, mask = inputs
    return _from_scores(_to_scores(out, g), query, key, mask, params["scale"], needed)


FORMULA = "gP = g; gS = P ⊙ (gP − Σ gP P); in q: gS k · scale; in k: gSᵀ q · scale; in the mask: gS"
attention_weights.add(Derivation("analytic", _weights_rule, formula=FORMULA))


# -- attention -------------------------------------------------------------------------------------------------


def _attention_samples(rng: np.random.Generator) -> Iterable[Any]:
    q, k, v = (2, 3, 2), (2, 4, 2), (2, 4, 3)
    yield (*[rng.normal(size=s) for s in (q, k, v)], None, None), {}
    causal = {"is_causal": True, "dropout_p": 0.25}
    yield (*[rng.normal(size=(3, 2)) for _ in range(3)], rng.normal(size=(3, 3)), rng.random((3, 3)) > 0.3), causal
    mask = np.array([[True, True, False], [False, False, False]])
    yield (rng.normal(size=(2, 2, 1)), rng.normal(size=(3, 1)), rng.normal(size=(1, 3, 2)), mask, None), {"scale": 2.0}
    yield (*[rng.normal(size=(0, n, 1)) for n in (2, 3, 3)], None, None), {}


@op(constants=["keep"], samples=_attention_samples, invariants=[homogeneous("value"), FLAT])
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    keep: Any = None,
    *,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Any:
    """softmax(q kᵀ · scale + mask) v: for each query the mean of the values, weighted by how well the keys fit.

    Parameters
    ----------
    query, key, attn_mask, is_causal, scale
        As for `attention_weights`.
    value : Value or array of shape (..., S, V)
    keep : array of booleans broadcastable to (..., L, S), optional
        The dropout: weights are 0 where it is False, and divided by 1 − dropout_p where it is True.
    dropout_p : float in [0, 1]
        The probability with which `keep` was drawn; of no consequence without it.

    Returns
    -------
    Value or array of shape (..., L, V)
        A query that may not look anywhere has the output 0.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit together, the mask is neither boolean nor floating, or `keep` is not boolean.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.attention import scaled_dot_product_attention
    >>> q, k, v = np.zeros((1, 2)), np.zeros((2, 2)), np.array([[1.0], [3.0]])
    >>> scaled_dot_product_attention(q, k, v).tolist()
    [[2.0]]
    """
    p = _weights(query, key, attn_mask, is_causal, scale)
    return np.matmul(dropped(p, keep, dropout_p), value)


def dropped(p: Any, keep: Any, dropout_p: float) -> Any:
    """Weights, or their gradient, after dropout."""
    if keep is None:
        return p
    return np.where(keep, p * (1.0 / (1.0 - dropout_p) if dropout_p < 1.0 else 0.0), 0.0)


@scaled_dot_product_attention.forward
def _(
    query: Any, key: Any, value: Any, mask: Any, keep: Any, *, dropout_p: float, is_causal: bool, scale: float | None
) -> Any:
    return np.matmul(dropped(_fast_weights(query, key, mask, is_causal, scale), keep, dropout_p), value)


def _attention_rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
    query, key, value, mask, keep = inputs
    scale, p_drop = params["scale"], params["dropout_p"]
    p = attention_weights.apply((query, key, mask), {"is_causal": params["is_causal"], "scale": scale})
    gv = None
    if 2 in needed:
        gv = unbroadcast(np.matmul(np.swapaxes(dropped(p, keep, p_drop), -1, -2), g), value)
    rest = [i if i < 2 else 2 for i in needed if i != 2]
    if not rest:
        return [None, None, gv, None, None]
    gp = dropped(np.matmul(g, np.swapaxes(value, -1, -2)), keep, p_drop)
    gs = unbroadcast(_to_scores(p, gp), p)
    gq, gk, gm = _from_scores(gs, query, key, mask, scale, rest)
    return [gq, gk, gv, gm, None]


FUSED = "gv = (P ⊙ D)ᵀ g; gP = (g vᵀ) ⊙ D; gS = P ⊙ (gP − Σ gP P); in q: gS k · scale; in k: gSᵀ q · scale"
scaled_dot_product_attention.add(Derivation("analytic", _attention_rule, formula=FUSED))


# -- users' mistakes -------------------------------------------------------------------------------------------


def require_mask(name: str, what: str, mask: Any, shape: tuple[int, ...], exact: bool = False) -> None:
    """Raise unless a mask is boolean or floating, and broadcasts to `shape`; or is of it, where that is `exact`."""
    mask = plain(mask)
    if np.result_type(mask).kind not in "bf":
        raise TypeError(
            f"{name}: {what} is of booleans or of numbers that are added to the scores, not of {np.result_type(mask)}: "
            f"write mask.astype(bool)"
        )
    try:
        fits = np.shape(mask) == shape or (not exact and np.broadcast_shapes(np.shape(mask), shape) == shape)
    except ValueError:
        fits = False
    if not fits:
        wanted = f"not {shape}" if exact else f"which does not broadcast to {shape}"
        raise ValueError(f"{name}: {what} has shape {np.shape(mask)}, {wanted}")


def _require(name: str, query: Any, key: Any, mask: Any) -> tuple[int, ...]:
    """Check query, key and mask; the shape of the weights."""
    q, k = np.shape(query), np.shape(key)
    if len(q) < 2 or len(k) < 2 or q[-1] != k[-1] or not q[-1]:
        raise ValueError(f"{name}: query (..., L, E) and key (..., S, E) are of one size E, not {q} and {k}")
    try:
        lead = np.broadcast_shapes(q[:-2], k[:-2])
    except ValueError:
        raise ValueError(f"{name}: query {q} and key {k} differ in their leading axes") from None
    shape = (*lead, q[-2], k[-2])
    if mask is not None:
        extra = np.shape(mask)[: max(np.ndim(mask) - len(shape), 0)]
        require_mask(name, "attn_mask", mask, (*extra, *_widest(np.shape(mask), shape)))
    return shape


def _widest(mask: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with its leading axes as long as the mask's: a mask may bring axes, but no queries or keys."""
    ends = [1] * max(len(shape) - len(mask), 0) + list(mask[-len(shape) :])
    lead = [m if n == 1 else n for m, n in zip(ends[:-2], shape[:-2], strict=True)]
    return (*lead, *shape[-2:])


@attention_weights.guard
def _(query: Any, key: Any, attn_mask: Any, **_: Any) -> None:
    _require("attention_weights", query, key, attn_mask)


@scaled_dot_product_attention.guard
def _(query: Any, key: Any, value: Any, attn_mask: Any, keep: Any, *, dropout_p: float, **_: Any) -> None:
    name = "scaled_dot_product_attention"
    shape = _require(name, query, key, attn_mask)
    v = np.shape(value)
    if len(v) < 2 or v[-2] != shape[-1]:
        raise ValueError(f"{name}: value (..., S, V) has a row for each of the {shape[-1]} keys, not {v}")
    if not 0.0 <= dropout_p <= 1.0:
        raise ValueError(f"{name}: dropout_p is a probability, from 0 to 1, not {dropout_p!r}")
    if keep is not None and np.result_type(keep).kind != "b":
        raise TypeError(f"{name}: keep is of booleans, True where a weight is kept, not of {np.result_type(keep)}")
