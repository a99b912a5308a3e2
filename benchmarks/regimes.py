"""Scores in every situation in which a softmax may lose its digits, with the class that is taken for true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Regime:
    """Rows of scores of one dtype, and a class for each."""

    name: str
    scores: Any
    labels: Any
    axis: int = -1  # along which the classes are laid out for those who compute


def regimes(dtype: Any, rows: int = 24, many: int = 100_000, seed: int = 0) -> Iterator[Regime]:
    """All of them; `many`: the number of classes in the largest."""
    rng = np.random.default_rng(seed)

    def normal(k: int = 10, n: int = rows) -> Any:
        return rng.normal(size=(n, k))

    def made(name: str, z: Any, labels: Any = None, axis: int = -1) -> Regime:
        with np.errstate(over="ignore", under="ignore"):
            z = np.asarray(z).astype(dtype)
        if labels is None:  # the largest, or any that is not masked
            anyone = np.argmax(np.where(np.isneginf(z), -1.0, rng.random(z.shape)), axis=-1)
            labels = np.where(rng.random(len(z)) < 0.5, z.argmax(axis=-1), anyone)
        return Regime(name, z, labels, axis)

    first = np.zeros(rows, dtype=int)
    yield made("ordinary", normal() * 2)
    yield made("two classes", normal(2, 4 * rows) * 4)
    yield made("tiny", normal() * 10.0 ** rng.uniform(-30, -3, size=(rows, 1)))
    yield made("±1e2", normal() * 1e2)
    yield made("±1e4", normal() * 1e4)
    yield made("1e30", normal() * 1e30)
    yield made("far from 0", normal() * 3 + np.sign(normal(1)) * 10.0 ** rng.uniform(2, 4, size=(rows, 1)))
    yield made("one dominant class", _led(normal(), 10.0 ** rng.uniform(1, 2.8, size=rows)))
    yield made("confident and right", _led(normal(), rng.uniform(5, 300, size=rows)), first)
    yield made("confident and wrong", _led(normal(), rng.uniform(5, 300, size=rows)), first + 1)
    yield made("ties", np.round(normal(12) * 1.5) * rng.uniform(0.1, 30, size=(rows, 1)))
    yield made("all equal but one", np.where(np.arange(127) == 0, 0.0, -rng.uniform(0, 40, size=(rows, 1))))
    yield made("masks", np.where((rng.random((rows, 12)) < 0.4) & (np.arange(12) > 0), -np.inf, normal(12) * 10))
    yield made("log-probabilities", _normalised(normal() * 3))
    yield made("1,000 classes", normal(1000, 4) * 3)
    yield made(f"{many:,} classes", normal(many, 1))
    yield made(f"{many:,} along axis 0", normal(many, 1) * 2, axis=0)


def _led(z: Any, gap: Any) -> Any:
    """`z` with its first class ahead of the others by `gap`."""
    z[:, 0] = z[:, 1:].max(axis=1) + gap
    return z


def _normalised(z: Any) -> Any:
    return z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
