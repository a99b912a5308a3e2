"""What L-BFGS remembers of its last steps, and the direction that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .entries import read_all

# Pairs of less curvature, sᵀy, say nothing about the Hessian that rounding does not.
_LEAST_CURVATURE = 1e-10


class Memory:
    """What L-BFGS knows after some iterations; never changed, but made anew.

    The rows of `steps` and `changes` are s and y, the oldest first.
    """

    names = ("iterations", "length", "scale", "gradient", "direction", "steps", "changes")

    def __init__(
        self,
        iterations: int = 0,
        length: float = 0.0,
        scale: float = 1.0,
        gradient: Any = None,
        direction: Any = None,
        steps: Any = None,
        changes: Any = None,
    ) -> None:
        self.iterations, self.length, self.scale = iterations, length, scale
        self.gradient, self.direction, self.steps, self.changes = gradient, direction, steps, changes

    def extended(self, grad: Any, most: int) -> Memory:
        """Return the memory with the pair that the last step made, and the direction to go from here."""
        if not self.iterations:
            none = np.zeros((0, grad.size), grad.dtype)
            return Memory(1, 0.0, 1.0, self.gradient, -grad, none, none)
        steps, changes, scale = self.steps, self.changes, self.scale
        step, change = self.direction * self.length, grad - self.gradient
        curvature = float(step @ change)
        if curvature > _LEAST_CURVATURE:
            steps = np.concatenate([steps, step[None]])[-most:]
            changes = np.concatenate([changes, change[None]])[-most:]
            scale = curvature / float(change @ change)
        direction = two_loops(grad, steps, changes, scale)
        return Memory(self.iterations + 1, 0.0, scale, self.gradient, direction, steps, changes)

    def walked(self, grad: Any, length: float) -> Memory:
        """Return the memory after a step of that length from where the gradient was this."""
        return Memory(self.iterations, length, self.scale, grad, self.direction, self.steps, self.changes)

    def entries(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (self.names if self.iterations else self.names[:1])}

    @classmethod
    def loaded(cls, entries: Mapping[str, Any], size: int) -> Memory:
        pairs = len(np.atleast_1d(entries.get("steps", ())))
        dtype = np.asarray(entries.get("gradient", 0.0)).dtype
        vector, rows = np.zeros(size, dtype), np.zeros((pairs, size), dtype)
        like = Memory(1, 0.0, 1.0, vector, vector, rows, rows).entries()
        begun = len(entries) > 1 or np.any(entries.get("iterations", 0))
        return cls(**read_all("LBFGS", entries, like if begun else {"iterations": 0}, set()))


def two_loops(grad: Any, steps: Any, changes: Any, scale: float) -> Any:
    """Return −H g by the two-loop recursion (Nocedal and Wright, 2006, algorithm 7.4).

    Parameters
    ----------
    grad : array, shape (n,)
    steps, changes : array, shape (m, n)
        The pairs s and y, oldest first.
    scale : float
        H begins as scale · I.

    Examples
    --------
    >>> two_loops(np.array([2.0, 1.0]), np.array([[1.0, 0.0]]), np.array([[4.0, 0.0]]), 0.25)
    array([-0.5 , -0.25])
    """
    direction, weights = -grad, []
    inverses = [1.0 / float(y @ s) for s, y in zip(steps, changes, strict=True)]
    for s, y, inverse in zip(steps[::-1], changes[::-1], inverses[::-1], strict=True):
        weights.append(float(s @ direction) * inverse)
        direction = direction - weights[-1] * y
    direction = scale * direction
    for s, y, inverse, weight in zip(steps, changes, inverses, weights[::-1], strict=True):
        direction = direction + (weight - float(y @ direction) * inverse) * s
    return direction
