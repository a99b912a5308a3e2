"""The contract of a rule, which comes before its numbers.

A gradient has the shape and dtype of its input. Calling the rule changes nothing: not the inputs, not g, not the
output, not what an earlier call returned, not what the next call will return. The same call gives the same numbers,
whatever was called in between. Results that share memory with g, an input or each other are a hazard: they are right
today, and wrong as soon as somebody adds to one of them in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from .findings import FAIL, Finding
from .precision import copied, same
from .subject import ContractError, Subject


def cotangent(shape: tuple[int, ...], dtype: Any, seed: int) -> Any:
    """Random, signed, of mixed size: ones would hide a softmax, whose gradients then vanish."""
    rng = np.random.default_rng(seed)
    g = rng.choice([-1.0, 1.0], size=shape) * rng.uniform(0.5, 2.0, size=shape)
    return np.asarray(g, dtype=dtype)


# -- one call --------------------------------------------------------------------------------------------------


def call(subject: Subject, inputs: Sequence[Any], g: Any) -> tuple[list[Any], list[Finding], list[str]]:
    """Call the rule once on copies, and hold it to the contract: gradients, what is wrong, hazards."""
    xs = [copied(x) for x in inputs]
    out = subject.out(xs)
    findings = [
        Finding("mutation", FAIL, f"the forward writes into its input '{subject.names[i]}'", "mutation", _COPY)
        for i, (x, kept) in enumerate(zip(xs, inputs, strict=True))
        if isinstance(x, np.ndarray) and not same(x, kept)
    ]
    xs = [copied(x) for x in inputs]
    g = np.array(g, dtype=out.dtype)[()] if not np.ndim(g) else np.array(g, dtype=out.dtype)
    kept_out, kept_g = np.array(out), np.array(g)
    try:
        gradients = subject.gradients(g, out, xs)
    except ContractError as error:
        return [], [*findings, Finding("result", FAIL, str(error), error.kind)], []
    except Exception as error:
        message = f"the rule raised {type(error).__name__}: {error!s:.200}"
        return [], [*findings, Finding("raises", FAIL, message, "raises")], []
    for name, now, before in (("its cotangent g", g, kept_g), ("the output of the forward", out, kept_out)):
        if not same(now, before):
            findings.append(Finding("mutation", FAIL, f"the rule writes into {name}", "mutation", _COPY))
    for i, (x, kept) in enumerate(zip(xs, inputs, strict=True)):
        if isinstance(x, np.ndarray) and not same(x, kept):
            findings.append(
                Finding("mutation", FAIL, f"the rule writes into its input '{subject.names[i]}'", "mutation", _COPY)
            )
    findings += [f for i in subject.moving for f in _form(subject, i, gradients[i], inputs[i])]
    return gradients, findings, _hazards(subject, gradients, g, out, xs)


_COPY = "copy before changing: x = x.copy(), or write x = x * 2 for x *= 2"


def _form(subject: Subject, i: int, gx: Any, x: Any) -> Iterator[Finding]:
    """Whether one gradient has the shape and dtype of its input."""
    name = subject.names[i]
    if gx is None:
        return
    if not isinstance(gx, (np.ndarray, np.generic, float)):
        try:
            gx = np.asarray(gx)
        except Exception:
            gx = None
        if gx is None or gx.dtype.kind not in "fiu":
            yield Finding("shape", FAIL, f"the gradient of '{name}' is no array", "shape")
            return
    if np.shape(gx) != x.shape:
        yield Finding(
            "shape",
            FAIL,
            f"the gradient of '{name}' has shape {np.shape(gx)}, the input {x.shape}",
            _shape_diagnosis(np.shape(gx), x.shape),
            _shape_hint(np.shape(gx), x.shape),
        )
    dtype = getattr(gx, "dtype", np.dtype(np.float64))
    if dtype.newbyteorder("=") != x.dtype.newbyteorder("="):
        yield Finding(
            "dtype",
            FAIL,
            f"the gradient of '{name}' is {dtype}, the input {x.dtype}",
            "dtype",
            f"return it as {x.dtype}: compute with arrays of the input's dtype, or end with .astype(x.dtype)",
        )


def _shape_diagnosis(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    try:
        if (
            found != shape
            and np.broadcast_shapes(found, shape) == found
            and len(found) >= len(shape)
            and np.prod(found) > np.prod(shape)
        ):
            return "not summed"
    except ValueError:
        pass
    return "transposed" if found == shape[::-1] and found != shape else "shape"


def _shape_hint(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    kind = _shape_diagnosis(found, shape)
    if kind == "not summed":
        return "sum it over the axes along which the input was broadcast"
    return "it is transposed" if kind == "transposed" else "reshape it, or keep reduced axes with keepdims=True"


def _hazards(subject: Subject, gradients: Sequence[Any], g: Any, out: Any, xs: Sequence[Any]) -> list[str]:
    """Who shares memory with whom."""
    results = [(f"the gradient of '{subject.names[i]}'", gradients[i]) for i in subject.moving]
    others = [("the cotangent g", g), ("the output of the forward", out)]
    others += [(f"the input '{subject.names[i]}'", x) for i, x in enumerate(xs)]
    pairs = [(a, b) for a in results for b in others] + list(combinations(results, 2))
    pairs += [(("the output of the forward", out), b) for b in others[2:]]
    return [
        f"{a} shares memory with {b}"
        for (a, x), (b, y) in pairs
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and np.shares_memory(x, y)
    ]
