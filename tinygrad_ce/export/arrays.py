"""Rules for reductions, products, shapes and indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dims import Dim, Irregular, known
from .graph import Size
from .rules import NoRule, Step, rule

# -- products ----------------------------------------------------------------------------------------------------


@rule("matmul")
def _matmul(step: Step) -> str:
    return step.add("MatMul", *step.promoted())


@rule("einsum")
def _einsum(step: Step) -> str:
    sizes: dict[str, Size] = {}
    terms = step.params["subscripts"].partition("->")[0].replace(" ", "").split(",")
    for term, x in zip(terms, step.inputs, strict=True):
        if "..." not in term and any(sizes.setdefault(k, n) != n for k, n in zip(term, x.shape, strict=True)):
            raise NoRule("einsum of sizes that broadcast")
    return step.add("Einsum", *step.promoted(), equation=step.params["subscripts"])


# -- reductions --------------------------------------------------------------------------------------------------

_REDUCING = {
    "sum": "ReduceSum",
    "mean": "ReduceMean",
    "max": "ReduceMax",
    "min": "ReduceMin",
    "prod": "ReduceProd",
    "logsumexp": "ReduceLogSumExp",
}


def _axes(step: Step, axis: Any) -> tuple[int, ...]:
    ndim = step.inputs[0].ndim
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple([a % ndim for a in axes])


def _reduced(step: Step, kind: str, x: str, axes: tuple[int, ...], keepdims: bool) -> str:
    if not axes:
        return x  # no axes would mean all of them there
    return step.add(kind, x, step.graph.integers(axes), keepdims=int(keepdims))


@rule(*_REDUCING)
def _reduce(step: Step) -> str:
    x = step.as_dtype(step.inputs[0], step.out.dtype)
    axes = _axes(step, step.params.get("axis"))
    return _reduced(step, _REDUCING[step.op], x, axes, step.params.get("keepdims", False))


@rule("var", "std")
def _spread(step: Step) -> str:
    (x,), axes = step.names(), _axes(step, step.params.get("axis"))
    deviation = step.add("Sub", x, _reduced(step, "ReduceMean", x, axes, True))
    squares = step.add("Mul", deviation, deviation)
    out = _reduced(step, "ReduceMean", squares, axes, step.params.get("keepdims", False))
    if ddof := step.params.get("ddof", 0):
        sizes = [step.inputs[0].shape[a] for a in axes]
        if not known(tuple(sizes)):
            raise Irregular("ddof over the batch axis")
        n = float(np.prod([s for s in sizes if isinstance(s, int)]))
        out = step.add("Mul", out, step.number(n / (n - ddof)))
    return step.add("Sqrt", out) if step.op == "std" else out


@rule("any", "all")
def _any(step: Step) -> str:
    truth = step.as_dtype(step.inputs[0], np.dtype(bool))
    numbers = step.add("Cast", truth, to=step.graph.element(np.dtype(np.int32)))
    axes = _axes(step, step.params.get("axis"))
    kind = "ReduceMax" if step.op == "any" else "ReduceMin"
    out = _reduced(step, kind, numbers, axes, step.params.get("keepdims", False))
    return step.add("Cast", out, to=step.graph.element(np.dtype(bool)))


@rule("argmax", "argmin")
def _argmax(step: Step) -> str:
    axis = step.params.get("axis")
    if axis is None:
        raise NoRule(f"{step.op} over all axes")
    return step.add(
        step.op.replace("arg", "Arg").replace("max", "Max").replace("min", "Min"),
        *step.names(),
        axis=axis,
        keepdims=int(step.params.get("keepdims", False)),
    )


@rule("cumsum")
def _cumsum(step: Step) -> str:
    return step.add("CumSum", *step.names(), step.graph.constant(np.array(step.params["axis"], np.int64)))


@rule("softmax", "log_softmax")
def _softmax(step: Step) -> str:
    kind = "Softmax" if step.op == "softmax" else "LogSoftmax"
    return step.add(kind, *step.names(), axis=step.params.get("axis", -1))


# -- shapes ------------------------------------------------------------------------------------------------------


@rule("reshape")
def _reshape(step: Step) -> str:
    if step.params.get("order", "C") != "C":
        raise NoRule("reshape in another order than C")
    return step.add("Reshape", *step.names(), step.graph.integers(step.out.shape), allowzero=1)


@rule("squeeze", "expand_dims")
def _to_result(step: Step) -> str:
    return step.add("Reshape", *step.names(), step.graph.integers(step.out.shape), allowzero=1)


@rule("transpose")
def _transpose(step: Step) -> str:
    ndim = step.inputs[0].ndim
    if ndim < 2:
        return step.add("Identity", *step.names())
    axes = step.params.get("axes")
    perm = tuple(range(ndim))[::-1] if axes is None else tuple([a % ndim for a in axes])
    return step.add("Transpose", *step.names(), perm=perm)


@rule("swapaxes")
def _swapaxes(step: Step) -> str:
    perm = list(range(step.inputs[0].ndim))
    i, j = step.params["axis1"], step.params["axis2"]
    perm[i], perm[j] = perm[j], perm[i]
    return step.add("Transpose", *step.names(), perm=perm)


@rule("broadcast_to")
def _broadcast_to(step: Step) -> str:
    return step.add("Expand", *step.names(), step.graph.integers(step.out.shape))


@rule("concatenate")
def _concatenate(step: Step) -> str:
    axis = step.params.get("axis", 0)
    names = step.promoted()
    if axis is None:
        names, axis = [step.add("Reshape", n, step.graph.integers([-1])) for n in names], 0
    return step.add("Concat", *names, axis=axis)


@rule("stack")
def _stack(step: Step) -> str:
    axis = step.params.get("axis", 0) % step.out.ndim
    return step.add(
        "Concat", *[step.add("Unsqueeze", n, step.graph.integers([axis])) for n in step.promoted()], axis=axis
    )


@rule("flip")
def _flip(step: Step) -> str:
    axes = _axes(step, step.params.get("axis"))
    return _sliced(step, step.name(step.inputs[0]), [(a, -1, -(2**31), -1) for a in axes])


@rule("roll")
def _roll(step: Step) -> str:
    shift, axis = step.params["shift"], step.params.get("axis")
    if axis is None or not known(step.inputs[0].shape):
        raise NoRule("roll of all axes together, or of the batch")
    (x,) = step.names()
    shifts = shift if isinstance(shift, tuple) else (shift,)
    for s, a in zip(shifts, _axes(step, axis), strict=True):
        n = step.inputs[0].shape[a]
        cut = -s % n if isinstance(n, int) and n else 0
        if cut:
            x = step.add("Concat", _sliced(step, x, [(a, cut, 2**31, 1)]), _sliced(step, x, [(a, 0, cut, 1)]), axis=a)
    return x


@rule("repeat")
def _repeat(step: Step) -> str:
    repeats, axis = step.params["repeats"], step.params.get("axis")
    if not isinstance(repeats, int) or axis is None:
        raise NoRule("repeat of all axes together, or with a count for each entry")
    axis %= step.inputs[0].ndim
    wide = step.add("Unsqueeze", *step.names(), step.graph.integers([axis + 1]))
    shape: list[Size] = list(step.inputs[0].shape)
    shape.insert(axis + 1, repeats)
    copies = step.add("Expand", wide, step.graph.integers(shape))
    return step.add("Reshape", copies, step.graph.integers(step.out.shape), allowzero=1)


_PADDING = {"constant": "constant", "edge": "edge", "reflect": "reflect", "wrap": "wrap"}


@rule("pad")
def _pad(step: Step) -> str:
    mode = step.params.get("mode", "constant")
    if mode not in _PADDING:
        raise NoRule(f"padding in the mode {mode!r}")
    (width,) = step.fixed("pad_width")
    pairs = np.broadcast_to(np.asarray(width), (step.inputs[0].ndim, 2))
    if mode in ("reflect", "wrap") and any(
        isinstance(n, Dim) or max(pair) >= n for n, pair in zip(step.inputs[0].shape, pairs, strict=True) if any(pair)
    ):
        raise NoRule(f"padding in the mode {mode!r} by more than there is")
    widths = step.graph.integers([int(w) for w in pairs.T.ravel()])
    return step.add("Pad", *step.names(), widths, mode=_PADDING[mode])


@rule("tril", "triu")
def _triangle(step: Step) -> str:
    if step.inputs[0].ndim < 2:
        raise NoRule(f"{step.op} of a vector")
    k = step.graph.constant(np.array(step.params.get("k", 0), np.int64))
    return step.add("Trilu", *step.names(), k, upper=int(step.op == "triu"))


# -- indices -----------------------------------------------------------------------------------------------------


def _sliced(step: Step, x: str, cuts: list[tuple[int, Size, Size, int]]) -> str:
    """x cut along axes: (axis, start, stop, step) each."""
    if not cuts:
        return x
    axes, starts, stops, steps = zip(*cuts, strict=True)
    vectors = [step.graph.integers(v) for v in (starts, stops, axes, steps)]
    return step.add("Slice", x, *vectors)


@rule("getitem")
def _getitem(step: Step) -> str:
    """Slices and integers cut, one array of integers gathers, and the result's shape puts the axes right."""
    key, x = step.params["key"], step.inputs[0]
    used = sum(part is not None and part is not Ellipsis for part in key)
    axis, cuts, gathered = 0, [], []
    for part in key:
        if part is None:
            continue
        if part is Ellipsis:
            axis += x.ndim - used
            continue
        if isinstance(part, tuple) and part[0] == "array":
            gathered.append((axis, step.inputs[1 + part[1]]))
        elif isinstance(part, tuple):
            cuts.append((axis, *_bounds(part[1:])))
        else:
            cuts.append((axis, part, _after(part), 1))
        axis += 1
    cuts = [cut for cut in cuts if cut[1:] != (0, 2**31, 1)]
    out = _sliced(step, step.name(x), cuts)
    if gathered:
        if len(gathered) > 1 or gathered[0][1].dtype.kind == "b":
            raise NoRule("indexing with a mask or with several arrays")
        axis, index = gathered[0]
        if any(not isinstance(p, tuple) and p is not Ellipsis for p in key):
            raise NoRule("indexing with an array and integers or new axes together")
        return step.add("Gather", out, step.as_dtype(index, np.dtype(np.int64)), axis=axis)
    if any(not isinstance(part, tuple) and part is not Ellipsis for part in key):
        return step.add("Reshape", out, step.graph.integers(step.out.shape), allowzero=1)
    return out if cuts else step.add("Identity", out)


def _bounds(cut: tuple[Any, ...]) -> tuple[Size, Size, int]:
    start, stop, stride = cut
    stride = 1 if stride is None else stride
    far = 2**31
    if stride > 0:
        return (0 if start is None else start), (far if stop is None else stop), stride
    return (-1 if start is None else start), (-far if stop is None else stop), stride


def _after(i: Size) -> Size:
    if isinstance(i, Dim):
        return Dim(i.slope, i.offset + 1)
    return 2**31 if i == -1 else i + 1


@rule("take_along_axis")
def _take_along_axis(step: Step) -> str:
    axis = step.params.get("axis", -1)
    x, index = step.inputs
    sizes = enumerate(zip(x.shape, index.shape, strict=True))
    if axis is None or any(a != b for i, (a, b) in sizes if i != axis % x.ndim):
        raise NoRule("take_along_axis of all axes together, or that broadcasts")
    return step.add("GatherElements", step.name(x), step.as_dtype(index, np.dtype(np.int64)), axis=axis)
