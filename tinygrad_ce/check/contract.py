"""The contract of a rule, which comes before its numbers.

A gradient has the shape and dtype of its input. Calling the rule changes nothing: not the inputs, not g, not the
output, not what an earlier call returned, not what the next call will return. The same call gives the same numbers,
whatever was called in between. Results that share memory with g, an input or each other are a hazard: they are right
today, and wrong as soon as somebody adds to one of them in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from time import perf_counter
from typing import Any

import numpy as np

from .findings import FAIL, Finding
from .precision import copied, same, ulps_apart
from .runs import Runs
from .subject import ContractError, Subject

REPEATS = 90  # catches noise in one call of twenty 99 times of 100
SECONDS = 1.0  # how long repeating may take; a slow rule is repeated less often, and the report says so
THREADED = 64.0  # units in the last place that threaded sums may differ by


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
    if dtype != x.dtype:
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


# -- many calls ------------------------------------------------------------------------------------------------


def repeated(subject: Subject, inputs: Sequence[Any], g: Any) -> tuple[list[Finding], str]:
    """The same call many times: the same numbers, or noise."""
    first: list[Any] | None = None
    start, calls, rounding = perf_counter(), 0, 0.0
    out = subject.out([copied(x) for x in inputs])
    while calls < REPEATS and (calls < 3 or perf_counter() - start < SECONDS):
        xs = [copied(x) for x in inputs]
        if calls < 25:
            again = subject.out(xs)
            if not same(again, out):
                apart = ulps_apart(again, out)
                if not apart <= THREADED:
                    return [
                        Finding(
                            "noise",
                            FAIL,
                            "the forward is not deterministic: the same inputs gave two results",
                            "noise",
                            "pass random numbers in as an input, or draw them from a generator seeded inside",
                        )
                    ], ""
                rounding = max(rounding, apart)
        try:
            found = subject.gradients(np.array(g), copied(out), [copied(x) for x in inputs])
        except Exception as error:
            return [
                Finding(
                    "state", FAIL, f"call {calls + 1} of the same rule raised {type(error).__name__}: {error}", "state"
                )
            ], ""
        calls += 1
        found = [copied(gx) for gx in found]
        if first is None:
            first = found
            continue
        for i in subject.moving:
            if found[i] is None or same(found[i], first[i]):
                continue
            apart = ulps_apart(found[i], first[i])
            if apart <= THREADED:
                rounding = max(rounding, apart)
                continue
            kind = _kind_of_change(subject, inputs, g, out, i, [first[i], found[i]])
            return [
                Finding(
                    "noise" if kind == "noise" else "state",
                    FAIL,
                    f"call {calls} with the same arguments returned another gradient of '{subject.names[i]}'",
                    kind,
                    "a rule depends on nothing but g, out and the inputs: no caches, counters or random numbers",
                )
            ], ""
    note = f"{calls} calls" + (
        f"; threaded sums differ by {rounding:.0f} ulp (rounding)" if rounding else ", bitwise the same"
    )
    return [], note


def _kind_of_change(subject: Subject, inputs: Sequence[Any], g: Any, out: Any, i: int, results: list[Any]) -> str:
    """Whether results that differ differ at random, or by something kept between calls."""
    for _ in range(3):
        results.append(copied(subject.gradients(np.array(g), copied(out), [copied(x) for x in inputs])[i]))
    steps = [np.asarray(b, dtype=float) - np.asarray(a, dtype=float) for a, b in pairwise(results)]
    grows = all(np.allclose(s, steps[-1], rtol=1e-6, atol=0) for s in steps[1:])  # the same is added each time
    settled = any(not np.any(s) for s in steps[1:])
    return "state" if grows or settled else "noise"


def in_any_order(subject: Subject, inputs: Sequence[Any], others: Sequence[Sequence[Any]], g: Any) -> list[Finding]:
    """A, B, A gives A again, also after B's forward alone, after a result was written to, an array changed in place."""
    out = subject.out([copied(x) for x in inputs])

    def again() -> list[Any]:
        return subject.gradients(np.array(g), copied(out), [copied(x) for x in inputs])

    try:
        expected = [copied(gx) for gx in again()]
        for other in others:
            usable = _usable(subject, other)
            if usable is None:
                continue
            out_b, g_b = usable
            finding = _differ(subject, again(), expected, "after the forward ran on other inputs")
            held = again()
            subject.gradients(g_b, out_b, [copied(x) for x in other])
            finding = finding or _differ(
                subject,
                held,
                expected,
                "in an earlier result, after a later call: it returns a buffer that it uses again",
            )
            finding = finding or _differ(subject, again(), expected, "after a call with other inputs")
            if finding:
                return [finding]
        for gx in again():
            if isinstance(gx, np.ndarray) and gx.flags.writeable:
                gx[...] = 7.0
        finding = _differ(
            subject, again(), expected, "after an earlier result was written to: it hands out what it keeps"
        )
    except Exception as error:
        text = f"called in another order the rule raised {type(error).__name__}: {error!s:.80}"
        return [Finding("state", FAIL, text, "state", _PURE)]
    return [finding] if finding else _changed_in_place(subject, inputs, others, g)


def _usable(subject: Subject, inputs: Sequence[Any]) -> tuple[Any, Any] | None:
    """The result at other inputs and a cotangent for it; None where they are no point for forward or rule."""
    try:
        out = subject.out([copied(x) for x in inputs])
        g = cotangent(out.shape, out.dtype, 3)
        subject.gradients(g, copied(out), [copied(x) for x in inputs])
        out = subject.out([copied(x) for x in inputs])
    except Exception:
        return None
    return (out, g) if np.all(np.isfinite(out)) else None


_PURE = "a rule depends on nothing but g, out and the inputs: keep no caches, buffers or counters between calls"


def _differ(subject: Subject, found: Sequence[Any], expected: Sequence[Any], when: str) -> Finding | None:
    for i in subject.moving:
        if found[i] is None or expected[i] is None or same(found[i], expected[i]):
            continue
        if ulps_apart(found[i], expected[i]) > THREADED:
            return Finding("state", FAIL, f"the gradient of '{subject.names[i]}' is another one {when}", "state", _PURE)
    return None


def _changed_in_place(
    subject: Subject, inputs: Sequence[Any], others: Sequence[Sequence[Any]], g: Any
) -> list[Finding]:
    """The same array object with new numbers in it: a cache by identity shows."""
    other = next((o for o in others if all(np.shape(a) == np.shape(b) for a, b in zip(o, inputs, strict=True))), None)
    if other is None:
        return []
    try:
        fresh_out = subject.out([copied(x) for x in other])
        fresh = subject.gradients(np.array(g), copied(fresh_out), [copied(x) for x in other])
        fresh = [copied(gx) for gx in fresh]
        xs = [copied(x) for x in inputs]
        subject.gradients(np.array(g), subject.out(xs), xs)
        for x, y in zip(xs, other, strict=True):
            if isinstance(x, np.ndarray) and x.shape == np.shape(y):
                x[...] = y
        out = subject.out(xs)
        found = subject.gradients(np.array(g), out, xs)
    except Exception:
        return []
    finding = _differ(
        subject, found, fresh, "after its input was changed in place: it remembers the array, not its numbers"
    )
    return [finding] if finding else []


# -- linearity -------------------------------------------------------------------------------------------------


def linear(runs: Runs, rtol: float) -> list[Finding]:
    """A gradient is linear in g: 0 for 0, a·g₁ + b·g₂ goes to a·v(g₁) + b·v(g₂), large or small."""
    subject, shape, dtype = runs.subject, runs.out.shape, runs.out.dtype
    g1, g2 = cotangent(shape, dtype, 11), cotangent(shape, dtype, 12)
    v1, v2 = runs.native(g1), runs.native(g2)
    zero = runs.native(np.zeros(shape, dtype))
    for i in subject.moving:
        if v1[i] is not None and np.any(np.asarray(zero[i]) != 0) and np.all(np.isfinite(v1[i])):
            return [_not_linear(subject, i, "it is not 0 for a cotangent of 0")]
    combos = [(1e3, 0.0), (1e-3, 0.0), (-1.0, 0.0), (1e-9, 0.0), (0.75, -1.25), (1.0, 1e-3)]
    wide1, wide2 = runs.wide(g1), runs.wide(g2)
    for a, b in combos:
        g = (a * g1 + b * g2).astype(dtype)
        both = runs.native(g)
        wide = runs.wide(a * g1.astype(np.float64) + b * g2.astype(np.float64)) if wide1 is not None else None
        for i in subject.moving:
            if both[i] is None or v1[i] is None or v2[i] is None:
                continue
            if _combines(
                both[i],
                v1[i],
                v2[i],
                a,
                b,
                max(rtol, 1e3 * float(np.finfo(v1[i].dtype).eps)) if hasattr(v1[i], "dtype") else rtol,
            ):
                continue
            if (
                wide is not None
                and wide1 is not None
                and wide2 is not None
                and _combines(wide[i], wide1[i], wide2[i], a, b, rtol)
            ):
                continue  # rounding alone
            what = f"v({a:g} g) is not {a:g} v(g)" if not b else "v(a g₁ + b g₂) is not a v(g₁) + b v(g₂)"
            same_for_all = same(both[i], v1[i]) and not b and a > 0
            if _noise_explains(runs, g1, g2, i, a, b, both[i], v1[i], v2[i], wide, wide1, wide2):
                continue
            return [_not_linear(subject, i, what, "g ignored" if same_for_all else "not linear")]
    return []


def _noise_explains(
    runs: Runs,
    g1: Any,
    g2: Any,
    i: int,
    a: float,
    b: float,
    both: Any,
    v1: Any,
    v2: Any,
    wide: Any,
    wide1: Any,
    wide2: Any,
) -> bool:
    """Whether what is missing is no more than rounding makes of the rule: its sums cancel to nothing."""

    def noise(use: Any, first: Any, second: Any, total: Any, scale: float) -> bool:
        left = np.abs(
            np.asarray(total, dtype=np.longdouble)
            - a * np.asarray(first, dtype=np.longdouble)
            - b * np.asarray(second, dtype=np.longdouble)
        )
        bar = abs(a) * use(g1, i, first, _all) + abs(b) * use(g2, i, second, _all)
        floor = np.max(bar, initial=0.0)
        return bool(np.all(left <= scale * (bar + 0.1 * floor)))

    if wide is not None and wide1 is not None and wide2 is not None:
        return noise(runs.wide_rounding, wide1[i], wide2[i], wide[i], 64.0)
    return noise(runs.spread, v1, v2, both, 32.0)


def _all(i: int, x: Any) -> Any:
    return np.asarray(x)


def _combines(both: Any, v1: Any, v2: Any, a: float, b: float, rtol: float) -> bool:
    x, y, z = (np.asarray(v, dtype=np.longdouble) for v in (both, v1, v2))
    with np.errstate(all="ignore"):
        size = np.abs(x) + abs(a) * np.abs(y) + abs(b) * np.abs(z)
        top = np.max(np.where(np.isfinite(size), size, 0), initial=0)
        bad = np.abs(x - (a * y + b * z)) > rtol * size + 1e-13 * float(top) + 1e-300
    return not bool(np.any(bad & np.isfinite(size)))


def _not_linear(subject: Subject, i: int, what: str, diagnosis: str = "not linear") -> Finding:
    return Finding(
        "linearity",
        FAIL,
        f"the gradient of '{subject.names[i]}' is not linear in g: {what}",
        diagnosis,
        "a vjp multiplies g by the Jacobian: no clipping, thresholds, signs or powers of g, and every term has g in it",
        where=subject.names[i],
    )
