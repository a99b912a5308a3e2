"""TransformerBlock: attention and a small network, each beside a way straight through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..ops import relu
from ..ops.activations import gelu
from .attention import MultiHeadAttention
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm
from .randomness import Randomness, generator_of

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": relu, "gelu": gelu}


class TransformerBlock(Module):
    """One layer of a transformer, with the arguments and parameter names of torch.nn.TransformerEncoderLayer.

        norm_first=False   x = norm1(x + attention(x)),  norm2(x + network(x))    (Vaswani et al., 2017)
        norm_first=True    x = x + attention(norm1(x)),  x + network(norm2(x))    (as GPT has it)

    The network is linear2(dropout(activation(linear1(x)))).

    Parameters
    ----------
    d_model : int
        The size of the vectors.
    nhead : int
        How many heads attend; divides `d_model`.
    dim_feedforward : int
        The size of the network's middle.
    dropout : float
        In training: of attention weights, of the network's middle, and of what either adds.
    activation : "relu", "gelu", or a callable
    layer_norm_eps : float
    batch_first : bool
        Whether inputs are (batch, length, d_model). As in torch, they are (length, batch, d_model) by default.
    norm_first : bool
    bias : bool
        Whether all parts have one.
    causal : bool
        Whether places see themselves and earlier ones alone, at every call.
    rotary : bool
        Whether queries and keys are turned by their place (`positions.rotary`).
    rng : numpy.random.Generator or int, optional
        Where weights, and then dropout, are drawn from.
    dtype : dtype

    Attributes
    ----------
    self_attn : MultiHeadAttention
    linear1, linear2 : Linear
    norm1, norm2 : LayerNorm

    Raises
    ------
    ValueError
        If a size is out of range, `nhead` does not divide `d_model`, or the activation is unknown.

    Examples
    --------
    >>> block = TransformerBlock(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True, causal=True, rng=0)
    >>> x = np.random.default_rng(0).normal(size=(3, 5, 8))
    >>> y = block(x)
    >>> x[:, 3:] = 0.0  # what comes later
    >>> y.shape, bool(np.all(block(x).data[:, :3] == y.data[:, :3]))
    ((3, 5, 8), True)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        causal: bool = False,
        rotary: bool = False,
        rng: Randomness = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if not callable(activation) and activation not in _ACTIVATIONS:
            raise ValueError(f"activation is 'relu', 'gelu' or a function, not {activation!r}")
        rng = generator_of(rng)
        self.activation = activation if callable(activation) else _ACTIVATIONS[activation]
        self.norm_first, self.causal = norm_first, causal
        self.self_attn = MultiHeadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, rotary=rotary, rng=rng, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, dtype=dtype)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, dtype=dtype)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1, self.dropout2 = Dropout(dropout, rng=rng), Dropout(dropout, rng=rng)

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """src to the same shape; masks as `MultiHeadAttention` takes them: True where one may not look."""
        masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal or self.causal}
        if self.norm_first:
            x = src + self._attend(self.norm1(src), masks)
            return x + self._network(self.norm2(x))
        x = self.norm1(src + self._attend(src, masks))
        return self.norm2(x + self._network(x))

    def _attend(self, x: Any, masks: dict[str, Any]) -> Any:
        return self.dropout1(self.self_attn(x, need_weights=False, **masks)[0])

    def _network(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def extra_repr(self) -> str:
        shown = ["norm first" if self.norm_first else "norm last", *["causal"] * self.causal]
        activation = getattr(self.activation, "name", None) or getattr(self.activation, "__name__", "")
        return ", ".join([*shown, f"activation={activation}"])
