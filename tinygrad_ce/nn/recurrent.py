"""RNN, GRU, LSTM: torch.nn's, with its parameters' names and its gates' order."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..ops.activation import relu
from ..ops.recurrent import gru_cell, lstm_cell
from ..value import Value
from . import functional as F
from .module import Module
from .randomness import Randomness, generator_of
from .shapes import floating_dtype, probability, shape_of, size, wrong_shape


class _Recurrent(Module):
    """Layers of recurrent cells, each running through a sequence, forwards or in both directions.

    Parameters
    ----------
    input_size, hidden_size : int
        Features of the input, and of the state.
    num_layers : int
        The second layer runs through what the first one gave, and so on.
    bias : bool
    batch_first : bool
        Whether sequences are of shape (N, T, features), not (T, N, features).
    dropout : float in [0, 1]
        Between layers, in training.
    bidirectional : bool
        Whether a second cell of each layer runs backwards; outputs are side by side.
    rng : numpy.random.Generator or int, optional
        Where the weights are drawn from, U(−1/√H, 1/√H), and then dropout's masks.
    dtype : dtype

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, … : Value
        Of shapes (gates · H, features), (gates · H, H), (gates · H,) twice, for each layer; and with "_reverse".
    """

    gates = 1
    states: tuple[str, ...] = ("h_0",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: Randomness = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.input_size = size("input_size", input_size)
        self.hidden_size = size("hidden_size", hidden_size)
        self.num_layers = size("num_layers", num_layers)
        self.bias, self.batch_first, self.bidirectional = bool(bias), bool(batch_first), bool(bidirectional)
        self.dropout = probability("dropout", dropout)
        kind, generator = floating_dtype(dtype), generator_of(rng)
        bound, h = 1.0 / sqrt(self.hidden_size), self.hidden_size
        for layer in range(self.num_layers):
            features = self.input_size if layer == 0 else h * self._directions
            for suffix in self._suffixes(layer):
                rows = self.gates * h
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, features), "weight_hh": (rows, h)}
                if self.bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                for name, shape in shapes.items():
                    setattr(self, f"{name}{suffix}", Value(generator.uniform(-bound, bound, shape).astype(kind)))
        if self.dropout and self.num_layers > 1:
            self.generator = generator

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self._directions]

    def forward(self, x: Any, state: Any = None) -> Any:
        """x of shape (T, N, features), or (T, features) without a batch, to (outputs, last state).

        `state` begins it, 0 by default: of shape (layers · directions, N, H), or (h_0, c_0) of an LSTM.
        """
        shape = shape_of(x)
        if len(shape) not in (2, 3) or shape[-1] != self.input_size:
            lead = "N, T" if self.batch_first else "T, N"
            raise wrong_shape(self, f"({lead}, {self.input_size}) or (T, {self.input_size})", shape)
        batched = len(shape) == 3
        if not batched:
            x = np.expand_dims(x, 1)
        elif self.batch_first:
            x = np.swapaxes(x, 0, 1)
        if shape_of(x)[0] == 0:
            raise ValueError(f"{self._name()} is given a sequence of length 0, of shape {shape}")
        begin = self._begin(state, shape_of(x)[1], batched)
        out, last = self._through(x, begin)
        if not batched:
            return np.squeeze(out, 1), self._packed([np.squeeze(s, 1) for s in last])
        return np.swapaxes(out, 0, 1) if self.batch_first else out, self._packed(last)

    def _through(self, x: Any, begin: list[Any]) -> tuple[Any, list[Any]]:
        """Outputs (T, N, directions · H) of the last layer, and each state's last (layers · directions, N, H)."""
        last: list[list[Any]] = [[] for _ in self.states]
        cell = 0
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training, rng=self.generator)
            sides = []
            for suffix in self._suffixes(layer):
                outputs, ends = self._run(x, suffix, [s[cell] for s in begin])
                sides.append(np.stack(outputs))
                for kept, end in zip(last, ends, strict=True):
                    kept.append(end)
                cell += 1
            x = sides[0] if len(sides) == 1 else np.concatenate(sides, axis=-1)
        return x, [np.stack(kept) for kept in last]

    def _run(self, x: Any, suffix: str, state: list[Any]) -> tuple[list[Any], list[Any]]:
        """One cell along the sequence: its outputs in time's order, and the state it ends in."""
        w_ih, w_hh = vars(self)[f"weight_ih{suffix}"], vars(self)[f"weight_hh{suffix}"]
        b_ih, b_hh = vars(self).get(f"bias_ih{suffix}"), vars(self).get(f"bias_hh{suffix}")
        scores = list(_steps(F.linear(x, w_ih, b_ih)))  # of all the sequence in one product
        across = w_hh.T
        outputs = []
        for from_input in reversed(scores) if suffix.endswith("reverse") else scores:
            from_state = np.matmul(state[0], across)
            state = self._step(from_input, from_state if b_hh is None else from_state + b_hh, state)
            outputs.append(state[0])
        return outputs[::-1] if suffix.endswith("reverse") else outputs, state

    def _step(self, from_input: Any, from_state: Any, state: list[Any]) -> list[Any]:
        """The next state from the gates' scores and the last one."""
        raise NotImplementedError

    def _begin(self, state: Any, n: int, batched: bool) -> list[Any]:
        """The states to begin with, of shape (layers · directions, N, H)."""
        cells, h = self.num_layers * self._directions, self.hidden_size
        if state is None:
            return [np.zeros((cells, n, h), self.weight_ih_l0.dtype)] * len(self.states)  # type: ignore[attr-defined]
        given = [state] if len(self.states) == 1 else list(state)
        if len(given) != len(self.states):
            raise ValueError(f"{self._name()} begins with ({', '.join(self.states)}), not with {len(given)} arrays")
        wanted = (cells, n, h) if batched else (cells, h)
        for name, s in zip(self.states, given, strict=True):
            if shape_of(s) != wanted:
                raise ValueError(f"{self._name()}: {name} is of shape {wanted} here, not {shape_of(s)}")
        return given if batched else [np.expand_dims(s, 1) for s in given]

    def _packed(self, states: list[Any]) -> Any:
        return states[0] if len(states) == 1 else tuple(states)

    def extra_repr(self) -> str:
        layers = "" if self.num_layers == 1 else f", {self.num_layers} layers"
        return f"{self.input_size} → {self.hidden_size}{layers}{', both ways' if self.bidirectional else ''}"

    def __repr__(self) -> str:
        return self._headline()


def _steps(x: Any) -> Iterator[Any]:
    """x[0], x[1], …: by halves, so that the gradients' scatters add up to T log T entries, not T²."""
    n = shape_of(x)[0]
    if n == 1:
        yield x[0]
    else:
        yield from _steps(x[: n // 2])
        yield from _steps(x[n // 2 :])


class RNN(_Recurrent):
    __doc__ = f"""h′ = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of that (Elman, 1990).

    {(_Recurrent.__doc__ or "").strip()}

    Examples
    --------
    >>> out, h = RNN(3, 4, rng=0)(np.zeros((5, 2, 3)))
    >>> out.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: Randomness = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, rng=rng, dtype=dtype
        )

    def _step(self, from_input: Any, from_state: Any, state: list[Any]) -> list[Any]:
        scores = from_input + from_state
        return [np.tanh(scores) if self.nonlinearity == "tanh" else relu(scores)]


class GRU(_Recurrent):
    __doc__ = f"""h′ = (1 − z) n + z h, n = tanh(n_x + r n_h), z and r gates (Cho et al., 2014).

    {(_Recurrent.__doc__ or "").strip()}

    Examples
    --------
    >>> out, h = GRU(3, 4, num_layers=2, rng=0)(np.zeros((5, 2, 3)))
    >>> out.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """
    gates = 3

    def _step(self, from_input: Any, from_state: Any, state: list[Any]) -> list[Any]:
        return [gru_cell(from_input, from_state, state[0])]


class LSTM(_Recurrent):
    __doc__ = f"""c′ = σ(f) c + σ(i) tanh(g), h′ = σ(o) tanh(c′) (Hochreiter and Schmidhuber, 1997).

    {(_Recurrent.__doc__ or "").strip()}

    Examples
    --------
    >>> layer = LSTM(3, 4, batch_first=True, bidirectional=True, rng=0)
    >>> out, (h, c) = layer(np.zeros((2, 5, 3)))
    >>> out.shape, h.shape, c.shape
    ((2, 5, 8), (2, 2, 4), (2, 2, 4))
    """
    gates = 4
    states = ("h_0", "c_0")

    def _step(self, from_input: Any, from_state: Any, state: list[Any]) -> list[Any]:
        both = lstm_cell(from_input + from_state, state[1])
        return [both[0], both[1]]
