"""Forward values: whatever an op is computed by, against its decomposition.

    forwards(op, inputs, options)       a row of the report, and what is wrong

An op may have a kernel beside its decomposition, and a third form for Python floats; a shortcut may bring one of its
own. All are the same function. They may differ by rounding: by what the decomposition moves when its inputs move by a
unit in the last place, and a few units of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..node import plain
from ..op import Op, Shortcut
from .findings import FAIL, INCONCLUSIVE, PASS, Finding, Row
from .precision import HIGH, copied, eps, is_float, nudged, raised, show

Forward = Callable[[Sequence[Any]], Any]
SAMPLES = 3


def forwards(op: Op, inputs: Sequence[Any], options: Mapping[str, Any]) -> tuple[Row, list[Finding]]:
    """The kernel, and the kernel for Python floats, against the decomposition."""
    return _row(compared(op, inputs, options), op.name)


def compared(op: Op, inputs: Sequence[Any], options: Mapping[str, Any]) -> list[tuple[str, Finding | None]]:
    """Every other way in which an op is computed, and how it differs where it does."""
    found = []
    if op.decomposition is not None and op.kernel is not op.decomposition:
        found.append(
            (
                "kernel and decomposition",
                _differ(
                    "the kernel",
                    lambda xs: op.kernel(*xs, **options),
                    "the decomposition",
                    lambda xs: op.decomposition(*xs, **options),
                    inputs,
                ),
            )
        )
    if op.scalar is not None and all(np.size(x) for x in inputs):
        firsts = [float(np.ravel(np.asarray(x))[0]) for x in inputs]
        scalar: Any = op.scalar
        found.append(
            (
                "floats and arrays",
                _differ(
                    "the forward of Python floats",
                    lambda xs: scalar(*[float(x) for x in xs]),
                    "that of arrays",
                    lambda xs: op.kernel(*[np.asarray(x) for x in xs], **options),
                    [np.asarray(x) for x in firsts],
                ),
            )
        )
    return found


def of_shortcut(
    shortcut: Shortcut, inputs: Sequence[Any], inner: Mapping[str, Any], outer: Mapping[str, Any]
) -> tuple[Row, list[Finding]]:
    """A shortcut's own forward against its two ops, one after the other; `inputs` are both ops' inputs."""
    if shortcut.forward is None:
        return Row("forward", INCONCLUSIVE, "the shortcut has none of its own"), []
    n = len(shortcut.inner.input_names)
    ours = shortcut.forward

    def chained(xs: Sequence[Any]) -> Any:
        return shortcut.outer.kernel(shortcut.inner.kernel(*xs[:n], **inner), *xs[n:], **outer)

    what = f"{shortcut.outer.name} of {shortcut.inner.name}"
    found = _differ("the shortcut's forward", lambda xs: ours(*xs, **outer), what, chained, inputs)
    return _row([(what, found)], what)


def _row(found: list[tuple[str, Finding | None]], name: str) -> tuple[Row, list[Finding]]:
    findings = [f for _, f in found if f is not None]
    if findings:
        return Row("forward", FAIL, findings[0].message), findings
    if not found:
        return Row("forward", INCONCLUSIVE, f"{name} is computed in one way only"), []
    return Row("forward", PASS, ", ".join(what for what, _ in found)), []


def _differ(a_name: str, a: Forward, b_name: str, b: Forward, inputs: Sequence[Any]) -> Finding | None:
    """Where `a` differs from `b` beyond the error bars of both."""
    x = _values(a, inputs)
    y = _values(b, inputs)
    if x.shape != y.shape:
        text = f"{a_name} has a result of shape {x.shape}, {b_name} of {y.shape}"
        return Finding("forward", FAIL, text, "shape", data={"inputs": list(inputs)})
    truth = _high(b, inputs, y)
    unit = max(eps(t.dtype) for t in (x, y) if t.dtype.kind == "f")
    bar = 16.0 * unit * np.abs(y)
    for f, base in ((b, y), (a, x)):
        for seed in range(SAMPLES):
            rng = np.random.default_rng(seed)
            moved = _values(f, [nudged(v, rng, eps(v.dtype)) if is_float(v) else v for v in inputs])
            gap = np.abs(moved - base) if moved.shape == base.shape else np.zeros(base.shape)
            bar = np.maximum(bar, 8.0 * np.where(np.isfinite(gap), gap, 0.0))
    bar = np.maximum(bar, 0.3 * np.median(bar)) if bar.size else bar  # a few samples may be lucky
    with np.errstate(all="ignore"):
        off = ~((x == truth) | (np.isnan(x) & np.isnan(y)) | (np.abs(x - truth) <= bar))
    if not np.any(off):
        return None
    at = tuple(int(k) for k in np.unravel_index(np.argmax(np.where(off, np.abs(x - truth), -1.0)), off.shape))
    text = f"{a_name}{show(at)} is {float(x[at]):.10g}, {b_name} {float(truth[at]):.10g} ± {float(bar[at]):.1g}"
    hint = "the two are the same function: correct either before looking at gradients"
    return Finding(
        "forward",
        FAIL,
        text,
        "forward",
        hint,
        value=float(x[at]),
        truth=float(truth[at]),
        bar=float(bar[at]),
        data={"inputs": list(inputs)},
    )


def _values(f: Forward, inputs: Sequence[Any]) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(plain(f([copied(x) for x in inputs])), dtype=None)


def _high(f: Forward, inputs: Sequence[Any], usual: Any) -> Any:
    """The decomposition in extended precision; as it is where that does not go through."""
    try:
        wide = _values(f, [raised(x) for x in inputs])
    except Exception:
        return usual
    return wide if wide.dtype == np.dtype(HIGH) and wide.shape == usual.shape else usual
