"""The functions that layers are made of, under torch.nn.functional's names and with its arguments.

    from tinygrad_ce.nn import functional as F
    F.cross_entropy(model(x), y)

Each is an op, or a few lines of ops; arrays in give arrays, any Value in gives a Value. `dim` and `axis` are two names
for one thing. Where a name means something else than `tg` has under it, it means here what it means in PyTorch:
`F.cross_entropy` takes logits, with the classes along axis 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..node import plain
from ..ops import log_softmax as _log_softmax
from ..ops import logsumexp, relu, sigmoid, sigmoid_binary_cross_entropy, softmax_cross_entropy, tanh
from ..ops import softmax as _softmax
from ..ops import softplus as _softplus
from ..ops.activations import elu, gelu, hardtanh, leaky_relu, mish, silu
from ..ops.attention import scaled_dot_product_attention as _attention
from ..ops.batch_norm import batch_norm as _batch_norm
from ..ops.batch_norm import batch_norm_eval
from ..ops.convolution import conv1d, conv2d
from ..ops.distances import huber_loss, l1_loss, mse_loss
from ..ops.divergences import cosine_similarity as _cosine_similarity
from ..ops.divergences import kl_div
from ..ops.dropout import dropout as _dropout
from ..ops.embedding import embedding as _embedding
from ..ops.error_function import erf, normal_cdf
from ..ops.kinks import stop_gradient
from ..ops.margins import hinge_loss, multi_margin_loss, triplet_margin_loss
from ..ops.normalization import group_norm as _group_norm
from ..ops.normalization import layer_norm as _layer_norm
from ..ops.normalization import rms_norm as _rms_norm
from ..ops.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from ..ops.terms import require, same_shapes
from .randomness import Randomness, generator_of, kept
from .shapes import probability, shape_of

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "erf",
    "gelu",
    "group_norm",
    "hardtanh",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "normal_cdf",
    "relu",
    "rms_norm",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "triplet_margin_loss",
]

# -- layers ----------------------------------------------------------------------------------------------------


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input Wᵀ + b, for a weight of shape (out, in).

    >>> linear(np.ones((2, 3)), np.ones((4, 3)), np.ones(4)).tolist()[0]
    [4.0, 4.0, 4.0, 4.0]
    """
    y = np.matmul(input, np.transpose(weight))
    return y if bias is None else y + bias


def dropout(input: Any, p: float = 0.5, training: bool = True, *, rng: Randomness = None) -> Any:
    """Each entry 0 with probability p, the others scaled by 1 / (1 − p); unchanged unless `training`.

    >>> dropout([1.0, 1.0, 1.0, 1.0], 0.5, rng=0).tolist()
    [2.0, 0.0, 0.0, 0.0]
    """
    p = probability("p", p)
    return _dropout(input, kept(generator_of(rng), shape_of(input), p), p=p) if training and p else input


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """weight[input]: a row of the table for each index; the row `padding_idx` gets no gradient."""
    rows = _embedding(weight, input)
    if padding_idx is None:
        return rows
    size = shape_of(weight)[0]
    if not -size <= padding_idx < size:
        raise ValueError(f"embedding: padding_idx {padding_idx} is no row of {size}")
    return np.where(np.expand_dims(input, -1) == padding_idx % size, stop_gradient(rows), rows)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    rng: Randomness = None,
) -> Any:
    """softmax(q kᵀ · scale + mask) v, weights left out with probability `dropout_p`.

    A boolean mask is True where a query may look, as in PyTorch; see `ops.attention` for the rest.
    """
    keep = None
    if probability("dropout_p", dropout_p):
        keep = kept(generator_of(rng), (*shape_of(query)[:-1], shape_of(key)[-2]), dropout_p)
    return _attention(query, key, value, attn_mask, keep, dropout_p=dropout_p, is_causal=is_causal, scale=scale)


# -- normalisation ---------------------------------------------------------------------------------------------


def layer_norm(
    input: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(x − μ) / √(σ² + ε) · weight + bias over the last axes, which are of `normalized_shape`."""
    return _layer_norm(input, weight, bias, axes=_last("layer_norm", input, normalized_shape), eps=eps)


def rms_norm(input: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """x / √(mean x² + ε) · weight over the last axes; ε is by default that of the dtype."""
    axes = _last("rms_norm", input, normalized_shape)
    return _rms_norm(input, weight, axes=axes, eps=_epsilon(input) if eps is None else eps)


def _epsilon(x: Any) -> float:
    dtype = np.dtype(getattr(x, "dtype", np.float64))
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def _last(name: str, x: Any, normalized_shape: int | Sequence[int]) -> int:
    wanted = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    shape = shape_of(x)
    if not wanted or shape[max(len(shape) - len(wanted), 0) :] != wanted:
        raise ValueError(f"{name}: an input of shape {shape} does not end in {wanted}")
    return len(wanted)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x − μ) / √(σ² + ε) · weight + bias over groups of a sample's channels, which are axis 1."""
    return _group_norm(input, weight, bias, groups=num_groups, eps=eps)


def batch_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *,
    eps: float = 1e-5,
) -> Any:
    """(x − μ) / √(σ² + ε) · weight + bias over the channels' statistics: the batch's in training, else those given.

    A function changes nothing that it is given: running statistics are kept by the layers.
    """
    if training:
        return _batch_norm(input, weight, bias, eps=eps)
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm: without training=True it takes the statistics, running_mean and running_var")
    return batch_norm_eval(input, running_mean, running_var, weight, bias, eps=eps)


# -- activations -----------------------------------------------------------------------------------------------


def one_axis(dim: int | None, axis: int | None) -> int:
    """The axis that is meant; the last, if none is."""
    if dim is not None and axis is not None and dim != axis:
        raise ValueError(f"dim and axis are two names for one axis, here {dim} and {axis}")
    return -1 if dim is None and axis is None else axis if dim is None else dim  # type: ignore[return-value]


def softmax(input: Any, dim: int | None = None, *, axis: int | None = None) -> Any:
    """exp(x) / Σ exp(x) along an axis, the last by default."""
    return _softmax(input, axis=one_axis(dim, axis))


def log_softmax(input: Any, dim: int | None = None, *, axis: int | None = None) -> Any:
    """log softmax(x) along an axis, the last by default."""
    return _log_softmax(input, axis=one_axis(dim, axis))


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(β x)) / β; x itself where β x > threshold, as in PyTorch.

    `tg.softplus` is the function itself, which needs no threshold.
    """
    if not beta > 0:
        raise ValueError(f"softplus: beta is above 0, not {beta!r}")
    scaled = np.multiply(input, beta)
    return np.where(plain(scaled) > threshold, input, _softplus(scaled) / beta)


# -- losses ----------------------------------------------------------------------------------------------------


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross-entropy of softmax(input), from logits of shape (N, K), (N, K, ...) or (K,).

    >>> round(float(cross_entropy([[0.0, 0.0]], [1])), 4)
    0.6931
    """
    ndim = len(shape_of(input))
    indices = len(shape_of(target)) < ndim
    return softmax_cross_entropy(
        input,
        target,
        weight,
        axis=1 if ndim > 1 else 0,
        ignore_index=ignore_index if indices else None,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )


def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """Cross-entropy of independent yes/no labels, from logits: `tg.sigmoid_binary_cross_entropy`."""
    return sigmoid_binary_cross_entropy(input, target, weight, reduction=reduction)


def cosine_similarity(x1: Any, x2: Any, dim: int | None = None, eps: float = 1e-8, *, axis: int | None = None) -> Any:
    """<x1, x2> / (max(‖x1‖, ε) max(‖x2‖, ε)) along an axis: axis 1 by default, as in PyTorch."""
    named = dim is not None or axis is not None
    return _cosine_similarity(x1, x2, axis=one_axis(dim, axis) if named else 1, eps=eps)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """1 − cos of pairs of vectors whose target is 1, max(0, cos − margin) of those whose target is −1.

    Parameters
    ----------
    input1, input2 : Value or array of shape (N, D) or (D,)
    target : array of shape (N,) or ()
        1 and −1.
    margin : float
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> float(cosine_embedding_loss([[1.0, 0.0]], [[0.0, 2.0]], np.array([1])))
    1.0
    """
    require("cosine_embedding_loss", reduction)
    same_shapes("cosine_embedding_loss", {"input1": input1, "input2": input2})
    labels = np.asarray(plain(target))
    if labels.shape != shape_of(input1)[:-1]:
        raise ValueError(
            f"cosine_embedding_loss: target of shape {labels.shape} for pairs of shape {shape_of(input1)}; "
            f"{shape_of(input1)[:-1]} is wanted"
        )
    if np.any((labels != 1) & (labels != -1)):
        raise ValueError("cosine_embedding_loss: targets are 1 for pairs that belong together and −1 for others")
    cosine = _cosine_similarity(input1, input2, axis=-1)
    terms = np.where(labels == 1, 1.0 - cosine, relu(cosine - margin))
    if reduction == "none":
        return terms
    return np.sum(terms) / max(labels.size, 1) if reduction == "mean" else np.sum(terms)
