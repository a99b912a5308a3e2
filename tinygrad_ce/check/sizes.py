"""What a subject's inputs look like, and which of their sizes may be changed.

kind_of(x)          what kind of numbers an input holds
Layout(subject)     which axes are free, and the inputs at other sizes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .precision import copied, is_float
from .subject import Subject

SMALL = (3, 4, 5, 2)  # sizes of a shrunk point


def kind_of(x: Any) -> str:
    """What kind of numbers a floating input holds, by its look."""
    a = np.asarray(x, dtype=np.float64)
    if not a.size or not np.all(np.isfinite(a)):
        return "masked" if a.size else "general"
    if a.ndim and np.all((a == 0) | (a == 1)) and np.any(a == 0) and np.any(a == 1):
        return "one-hot" if a.ndim and a.shape[-1] > 1 and np.all(np.sum(a, axis=-1) == 1) else "binary"
    if a.ndim and a.shape[-1] > 1 and np.all(a >= 0) and np.all(np.abs(np.sum(a, axis=-1) - 1) < 1e-5):
        return "probabilities"
    if a.ndim and len(a) > 3 and a.ndim == 1 and np.all(np.diff(a) > 0):
        return "sorted"
    if np.all((a >= 0) & (a <= 1)):
        return "unit"
    return "positive" if np.all(a > 0) else "general"


def drawn(kind: str, shape: tuple[int, ...], rng: np.random.Generator, like: Any) -> Any:
    """Ordinary numbers of a kind."""
    if kind in ("probabilities", "one-hot"):
        if kind == "one-hot":
            return np.eye(shape[-1])[rng.integers(0, shape[-1], size=shape[:-1])]
        return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    if kind == "binary":
        return rng.integers(0, 2, size=shape).astype(float)
    if kind == "unit":
        return rng.uniform(0.05, 0.95, size=shape)
    if kind == "positive":
        return np.exp(rng.normal(size=shape) * 0.5) * float(np.median(np.asarray(like, dtype=float)))
    x = rng.normal(size=shape)
    return np.sort(x) if kind == "sorted" else x


FREE_KINDS = ("general", "positive")  # kinds whose numbers may be anything


# -- sizes -----------------------------------------------------------------------------------------------------


class Layout:
    """The sizes of a subject's inputs: axes of one size are one axis, until the forward says otherwise."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.inputs = list(subject.inputs)
        self.arrays = [i for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray)]
        self.kinds = {i: kind_of(x) for i, x in enumerate(self.inputs) if is_float(x)}
        self.out_shape = np.shape(subject.out([copied(x) for x in self.inputs]))
        sizes = sorted({n for i in self.arrays for n in np.shape(self.inputs[i]) if n > 1})
        self.free = [s for s in sizes if self._is_free(s)]

    def _is_free(self, size: int) -> bool:
        """Whether the forward takes other sizes along such axes, and its result follows."""
        return all(self._follows({size: other}) for other in (size + 1, 2 * size + 1))

    def _follows(self, mapping: Mapping[int, int]) -> bool:
        """Whether forward and rule take the inputs at other sizes: a size that a closure holds is no free one."""
        found = self.resized(mapping)
        if found is None:
            return False
        try:
            out = self.subject.out([copied(x) for x in found])
            gradients = self.subject.gradients(np.ones_like(out), out, [copied(x) for x in found])
        except Exception:
            return False
        return all(gradients[i] is None or np.shape(gradients[i]) == found[i].shape for i in self.subject.moving)

    def resized(self, mapping: Mapping[int, int], seed: int = 0) -> list[Any] | None:
        """The inputs at other sizes, or None where the forward does not take them."""
        rng = np.random.default_rng(seed)
        found = []
        for i, x in enumerate(self.inputs):
            if not isinstance(x, np.ndarray) or not x.shape:
                found.append(x)
                continue
            shape = tuple(mapping.get(n, n) for n in x.shape)
            found.append(x if shape == x.shape else self._refilled(i, x, shape, mapping, rng))
        try:
            out = self.subject.out([copied(x) for x in found])
        except Exception:
            return None
        return found if out.ndim == len(self.out_shape) and np.all(np.isfinite(out)) else None

    def _refilled(self, i: int, x: Any, shape: tuple[int, ...], mapping: Mapping[int, int], rng: Any) -> Any:
        """An input at another size, from the numbers that it had."""
        if not x.size:
            return np.zeros(shape, x.dtype)
        taken = x
        for axis, n in enumerate(shape):
            taken = np.take(taken, np.arange(n) % max(taken.shape[axis], 1), axis=axis)
        if not is_float(x):
            classes = [
                s for s in sorted(mapping) if mapping[s] < s and x.dtype.kind in "iu" and x.min() >= 0 and x.max() < s
            ]
            return taken % mapping[classes[0]] if classes and classes[0] not in x.shape else taken
        kind = self.kinds[i]
        if kind in ("probabilities", "one-hot"):
            if shape[-1] != x.shape[-1]:
                taken = drawn(kind, shape, rng, x)
        elif kind == "sorted":
            taken = np.sort(rng.uniform(x.min(), x.max(), size=shape))
        elif kind in ("general", "positive", "unit") and shape != x.shape:
            taken = taken * rng.uniform(0.8, 1.0, size=shape)  # no ties that were not there
        return np.ascontiguousarray(taken.astype(x.dtype))

    def shrunk(self) -> list[Any]:
        """The inputs at small sizes, as far as the forward allows."""
        mapping: dict[int, int] = {}
        taken = {n for i in self.arrays for n in np.shape(self.inputs[i]) if n not in self.free}
        for size in self.free:
            if size <= 5:
                taken.add(size)
        for size in self.free:
            if size > 5:
                small = next((n for n in SMALL if n not in taken), 5)
                trial = {**mapping, size: small}
                if self.resized(trial) is not None:
                    mapping = trial
                    taken.add(small)
        return (self.resized(mapping) if mapping else None) or list(self.inputs)
