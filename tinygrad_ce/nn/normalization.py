"""LayerNorm, RMSNorm, GroupNorm, BatchNorm1d, BatchNorm2d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import is_eager
from ..node import plain
from ..ops.exponentials import wide
from ..value import Value
from . import functional as F
from .module import Module
from .shapes import floating_dtype, located, shape_of, size, wrong_shape


class _Normalised(Module):
    """What has a weight and a bias, or neither."""

    weight: Value | None
    bias: Value | None

    def _affine(self, shape: tuple[int, ...], weight: bool, bias: bool, dtype: DTypeLike) -> None:
        kind = floating_dtype(dtype)
        self.weight = Value(np.ones(shape, kind)) if weight else None
        self.bias = Value(np.zeros(shape, kind)) if weight and bias else None

    def __repr__(self) -> str:
        return self._headline()


class _OverLast(_Normalised):
    """Normalisation over the last axes."""

    def __init__(self, normalized_shape: int | Sequence[int]) -> None:
        sizes = (normalized_shape,) if not isinstance(normalized_shape, Sequence) else normalized_shape
        if not sizes:
            raise ValueError("normalized_shape has at least one axis")
        self.normalized_shape = tuple([size("normalized_shape", n) for n in sizes])

    def _require(self, x: Any) -> None:
        shape, wanted = shape_of(x), self.normalized_shape
        if shape[max(len(shape) - len(wanted), 0) :] != wanted:
            raise wrong_shape(self, f"(..., {', '.join(map(str, wanted))})", shape)


class LayerNorm(_OverLast):
    """(x − μ) / √(σ² + ε) · weight + bias over the last axes.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The lengths of these axes.
    eps : float
    elementwise_affine : bool
        Whether there are weight and bias.
    bias : bool
        Whether there is a bias beside the weight.
    dtype : dtype

    Attributes
    ----------
    weight, bias : Value of shape (*normalized_shape), 1 and 0 to begin with, or None

    Examples
    --------
    >>> LayerNorm(3)(np.array([[1.0, 2.0, 3.0]])).data.round(4).tolist()
    [[-1.2247, 0.0, 1.2247]]
    >>> LayerNorm(3)(np.zeros((2, 4)))
    Traceback (most recent call last):
        ...
    ValueError: LayerNorm(3) takes inputs of shape (..., 3), not (2, 4)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(normalized_shape)
        self.eps = eps
        self._affine(self.normalized_shape, elementwise_affine, bias, dtype)

    def forward(self, x: Any) -> Any:
        """x of shape (..., *normalized_shape) to the same."""
        self._require(x)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return " × ".join(map(str, self.normalized_shape))


class RMSNorm(_OverLast):
    """x / √(mean x² + ε) · weight over the last axes.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float, optional
        By default that of x's dtype.
    elementwise_affine : bool
        Whether there is a weight.
    dtype : dtype

    Attributes
    ----------
    weight : Value of shape (*normalized_shape), 1 to begin with, or None
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(normalized_shape)
        self.eps = eps
        self._affine(self.normalized_shape, elementwise_affine, False, dtype)

    def forward(self, x: Any) -> Any:
        """x of shape (..., *normalized_shape) to the same."""
        self._require(x)
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return " × ".join(map(str, self.normalized_shape))


class GroupNorm(_Normalised):
    """(x − μ) / √(σ² + ε) · weight + bias, μ and σ² those of a group of a sample's channels.

    Parameters
    ----------
    num_groups, num_channels : int
        The second a multiple of the first.
    eps : float
    affine : bool
        Whether there are weight and bias.
    dtype : dtype

    Attributes
    ----------
    weight, bias : Value of shape (num_channels,), 1 and 0 to begin with, or None
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.num_groups = size("num_groups", num_groups)
        self.num_channels = size("num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ValueError(f"{self.num_channels} channels do not make {self.num_groups} groups")
        self.eps = eps
        self._affine((self.num_channels,), affine, True, dtype)

    def forward(self, x: Any) -> Any:
        """x of shape (N, num_channels, ...) to the same."""
        shape = shape_of(x)
        if len(shape) < 2 or shape[1] != self.num_channels:
            raise wrong_shape(self, f"(N, {self.num_channels}, ...)", shape)
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_channels} in {self.num_groups}"


class _BatchNorm(_Normalised):
    """(x − μ) / √(σ² + ε) · weight + bias, in training over the batch, in eval mode over all batches seen.

    Parameters
    ----------
    num_features : int
        Channels C.
    eps : float
    momentum : float or None
        How much of a new batch enters the running statistics; None: they are the averages over all batches.
    affine : bool
        Whether there are weight and bias.
    track_running_stats : bool
        Whether there are running statistics; without, the batch's are used in eval mode too.
    dtype : dtype

    Attributes
    ----------
    weight, bias : Value of shape (C,), 1 and 0 to begin with, or None
    running_mean, running_var : array of shape (C,), 0 and 1 to begin with
        Buffers; the variance is the unbiased one, as in PyTorch.
    num_batches_tracked : array of shape ()

    Raises
    ------
    ValueError
        If an input has another shape; or in training one number only for each channel, which has no variance.
    """

    _shapes: tuple[str, ...]
    _dims: tuple[int, ...]
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.num_features = size("num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self._affine((self.num_features,), affine, True, dtype)
        tracked, kind = bool(track_running_stats), floating_dtype(dtype)
        self.register_buffer("running_mean", np.zeros(self.num_features, kind) if tracked else None)
        self.register_buffer("running_var", np.ones(self.num_features, kind) if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0) if tracked else None)

    def forward(self, x: Any) -> Any:
        """x of shape (N, C), or with further axes after the channels', to the same."""
        shape = shape_of(x)
        if len(shape) not in self._dims or shape[1] != self.num_features:
            raise wrong_shape(self, " or ".join(s.replace("C", str(self.num_features)) for s in self._shapes), shape)
        tracked = self.running_mean is not None
        if tracked and not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        with located(self):
            y = F.batch_norm(x, None, None, self.weight, self.bias, True, eps=self.eps)
        if tracked:
            self._learn(plain(x))
        return y

    def _learn(self, x: Any) -> None:
        """Take a batch into the running statistics; whose numbers are there, or that is traced as they are."""
        if is_eager(x):
            x = np.asarray(x)
        elif is_eager(self.running_mean):
            return
        x = wide(x)
        axes = (0, *range(2, x.ndim))
        self.num_batches_tracked = self.num_batches_tracked + 1
        share = 1.0 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean = _moved(self.running_mean, np.mean(x, axis=axes), share)
        self.running_var = _moved(self.running_var, np.var(x, axis=axes, ddof=1), share)

    def extra_repr(self) -> str:
        return f"{self.num_features}"


def _moved(old: Any, new: Any, share: float) -> Any:
    moved = (1.0 - share) * wide(old) + share * new
    return moved.astype(old.dtype)


class BatchNorm1d(_BatchNorm):
    __doc__ = f"""Batch normalisation of inputs of shape (N, C) or (N, C, L).

    {(_BatchNorm.__doc__ or "").strip()}

    Examples
    --------
    >>> layer = BatchNorm1d(1)
    >>> layer(np.array([[1.0], [3.0]])).data.round(3).tolist(), layer.running_mean.tolist()
    ([[-1.0], [1.0]], [0.2])
    >>> layer.eval()(np.array([[1.0]])).shape
    (1, 1)
    >>> layer.train()(np.array([[1.0]]))
    Traceback (most recent call last):
        ...
    ValueError: BatchNorm1d(1): x of shape (1, 1) has 1 number in each channel, and two make a variance: give a larger \
batch, or switch to eval()
    """
    _shapes, _dims = ("(N, C)", "(N, C, L)"), (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = f"""Batch normalisation of inputs of shape (N, C, H, W).

    {(_BatchNorm.__doc__ or "").strip()}
    """
    _shapes, _dims = ("(N, C, H, W)",), (4,)
