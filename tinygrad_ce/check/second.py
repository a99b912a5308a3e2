"""The second order, and forward mode.

A rule may be right as a formula and wrong once it is differentiated in turn: where it takes something for constant that
moves. So the rule's own gradient is taken, as the engine takes it (through its NumPy functions, on Values), and
compared with differences of the rule, along random directions in every input at once: mixed derivatives are in that.

    second_order(subject)       <u, d/dx rule(g, f(x), x)> against differences, symmetric in its two directions
    forward_mode(subject)       <g, J t> by a forward sweep against <Jᵀ g, t> by the rule
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..choice import Choice
from ..derivation import Derivation
from ..identities import cast_like
from ..node import Node, plain, recorded
from ..op import Op
from ..sweep import reverse
from .contract import cotangent
from .differences import directional, one_sided
from .findings import FAIL, INCONCLUSIVE, PASS, Finding
from .nearby import high
from .precision import HIGH, copied, raised, typical
from .subject import Subject
from .tracing import Traced

DIRECTIONS = 3


def second_order(subject: Subject) -> tuple[str, list[Finding], str]:
    """The gradient of <u, rule(g, f(x), x)> in x and in g, by the engine, against differences of the rule."""
    if subject.order == 1:
        return PASS, [], "declared of order 1: the engine does not differentiate it"
    subject = replace(subject, inputs=tuple(_beside(subject)))
    inputs, moving = list(subject.inputs), subject.moving
    out = subject.out([copied(x) for x in inputs])
    if not out.size or not np.all(np.isfinite(out)):
        return INCONCLUSIVE, [], "the result is not finite here"
    g = cotangent(out.shape, out.dtype, 31)

    def contracted(u: dict[int, Any]) -> Any:
        def rule(xs: list[Any]) -> Any:
            found = subject.gradients(g.astype(xs[moving[0]].dtype), subject.out([copied(x) for x in xs]), xs)
            return sum(np.sum(np.asarray(found[i]) * u[i]) for i in moving)

        return rule

    compared = 0
    for seed in range(DIRECTIONS):
        u, v = _direction(subject, 40 + seed), _direction(subject, 50 + seed)
        try:
            traced = _traced_second(subject, g, u)
        except Exception as error:
            return (
                INCONCLUSIVE,
                [],
                f"not checked: the rule does not run on Values ({type(error).__name__}: {error!s:.90})",
            )
        try:
            near, _ = high(contracted(u), inputs, moving)
            s = directional(near, {i: v[i].astype(near.inputs[i].dtype) for i in moving})
        except Exception as error:
            return INCONCLUSIVE, [], f"not checked: {type(error).__name__}: {error!s:.90}"
        n, bar = float(s.value), float(s.bar)
        terms = [np.asarray(traced[i], dtype=HIGH) * v[i] for i in moving]
        a, size = float(sum(np.sum(t) for t in terms)), float(sum(np.sum(np.abs(t)) for t in terms))
        if not np.isfinite(bar) or bar > 1e-2 * max(abs(n), size):
            continue
        compared += 1
        if abs(a - n) > 1e-6 * max(abs(n), size) + 4 * bar:
            kinks = one_sided(near, {i: v[i].astype(near.inputs[i].dtype) for i in moving})
            if bool(kinks.kink) or bool(kinks.jump):
                continue
            return FAIL, [_wrong(subject, a, n, bar, size, inputs, g, u, v)], ""
    if not compared:
        return INCONCLUSIVE, [], "differences of the rule are too noisy here"
    return PASS, [], f"{compared} random directions, mixed derivatives included"


def _beside(subject: Subject) -> list[Any]:
    """A point beside the user's: at a kink inside the rule (|x| at 0), tracing it takes a convention."""
    rng = np.random.default_rng(8)
    found = []
    for i, x in enumerate(subject.inputs):
        if i in subject.moving:
            size = np.where(x == 0, typical(x), np.abs(x))
            step = 1e-3 * rng.uniform(0.2, 1.0, size=x.shape) * np.where(np.isfinite(size), size, 0.0)
            x = (x + step).astype(x.dtype)
        found.append(x)
    return found


def _direction(subject: Subject, seed: int) -> dict[int, Any]:
    rng = np.random.default_rng(seed)
    found = {}
    for i in subject.moving:
        x = np.asarray(subject.inputs[i], dtype=np.float64)
        size = np.where(x == 0, typical(x), np.abs(x))
        found[i] = (
            rng.choice([-1.0, 1.0], size=x.shape)
            * rng.uniform(0.5, 1.0, size=x.shape)
            * np.where(np.isfinite(size), size, 0)
        )
    return found


def _traced_second(subject: Subject, g: Any, u: dict[int, Any]) -> dict[int, Any]:
    """The engine's gradient of <u, rule> in the inputs, through a trace of the rule."""
    try:
        return _traced_in(HIGH, subject, g, u)
    except Exception:
        return _traced_in(np.float64, subject, g, u)


def _traced_in(dtype: Any, subject: Subject, g: Any, u: dict[int, Any]) -> dict[int, Any]:
    leaves = [Traced.leaf(raised(x, dtype)) if i in subject.moving else x for i, x in enumerate(subject.inputs)]
    total = _through_engine(subject, leaves, g, u)
    if not isinstance(total, Node):
        return {i: np.zeros_like(leaves[i].data) for i in subject.moving}
    wanted = {leaves[i].number: leaves[i] for i in subject.moving}
    swept = reverse(total, cast_like(np.asarray(1.0), total), Choice(), wanted=wanted) if total.requires_grad else {}
    return {
        i: swept[leaves[i].number][1] if leaves[i].number in swept else np.zeros_like(leaves[i].data)
        for i in subject.moving
    }


def _through_engine(subject: Subject, leaves: list[Any], g: Any, u: dict[int, Any]) -> Any:
    """<u, gradient> as a Value, the gradient swept by the derivation that is checked."""
    kind = subject.source[0]
    with recorded(True):
        if kind == "rule":
            # As the engine would use it: an op with this rule as its derivation, the output's gradient by the rule too.
            op = Op(lambda *arrays: subject.forward(*arrays), name=subject.name)
            op.add(Derivation("given", lambda g, out, inputs, params, needed: subject.gradients(g, out, inputs)))
            out, choice = op.apply(tuple(leaves), {}), Choice()
        elif kind == "op":
            _, op, name, options = subject.source
            out = op.apply(tuple(leaves), options)
            choice = Choice(name if name == "autodiff" else {op: name})
        else:
            out = subject.source[1](*leaves)
            choice = Choice()
        wanted = {leaves[i].number: leaves[i] for i in subject.moving}
        seed = cast_like(Traced.leaf(np.asarray(g), False), out)
        first = reverse(out, seed, choice, wanted=wanted, create_graph=True)
        return sum(np.sum(first[leaves[i].number][1] * u[i]) for i in subject.moving if leaves[i].number in first)


def _wrong(
    subject: Subject, a: float, n: float, bar: float, size: float, inputs: Any, g: Any, u: Any, v: Any
) -> Finding:
    detached = abs(a) < 1e-9 * max(abs(n), size)
    return Finding(
        "second order",
        FAIL,
        f"differentiated again, the rule gives {a:.10g} along a random direction, "
        f"differences of it {n:.10g} ± {bar:.1g}",
        "second order detached",
        "something that moves with the inputs is taken for constant in it"
        if detached
        else "a part of the rule has lost its past: use ops or NumPy functions throughout, or declare order=1",
        value=a,
        truth=n,
        bar=bar,
        data={"inputs": inputs, "g": g, "u": u, "v": v},
    )


def forward_mode(subject: Subject) -> tuple[str, list[Finding], str]:
    """<g, J t> by a forward sweep against <Jᵀ g, t> by the rule, which has been checked."""
    from ..transforms import jvp

    if subject.source and subject.source[0] == "rule":
        return PASS, [], "a rule in plain NumPy has none of its own"
    inputs = [raised(x, np.float64) for x in subject.inputs]
    out = subject.out([copied(x) for x in inputs])
    if not out.size or not np.all(np.isfinite(out)):
        return INCONCLUSIVE, [], "the result is not finite here"
    moving = subject.moving
    f = subject.source[1]
    if subject.source[0] == "op":
        op, options = subject.source[1], subject.source[3]

        def f(*xs: Any) -> Any:
            return op.apply(tuple(xs), options)

    for seed in range(DIRECTIONS):
        t = _direction(subject, 60 + seed)
        g = cotangent(out.shape, np.float64, 61 + seed)
        found = subject.gradients(g, out, inputs)
        terms = [np.asarray(found[i]) * t[i] for i in moving]
        expected, size = float(sum(np.sum(x) for x in terms)), float(sum(np.sum(np.abs(x)) for x in terms))

        def moved(*xs: Any) -> Any:
            whole = list(inputs)
            for i, x in zip(moving, xs, strict=True):
                whole[i] = x
            return f(*whole)

        try:
            _, tangent = jvp(moved, [inputs[i] for i in moving], [t[i] for i in moving])
        except Exception as error:
            text = f"forward mode raised {type(error).__name__}: {error!s:.120}"
            return FAIL, [Finding("forward mode", FAIL, text, "raises", data={"inputs": inputs, "g": g})], ""
        pushed = np.asarray(plain(tangent))
        value, total = float(np.sum(pushed * g)), float(np.sum(np.abs(pushed * g)))
        if abs(value - expected) > 1e-9 * max(size, total) and np.isfinite(value) and np.isfinite(expected):
            text = f"<g, J t> is {value:.10g} in forward mode and {expected:.10g} in reverse"
            finding = Finding("forward mode", FAIL, text, value=value, truth=expected, data={"inputs": inputs, "g": g})
            return FAIL, [finding], ""
    return PASS, [], f"{DIRECTIONS} random directions agree with reverse mode"
