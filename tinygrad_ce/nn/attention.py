"""MultiHeadAttention, with torch's parameters, masks and beginnings."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import is_eager
from ..node import plain
from ..ops.attention import attention_weights, dropped, require_mask, scaled_dot_product_attention
from ..value import Value
from .linear import Linear
from .module import Module
from .positions import rotary as turned
from .randomness import Randomness, generator_of, kept
from .shapes import floating_dtype, probability, shape_of, size

_FEW = 1 << 21


class MultiHeadAttention(Module):
    """Attention of several heads: each looks with queries, keys and values of its own; what they see is joined.

    y = [head_1, …, head_h] Woᵀ + bo, head_i = softmax(q_i k_iᵀ / √(E / h)) v_i (Vaswani et al., 2017). Parameters have
    torch.nn.MultiheadAttention's names and shapes, and begin as there.

    Parameters
    ----------
    embed_dim : int
        E, the size of queries and outputs.
    num_heads : int
        Divides `embed_dim`.
    dropout : float
        The probability with which a weight is left out, in training.
    bias : bool
        Whether the projections have one.
    kdim, vdim : int, optional
        The sizes of keys and values; E by default.
    batch_first : bool
        Whether inputs are (batch, length, size). As in torch, they are (length, batch, size) by default.
    rotary : bool
        Whether queries and keys are turned by their place in the sequence (`positions.rotary`).
    rng : numpy.random.Generator or int, optional
        Where weights, and then dropout, are drawn from.
    dtype : dtype
        Of the parameters: a floating one.

    Attributes
    ----------
    in_proj_weight : Value of shape (3 E, E)
        For queries, keys and values, one below the other. With another `kdim` or `vdim`: `q_proj_weight` (E, E),
        `k_proj_weight` (E, kdim), `v_proj_weight` (E, vdim).
    in_proj_bias : Value of shape (3 E,), or None
    out_proj : Linear

    Raises
    ------
    ValueError
        If heads do not divide the size, or inputs or masks have shapes that do not fit together.
    TypeError
        If a mask is neither boolean nor floating.

    Examples
    --------
    >>> layer = MultiHeadAttention(8, 2, batch_first=True, rng=0)
    >>> y, weights = layer(np.zeros((3, 5, 8)), is_causal=True)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    >>> weights.data[0, 1].tolist()
    [0.5, 0.5, 0.0, 0.0, 0.0]
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        rotary: bool = False,
        rng: Randomness = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.embed_dim, self.num_heads = size("embed_dim", embed_dim), size("num_heads", num_heads)
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim={embed_dim} is not divisible by num_heads={num_heads}")
        self.kdim = embed_dim if kdim is None else size("kdim", kdim)
        self.vdim = embed_dim if vdim is None else size("vdim", vdim)
        self.dropout = probability("dropout", dropout)
        self.batch_first, self.rotary = batch_first, rotary
        if rotary and embed_dim // num_heads % 2:
            raise ValueError(f"rotary turns pairs: a head's size {embed_dim // num_heads} is odd")
        self.generator = generator_of(rng)
        kind = floating_dtype(dtype)
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = self._drawn(3 * embed_dim, embed_dim, kind)
        else:
            self.q_proj_weight = self._drawn(embed_dim, embed_dim, kind)
            self.k_proj_weight = self._drawn(embed_dim, self.kdim, kind)
            self.v_proj_weight = self._drawn(embed_dim, self.vdim, kind)
        self.in_proj_bias = Value(np.zeros(3 * embed_dim, kind)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=self.generator, dtype=kind)
        if self.out_proj.bias is not None:
            self.out_proj.bias.data = np.zeros(embed_dim, kind)

    def _drawn(self, rows: int, columns: int, kind: np.dtype[Any]) -> Value:
        bound = sqrt(6 / (rows + columns))
        return Value(self.generator.uniform(-bound, bound, (rows, columns)).astype(kind))

    def forward(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Attend.

        Parameters
        ----------
        query : Value or array of shape (L, N, E), or (N, L, E) with `batch_first`, or (L, E)
        key, value : likewise, of length S
            By default the query, and the key.
        key_padding_mask : array of shape (N, S), or (S,), optional
            Booleans, True for keys to be left out; or numbers that are added to the scores.
        need_weights : bool
            Whether the weights are wanted too.
        attn_mask : array of shape (L, S) or (N · num_heads, L, S), optional
            Booleans, True where a query may *not* look, as torch has it here (and the other way round in
            `scaled_dot_product_attention`); or numbers that are added to the scores.
        average_attn_weights : bool
            Whether the weights are the mean over the heads, or one array a head.
        is_causal : bool
            Whether query i sees the keys 0 … i alone, beside what the masks say.

        Returns
        -------
        output : Value of the query's shape
        weights : Value of shape (N, L, S), or (N, num_heads, L, S); or None
            After dropout. A query that may not look anywhere has weights 0, and for output the projection's bias.
        """
        key = query if key is None else key
        value = key if value is None else value
        self._require(query, key, value)
        batched = len(shape_of(query)) == 3
        q, k, v = [self._heads(i, x, batched) for i, x in enumerate((query, key, value))]
        if self.rotary:
            q, k = turned(q), turned(k)
        mask = self._mask(attn_mask, key_padding_mask, q.shape, k.shape[-2])
        keep = None
        if self.training and self.dropout:
            keep = kept(self.generator, (*q.shape[:-1], k.shape[-2]), self.dropout)
        weights = None
        if need_weights or _keeps_weights(q, k):
            weights = attention_weights(q, k, mask, is_causal=is_causal, validate=False)
            weights = dropped(weights, keep, self.dropout)
            heads = np.matmul(weights, v)
            if not need_weights:
                weights = None
            elif average_attn_weights:
                weights = np.mean(weights, axis=1)
        else:
            p = self.dropout if keep is not None else 0.0
            heads = scaled_dot_product_attention(q, k, v, mask, keep, dropout_p=p, is_causal=is_causal, validate=False)
        y = self.out_proj(self._joined(heads, batched))
        return y, weights if batched or weights is None else weights[0]

    # -- heads ----------------------------------------------------------------------------------------------

    def _heads(self, i: int, x: Any, batched: bool) -> Any:
        """Queries (i = 0), keys (1) or values (2) of every head: (N, heads, length, E / heads)."""
        e = self.embed_dim
        if "in_proj_weight" in vars(self):
            weight = self.in_proj_weight[i * e : (i + 1) * e]
        else:
            weight = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)[i]
        y = np.matmul(x, weight.T)
        if self.in_proj_bias is not None:
            y = y + self.in_proj_bias[i * e : (i + 1) * e]
        if not batched:
            y = np.expand_dims(y, 0)
        elif not self.batch_first:
            y = np.swapaxes(y, 0, 1)
        n, length = y.shape[:2]
        return np.transpose(np.reshape(y, (n, length, self.num_heads, e // self.num_heads)), (0, 2, 1, 3))

    def _joined(self, heads: Any, batched: bool) -> Any:
        n, _, length, _ = heads.shape
        y = np.reshape(np.transpose(heads, (0, 2, 1, 3)), (n, length, self.embed_dim))
        if not batched:
            return y[0]
        return y if self.batch_first else np.swapaxes(y, 0, 1)

    # -- masks ----------------------------------------------------------------------------------------------

    def _mask(self, attn_mask: Any, padding: Any, q: tuple[int, ...], keys: int) -> Any:
        """Both masks as one that broadcasts to (N, heads, L, S), in the sense of `ops.attention`."""
        n, heads, queries = q[:3]
        name = self._name()
        found = None
        if attn_mask is not None:
            attn_mask = _array(attn_mask)
            if len(shape_of(attn_mask)) == 3:
                require_mask(name, "attn_mask", attn_mask, (n * heads, queries, keys), exact=True)
                attn_mask = np.reshape(attn_mask, (n, heads, queries, keys))
            else:
                require_mask(name, "attn_mask", attn_mask, (queries, keys), exact=True)
            found = _allowed(attn_mask)
        if padding is not None:
            padding = _array(padding)
            shape = (n, keys) if len(shape_of(padding)) == 2 else (keys,)
            if shape == (keys,) and n != 1:
                shape = (n, keys)
            require_mask(name, "key_padding_mask", padding, shape, exact=True)
            other = _allowed(np.reshape(padding, (-1, 1, 1, keys)))
            found = other if found is None else _both(found, other)
        return found

    # -- mistakes -------------------------------------------------------------------------------------------

    def _require(self, query: Any, key: Any, value: Any) -> None:
        q, k, v = shape_of(query), shape_of(key), shape_of(value)
        order = "(batch, length, {})" if self.batch_first else "(length, batch, {})"
        for what, shape, n in (("query", q, self.embed_dim), ("key", k, self.kdim), ("value", v, self.vdim)):
            if len(shape) not in (2, 3) or shape[-1] != n:
                raise ValueError(f"{self._name()} takes a {what} of shape {order.format(n)}, not {shape}")
        batch = 0 if self.batch_first else 1
        if len({len(q), len(k), len(v)}) > 1 or (len(q) == 3 and len({x[batch] for x in (q, k, v)}) > 1):
            raise ValueError(f"{self._name()}: query {q}, key {k} and value {v} are not of one batch")
        if k[:-1] != v[:-1]:
            raise ValueError(
                f"{self._name()}: there is a value for each key, so key {k} and value {v} differ in size alone"
            )

    # -- text -----------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        dropout = f", dropout={self.dropout:g}" if self.dropout else ""
        return f"{self.embed_dim}, {self.num_heads} head{'s' * (self.num_heads > 1)}{dropout}"

    def __repr__(self) -> str:
        return self._headline()


def _keeps_weights(q: Any, k: Any) -> bool:
    """Whether the weights are kept for the backward, which computes them again else: where there are few.

    Compiled code finds out for itself.
    """
    return is_eager(plain(q)) and prod(q.shape[:-1]) * k.shape[-2] <= _FEW


def _array(mask: Any) -> Any:
    return mask if hasattr(mask, "dtype") else np.asarray(mask)


def _allowed(mask: Any) -> Any:
    """A mask in which True keeps out, as one in which it lets in; numbers as they are."""
    return np.logical_not(plain(mask)) if plain(mask).dtype.kind == "b" else mask


def _both(a: Any, b: Any) -> Any:
    """Two masks, each of booleans (True lets in) or of numbers, as one."""
    a_numbers, b_numbers = [plain(m).dtype.kind != "b" for m in (a, b)]
    if a_numbers and b_numbers:
        return a + b
    if a_numbers:
        return np.where(b, a, -np.inf)
    return np.where(a, b, -np.inf) if b_numbers else a & b
