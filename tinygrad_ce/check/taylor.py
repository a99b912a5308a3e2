"""The Taylor test: how fast f(x + h v) leaves f(x) + h <gradient, v> as h shrinks.

Halve h, and the remainder of a right gradient falls by four (slope 2), that of a wrong one by two (slope 1). It needs
no derivative of its own and no division by a small step, so it speaks at saturated points too, where differences have
little to say.

    taylor(subject, inputs, g)      a Taylor: the steps, the remainders, the slope, a verdict
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .findings import FAIL, INCONCLUSIVE, PASS
from .nearby import high
from .precision import HIGH, copied, typical
from .subject import Subject

STEPS = tuple(2.0**-k for k in range(2, 31))
RIGHT, WRONG = 1.7, 1.3  # slopes above and below which a verdict is given
WINDOW = 4  # steps in a row, each half of the one before, over which a slope is taken


@dataclass(frozen=True)
class Taylor:
    """Remainders along one direction.

    Attributes
    ----------
    steps, remainders, noise : tuples of float
        h, |φ(x + h v) − φ(x) − h <gradient, v>| with φ = <g, f>, and what rounding makes of it there.
    slope : float
        Of log remainder over log h, where the remainder is above the noise and h is smallest; nan where it never is.
    verdict : str
        PASS (slope about 2 or more, or a remainder that is rounding alone), FAIL (about 1), INCONCLUSIVE.
    """

    steps: tuple[float, ...]
    remainders: tuple[float, ...]
    noise: tuple[float, ...]
    slope: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        slope = self.slope if np.isfinite(self.slope) else None
        return {"steps": self.steps, "remainders": self.remainders, "slope": slope, "verdict": self.verdict}


def taylor(
    subject: Subject, inputs: Sequence[Any] | None = None, g: Any = None, *, seed: int = 0, only: int | None = None
) -> Taylor:
    """The Taylor test of a subject's rule at a point, along a random direction.

    `only`: move that input alone; by default all that have a gradient.
    """
    inputs = [copied(x) for x in (subject.inputs if inputs is None else inputs)]
    moving = subject.moving if only is None else (only,)
    rng = np.random.default_rng(seed)
    out = subject.out([copied(x) for x in inputs])
    g = rng.choice([-1.0, 1.0], size=out.shape) * rng.uniform(0.5, 2.0, size=out.shape) if g is None else np.asarray(g)
    gradients = subject.gradients(np.asarray(g, dtype=out.dtype), out, [copied(x) for x in inputs])
    weights = np.asarray(g, dtype=HIGH)
    near, _ = high(lambda xs: np.sum(np.asarray(subject.out(xs)) * weights), inputs, moving)
    direction = {i: _direction(inputs[i], rng).astype(near.inputs[i].dtype) for i in moving}
    slope = sum(float(np.sum(np.asarray(gradients[i], dtype=HIGH) * direction[i])) for i in moving)
    return remainders(lambda h: near.along(direction, h), near.base, slope, near.noise)


def _direction(x: Any, rng: np.random.Generator) -> Any:
    size = np.where(x == 0, typical(x), np.abs(x))
    return np.where(np.isfinite(size), rng.choice([-1.0, 1.0], size=np.shape(x)) * size, 0.0)


def remainders(
    along: Callable[[float], Any], base: Any, slope: Any, noise: Callable[[float], Any] = lambda relative: 0.0
) -> Taylor:
    """The test in one dimension: φ(h), φ(0), and the slope claimed at 0."""
    found, floors = [], []
    for h in STEPS:
        with np.errstate(all="ignore"):
            value = np.asarray(along(h), dtype=HIGH)
            found.append(float(np.abs(value - base - h * np.asarray(slope, dtype=HIGH))))
            unit = float(np.finfo(np.asarray(base).dtype).eps)
            floors.append(float(4.0 * np.max(noise(h)) + 4.0 * unit * (np.abs(value) + np.abs(h * slope))))
    exponent = _slope(found, floors)
    return Taylor(STEPS, tuple(found), tuple(floors), exponent, _verdict(exponent, found, floors))


def _slope(found: Sequence[float], floors: Sequence[float]) -> float:
    """The slope over the last steps at which every remainder stands clear of the noise."""
    for end in range(len(STEPS), WINDOW - 1, -1):
        r, n = np.array(found[end - WINDOW : end]), np.array(floors[end - WINDOW : end])
        if np.all(np.isfinite(r)) and np.all(r > 32.0 * n):
            return float(np.polyfit(np.log(STEPS[end - WINDOW : end]), np.log(r), 1)[0])
    return float("nan")


def _verdict(slope: float, found: Sequence[float], floors: Sequence[float]) -> str:
    if np.isfinite(slope):
        return PASS if slope > RIGHT else FAIL if slope < WRONG else INCONCLUSIVE
    clear = [r > 32.0 * n for r, n in zip(found, floors, strict=True) if np.isfinite(r)]
    return PASS if clear and not any(clear) else INCONCLUSIVE
