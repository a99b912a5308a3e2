"""How a step is said in NumPy: the text of a call, with `out=` where the result has a place.

writes(step, kinds)         whether a step can write into an array that is there
phrase(step, ...)           its text
Names                       what the text speaks of: NumPy's functions, and helpers that come along
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..op import Op
from ..ops.indexing import add_rows, getitem, repeats_rows, scatter_add
from ..tracer import Kind
from . import blocks, images, kernels
from .fused import Fused
from .graph import JOINING, Pull, Step
from .literals import said
from .program import Part, exported
from .record import astype, element, number, picked

# Functions of the compiler's own, which take `out`.
KERNELS = kernels.KERNELS | blocks.KERNELS | images.KERNELS
# Functions that are a ufunc's reduction, said more shortly.
REDUCTIONS: dict[Any, np.ufunc] = {np.sum: np.add, np.max: np.maximum, np.min: np.minimum, np.prod: np.multiply}
_WRITING = frozenset({np.concatenate, np.stack, np.cumsum, np.cumprod, np.einsum, np.clip, np.round, np.mean})
_INFIX = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**", np.floor_divide: "//"}
RESULT = "<result>"  # in a text: the name of what it makes
_SAFE = {"add": "+", "subtract": "-", "multiply": "*"}  # of Python floats: these never raise


def writes(step: Step, kinds: Mapping[int, Kind]) -> bool:
    """Whether a step can write into an array that is there."""
    op = step.op
    if isinstance(op, (Op, Pull, Fused)):
        return op is scatter_add or isinstance(op, Fused)
    if isinstance(op, np.ufunc):
        return not step.params
    owner = getattr(op, "__self__", None)
    if isinstance(owner, np.ufunc):
        return op.__name__ in ("reduce", "accumulate")
    if op is np.where:
        return len(step.inputs) == 3
    if op is np.mean:
        return kinds[step.slot].dtype.itemsize >= 4 and not set(step.params) - {"axis", "keepdims"}
    return op in _WRITING or op in REDUCTIONS or op in (astype, np.reshape, np.copy) or op in KERNELS


class Names:
    """What the source speaks of beside its values: names for NumPy's functions and for helpers."""

    def __init__(self) -> None:
        self.functions: dict[str, str] = {}  # local name → NumPy expression
        self.helpers: dict[str, Any] = {}  # local name → object that has to come along
        self._known: dict[Any, str] = {}

    def numpy(self, expression: str) -> str:
        name = expression.removeprefix("np.").replace(".", "_")
        name = f"{name}_" if name in ("sum", "max", "min", "abs", "round", "divmod", "all", "any") else name
        self.functions[name] = expression
        return name

    def helper(self, thing: Any, name: str) -> str:
        key = thing if isinstance(thing, Pull) else id(thing)
        if key not in self._known:
            taken, n = name, 2
            while taken in self.helpers or taken in self.functions:
                taken, n = f"{name}_{n}", n + 1
            self._known[key] = taken
            self.helpers[taken] = thing
        return self._known[key]


def phrase(
    step: Step, args: Sequence[str], kinds: Mapping[int, Kind], out: str | None, names: Names
) -> tuple[str, bool]:
    """The text of a step, and whether it is an expression (else it has written into `out`)."""
    special = _SPECIAL.get(step.op) if step.op.__hash__ else None
    if special is not None:
        return special(step, args, kinds, out, names)
    if isinstance(step.op, (Op, Pull)):
        return _whole(step, args, kinds, names), True
    if isinstance(step.op, Part):
        return _part(step.op, args, names), True
    if step.op in _INFIX and all(_is_number(kinds[i]) for i in step.inputs) and not step.params:
        return f"{args[0]} {_INFIX[step.op]} {args[1]}", True
    return _call(step, args, out, names)


def _is_number(kind: Kind) -> bool:
    return kind.sort in ("number", "float") or (kind.sort == "other" and kind.dtype.kind == "i")


def _call(step: Step, args: Sequence[str], out: str | None, names: Names) -> tuple[str, bool]:
    op, params = step.op, dict(step.params)
    owner = getattr(op, "__self__", None)
    if isinstance(owner, np.ufunc):
        function = names.numpy(f"np.{owner.__name__}.{op.__name__}")
    else:
        module = {"numpy.linalg": "np.linalg", "numpy.fft": "np.fft"}.get(getattr(op, "__module__", None) or "", "np")
        known = op is getattr(np, op.__name__, None) or module != "np"
        function = names.numpy(f"{module}.{op.__name__}") if known else names.helper(op, op.__name__)
    if out is not None:
        params.pop("dtype", None)  # it is that of `out`
    given = [f"[{', '.join(args)}]"] if op in JOINING else list(args)
    given += [f"{k}={said(v)}" for k, v in params.items()]
    return f"{function}({', '.join([*given, *([f'out={out}'] if out else [])])})", out is None


def key_said(key: Any) -> str:
    """An index as it is written between brackets."""
    parts = key if isinstance(key, tuple) else (key,)

    def one(k: Any) -> str:
        if isinstance(k, slice):
            bounds = ["" if b is None else str(b) for b in (k.start, k.stop)]
            return ":".join(bounds) + ("" if k.step is None else f":{k.step}")
        return "..." if k is Ellipsis else str(k)

    return ", ".join(one(k) for k in parts) + ("," if len(parts) == 1 and isinstance(key, tuple) else "") or "()"


# -- one by one --------------------------------------------------------------------------------------------------


def _reduction(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    function = names.numpy(f"np.{REDUCTIONS[step.op].__name__}.reduce")
    params = {"axis": None, **step.params}
    if params["axis"] is not None and isinstance(params["axis"], list):
        params["axis"] = tuple(params["axis"])
    if isinstance(params["axis"], tuple) and len(params["axis"]) == 1:
        params["axis"] = params["axis"][0]
    if not params.get("keepdims", True):
        del params["keepdims"]
    text = ", ".join([args[0], *[f"{k}={said(v)}" for k, v in params.items()], *([f"out={out}"] if out else [])])
    if kinds[step.inputs[0]].sort != "array":
        return _call(step, args, out, names)
    return f"{function}({text})", out is None


def _mean(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    source, made = kinds[step.inputs[0]], kinds[step.slot]
    plain = source.dtype.kind == "f" and source.dtype.itemsize >= 4 and source.sort == "array" and source.size
    if not plain or not made.size or set(step.params) - {"axis", "keepdims"}:
        return _call(step, args, out, names)
    total, _ = _reduction(_as(step, np.sum), args, kinds, out, names)
    if out is None:
        return f"{total} / {source.size // made.size}", True
    return f"{total}; {names.numpy('np.divide')}({out}, {source.size // made.size}, out={out})", False


def _as(step: Step, op: Any) -> Step:
    return Step(op, step.inputs, step.params, step.slot)


def _where(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    if out is None:
        return _call(step, args, out, names)
    copyto = names.numpy("np.copyto")
    return f"{copyto}({out}, {args[2]}); {copyto}({out}, {args[1]}, where={args[0]})", False


def _getitem(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    return f"{args[0]}[{key_said(step.params['key'])}]", True


def _picked(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    return f"{args[0]}[{_index(step.params['key'], args[1:])}]", True


def _index(key: Any, arrays: Sequence[str]) -> str:
    def one(k: Any) -> str:
        if isinstance(k, tuple):
            return arrays[k[1]] if k[0] == "array" else key_said(slice(*k[1:]))
        return "..." if k is Ellipsis else str(k)

    return ", ".join(one(k) for k in key) + ("," if len(key) == 1 else "") or "()"


def _scattered(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    key, indices = _index(step.params["key"], args[1:]), step.inputs[1:]
    kind = kinds[step.slot]
    made = out or RESULT
    zeros = f"{made}.fill(0)" if out else f"{made} = np.zeros({kind.shape}, {said(kind.dtype)})"
    if indices and repeats_rows(step.params["key"], kinds[indices[0]], len(kinds[step.inputs[0]].shape), kind.shape[0]):
        rows = f"{args[0]}.reshape({(math.prod(kinds[indices[0]].shape), *kind.shape[1:])})"
        return f"{zeros}; {names.helper(add_rows, 'add_rows')}({made}, {args[1]}.ravel(), {rows})", False
    if any(kinds[i].dtype.kind != "b" for i in indices):
        where = key if "," in key.rstrip(",") or ":" in key or "..." in key else key.rstrip(",")
        where = (
            f"np.s_[{where}]" if where != key.rstrip(",") or ":" in where or "..." in where or "," in where else where
        )
        return f"{zeros}; {names.numpy('np.add.at')}({made}, {where}, {args[0]})", False
    return f"{zeros}; {made}[{key}] = {args[0]}", False


def _astype(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    if kinds[step.inputs[0]].sort != "array" or out is None:
        return f"{args[0]}.astype({said(step.params['dtype'])})", True
    return f"{names.numpy('np.copyto')}({out}, {args[0]}, casting='unsafe')", False


def _reshape(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    order = step.params.get("order", "C")
    suffix = "" if order == "C" else f", order={order!r}"
    if kinds[step.inputs[0]].sort != "array":
        return _call(step, args, None, names)
    if out is None:
        return f"{args[0]}.reshape({said(_shape(kinds[step.slot].shape))}{suffix})", True
    there = f"{out}.reshape({said(_shape(kinds[step.inputs[0]].shape))}{suffix})"  # a view
    return f"{names.numpy('np.copyto')}({there}, {args[0]})", False


def _shape(shape: tuple[int, ...]) -> Any:
    return shape[0] if len(shape) == 1 else shape


def _transpose(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    axes = step.params.get("axes")
    if kinds[step.inputs[0]].sort != "array":
        return _call(step, args, None, names)
    return (f"{args[0]}.T" if axes in (None, (1, 0)) else f"{args[0]}.transpose({said(tuple(axes))})"), True


def _copy(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    if out is None:
        return _call(step, args, None, names)
    return f"{names.numpy('np.copyto')}({out}, {args[0]})", False


def _whole(step: Step, args: Sequence[str], kinds: Mapping[int, Kind], names: Names) -> str:
    """An op that is taken whole: its kernel, or its rule, comes along."""
    op = step.op
    params = [f"{k}={said(v)}" for k, v in step.params.items()]
    if isinstance(op, Pull):
        return f"{names.helper(op, op.name)}({', '.join([*args, *params])})"
    numbers = all(kinds[i].sort == "float" for i in step.inputs)
    if numbers and op.scalar is not None:
        if op.name in _SAFE:
            return f"{args[0]} {_SAFE[op.name]} {args[1]}"
        return f"-{args[0]}" if op.name == "negative" else f"{names.helper(op.scalar, op.name)}({', '.join(args)})"
    text = f"{names.helper(op.kernel, op.name)}({', '.join([*args, *params])})"
    return f"float({text})" if kinds[step.slot].sort == "float" else text


def _part(part: Part, args: Sequence[str], names: Names) -> str:
    """A part of a Program, of which there is one in each set of buffers."""
    helper = names.helper(part.program, "levelled")
    local = helper.replace("levelled", "levels")
    names.functions[local] = f"{helper}()"
    return f"{local}[{part.position}]({', '.join(args[part.follows :])})"


def _exported(step: Step, args: Any, kinds: Any, out: str | None, names: Names) -> tuple[str, bool]:
    kind = kinds[step.slot]
    text = f"{args[0]}[{step.params['at']}]" + (" != 0" if kind.dtype.kind == "b" else "")
    return (f"np.array({text})" if kind.sort == "array" else text), True


Phrase = Callable[[Step, Any, Any, Any, Names], tuple[str, bool]]
_SPECIAL: dict[Any, Phrase] = {
    **dict.fromkeys(REDUCTIONS, _reduction),
    np.mean: _mean,
    np.where: _where,
    picked: _getitem,
    element: lambda step, args, *_: (f"{args[0]}.item({step.params['at']})", True),
    exported: _exported,
    number: lambda step, args, *_: (f"float({args[0]})", True),
    getitem: _picked,
    scatter_add: _scattered,
    astype: _astype,
    np.reshape: _reshape,
    np.transpose: _transpose,
    np.copy: _copy,
}
