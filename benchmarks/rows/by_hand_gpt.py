"""One layer of a GPT by hand: buffers made once, views of heads instead of copies, Adam on one vector.

GPT         a training step: embeddings, causal attention and a gelu network after layer norms, Adam
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np

from .by_hand import Loss, adam, flattened

_BEND = sqrt(2.0 / pi)
_CUBIC = 0.044715


class Norm:
    """Rows of (M, K) to mean 0 and variance 1, times a weight, plus a bias."""

    def __init__(self, m: int, k: int, weight: Any, bias: Any, gw: Any, gb: Any) -> None:
        self.weight, self.bias, self.gw, self.gb, self.k = weight, bias, gw, gb, k
        self.x, self.y, self.gx = np.empty((3, m, k))
        self.mean, self.rate = np.empty((2, m, 1))
        self.square = self.rate[:, 0]

    def forward(self, x: Any) -> Any:
        c, y, mean, rate = self.x, self.y, self.mean, self.rate
        np.add.reduce(x, axis=1, keepdims=True, out=mean)
        np.divide(mean, self.k, out=mean)
        np.subtract(x, mean, out=c)
        np.einsum("ij,ij->i", c, c, out=self.square)
        np.divide(rate, self.k, out=rate)
        np.add(rate, 1e-5, out=rate)
        np.sqrt(rate, out=rate)
        np.divide(1.0, rate, out=rate)
        np.multiply(c, rate, out=c)
        np.multiply(c, self.weight, out=y)
        np.add(y, self.bias, out=y)
        return y

    def backward(self, g: Any) -> Any:
        """The gradient of x; g is overwritten."""
        x, gx, mean, k = self.x, self.gx, self.mean, self.k
        np.add.reduce(g, axis=0, out=self.gb)
        np.einsum("ij,ij->j", g, x, out=self.gw)
        np.multiply(g, self.weight, out=g)
        np.einsum("ij,ij->i", g, x, out=mean[:, 0])
        np.divide(mean, k, out=mean)
        np.multiply(x, mean, out=gx)
        np.add.reduce(g, axis=1, keepdims=True, out=mean)
        np.divide(mean, k, out=mean)
        np.subtract(g, mean, out=g)
        np.subtract(g, gx, out=gx)
        np.multiply(gx, self.rate, out=gx)
        return gx


class Attention:
    """Causal attention of several heads; queries, keys and values from one product."""

    def __init__(self, batch: int, length: int, width: int, heads: int, p: list[Any], g: list[Any]) -> None:
        m, size = batch * length, width // heads
        (self.win, self.bin, self.wout, self.bout), (self.gwin, self.gbin, self.gwout, self.gbout) = p, g
        self.three, self.gthree = np.empty((2, m, 3 * width))
        shape = (batch, length, 3, heads, size)
        self.q, self.k, self.v = self.three.reshape(shape).transpose(2, 0, 3, 1, 4)
        self.gq, self.gk, self.gv = self.gthree.reshape(shape).transpose(2, 0, 3, 1, 4)
        self.p, self.gp = np.empty((2, batch, heads, length, length))
        self.column = np.empty((batch, heads, length, 1))
        self.joined, self.gjoined = np.empty((2, m, width))
        split = (batch, length, heads, size)
        self.heads, self.gheads = [a.reshape(split).transpose(0, 2, 1, 3) for a in (self.joined, self.gjoined)]
        self.y, self.gx = np.empty((2, m, width))
        self.mask = np.where(np.tri(length, dtype=bool), 0.0, -np.inf)
        self.scale, self.width = size**-0.5, width

    def forward(self, x: Any) -> Any:
        p, column = self.p, self.column
        np.matmul(x, self.win.T, out=self.three)
        np.add(self.three, self.bin, out=self.three)
        np.multiply(self.q, self.scale, out=self.q)
        np.matmul(self.q, self.k.swapaxes(-1, -2), out=p)
        np.add(p, self.mask, out=p)
        np.maximum.reduce(p, axis=-1, keepdims=True, out=column)
        np.subtract(p, column, out=p)
        np.exp(p, out=p)
        np.add.reduce(p, axis=-1, keepdims=True, out=column)
        np.divide(p, column, out=p)
        np.matmul(p, self.v, out=self.heads)
        np.matmul(self.joined, self.wout.T, out=self.y)
        np.add(self.y, self.bout, out=self.y)
        return self.y

    def backward(self, g: Any, x: Any) -> Any:
        p, gp = self.p, self.gp
        np.matmul(g.T, self.joined, out=self.gwout)
        np.add.reduce(g, axis=0, out=self.gbout)
        np.matmul(g, self.wout, out=self.gjoined)
        np.matmul(p.swapaxes(-1, -2), self.gheads, out=self.gv)
        np.matmul(self.gheads, self.v.swapaxes(-1, -2), out=gp)
        np.einsum("...i,...i->...", gp, p, out=self.column[..., 0])
        np.subtract(gp, self.column, out=gp)
        np.multiply(gp, p, out=gp)
        np.matmul(gp, self.k, out=self.gq)
        np.multiply(self.gq, self.scale, out=self.gq)
        np.matmul(gp.swapaxes(-1, -2), self.q, out=self.gk)  # of scaled queries
        np.matmul(self.gthree.T, x, out=self.gwin)
        np.add.reduce(self.gthree, axis=0, out=self.gbin)
        np.matmul(self.gthree, self.win, out=self.gx)
        return self.gx


class Network:
    """A linear layer, gelu by tanh, a linear layer."""

    def __init__(self, m: int, width: int, middle: int, p: list[Any], g: list[Any]) -> None:
        (self.w1, self.b1, self.w2, self.b2), (self.gw1, self.gb1, self.gw2, self.gb2) = p, g
        self.a, self.half, self.h, self.g, self.spare = np.empty((5, m, middle))
        self.y, self.gx = np.empty((2, m, width))

    def forward(self, x: Any) -> Any:
        a, half, h = self.a, self.half, self.h
        np.matmul(x, self.w1.T, out=a)
        np.add(a, self.b1, out=a)
        np.multiply(a, a, out=half)
        np.multiply(half, _BEND * _CUBIC, out=half)
        np.add(half, _BEND, out=half)
        np.multiply(half, a, out=half)
        np.tanh(half, out=half)
        np.multiply(half, 0.5, out=half)
        np.add(half, 0.5, out=half)  # (1 + tanh u) / 2
        np.multiply(a, half, out=h)
        np.matmul(h, self.w2.T, out=self.y)
        np.add(self.y, self.b2, out=self.y)
        return self.y

    def backward(self, g: Any, x: Any) -> Any:
        a, half, slope, spare = self.a, self.half, self.spare, self.g
        np.matmul(g.T, self.h, out=self.gw2)
        np.add.reduce(g, axis=0, out=self.gb2)
        np.multiply(a, a, out=slope)
        np.multiply(slope, 6.0 * _BEND * _CUBIC, out=slope)
        np.add(slope, 2.0 * _BEND, out=slope)
        np.multiply(slope, self.h, out=slope)
        np.subtract(1.0, half, out=spare)
        np.multiply(slope, spare, out=slope)  # x half (1 − half) 2u′
        np.add(slope, half, out=slope)
        np.matmul(g, self.w2, out=spare)
        np.multiply(spare, slope, out=spare)
        np.matmul(spare.T, x, out=self.gw1)
        np.add.reduce(spare, axis=0, out=self.gb1)
        np.matmul(spare, self.w1, out=self.gx)
        return self.gx


class GPT:
    """Weights in the order of `programs.models.GPT`: tables, attention, network, norms, last norm, head."""

    def __init__(self, weights: list[Any], batch: int, length: int, heads: int) -> None:
        self.flat, p = flattened(weights)
        self.gradient, g = flattened([np.zeros_like(w) for w in weights])
        (vocabulary, width), m = weights[0].shape, batch * length
        self.tokens, self.places, self.head = p[0], p[1], p[-1]
        self.gtokens, self.gplaces, self.ghead = g[0], g[1], g[-1]
        self.attention = Attention(batch, length, width, heads, p[2:6], g[2:6])
        self.network = Network(m, width, len(p[6]), p[6:10], g[6:10])
        self.norms = [Norm(m, width, *p[i : i + 2], *g[i : i + 2]) for i in (10, 12, 14)]
        self.x = [np.empty((m, width)) for _ in range(3)]
        self.logits, self.glast = np.empty((m, vocabulary)), np.empty((m, width))
        self.loss, self.shape = Loss(self.logits.shape), (batch, length, width)
        self.mean, self.square = np.zeros_like(self.flat), np.zeros_like(self.flat)
        self.one, self.two, self.t = np.empty_like(self.flat), np.empty_like(self.flat), 0

    def step(self, tokens: Any, targets: Any) -> Any:
        (x0, x1, x2), (first, second, last) = self.x, self.norms
        np.take(self.tokens, tokens, axis=0, out=x0.reshape(self.shape), mode="clip")
        np.add(x0.reshape(self.shape), self.places, out=x0.reshape(self.shape))
        np.add(x0, self.attention.forward(first.forward(x0)), out=x1)
        np.add(x1, self.network.forward(second.forward(x1)), out=x2)
        np.matmul(last.forward(x2), self.head.T, out=self.logits)
        loss, g = self.loss.both(self.logits, targets.ravel())
        np.matmul(g.T, last.y, out=self.ghead)
        np.matmul(g, self.head, out=self.glast)
        g2 = last.backward(self.glast)
        g1 = second.backward(self.network.backward(g2, second.y))
        np.add(g1, g2, out=g1)
        g0 = first.backward(self.attention.backward(g1, first.y))
        np.add(g0, g1, out=g0)
        np.add.reduce(g0.reshape(self.shape), axis=0, out=self.gplaces)
        self._embedded(tokens.ravel(), g0)
        self._adam()
        return loss

    def _embedded(self, tokens: Any, g: Any) -> None:
        """Rows of g added up by token: sorted, and summed run by run."""
        order = np.argsort(tokens, kind="stable")
        runs = tokens[order]
        starts = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1]]))
        self.gtokens.fill(0.0)
        self.gtokens[runs[starts]] = np.add.reduceat(g[order], starts, axis=0)

    def _adam(self) -> None:
        self.t += 1
        adam(self.flat, self.gradient, self.mean, self.square, self.one, self.two, self.t)
