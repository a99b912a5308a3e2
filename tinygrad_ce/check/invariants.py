"""Invariants checked: what an op declares of its gradient, and what is true of every gradient.

    invariants(subject, declared, options)     a row of the report, and what is wrong

True of every gradient: it is 0 for a cotangent of 0, and the Hessian of <g, f>, as the engine computes it, is
symmetric. (That a rule is linear in g belongs to its contract.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..derivation import AssumptionError
from ..invariants import Claim, Invariant, Options, Probe
from .contract import cotangent
from .findings import FAIL, INCONCLUSIVE, PASS, Finding, Row
from .precision import copied, eps, raised
from .second import _direction, _traced_second
from .subject import Subject

TOLERANCE = 1e-9  # of the size of the terms: samples are well conditioned, and are evaluated in float64


def invariants(subject: Subject, declared: Sequence[Invariant], options: Options) -> tuple[Row, list[Finding]]:
    """Check every invariant at the subject's point, in float64."""
    inputs = tuple(raised(x, np.float64) for x in subject.inputs)
    held, findings = 0, []
    for number, invariant in enumerate((ZERO, _symmetric(subject), *declared)):
        if not invariant.when(options):
            continue
        probe = Probe(
            lambda xs: subject.out([copied(x) for x in xs]),
            lambda g, xs: _gradients(subject, g, xs),
            inputs,
            subject.names,
            options,
            subject.moving,
            np.random.default_rng([17, number]),
        )
        broken, counted = _verdict(invariant, probe)
        held += counted and broken is None
        if broken is not None:
            findings.append(broken)
    if findings:
        return Row("invariants", FAIL, findings[0].message), findings
    return Row("invariants", PASS if held else INCONCLUSIVE, f"{held} hold"), []


def _gradients(subject: Subject, g: Any, xs: Sequence[Any]) -> list[Any]:
    out = subject.out([copied(x) for x in xs])
    return subject.gradients(np.array(g, dtype=out.dtype), out, [copied(x) for x in xs])


def _verdict(invariant: Invariant, probe: Probe) -> tuple[Finding | None, bool]:
    """What breaks the invariant, if anything; and whether it said anything here."""
    counted = False
    try:
        for claim in invariant.claims(probe):
            counted = counted or np.size(claim.found) > 0
            at = _broken(claim)
            if at is not None:
                return _finding(invariant, claim, at), True
    except AssumptionError:  # it left what the derivation assumes
        return None, False
    except Exception as error:
        text = f"{invariant.text}: it raised {type(error).__name__}: {error!s:.120}"
        return Finding("invariants", FAIL, text, "raises"), True
    return None, counted


def _broken(claim: Claim) -> tuple[Any, Any, tuple[int, ...]] | None:
    found, expected, scale = np.broadcast_arrays(*map(np.asarray, (claim.found, claim.expected, claim.scale)))
    with np.errstate(all="ignore"):
        gap = np.abs(found - expected)
        bar = TOLERANCE * np.maximum(scale, np.abs(expected)) + 64.0 * eps(np.float64) * np.max(scale, initial=0.0)
        wrong = ~(gap <= np.maximum(bar, 1e-15)) & np.isfinite(expected)
    if not np.any(wrong):
        return None
    at = np.unravel_index(np.argmax(np.where(wrong, np.where(np.isfinite(gap), gap, np.inf), -1.0)), gap.shape)
    return found[at], expected[at], tuple(int(k) for k in at)


def _finding(invariant: Invariant, claim: Claim, at: tuple[Any, Any, tuple[int, ...]]) -> Finding:
    found, expected, index = at
    text = f"{invariant.text}: here {float(found):.6g} should be {float(expected):.6g}"
    return Finding(
        "invariants",
        FAIL,
        text,
        "invariant broken",
        "what the op declares of itself does not hold of this rule, whatever the numbers are",
        value=float(found),
        truth=float(expected),
        bar=TOLERANCE * float(np.max(claim.scale, initial=0.0)),
        data={"index": index},
    )


# -- of every gradient -----------------------------------------------------------------------------------------


def _zero(probe: Probe) -> Iterator[Claim]:
    gradients = probe.gradients(np.zeros(probe.out.shape), probe.inputs)
    for i in probe.moving:
        if gradients[i] is not None:
            yield Claim(gradients[i], 0.0, 0.0)


ZERO = Invariant("a cotangent of 0 gives a gradient of 0", _zero)


def _symmetric(subject: Subject) -> Invariant:
    def claims(probe: Probe) -> Iterator[Claim]:
        out = probe.out
        if subject.order == 1 or not out.size or not np.all(np.isfinite(out)):
            return
        u, v = _direction(subject, 70), _direction(subject, 71)
        g = cotangent(out.shape, out.dtype, 72)
        try:
            hu, hv = _traced_second(subject, g, u), _traced_second(subject, g, v)
        except Exception:  # a rule that does not run on Values: the row of the second order says so
            return
        terms = [(np.asarray(hu[i]) * v[i], np.asarray(hv[i]) * u[i]) for i in subject.moving]
        left, right = (float(sum(np.sum(t[k]) for t in terms)) for k in (0, 1))
        yield Claim(left, right, float(sum(np.sum(np.abs(t[0])) + np.sum(np.abs(t[1])) for t in terms)))

    return Invariant("the Hessian of <g, f> is symmetric", claims)
