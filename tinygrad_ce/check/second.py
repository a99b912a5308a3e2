"""The second order, and forward mode.

A rule may be right as a formula and wrong once it is differentiated in turn: where it takes something for constant that
moves. So the rule's own gradient is taken, as the engine takes it (through its NumPy functions, on Values), and
compared with differences of the rule, along random directions in every input at once: mixed derivatives are in that.
Differences of the rule are symmetric, or it is the gradient of nothing.

    second_order(subject)       <u, d/dx rule(g, f(x), x)> against differences, symmetric in its two directions
    forward_mode(subject)       <g, J t> by a forward sweep against <Jᵀ g, t> by the rule
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from ..choice import Choice, use_derivation
from ..derivation import Derivation
from ..held import moving as free
from ..held import noting
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
SECONDS = 3.0  # after which no further direction is tried


def second_order(subject: Subject) -> tuple[str, list[Finding], str]:
    """The gradient of <u, rule(g, f(x), x)> in x: differences of the rule, symmetric; and by the engine, the same."""
    if subject.order == 1:
        return PASS, [], "declared of order 1: the engine does not differentiate it"
    subject = replace(subject, inputs=tuple(_beside(subject)))
    try:
        with noting() as held:
            out = subject.out([copied(x) for x in subject.inputs])
    except Exception as error:  # beside the user's point f may have no value: rows that no longer sum to one, say
        return INCONCLUSIVE, [], f"not checked: {type(error).__name__}: {error!s:.90}"
    if not out.size or not np.all(np.isfinite(out)):
        return INCONCLUSIVE, [], "the result is not finite here"
    g = cotangent(out.shape, out.dtype, 31)
    compared, untraced, start = 0, "", perf_counter()
    for seed in range(DIRECTIONS):
        if perf_counter() - start > SECONDS:
            break
        u, v = _direction(subject, 40 + seed), _direction(subject, 50 + seed)
        try:
            n = _curvature(subject, g, u, v, bool(held))
            # With values held constant the rule is the gradient of no function of x alone.
            m = n if held else _curvature(subject, g, v, u, False)
        except Exception as error:
            return INCONCLUSIVE, [], f"not checked: {type(error).__name__}: {error!s:.90}"
        if not n.clear or not m.clear:
            continue
        compared += 1
        if n.apart(m.value, m.size, m.bar):
            return FAIL, [_not_symmetric(subject, n, m, g, u, v)], ""
        if untraced:
            continue
        try:
            traced = _traced_second(subject, g, u)
        except Exception as error:
            untraced = f"; not traced: the rule does not run on Values ({type(error).__name__}: {error!s:.80})"
            continue
        terms = [np.asarray(traced[i], dtype=HIGH) * v[i] for i in subject.moving]
        a, size = float(sum(np.sum(t) for t in terms)), float(sum(np.sum(np.abs(t)) for t in terms))
        if n.apart(a, size, 0.0):
            return FAIL, [_wrong(subject, a, n, size, g, u, v)], ""
    if not compared:
        return INCONCLUSIVE, [], "differences of the rule are too noisy here"
    how = "" if held else ", symmetric"
    return PASS, [], f"{compared} random directions{how}, mixed derivatives included{untraced}"


@dataclass(frozen=True)
class _Curvature:
    """<u, rule> differentiated along v, by differences: its value, error bar, and the size of what it is made of."""

    value: float
    bar: float
    size: float
    kinked: bool

    @property
    def clear(self) -> bool:
        return bool(np.isfinite(self.bar)) and self.bar <= 1e-2 * max(abs(self.value), self.size) and not self.kinked

    def apart(self, value: float, size: float, bar: float) -> bool:
        return abs(value - self.value) > 1e-6 * max(abs(self.value), abs(value), size) + 4.0 * (self.bar + bar)


def _curvature(subject: Subject, g: Any, u: dict[int, Any], v: dict[int, Any], held: bool) -> _Curvature:
    """Where f holds values constant, so do its rules; what a rule alone holds has been lost."""
    moving = subject.moving
    freed = nullcontext if held else free

    def terms(xs: list[Any]) -> list[Any]:
        out = subject.out([copied(x) for x in xs])
        with freed():
            found = subject.gradients(g.astype(xs[moving[0]].dtype), out, xs)
        return [np.asarray(found[i]) * u[i] for i in moving]

    near, _ = high(lambda xs: sum(np.sum(t) for t in terms(xs)), list(subject.inputs), moving)
    direction = {i: v[i].astype(near.inputs[i].dtype) for i in moving}
    s = directional(near, direction)
    sides = one_sided(near, direction)
    size = float(sum(np.sum(np.abs(t)) for t in terms([copied(x) for x in subject.inputs]))) * 1e-3
    return _Curvature(float(s.value), float(s.bar), size, bool(sides.kink) or bool(sides.jump))


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
    choice = Choice(_request(subject))
    swept = reverse(total, cast_like(np.asarray(1.0), total), choice, wanted=wanted) if total.requires_grad else {}
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
            _, op, _, options = subject.source
            out, choice = op.apply(tuple(leaves), options), Choice(_request(subject))
        else:
            _, f, derivation = subject.source
            out, choice = f(*leaves), Choice(derivation)
        wanted = {leaves[i].number: leaves[i] for i in subject.moving}
        seed = cast_like(Traced.leaf(np.asarray(g), False), out)
        first = reverse(out, seed, choice, wanted=wanted, create_graph=True)
        return sum(np.sum(first[leaves[i].number][1] * u[i]) for i in subject.moving if leaves[i].number in first)


def _request(subject: Subject) -> Any:
    """The derivation that is checked, as the engine is asked for it."""
    kind, *source = subject.source or ("",)
    if kind == "op":
        op, name, _ = source
        return name if name == "autodiff" else {op: name}
    return source[1] if kind == "function" else None


def _not_symmetric(subject: Subject, n: _Curvature, m: _Curvature, g: Any, u: Any, v: Any) -> Finding:
    return Finding(
        "second order",
        FAIL,
        f"its derivative is not symmetric: {n.value:.10g} ± {n.bar:.1g} one way, "
        f"{m.value:.10g} ± {m.bar:.1g} the other",
        "",
        "it is the gradient of no function beside your point: right there by chance, or a term of it is missing",
        value=n.value,
        truth=m.value,
        bar=n.bar,
        data={"inputs": list(subject.inputs), "g": g, "u": u, "v": v},
    )


def _wrong(subject: Subject, a: float, n: _Curvature, size: float, g: Any, u: Any, v: Any) -> Finding:
    detached = abs(a) < 1e-9 * max(abs(n.value), size)
    return Finding(
        "second order",
        FAIL,
        f"differentiated again, the rule gives {a:.10g} along a random direction, "
        f"differences of it {n.value:.10g} ± {n.bar:.1g}",
        "second order detached",
        "something that moves with the inputs is taken for constant in it"
        if detached
        else "a part of the rule has lost its past: use ops or NumPy functions throughout, or declare order=1",
        value=a,
        truth=n.value,
        bar=n.bar,
        data={"inputs": list(subject.inputs), "g": g, "u": u, "v": v},
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
    f, derivation = subject.source[1], _request(subject)
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
            with use_derivation(derivation):
                _, tangent = jvp(moved, [inputs[i] for i in moving], [t[i] for i in moving])
        except Exception as error:
            text = f"forward mode raised {type(error).__name__}: {error!s:.120}"
            return FAIL, [Finding("forward mode", FAIL, text, "raises", data={"inputs": inputs, "g": g})], ""
        pushed = np.asarray(plain(tangent))
        value, total = float(np.sum(pushed * g)), float(np.sum(np.abs(pushed * g)))
        # A forward sweep rounds by eps times the tangents that it carries, also where they cancel to nothing.
        carried = 4e-15 * float(sum(np.sum(np.abs(x)) for x in t.values())) * float(np.max(np.abs(g)))
        if abs(value - expected) > 1e-9 * max(size, total) + carried and np.isfinite(value) and np.isfinite(expected):
            text = f"<g, J t> is {value:.10g} in forward mode and {expected:.10g} in reverse"
            finding = Finding("forward mode", FAIL, text, value=value, truth=expected, data={"inputs": inputs, "g": g})
            return FAIL, [finding], ""
    return PASS, [], f"{DIRECTIONS} random directions agree with reverse mode"
