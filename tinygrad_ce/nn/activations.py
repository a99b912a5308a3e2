"""Activations as modules, under torch.nn's names: each is a function of `functional`, with its options."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module


class _Activation(Module):
    """A function without parameters; its options are its attributes."""

    def extra_repr(self) -> str:
        return ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if k != "training" and not k.startswith("_"))

    def __repr__(self) -> str:
        return self._headline()


class ReLU(_Activation):
    """max(x, 0). PyTorch's `inplace` is taken and changes nothing: results are always new arrays."""

    def __init__(self, inplace: bool = False) -> None:
        self._inplace = inplace

    def forward(self, x: Any) -> Any:
        return F.relu(x)


class LeakyReLU(_Activation):
    """x where x > 0, negative_slope · x elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return F.leaky_relu(x, negative_slope=self.negative_slope)


class ELU(_Activation):
    """x where x > 0, α (exp(x) − 1) elsewhere."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return F.elu(x, alpha=self.alpha)


class GELU(_Activation):
    """x Φ(x); with approximate="tanh", x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.

    >>> GELU(approximate="tanh")
    GELU(approximate='tanh')
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"approximate is 'none' or 'tanh', not {approximate!r}")
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return F.gelu(x, approximate=self.approximate)


class SiLU(_Activation):
    """x σ(x)."""

    def forward(self, x: Any) -> Any:
        return F.silu(x)


class Mish(_Activation):
    """x tanh(softplus x)."""

    def forward(self, x: Any) -> Any:
        return F.mish(x)


class Softplus(_Activation):
    """log(1 + exp(β x)) / β; x itself where β x > threshold, as in PyTorch (`tg.softplus` needs no threshold)."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Any) -> Any:
        return F.softplus(x, self.beta, self.threshold)


class Tanh(_Activation):
    """tanh x."""

    def forward(self, x: Any) -> Any:
        return F.tanh(x)


class Sigmoid(_Activation):
    """1 / (1 + exp(−x))."""

    def forward(self, x: Any) -> Any:
        return F.sigmoid(x)


class Hardtanh(_Activation):
    """x held between min_val and max_val."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        if not min_val < max_val:
            raise ValueError(f"min_val is below max_val, not {min_val!r} and {max_val!r}")
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Any) -> Any:
        return F.hardtanh(x, min_val=self.min_val, max_val=self.max_val)


class _AlongAxis(_Activation):
    def __init__(self, dim: int | None = None, *, axis: int | None = None) -> None:
        self.axis = F.one_axis(dim, axis)


class Softmax(_AlongAxis):
    """exp(x) / Σ exp(x) along an axis, the last by default; `dim` and `axis` are two names for it.

    Not before `softmax_cross_entropy`, which takes logits.

    >>> Softmax(dim=1)
    Softmax(axis=1)
    """

    def forward(self, x: Any) -> Any:
        return F.softmax(x, axis=self.axis)


class LogSoftmax(_AlongAxis):
    """log softmax along an axis, the last by default."""

    def forward(self, x: Any) -> Any:
        return F.log_softmax(x, axis=self.axis)
