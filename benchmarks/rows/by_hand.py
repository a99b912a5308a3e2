"""What a careful programmer writes in NumPy: straight lines, buffers made once, `out=` wherever there is one.

MLP         a training step of linear layers with relu, softmax cross-entropy or a hinge loss, SGD or Adam
Loss        softmax cross-entropy and its gradient
Chain       x ← sin(a x + b), again and again, and its gradient
Hinge       the Hessian of an MLP's loss times a vector
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def flattened(weights: list[Any]) -> tuple[Any, list[Any]]:
    """One vector, and the arrays as views of it."""
    flat = np.concatenate([w.ravel() for w in weights])
    cuts = np.cumsum([w.size for w in weights])[:-1]
    return flat, [part.reshape(w.shape) for part, w in zip(np.split(flat, cuts), weights, strict=True)]


class Loss:
    """Mean cross-entropy of softmax, from logits and class indices."""

    def __init__(self, shape: tuple[int, int]) -> None:
        n, k = shape
        self.n, self.p = n, np.empty(shape)
        self.column, self.starts = np.empty((n, 1)), np.arange(0, n * k, k)
        self.flat = self.p.reshape(-1)

    def both(self, z: Any, y: Any) -> tuple[Any, Any]:
        p, column, flat = self.p, self.column, self.flat
        np.maximum.reduce(z, axis=1, keepdims=True, out=column)
        np.subtract(z, column, out=p)
        np.exp(p, out=p)
        np.add.reduce(p, axis=1, keepdims=True, out=column)
        np.divide(p, column, out=p)
        at = self.starts + y
        own = flat[at]
        loss = -np.add.reduce(np.log(own)) / self.n
        flat[at] = own - 1.0
        np.multiply(p, 1.0 / self.n, out=p)
        return loss, p


class MLP:
    """Linear layers with relu between them; weights (out, in), as torch has them."""

    def __init__(self, weights: list[Any], n: int, adam: bool) -> None:
        self.flat, arrays = flattened(weights)
        self.gradient, gradients = flattened([np.zeros_like(w) for w in weights])
        self.w, self.b = arrays[::2], arrays[1::2]
        self.gw, self.gb = gradients[::2], gradients[1::2]
        self.turned = [w.T for w in self.w]
        self.h = [np.empty((n, len(b))) for b in self.b]
        self.ht = [h.T for h in self.h]
        self.g = [np.empty((n, len(b))) for b in self.b]
        self.gt = [g.T for g in self.g]
        self.masks = [np.empty((n, len(b)), bool) for b in self.b]
        self.n, self.adam, self.t = n, adam, 0
        self.one = np.empty_like(self.flat)
        if adam:
            self.mean, self.square = np.zeros_like(self.flat), np.zeros_like(self.flat)
            self.two = np.empty_like(self.flat)
        self.loss = Loss((n, len(self.b[-1])))
        self.last = len(self.b) - 1

    def step(self, x: Any, y: Any) -> Any:
        loss = self._gradients(x, y)
        self._adam() if self.adam else self._descend()
        return loss

    def _gradients(self, x: Any, y: Any) -> Any:
        matmul, add, last = np.matmul, np.add, self.last
        below = x
        for i, h in enumerate(self.h):
            matmul(below, self.turned[i], out=h)
            add(h, self.b[i], out=h)
            if i < last:
                np.maximum(h, 0.0, out=h)
            below = h
        if len(self.b[last]) == 1:
            loss, g = self._hinge(y)
        else:
            loss, g = self.loss.both(self.h[last], y)
        for i in range(last, -1, -1):
            matmul(g.T, self.h[i - 1] if i else x, out=self.gw[i])
            add.reduce(g, axis=0, out=self.gb[i])
            if i:
                below = self.g[i - 1]
                matmul(g, self.w[i], out=below)
                np.greater(self.h[i - 1], 0.0, out=self.masks[i - 1])
                np.multiply(below, self.masks[i - 1], out=below)
                g = below
        return loss

    def _hinge(self, y: Any) -> tuple[Any, Any]:
        h, g, mask = self.h[self.last], self.g[self.last], self.masks[self.last]
        np.multiply(y, h, out=g)
        np.subtract(1.0, g, out=g)
        np.maximum(g, 0.0, out=g)
        loss = np.add.reduce(g, axis=None) / self.n
        np.greater(g, 0.0, out=mask)
        np.multiply(y, mask, out=g)
        np.multiply(g, -1.0 / self.n, out=g)
        return loss, g

    def _descend(self) -> None:
        np.multiply(self.gradient, 0.05, out=self.one)
        np.subtract(self.flat, self.one, out=self.flat)

    def _adam(self) -> None:
        self.t += 1
        adam(self.flat, self.gradient, self.mean, self.square, self.one, self.two, self.t)


def adam(flat: Any, g: Any, mean: Any, square: Any, one: Any, two: Any, t: int) -> None:
    """Step t of Adam on one vector, with room for two more."""
    np.multiply(mean, 0.9, out=mean)
    np.multiply(g, 0.1, out=one)
    np.add(mean, one, out=mean)
    np.multiply(square, 0.999, out=square)
    np.multiply(g, g, out=one)
    np.multiply(one, 0.001, out=one)
    np.add(square, one, out=square)
    unbias = (1.0 - 0.999**t) ** 0.5
    np.sqrt(square, out=two)
    np.add(two, 1e-8 * unbias, out=two)
    np.multiply(mean, 1e-3 * unbias / (1.0 - 0.9**t), out=one)
    np.divide(one, two, out=one)
    np.subtract(flat, one, out=flat)


class Chain:
    """x ← sin(a x + b), `turns` times, and the gradient of its sum."""

    def __init__(self, turns: int, size: int) -> None:
        self.inner, self.x = np.empty((2, turns, size))
        self.g, self.slope = np.empty((2, size))

    def gradient(self, x: Any, a: Any, b: Any) -> Any:
        multiply, add, sin, cos = np.multiply, np.add, np.sin, np.cos
        for inner, out in zip(self.inner, self.x, strict=True):
            multiply(x, a, out=inner)
            add(inner, b, out=inner)
            x = sin(inner, out=out)
        g, slope = self.g, self.slope
        g.fill(1.0)
        for inner in self.inner[::-1]:
            cos(inner, out=slope)
            multiply(g, slope, out=g)
            multiply(g, a, out=g)
        return g.copy()


class Hinge(MLP):
    """The Hessian of the loss times a vector: forward mode through the forward and the backward above."""

    def __init__(self, weights: list[Any], n: int) -> None:
        super().__init__(weights, n, adam=False)
        self.dh, self.dg, self.spare = [[np.empty_like(h) for h in self.h] for _ in range(3)]
        self.dgradient, gradients = flattened([np.zeros_like(w) for w in weights])
        self.dgw, self.dgb = gradients[::2], gradients[1::2]
        self.dw, self.db = self.w, self.b  # the vector is the weights themselves

    def run(self, x: Any, y: Any) -> Callable[[], Any]:
        def product() -> Any:
            self._product(x, y)
            return self.dgradient.copy()

        return product

    def _product(self, x: Any, y: Any) -> None:
        matmul, add, last = np.matmul, np.add, self.last
        below, moved = x, None
        for i, (h, d) in enumerate(zip(self.h, self.dh, strict=True)):
            matmul(below, self.turned[i], out=h)
            matmul(below, self.dw[i].T, out=d)
            if moved is not None:
                matmul(moved, self.turned[i], out=self.spare[i])
                add(d, self.spare[i], out=d)
            add(h, self.b[i], out=h)
            add(d, self.db[i], out=d)
            if i < last:
                np.maximum(h, 0.0, out=h)
                np.greater(h, 0.0, out=self.masks[i])
                np.multiply(d, self.masks[i], out=d)
            below, moved = h, d
        _, g = self.loss.both(self.h[last], y)
        p = g.copy()
        p.reshape(-1)[self.loss.starts + y] += 1.0 / self.n  # ŷ / n
        dg = self.dg[last]
        np.multiply(p, self.dh[last], out=dg)
        np.subtract(dg, self.n * p * add.reduce(dg, axis=1, keepdims=True), out=dg)
        for i in range(last, -1, -1):
            matmul(dg.T, self.h[i - 1] if i else x, out=self.dgw[i])
            if i:
                self.dgw[i] += g.T @ self.dh[i - 1]
            add.reduce(dg, axis=0, out=self.dgb[i])
            if i:
                below = self.dg[i - 1]
                matmul(dg, self.w[i], out=below)
                matmul(g, self.dw[i], out=self.spare[i - 1])
                add(below, self.spare[i - 1], out=below)
                np.multiply(below, self.masks[i - 1], out=below)
                matmul(g, self.w[i], out=self.g[i - 1])
                np.multiply(self.g[i - 1], self.masks[i - 1], out=self.g[i - 1])
                g, dg = self.g[i - 1], below
