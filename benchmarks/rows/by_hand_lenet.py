"""LeNet by hand: buffers made once, and the batch innermost, so that every pass runs over long contiguous rows.

LeNet       a training step: two convolutions with relu and max pooling, three linear layers, SGD
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .by_hand import Loss, flattened


class Convolution:
    """A convolution of (C, H, W, N), relu, and pooling of 2 × 2."""

    def __init__(self, shape: tuple[int, ...], weight: Any, bias: Any, gw: Any, gb: Any, first: bool) -> None:
        (channels, height, width, n), (out, _, k, _) = shape, weight.shape
        rows, columns = height - k + 1, width - k + 1
        self.weight, self.bias, self.gw, self.gb = weight.reshape(out, -1), bias[:, None], gw.reshape(out, -1), gb
        self.x = np.empty(shape)
        windows = np.lib.stride_tricks.sliding_window_view(self.x, (k, k), axis=(1, 2))
        self.windows = windows.transpose(0, 4, 5, 1, 2, 3)  # (C, K, K, H', W', N)
        self.spread = np.empty(self.windows.shape)
        self.columns = self.spread.reshape(channels * k * k, -1)
        self.y, self.gy, self.mask = [np.empty((out, rows * columns * n), d) for d in (float, float, bool)]
        self.places = [self.y.reshape(out, rows, columns, n)[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        self.spots = [self.gy.reshape(out, rows, columns, n)[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        self.pooled = np.empty((out, rows // 2, columns // 2, n))
        self.best, self.open = np.empty((2, *self.pooled.shape), bool)
        self.gx = None if first else np.empty(shape)
        self.taps = [] if first else [
            (self.gx[:, i : i + rows, j : j + columns], self.spread[:, i, j]) for i in range(k) for j in range(k)
        ]  # fmt: skip

    def forward(self) -> Any:
        np.copyto(self.spread, self.windows)
        y, (a, *rest), pooled = self.y, self.places, self.pooled
        np.matmul(self.weight, self.columns, out=y)
        np.add(y, self.bias, out=y)
        np.maximum(y, 0.0, out=y)
        np.maximum(a, rest[0], out=pooled)
        np.maximum(pooled, rest[1], out=pooled)
        np.maximum(pooled, rest[2], out=pooled)
        return pooled

    def backward(self, g: Any) -> Any:
        """g of what was pooled, at the first largest entry of each window; overwrites the columns."""
        best, free, pooled, gy = self.best, self.open, self.pooled, self.gy
        free.fill(True)
        for place, spot in zip(self.places, self.spots, strict=True):
            np.equal(place, pooled, out=best)
            np.logical_and(best, free, out=best)
            np.multiply(g, best, out=spot)
            np.logical_xor(free, best, out=free)
        np.greater(self.y, 0.0, out=self.mask)
        np.multiply(gy, self.mask, out=gy)
        np.matmul(gy, self.columns.T, out=self.gw)
        np.add.reduce(gy, axis=1, out=self.gb)
        if self.gx is None:
            return None
        np.matmul(self.weight.T, gy, out=self.columns)
        self.gx.fill(0.0)
        for part, spread in self.taps:
            np.add(part, spread, out=part)
        return self.gx


class LeNet:
    """Images (N, 1, 28, 28); weights of two convolutions and three linear layers, with their biases."""

    def __init__(self, weights: list[Any], n: int) -> None:
        self.flat, p = flattened(weights)
        self.gradient, g = flattened([np.zeros_like(w) for w in weights])
        self.step_of = np.empty_like(self.flat)
        self.first = Convolution((1, 28, 28, n), p[0], p[1], g[0], g[1], True)
        self.second = Convolution(self.first.pooled.shape + (), p[2], p[3], g[2], g[3], False)
        self.w, self.b, self.gw, self.gb = p[4::2], [b[:, None] for b in p[5::2]], g[4::2], g[5::2]
        self.h = [np.empty((len(b), n)) for b in self.b]
        self.g = [np.empty((len(b), n)) for b in self.b]
        self.below = self.second.pooled.reshape(-1, n)
        self.gbelow = np.empty_like(self.below)
        self.masks = [np.empty((len(b), n), bool) for b in self.b]
        self.loss, self.logits = Loss((n, len(self.b[-1]))), np.empty((n, len(self.b[-1])))
        self.pooled_shape = self.second.pooled.shape

    def step(self, x: Any, y: Any) -> Any:
        np.copyto(self.first.x, x.transpose(1, 2, 3, 0))
        np.copyto(self.second.x, self.first.forward())
        self.second.forward()
        last, below = len(self.h) - 1, self.below
        for i, h in enumerate(self.h):
            np.matmul(self.w[i], below, out=h)
            np.add(h, self.b[i], out=h)
            if i < last:
                np.maximum(h, 0.0, out=h)
            below = h
        np.copyto(self.logits, below.T)
        loss, p = self.loss.both(self.logits, y)
        g = self.g[last]
        np.copyto(g, p.T)
        for i in range(last, -1, -1):
            below = self.h[i - 1] if i else self.below
            np.matmul(g, below.T, out=self.gw[i])
            np.add.reduce(g, axis=1, out=self.gb[i])
            beneath = self.g[i - 1] if i else self.gbelow
            np.matmul(self.w[i].T, g, out=beneath)
            if i:
                np.greater(below, 0.0, out=self.masks[i - 1])
                np.multiply(beneath, self.masks[i - 1], out=beneath)
            g = beneath
        self.first.backward(self.second.backward(g.reshape(self.pooled_shape)))
        np.multiply(self.gradient, 0.05, out=self.step_of)
        np.subtract(self.flat, self.step_of, out=self.flat)
        return loss
