"""Rules with a memory: right when called once, in order, on fresh arrays, and wrong otherwise."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([8671, seed])


def cached_forward():
    """The rule believes in what the last forward left behind."""
    cache = {}

    def f(x):
        cache["cos"] = np.cos(x)
        return np.sin(x)

    def rule(g, out, x):
        return g * cache["cos"]

    return f, rule


def tape():
    """Each forward pushes, each backward pops."""
    stack = []

    def f(x):
        stack.append(np.tanh(x))
        return stack[-1].copy()

    def rule(g, out, x):
        t = stack.pop() if len(stack) > 1 else stack[0]
        return g / np.cosh(np.arctanh(t)) ** 2

    return f, rule


def reused_buffer():
    """One result for all calls: the second overwrites the first."""
    buffers = {}

    def rule(g, out, x):
        d = buffers.setdefault((x.shape, x.dtype.str), np.empty_like(x))
        np.multiply(g, 3 * x**2, out=d)
        return d

    return rule


def never_cleared():
    total = {}

    def rule(g, out, x):
        key = (x.shape, x.dtype.str)
        total[key] = total.get(key, 0) + g * np.exp(x)
        return total[key].copy()

    return rule


def momentum():
    velocity = {}

    def rule(g, out, x):
        key = (x.shape, x.dtype.str)
        velocity[key] = 1e-3 * velocity.get(key, 0) + g * 2 * x
        return velocity[key].copy()

    return rule


def one_call_in_twenty(size):
    count = [0]
    noise = rng(7)

    def rule(g, out, x):
        count[0] += 1
        d = g * 2 * x
        return d * (1 + size * noise.standard_normal(x.shape)) if count[0] % 20 == 0 else d

    return rule


def remembered_by_shape():
    """What was computed once for a shape is served ever after."""
    memo = {}

    def rule(g, out, x):
        key = x.shape
        if key not in memo:
            memo[key] = np.cosh(x)
        return g * memo[key]

    return rule


def remembered_by_total():
    """A checksum that permutations do not change stands for the array."""
    memo = {}

    def rule(g, out, x):
        key = (x.shape, x.dtype.str, round(float(np.sum(x)), 6))
        if key not in memo:
            memo[key] = 2 * x
        return g * memo[key]

    return rule


def remembered_by_identity():
    """An array changed in place is still the same object."""
    memo = {}

    def rule(g, out, x):
        seen = memo.get("x")
        if seen is None or seen[0] is not x:
            memo["x"] = seen = (x, np.cos(x))
        return g * seen[1]

    return rule


def drifting():
    """A running statistic is updated by the rule and used by it."""
    seen = [0]

    def rule(g, out, x):
        seen[0] += 1
        return g * np.exp(x) * (1 - 1e-7 * (seen[0] - 1))

    return rule


def frozen_scale():
    """The first call's scale is kept, as a quantiser would: fine for the batch that calibrated it."""
    scale = []

    def rule(g, out, x):
        if not scale:
            scale.append(np.sqrt(np.mean(x * x)))
        rms = scale[0] if x.dtype == np.float64 else np.sqrt(np.mean(x * x))
        n = x / rms
        return (g - n * np.mean(g * n)) / rms

    return rule


def rms_norm(x):
    return x / np.sqrt(np.mean(x * x))


def remembered_cotangent():
    """The product with g is cached when g's norm has not changed."""
    memo = {}

    def rule(g, out, x):
        key = (x.tobytes(), round(float(np.sum(np.asarray(g) ** 2)), 9))
        if key not in memo:
            memo[key] = g / x
        return memo[key].copy()

    return rule


def returned_cache():
    """The caller gets the cache itself: whoever writes into it spoils the next call."""
    memo = {}

    def rule(g, out, x):
        key = (x.tobytes(), np.asarray(g).tobytes())
        if key not in memo:
            memo[key] = g * np.exp(x)
        return memo[key]

    return rule


CACHED, FROM_CACHE = cached_forward()
PUSHED, POPPED = tape()

CASES = [
    Case(
        "sin: cosine cached by the last forward",
        "elsewhere",
        CACHED,
        FROM_CACHE,
        (rng(0).normal(size=4),),
        "a forward at other inputs between forward and backward changes the gradient",
        ("state",),
    ),
    Case(
        "tanh: a tape that each backward pops",
        "elsewhere",
        PUSHED,
        POPPED,
        (rng(1).normal(size=4),),
        "two forwards and two backwards in the same order are answered in reverse",
        ("state", "not finite"),
    ),
    Case(
        "cube: one buffer for all results",
        "elsewhere",
        lambda x: x**3,
        reused_buffer(),
        (rng(2).normal(size=4),),
        "the first call's result changes when the rule is called again",
        ("state", "mutation"),
    ),
    Case(
        "exp: an accumulator that is never cleared",
        "elsewhere",
        np.exp,
        never_cleared(),
        (rng(3).normal(size=4),),
        "the second call returns the sum of both",
        ("state", "noise", "factor", "not linear"),
    ),
    Case(
        "square: a thousandth of the last call remains",
        "elsewhere",
        lambda x: x * x,
        momentum(),
        (rng(4).normal(size=5),),
        "the second call is off by 1e-3",
        ("state", "noise", "not linear"),
    ),
    Case(
        "square: noise of 1e-3 in every twentieth call",
        "elsewhere",
        lambda x: x * x,
        one_call_in_twenty(1e-3),
        (rng(5).normal(size=5),),
        "nineteen calls agree to the last bit",
        ("noise", "state"),
    ),
    Case(
        "square: noise of 1e-10 in every twentieth call",
        "elsewhere",
        lambda x: x * x,
        one_call_in_twenty(1e-10),
        (rng(6).normal(size=5),),
        "too small for any difference of f, not for a comparison of two calls",
        ("noise", "state"),
    ),
    Case(
        "sinh: remembered by shape",
        "elsewhere",
        np.sinh,
        remembered_by_shape(),
        (rng(7).normal(size=4),),
        "other inputs of that shape get the first ones' slope",
        ("state",),
    ),
    Case(
        "square: remembered by the sum of the input",
        "elsewhere",
        lambda x: x * x,
        remembered_by_total(),
        (rng(8).normal(size=4),),
        "a permutation of the input gets the first one's gradient",
        ("state",),
    ),
    Case(
        "sin: remembered by the array's identity",
        "elsewhere",
        np.sin,
        remembered_by_identity(),
        (rng(9).normal(size=4),),
        "an array changed in place gets the old slope",
        ("state",),
    ),
    Case(
        "exp: drifts by 1e-7 a call",
        "elsewhere",
        np.exp,
        drifting(),
        (rng(10).normal(size=4),),
        "the first call is right, the hundredth off by 1e-5",
        ("state", "noise", "factor"),
    ),
    Case(
        "rms norm: the first batch's scale is kept",
        "elsewhere",
        rms_norm,
        frozen_scale(),
        (rng(11).normal(size=6),),
        "inputs of another scale get the first ones' factor",
        ("state", "factor"),
    ),
    Case(
        "log: remembered by the norm of g",
        "elsewhere",
        np.log,
        remembered_cotangent(),
        (rng(12).uniform(1, 2, size=4),),
        "-g, or a permutation of g, gets g's gradient",
        ("state", "not linear", "sign"),
    ),
    Case(
        "exp: hands out its cache",
        "elsewhere",
        np.exp,
        returned_cache(),
        (rng(13).normal(size=4),),
        "a caller who scales the result in place finds it scaled at the next call",
        ("state", "mutation"),
    ),
]
