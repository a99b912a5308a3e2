"""The same call gives the same numbers, whatever was called before, between or after it.

repeated            the same call many times
in_any_order        A, B, A; a result that was written to; an array that was changed in place
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

from .contract import cotangent
from .findings import FAIL, Finding
from .precision import copied, same, ulps_apart
from .subject import Subject

REPEATS = 90  # catches noise in one call of twenty 99 times of 100
SECONDS = 1.0  # how long repeating may take; a slow rule is repeated less often, and the report says so
THREADED = 64.0  # units in the last place that threaded sums may differ by


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
