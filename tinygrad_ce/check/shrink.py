"""The smallest point at which a rule still fails, and a program that shows it.

shrink(subject, finding)            fewer rows and classes, rounder numbers, as long as it still fails
reproduction(subject, finding)      Python that runs when pasted
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from .contract import cotangent
from .findings import Finding
from .points import Layout
from .precision import copied, is_float, quiet
from .runs import Runs
from .subject import Subject
from .truth import Truth

TRIES = 40


def shrink(subject: Subject, finding: Finding) -> None:
    """Replace the finding's point by the smallest and roundest one found at which the gradient is as wrong."""
    if finding.check != "gradient" or "i" not in finding.data or finding.data.get("truth") is None:
        return
    best, i = list(finding.data["inputs"]), finding.data["i"]
    start = _wrongness(subject, best, i)
    if start is None:
        return
    for smaller in islice(_candidates(subject, best), TRIES):
        trial = smaller(best)
        found = None if trial is None else _wrongness(subject, trial, i)
        if found is not None and found[0] > 0.1 * start[0]:
            best, start = trial, found  # type: ignore[assignment]
    finding.data["shrunk"] = {"inputs": best, "g": start[1], "found": start[2], "true": start[3]}


def _wrongness(subject: Subject, inputs: Sequence[Any], i: int) -> tuple[float, Any, Any, Any] | None:
    """How far off the gradient of input i is there, beyond error bars; None where it is not, or is no point."""
    try:
        with quiet():
            runs = Runs(subject, inputs)
            if not runs.out.size or not np.all(np.isfinite(runs.out)) or np.size(inputs[i]) * runs.out.size > 4000:
                return None
            g = (
                np.ones(runs.out.shape, runs.out.dtype)
                if runs.out.size == 1
                else np.round(cotangent(runs.out.shape, runs.out.dtype, 0), 1)
            )
            truth = Truth(subject, inputs).gradient(g)[i]
            a = np.asarray(runs.native(g)[i])
            wrong = np.abs(a - truth.value) > 1e-6 * np.maximum(np.abs(a), np.abs(truth.value)) + 4 * truth.bar
            if a.shape != np.shape(inputs[i]) or not np.any(wrong | ~np.isfinite(a)):
                return None
            size = np.max(np.maximum(np.abs(a), np.abs(truth.value)))
            off = float(np.max(np.abs(a - truth.value)) / size) if np.all(np.isfinite(a)) else np.inf
            return off, g, a, np.asarray(truth.value, dtype=np.float64)
    except Exception:
        return None


Smaller = Callable[[list[Any]], "list[Any] | None"]


def _candidates(subject: Subject, inputs: Sequence[Any]) -> Iterator[Smaller]:
    """Ways to make a point smaller or rounder, the boldest first."""
    if all(np.shape(a) == np.shape(b) for a, b in zip(inputs, subject.inputs, strict=True)):
        try:
            free = Layout(subject).free
        except Exception:
            free = []
        for size in sorted(free, reverse=True):
            for other in (1, 2, 3):
                if other < size:
                    yield lambda now, size=size, other=other: _cut(now, size, other)  # type: ignore[misc]
    for decimals in (0, 1, 2, 3):
        yield lambda now, d=decimals: [np.round(x, d) if is_float(x) else x for x in now]  # type: ignore[misc]


def _cut(inputs: Sequence[Any], size: int, other: int) -> list[Any]:
    """The first `other` entries along every axis of that size."""
    cut = []
    for x in inputs:
        if isinstance(x, np.ndarray):
            x = x[tuple(slice(0, other) if n == size else slice(None) for n in x.shape)]
            if x.dtype.kind in "iu" and x.size and x.max() < size and x.min() >= 0:
                x = x % other
        cut.append(copied(x))
    return cut


# -- the program -----------------------------------------------------------------------------------------------


def reproduction(subject: Subject, finding: Finding) -> str:
    """A program that prints the rule's gradient beside differences of the forward."""
    data = finding.data
    shrunk = data.get("shrunk")
    inputs = shrunk["inputs"] if shrunk else data.get("inputs", list(subject.inputs))
    if sum(np.size(x) for x in inputs if x is not None) > 200:
        return ""
    i = data.get("i", subject.moving[0] if subject.moving else 0)
    names = [f"x{k}" for k in range(len(inputs))]
    lines = ["import numpy as np", "import tinygrad_ce as tg", ""]
    lines += _definitions(subject)
    lines += [f"{name} = {_literal(x)}" for name, x in zip(names, inputs, strict=True)]
    call = ", ".join(names)
    lines += [f"out = np.asarray(f({call}))"]
    g = shrunk["g"] if shrunk else data.get("g")
    g_text = "np.ones_like(out)" if g is None or (np.size(g) == 1 and np.all(g == 1)) else _literal(np.asarray(g))
    if g is not None and np.shape(g) != _out_shape(subject, inputs):
        g_text = "np.ones_like(out)"
    lines += [f"g = {g_text}", "", f"print('rule       ', {_rule_call(subject, names, i)})", ""]
    moved = ", ".join("moved" if k == i else n for k, n in enumerate(names))
    lines += [
        f"slope = np.zeros({names[i]}.shape)",
        f"for k in np.ndindex({names[i]}.shape):",
        f"    h = 1e-5 * (abs({names[i]}[k]) or 1.0)",
        "    for sign in (1, -1):",
        f"        moved = {names[i]}.astype(float)",
        "        moved[k] += sign * h",
        f"        slope[k] += sign * np.sum(g * np.asarray(f({moved}))) / (2 * h)",
        "print('differences', slope)",
    ]
    return "\n".join(lines)


def _out_shape(subject: Subject, inputs: Sequence[Any]) -> Any:
    try:
        with quiet():
            return np.shape(subject.out([copied(x) for x in inputs]))
    except Exception:
        return None


def _definitions(subject: Subject) -> list[str]:
    kind = subject.source[0] if subject.source else ""
    if kind == "op":
        _, op, name, options = subject.source
        lines = [] if op.key == op.name else [f"import {op.module}"]
        return [
            *lines,
            f"op = tg.registry()[{op.key!r}]",
            f"options = {options!r}",
            "",
            "",
            "def f(*xs):",
            "    return op.apply(xs, options)",
            "",
            "",
            "def gradients(g, *xs):",
            "    leaves = [tg.Value(x) if x is not None and x.dtype.kind == 'f' else x for x in xs]",
            f"    op.apply(tuple(leaves), options).backward(g, derivation={_request(op, name)})",
            "    return [x.grad if isinstance(x, tg.Value) else None for x in leaves]",
            "",
            "",
        ]
    lines = _source_of("f", subject.source[1])
    if kind == "rule":
        lines += ["", "", *_source_of("vjp", subject.source[2])]
    return [*lines, "", ""]


def _request(op: Any, name: str) -> str:
    return "'autodiff'" if name == "autodiff" else "None" if name == op.default else f"{{op: {name!r}}}"


def _rule_call(subject: Subject, names: Sequence[str], i: int) -> str:
    kind = subject.source[0]
    args = ", ".join(names)
    if kind == "op":
        return f"gradients(g, {args})[{i}]"
    if kind == "rule":
        return f"vjp(g, out, {args})" if len(names) == 1 else f"vjp(g, out, {args})[{i}]"
    return f"tg.vjp(f, {args})[1](g)[{i}]"


def _source_of(name: str, function: Any) -> list[str]:
    """How to have a function under a name: an import, its source, or a request to paste it."""
    module, qualified = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if isinstance(function, np.ufunc):
        return [f"{name} = np.{function.__name__}"]
    if module and module != "__main__" and qualified and "<" not in qualified and "." not in qualified:
        return [f"from {module} import {qualified} as {name}"]
    try:
        source = textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):
        source = ""
    if source.startswith("def ") and function.__closure__ is None:
        plain_name = function.__name__
        return [*source.splitlines(), *([] if plain_name == name else ["", "", f"{name} = {plain_name}"])]
    return [f"{name} = ...  # the function that you gave as {'vjp=' if name == 'vjp' else 'f'}"]


def _literal(x: Any) -> str:
    """An input as Python."""
    if x is None:
        return "None"
    a = np.asarray(x)
    text = np.array2string(a, separator=", ", threshold=10_000, floatmode="unique", max_line_width=100)
    for word in ("nan", "inf"):
        text = text.replace(word, f"np.{word}")
    text = " ".join(text.split())
    return f"np.array({text}, dtype=np.{a.dtype})"
