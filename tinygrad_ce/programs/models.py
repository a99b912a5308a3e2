"""The presets: a perceptron, a convolutional network, a small GPT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..data import DataError
from ..nn import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    TransformerBlock,
)
from .config import Config
from .corpus import Facts


def build(config: Config, facts: Facts) -> Module:
    """The network of a preset, for data of these facts.

    >>> build(Config.of("mlp", {"hidden": [8]}), Facts((4,), 3))(np.zeros((2, 4))).shape
    (2, 3)
    """
    rng = np.random.default_rng(config.seed)
    return {"mlp": _mlp, "cnn": _cnn, "gpt": _gpt}[config.preset](config, facts, rng)


def _mlp(config: Config, facts: Facts, rng: np.random.Generator) -> Module:
    width, layers = int(np.prod(facts.shape)), list[Module]()
    for hidden in config.hidden:
        layers += [Linear(width, hidden, init="he", rng=rng, dtype=config.dtype), ReLU()]
        layers += [Dropout(config.dropout, rng=rng)] if config.dropout else []
        width = hidden
    return Sequential(*layers, Linear(width, facts.outputs, rng=rng, dtype=config.dtype))


def _cnn(config: Config, facts: Facts, rng: np.random.Generator) -> Module:
    channels, height, width = facts.shape
    layers: list[Module] = []
    for made in config.channels:
        if min(height, width) < 2:
            image = f"{facts.shape[1]} × {facts.shape[2]}"
            raise DataError(f"an image of {image} cannot be halved {len(config.channels)} times: give fewer channels")
        layers += [
            Conv2d(channels, made, 3, padding=1, rng=rng, dtype=config.dtype),
            BatchNorm2d(made, dtype=config.dtype),
            ReLU(),
            MaxPool2d(2),
        ]
        channels, height, width = made, height // 2, width // 2
    layers += [Flatten(), *[Dropout(config.dropout, rng=rng)] * bool(config.dropout)]
    return Sequential(*layers, Linear(channels * height * width, facts.outputs, rng=rng, dtype=config.dtype))


def _gpt(config: Config, facts: Facts, rng: np.random.Generator) -> Module:
    return GPT(
        facts.outputs,
        config.context,
        config.width,
        config.layers,
        config.heads,
        dropout=config.dropout,
        rng=rng,
        dtype=config.dtype,
    )


class GPT(Module):
    """Characters so far to logits of the next one: blocks of causal attention over embeddings of what and where.

    Parameters
    ----------
    vocabulary, context, width, layers, heads : int
    dropout : float
    rng : numpy.random.Generator or int, optional
    dtype : dtype

    Examples
    --------
    >>> GPT(27, context=8, width=16, layers=1, heads=2, rng=0)(np.zeros((3, 8), int)).shape
    (3, 8, 27)
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int,
        layers: int,
        heads: int,
        *,
        dropout: float = 0.0,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        rng = np.random.default_rng(rng)
        self.context = context
        self.tokens = Embedding(vocabulary, width, rng=rng, dtype=dtype)
        self.places = Embedding(context, width, rng=rng, dtype=dtype)
        for table in (self.tokens, self.places):
            table.weight.data = 0.02 * table.weight.data
        self.drop = Dropout(dropout, rng=rng)
        made: dict[str, Any] = {"batch_first": True, "norm_first": True, "causal": True, "rng": rng, "dtype": dtype}
        self.blocks = [TransformerBlock(width, heads, 4 * width, dropout, "gelu", **made) for _ in range(layers)]
        self.norm = LayerNorm(width, dtype=dtype)
        self.head = Linear(width, vocabulary, bias=False, rng=rng, dtype=dtype)

    def forward(self, tokens: Any) -> Any:
        """Integers of shape (N, T), T at most the context, to logits of shape (N, T, vocabulary)."""
        length = np.shape(tokens)[-1]
        if length > self.context:
            raise ValueError(f"{length} characters are more than the context of {self.context}")
        x = self.drop(self.tokens(tokens) + self.places(np.arange(length)))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
