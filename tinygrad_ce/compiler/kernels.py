"""Softmax cross-entropy, from logits and class indices, in kernels that pass over the logits once, block by block.

    softmax_loss_and_gradient       where the gradient's cotangent is known beforehand: one pass makes both
    softmax_parts, softmax_gradient where it comes later

    fused_losses                    the pass that puts them in the place of the op and its "stable" derivation

For rows z with true class y and e = exp(z − c):  loss log1p(Σ_{j≠y} e_j / e_y), gradient e_i / Σe, and at y not
ŷ − 1, which cancels, but −Σ_{j≠y} e_j / Σe. Within ±200, c = 0 and nothing is rounded but exp; elsewhere c is the
largest score, and what z − c loses is made good.

These functions come along in the text of what is compiled, so they speak of NumPy alone.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..ops import cross_entropy, softmax_cross_entropy
from ..tracer import Kind
from .graph import Graph, Pull, Step
from .record import picked


def softmax_loss_and_gradient(z: Any, y: Any, *, scale: Any, out: Any = None) -> Any:
    """The gradient of Σ losses, times `scale`, and after it the loss of each row: one vector."""
    n, k = z.shape
    out = np.empty(n * k + n) if out is None else out
    gradient, losses = out[: n * k].reshape(n, k), out[n * k :]
    at = positions(y, n, k)
    step = n if n * k <= 65536 else max(65536 // k, 1)
    for i in range(0, n, step):
        here, e = at[i : i + step], gradient[i : i + step]
        here = here - i * k if i else here
        rest, total = apart(z[i : i + step], here, e, losses[i : i + step])
        share = scale / total
        np.multiply(e, share[:, None], out=e)
        np.multiply(rest, share, out=rest)
        e.reshape(-1)[here] = np.negative(rest, out=rest)
    return out


def softmax_parts(z: Any, y: Any, *, out: Any = None) -> Any:
    """exp(z − c), 0 at class y; the sums of rows without and with it; the losses: one vector."""
    n, k = z.shape
    out = np.empty(n * k + 3 * n) if out is None else out
    e, (rests, totals, losses) = out[: n * k].reshape(n, k), out[n * k :].reshape(3, n)
    at = positions(y, n, k)
    step = n if n * k <= 65536 else max(65536 // k, 1)
    for i in range(0, n, step):
        part = slice(i, i + step)
        rests[part], totals[part] = apart(z[part], at[part] - i * k, e[part], losses[part])
    return out


def softmax_gradient(parts: Any, y: Any, scale: Any, *, classes: int, out: Any = None) -> Any:
    """The gradient in the logits from `softmax_parts`, times `scale`: a number, or one for each row."""
    n, k = len(y), classes
    e, (rests, totals, _) = parts[: n * k].reshape(n, k), parts[n * k :].reshape(3, n)
    share = scale / totals
    out = np.multiply(e, share[:, None], out=out)
    out.reshape(-1)[positions(y, n, k)] = -rests * share
    return out


def positions(y: Any, n: int, k: int) -> Any:
    """Where in the flat array of n rows the classes y stand."""
    y = y.astype(np.intp, copy=False)
    if np.maximum.reduce(y.view(np.uintp)) >= k:  # negative ones are huge, unsigned
        row = int(np.argmax(y.view(np.uintp) >= k))
        raise IndexError(f"a class index lies outside 0 … {k - 1}: {y[row]} in row {row}")
    return y + starts(n, k)


@lru_cache(maxsize=16)
def starts(n: int, k: int) -> Any:
    """Where n rows of k begin."""
    return np.arange(0, n * k, k)


@lru_cache(maxsize=16)
def ones(k: int) -> Any:
    return np.ones(k)


def apart(x: Any, at: Any, e: Any, losses: Any) -> Any:
    """exp(x − c) into e, 0 at the true classes; the rest of each row's sum, and the whole of it; and the losses."""
    flat = x.reshape(-1)
    near = flat.size <= 4096 and flat.dot(flat) <= 40000.0
    if near or (np.maximum.reduce(flat) <= 200.0 and np.minimum.reduce(flat) >= -200.0):
        np.exp(x, out=e)
        own, rest = taken_out(e, at)
        np.divide(rest, own, out=losses)
        np.log1p(losses, out=losses)
        return rest, rest + own
    with np.errstate(all="ignore"):
        c = np.maximum.reduce(x, axis=1, keepdims=True)
        c = np.where(np.isfinite(c), c, 0.0)
        h = x - c
        np.exp(h, out=e)
        back = x - h
        low = (x - (h + back)) + (back - c)  # what the difference lost
        e += np.where(np.isfinite(low), low, 0.0) * e
        own, rest = taken_out(e, at)
        ratio = rest / own
        far = (c[:, 0] - flat[at]) + np.log(rest)
        losses[...] = np.where(ratio < 1e200, np.log1p(ratio), far)
    return rest, rest + own


def taken_out(e: Any, at: Any) -> Any:
    """The entries at these positions, which become 0, and the sums of the rows without them."""
    flat = e.reshape(-1)
    own = flat[at]
    flat[at] = 0.0
    k = e.shape[1]
    return own, (np.add.reduce(e, axis=1) if k > 512 else np.matmul(e, ones(k)))


KERNELS = frozenset({softmax_loss_and_gradient, softmax_parts, softmax_gradient})


# -- the pass ----------------------------------------------------------------------------------------------------

_FLOAT = np.dtype(np.float64)


def fused_losses(graph: Graph) -> Graph:
    """With the kernels above in the place of softmax_cross_entropy and its gradient."""
    kinds, views, constants = dict(graph.kinds), dict(graph.views), dict(graph.constants)
    pulls: dict[tuple[int, ...], list[Step]] = {}
    for step in graph.steps:
        if isinstance(step.op, Pull) and _is_stable(step.op):
            pulls.setdefault(step.inputs[2:], []).append(step)

    def new(
        steps: list[Step], op: Any, inputs: tuple[int, ...], params: Any, like: Step, sort: str, *shape: int
    ) -> int:
        slot = max(kinds) + 1
        kinds[slot] = Kind(sort, _FLOAT, shape, tuple(range(len(shape))))
        steps.append(Step(op, inputs, params, slot, like.note))
        if op in (picked, np.reshape):
            views[slot] = 0
        return slot

    def constant(x: Any) -> int:
        slot = max(kinds) + 1
        kinds[slot], constants[slot] = Kind.of(x), x
        return slot

    kept: list[Step] = []
    made: dict[int, list[Step]] = {}  # in the place of a step
    for step in graph.steps:
        if step.slot in made:
            kept += made[step.slot]
            continue
        if step.op is not softmax_cross_entropy or not _is_plain(step, kinds, constants):
            kept.append(step)
            continue
        (z, y, _), reduction = step.inputs, step.params["reduction"]
        n, k = math.prod(kinds[y].shape), kinds[z].shape[-1]
        deep = len(kinds[z].shape) > 2
        if deep:  # rows of a batch of sequences, say, are rows
            z = new(kept, np.reshape, (z,), {"shape": (n, k)}, step, "array", n, k)
            y = new(kept, np.reshape, (y,), {"shape": (n,)}, step, "array", n)
            kinds[y] = replace(kinds[y], dtype=kinds[step.inputs[1]].dtype)
        gradients = pulls.get(step.inputs, [])
        number = _number(constants, gradients[0].inputs[0]) if len(gradients) == 1 and reduction != "none" else None
        divisor = n if reduction == "mean" else 1
        if number is not None:
            p = new(kept, softmax_loss_and_gradient, (z, y), {"scale": number / divisor}, step, "array", n * k + n)
            g = new(kept, picked, (p,), {"key": slice(0, n * k)}, gradients[0], "array", n * k)
            kept.append(
                Step(np.reshape, (g,), {"shape": kinds[gradients[0].slot].shape}, gradients[0].slot, gradients[0].note)
            )
            views[gradients[0].slot] = 0
            made[gradients[0].slot] = []
        else:
            p = new(kept, softmax_parts, (z, y), {}, step, "array", n * k + 3 * n)
            for one in gradients:
                steps: list[Step] = []
                scale = one.inputs[0]
                if divisor != 1:
                    kind = kinds[scale]
                    scale = new(steps, np.divide, (scale, constant(float(divisor))), {}, one, kind.sort, *kind.shape)
                if deep and kinds[scale].shape:
                    scale = new(steps, np.reshape, (scale,), {"shape": (n,)}, one, "array", n)
                made_of, options = (p, y, scale), {"classes": k}
                if deep:
                    rows = new(steps, softmax_gradient, made_of, options, one, "array", n, k)
                    steps.append(Step(np.reshape, (rows,), {"shape": kinds[one.slot].shape}, one.slot, one.note))
                    views[one.slot] = 0
                else:
                    steps.append(Step(softmax_gradient, made_of, options, one.slot, one.note))
                made[one.slot] = steps
        size = kinds[p].size
        if reduction == "none":
            own = {"key": slice(size - n, size)}
            if deep:
                losses = new(kept, picked, (p,), own, step, "array", n)
                kept.append(Step(np.reshape, (losses,), {"shape": kinds[step.slot].shape}, step.slot, step.note))
            else:
                kept.append(Step(picked, (p,), own, step.slot, step.note))
            views[step.slot] = 0
            continue
        losses = new(kept, picked, (p,), {"key": slice(size - n, size)}, step, "array", n)
        if divisor == 1:
            kept.append(Step(np.sum, (losses,), {"axis": None}, step.slot, step.note))
        else:
            kept.append(Step(np.mean, (losses,), {"axis": None}, step.slot, step.note))
    return replace(graph, steps=tuple(kept), kinds=kinds, views=views, constants=constants)


def _is_stable(pull: Pull) -> bool:
    ours = pull.of in (softmax_cross_entropy, cross_entropy)
    return ours and pull.position == 0 and pull.derivation.name == "stable"


def _is_plain(step: Step, kinds: Any, constants: Any) -> bool:
    """Whether a loss is of rows of float64 and a class index each, without weights, smoothing or ignored rows."""
    z, y, weight = step.inputs
    a, b, o = kinds[z], kinds[y], step.params
    return (
        (a.sort, a.dtype, a.order) == ("array", _FLOAT, tuple(range(len(a.shape))))
        and len(a.shape) > 1
        and a.size > 0
        and b.sort == "array"
        and b.dtype.kind in "iu"
        and b.shape == a.shape[:-1]
        and weight in constants
        and constants[weight] is None
        and (o["axis"] % len(a.shape), o["ignore_index"], o["label_smoothing"]) == (len(a.shape) - 1, None, 0.0)
    )


def _number(constants: Any, slot: int) -> float | None:
    x = constants.get(slot)
    return float(x) if x is not None and np.ndim(x) == 0 and np.asarray(x).dtype.kind in "fi" else None
