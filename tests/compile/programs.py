"""Random programs over a few arrays, as functions: what the compiler is held to on code that nobody has thought of."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce.nn import functional as F

UNARY = {
    "exp": lambda x: np.exp(np.minimum(x, 3.0)),
    "tanh": np.tanh,
    "sigmoid": tg.sigmoid,
    "relu": tg.relu,
    "softplus": tg.softplus,
    "square": lambda x: x**2,
    "cube": lambda x: x**3.0,
    "root": lambda x: np.sqrt(np.abs(x) + 0.5),
    "log": lambda x: np.log(np.abs(x) + 0.5),
    "sin": np.sin,
    "negative": lambda x: -x,
    "times one": lambda x: x * 1.0,
    "plus zero": lambda x: x + 0.0,
    "less zero": lambda x: x - 0.0,
    "half": lambda x: x / 2,
    "transposed": lambda x: x.T,
    "twice transposed": lambda x: x.T.T,
    "reshaped": lambda x: x.reshape(-1).reshape(x.shape),
    "reversed": lambda x: x[::-1],
    "rows": lambda x: x[:1] + x,
    "mask": lambda x: np.where(x > 0, x, 0.1 * x),
    "softmax": lambda x: tg.softmax(x),
    "log_softmax": lambda x: tg.log_softmax(x, axis=0),
    "centred": lambda x: x - x.mean(axis=0, keepdims=True),
    "normal": lambda x: x / np.sqrt((x * x).sum(axis=-1, keepdims=True) + 1.0),
    "by columns": lambda x: x * x.sum(axis=0),
    "largest": lambda x: x - x.max(axis=1, keepdims=True),
    "joined": lambda x: np.concatenate([x, x * 2.0], axis=0)[: x.shape[0]],
    "stacked": lambda x: np.stack([x, -x]).sum(axis=0),
    "held": lambda x: x * tg.stop_gradient(x),
    "taken": lambda x: x[np.array([0, 0, 1]) % x.shape[0]].sum(axis=0, keepdims=True) + x,
    "spread": lambda x: np.broadcast_to(x.sum(axis=0), x.shape) * 0.5,
    "norm": lambda x: F.layer_norm(x, (x.shape[1],)),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "in turn": lambda x: x + (np.stack([x, -x]) @ (x.T @ x)).sum(axis=0),
    "halves": lambda x: np.concatenate([x[:1] * 2.0, x[1:]], axis=0),
    "image": lambda x: F.conv2d(x.reshape(1, 1, *x.shape), np.ones((1, 1, 3, 3)), padding=1).reshape(x.shape),
    "pooled": lambda x: x + F.max_pool2d(x.reshape(1, *x.shape), 2, stride=1).sum(),
    "float32": lambda x: x.astype(np.float32).astype(np.float64),
}
BINARY = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (y * y + 1.0),
    "maximum": np.maximum,
    "hypot": np.hypot,
    "product": lambda x, y: (x @ y.T) @ y,
    "from the left": lambda x, y: x - (-y),
}
LAST = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: (x * x).mean(),
    "loss": lambda x: tg.softmax_cross_entropy(x, np.arange(x.shape[0]) % x.shape[1]),
    "logsumexp": lambda x: tg.logsumexp(x.reshape(-1)),
    "itself": lambda x: x,
    "two": lambda x: (x.sum(), {"all": x * 2.0}),
}

SHAPE = (3, 4)


@st.composite
def programs(draw: Any) -> Any:
    """Steps, each of an op and the numbers of earlier values; two inputs of SHAPE, and a vector."""
    steps = []
    for n in range(draw(st.integers(1, 9))):
        if draw(st.booleans()):
            steps.append((draw(st.sampled_from(sorted(UNARY))), [draw(st.integers(0, n + 2))]))
        else:
            steps.append((draw(st.sampled_from(sorted(BINARY))), [draw(st.integers(0, n + 2)) for _ in range(2)]))
    return steps, draw(st.sampled_from(sorted(LAST)))


def function(program: Any) -> Any:
    """The program as a function of two arrays and a vector."""
    steps, last = program

    def f(x: Any, y: Any, v: Any) -> Any:
        values = [x, y, x * v]
        for name, places in steps:
            op = UNARY.get(name) or BINARY[name]
            arguments = [values[i] for i in places]
            shapes = {np.shape(a) for a in arguments}
            if len(shapes) > 1:  # one of them was transposed
                arguments = [a if np.shape(a) == SHAPE else a.T for a in arguments]
            values.append(op(*arguments))
        out = values[-1]
        return LAST[last](out)

    return f
