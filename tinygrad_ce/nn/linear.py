"""Linear, and the multi-layer perceptron made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..ops import relu
from ..value import Value
from .initialise import initial
from .module import Module
from .randomness import Randomness, generator_of
from .shapes import floating_dtype, last_axis, size


class Linear(Module):
    """y = x Wᵀ + b, along the last axis.

    Parameters
    ----------
    in_features, out_features : int
        At least 1.
    bias : bool
        Whether there is b.
    init : "default", "he" or "glorot"
        How the weights begin (see `tinygrad_ce.nn.initialise`); the default is torch.nn.Linear's.
    rng : numpy.random.Generator or int, optional
        Where the weights are drawn from.
    dtype : dtype
        Of the parameters: a floating one.

    Attributes
    ----------
    weight : Value of shape (out, in)
    bias : Value of shape (out,), or None

    Raises
    ------
    ValueError
        If a size is not a positive integer, `init` is unknown, `dtype` is no floating one, or an input's last
        axis is not in_features.

    Examples
    --------
    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((4, 3))).shape
    (4, 2)
    >>> layer(np.ones((4, 5)))
    Traceback (most recent call last):
        ...
    ValueError: Linear(3 → 2) takes inputs of shape (..., 3), not (4, 5)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: str = "default",
        rng: Randomness = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.in_features = size("in_features", in_features)
        self.out_features = size("out_features", out_features)
        kind = floating_dtype(dtype)
        weight, offset = initial(init, self.out_features, self.in_features, generator_of(rng))
        self.weight = Value(weight.astype(kind))
        self.bias = Value(offset.astype(kind)) if bias else None

    def forward(self, x: Any) -> Any:
        """x of shape (..., in) to shape (..., out)."""
        last_axis(self, x, self.in_features)
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return f"{self.in_features} → {self.out_features}{'' if self.bias is not None else ', no bias'}"

    def __repr__(self) -> str:
        return self._headline()


class MLP(Module):
    """A multi-layer perceptron: Linear layers with an activation between them, none after the last.

    Parameters
    ----------
    sizes : sequence of int
        [in, hidden..., out]: at least two.
    activation : callable
        Applied to what every layer but the last gives.
    init, rng, dtype
        As for `Linear`; the layers are drawn one after another.

    Attributes
    ----------
    layers : list of Linear

    Raises
    ------
    ValueError
        If there are fewer than two sizes, or one is not a positive integer.

    Examples
    --------
    >>> model = MLP([4, 8, 3], rng=np.random.default_rng(0))
    >>> [(name, value.shape) for name, value in model.named_parameters()]  # doctest: +NORMALIZE_WHITESPACE
    [('layers.0.weight', (8, 4)), ('layers.0.bias', (8,)),
     ('layers.1.weight', (3, 8)), ('layers.1.bias', (3,))]
    >>> model(np.zeros(4)).shape
    (3,)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[Any], Any] = relu,
        *,
        init: str = "default",
        rng: Randomness = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if not isinstance(sizes, Sequence) or isinstance(sizes, str) or len(sizes) < 2:
            raise ValueError(f"sizes are [in, hidden..., out], at least two numbers, not {sizes!r}")
        if not callable(activation):
            raise ValueError(f"activation is a function such as tg.relu, not {activation!r}")
        rng = generator_of(rng)
        checked = [size(f"sizes[{i}]", n) for i, n in enumerate(sizes)]
        self.activation = activation
        self.layers = [Linear(m, n, init=init, rng=rng, dtype=dtype) for m, n in pairwise(checked)]

    def forward(self, x: Any) -> Any:
        """x of shape (..., sizes[0]) to shape (..., sizes[-1])."""
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)

    def extra_repr(self) -> str:
        activation = self.activation
        name = getattr(activation, "name", None) or getattr(activation, "__name__", None) or repr(activation)
        return f"activation={name}"

    def _headline(self) -> str:
        sizes = [self.layers[0].in_features, *(layer.out_features for layer in self.layers)]
        return f"MLP({' → '.join(map(str, sizes))})"
