"""Who computes softmax and cross-entropy: we and our peers, each imported where it is installed.

An `Answers` is given plain arrays, scores with the classes along `axis`, and gives plain arrays back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from .model import OURS


@dataclass(frozen=True)
class Answers:
    """softmax, log_softmax, logsumexp (z, axis); loss and gradient (z, targets, weight, axis), a loss for each row."""

    softmax: Callable[..., Any]
    log_softmax: Callable[..., Any]
    logsumexp: Callable[..., Any]
    loss: Callable[..., Any]
    gradient: Callable[..., Any] | None = None


def _ours() -> Answers:
    import tinygrad_ce as tg

    loss = partial(tg.softmax_cross_entropy, reduction="none", validate=False)

    def gradient(z: Any, targets: Any, weight: Any, axis: int) -> Any:
        leaf = tg.Value(z)
        loss(leaf, targets, weight, axis=axis).backward(np.ones(_without(z, axis), z.dtype))
        return leaf.grad

    return Answers(tg.softmax, tg.log_softmax, tg.logsumexp, lambda z, t, w, axis: loss(z, t, w, axis=axis), gradient)


def _plain() -> Answers:
    """What a good programmer writes."""

    def parts(z: Any, axis: int) -> Any:
        h = z - z.max(axis=axis, keepdims=True)
        e = np.exp(h)
        return h, e, e.sum(axis=axis, keepdims=True)

    def softmax(z: Any, axis: int) -> Any:
        _, e, total = parts(z, axis)
        return e / total

    def log_softmax(z: Any, axis: int) -> Any:
        h, _, total = parts(z, axis)
        return h - np.log(total)

    def logsumexp(z: Any, axis: int) -> Any:
        _, _, total = parts(z, axis)
        return np.squeeze(np.log(total) + z.max(axis=axis, keepdims=True), axis)

    def loss(z: Any, targets: Any, weight: Any, axis: int) -> Any:
        return _weighed(log_softmax(z, axis), targets, weight, axis)

    def gradient(z: Any, targets: Any, weight: Any, axis: int) -> Any:
        y = _dense(targets, weight, z, axis)
        return softmax(z, axis) * y.sum(axis=axis, keepdims=True) - y

    return Answers(softmax, log_softmax, logsumexp, loss, gradient)


def _scipy() -> Answers:
    from scipy import special

    def loss(z: Any, targets: Any, weight: Any, axis: int) -> Any:
        return _weighed(special.log_softmax(z, axis=axis), targets, weight, axis)

    return Answers(special.softmax, special.log_softmax, special.logsumexp, loss)


def _torch() -> Answers:
    import torch

    def of(function: Any) -> Any:
        return lambda z, axis: function(torch.from_numpy(np.array(z)), axis).numpy()

    def cross_entropy(z: Any, targets: Any, weight: Any, axis: int) -> Any:
        if targets.dtype.kind == "f":
            targets = np.moveaxis(targets, axis, -1)
        w = None if weight is None else torch.from_numpy(weight)
        return torch.nn.functional.cross_entropy(
            torch.movedim(z, axis, -1), torch.from_numpy(np.ascontiguousarray(targets)), w, reduction="none"
        )

    def gradient(z: Any, targets: Any, weight: Any, axis: int) -> Any:
        leaf = torch.from_numpy(np.array(z)).requires_grad_()
        cross_entropy(leaf, targets, weight, axis).sum().backward()
        return leaf.grad.numpy()

    return Answers(
        of(torch.softmax),
        of(torch.log_softmax),
        of(torch.logsumexp),
        lambda z, t, w, axis: cross_entropy(torch.from_numpy(np.array(z)), t, w, axis).numpy(),
        gradient,
    )


def _jax() -> Answers:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def loss(z: Any, targets: Any, weight: Any, axis: int) -> Any:
        y = _dense(targets, weight, z, axis)
        log_p = jax.nn.log_softmax(z, axis=axis)
        return -jnp.sum(jnp.where(y == 0, 0.0, y * log_p), axis=axis)

    def gradient(z: Any, targets: Any, weight: Any, axis: int) -> Any:
        return np.asarray(jax.grad(lambda z: loss(z, targets, weight, axis).sum())(jnp.asarray(z)))

    def of(function: Any) -> Any:
        return lambda z, axis: np.asarray(function(jnp.asarray(z), axis=axis))

    return Answers(
        of(jax.nn.softmax),
        of(jax.nn.log_softmax),
        of(jax.nn.logsumexp),
        lambda z, t, w, axis: np.asarray(loss(jnp.asarray(z), t, w, axis)),
        gradient,
    )


PEERS: dict[str, Callable[[], Answers]] = {OURS: _ours, "NumPy": _plain, "torch": _torch, "jax": _jax, "scipy": _scipy}


def present() -> dict[str, Answers]:
    """Those that are installed, by name."""
    return {name: make() for name, make in PEERS.items() if name in (OURS, "NumPy") or find_spec(name)}


# -- what some leave to their users ----------------------------------------------------------------------------


def _without(z: Any, axis: int) -> tuple[int, ...]:
    return tuple(np.delete(z.shape, axis).tolist())


def _dense(targets: Any, weight: Any, z: Any, axis: int) -> Any:
    y = targets
    if targets.dtype.kind != "f":
        y = np.zeros(z.shape, z.dtype)
        np.put_along_axis(y, np.expand_dims(targets, axis), 1.0, axis)
    return y if weight is None else y * weight.reshape([-1 if i == axis % z.ndim else 1 for i in range(z.ndim)])


def _weighed(log_p: Any, targets: Any, weight: Any, axis: int) -> Any:
    y = _dense(targets, weight, log_p, axis)
    return -np.where(y == 0, 0.0, y * np.where(y == 0, 0.0, log_p)).sum(axis=axis)
