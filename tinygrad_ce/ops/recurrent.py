"""One step of an LSTM and of a GRU, from its gates' scores on: what is between the matrix products.

Gates stand beside each other along the last axis, in PyTorch's order: i, f, g, o and r, z, n.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..registry import op
from .elementwise import sigmoid, sigmoid_density
from .exponentials import narrow, wide

# -- LSTM ------------------------------------------------------------------------------------------------------


def _lstm_samples(rng: np.random.Generator) -> Iterable[Any]:
    for lead, h in (((2,), 3), ((), 2), ((2, 1), 1), ((0,), 2)):
        yield (rng.normal(size=(*lead, 4 * h)), rng.normal(size=(*lead, h))), {}


@op(samples=_lstm_samples)
def lstm_cell(gates: Any, c: Any) -> Any:
    """c′ = σ(f) c + σ(i) tanh(g), h′ = σ(o) tanh(c′) (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).

    Parameters
    ----------
    gates : Value or array of shape (..., 4 H)
        Scores of i, f, g, o.
    c : Value or array of shape (..., H)

    Returns
    -------
    Value or array of shape (2, ..., H)
        h′ and c′.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.recurrent import lstm_cell
    >>> lstm_cell(np.zeros((1, 8)), np.ones((1, 2))).round(4).tolist()
    [[[0.2311, 0.2311]], [[0.5, 0.5]]]
    """
    i, f, g, o = _parts(gates, 4)
    cell = sigmoid(f) * wide(c) + sigmoid(i) * np.tanh(g)
    return narrow(np.stack([sigmoid(o) * np.tanh(cell), cell]), gates)


def _parts(gates: Any, n: int) -> list[Any]:
    gates = wide(gates)
    h = gates.shape[-1] // n
    return [gates[..., k * h : (k + 1) * h] for k in range(n)]


@lstm_cell.guard
def _(gates: Any, c: Any) -> None:
    _require("lstm_cell", "gates", gates, 4, c)


def _require(op: str, name: str, gates: Any, n: int, state: Any) -> None:
    shape = np.shape(state)
    wanted = (*shape[:-1], n * shape[-1]) if shape else ()
    if not shape or np.shape(gates) != wanted:
        raise ValueError(f"{op}: {name} of shape {np.shape(gates)} for a state of shape {shape}")


def _lstm_rule(g: Any, out: Any, gates: Any, c: Any) -> Any:
    i, f, candidate, o = _parts(gates, 4)
    # out's c′ is rounded where the gates are float32
    inward = np.tanh(candidate)
    cell = sigmoid(f) * wide(c) + sigmoid(i) * inward
    through = np.tanh(cell)
    to_h, to_c = wide(g)[0], wide(g)[1]
    to_cell = to_c + to_h * sigmoid(o) * _slope(cell)
    to_gates = (
        to_cell * inward * sigmoid_density(i),
        to_cell * wide(c) * sigmoid_density(f),
        to_cell * sigmoid(i) * _slope(candidate),
        to_h * through * sigmoid_density(o),
    )
    return np.concatenate(to_gates, axis=-1), to_cell * sigmoid(f)


def _slope(x: Any) -> Any:
    """1 − tanh² x, which keeps its digits."""
    return 4.0 * sigmoid_density(2.0 * x)


lstm_cell.derivation("analytic", formula="δ = g_c + g_h σ(o) tanh′ c′; δ tanh(g) σ′(i), δ c σ′(f), …; δ σ(f) to c")(
    _lstm_rule
)

# -- GRU -------------------------------------------------------------------------------------------------------


def _gru_samples(rng: np.random.Generator) -> Iterable[Any]:
    for lead, h in (((2,), 3), ((), 2), ((2, 1), 1), ((0,), 2)):
        yield (rng.normal(size=(*lead, 3 * h)), rng.normal(size=(*lead, 3 * h)), rng.normal(size=(*lead, h))), {}


@op(samples=_gru_samples)
def gru_cell(from_input: Any, from_state: Any, h: Any) -> Any:
    """h′ = (1 − z) n + z h, z = σ(z_x + z_h), n = tanh(n_x + σ(r_x + r_h) n_h) (Cho et al., 2014).

    Parameters
    ----------
    from_input, from_state : Value or array of shape (..., 3 H)
        Scores of r, z, n: what the input, and what the state, adds to them.
    h : Value or array of shape (..., H)

    Returns
    -------
    Value or array of shape (..., H)

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.recurrent import gru_cell
    >>> gru_cell(np.zeros((1, 6)), np.zeros((1, 6)), np.ones((1, 2))).tolist()
    [[0.5, 0.5]]
    """
    rx, zx, nx = _parts(from_input, 3)
    rh, zh, nh = _parts(from_state, 3)
    n = np.tanh(nx + sigmoid(rx + rh) * nh)
    return narrow(n + sigmoid(zx + zh) * (wide(h) - n), from_input)


@gru_cell.guard
def _(from_input: Any, from_state: Any, h: Any) -> None:
    _require("gru_cell", "from_input", from_input, 3, h)
    _require("gru_cell", "from_state", from_state, 3, h)


def _gru_rule(g: Any, out: Any, from_input: Any, from_state: Any, h: Any) -> Any:
    rx, zx, nx = _parts(from_input, 3)
    rh, zh, nh = _parts(from_state, 3)
    g, r, z = wide(g), sigmoid(rx + rh), sigmoid(zx + zh)
    scores = nx + r * nh
    to_n = g * sigmoid(-(zx + zh)) * _slope(scores)
    to_r = to_n * nh * sigmoid_density(rx + rh)
    to_z = g * (wide(h) - np.tanh(scores)) * sigmoid_density(zx + zh)
    return (
        np.concatenate([to_r, to_z, to_n], axis=-1),
        np.concatenate([to_r, to_z, to_n * r], axis=-1),
        g * z,
    )


gru_cell.derivation("analytic", formula="δ = g (1 − z) tanh′; δ n_h σ′(r), g (h − n) σ′(z), δ; δ r to n_h; g z to h")(
    _gru_rule
)
