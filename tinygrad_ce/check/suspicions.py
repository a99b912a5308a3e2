"""The usual mistakes, each a function that says whether it explains the evidence.

A suspicion gets what the rule says and what is true for a few cotangents, and returns the mistake's name with what to
look at, or None. They are tried in the order of SUSPICIONS, the most particular first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .precision import HIGH
from .subject import Subject

FITS = 1e-6  # a suspicion explains a residual when it leaves this much of it


@dataclass
class Evidence:
    """What the rule says and what is true, for a few cotangents: arrays of the input's shape."""

    subject: Subject
    i: int
    x: Any
    out: Any
    cotangents: list[Any]
    found: list[Any]
    wide: list[Any] | None
    true: list[Any]
    jacobian: Any  # (entries, outputs)
    whole: bool  # every entry was looked at
    others: dict[int, list[Any]]  # the true gradients of the other inputs, where they have this one's shape
    run: Callable[[Any], Any]  # the rule's gradient of this input for a cotangent

    def fits(self, guesses: list[Any], tolerance: float = FITS) -> bool:
        """Whether guesses at the rule's gradients are what it found."""
        for a, b in zip(self.found, guesses, strict=True):
            if np.shape(a) != np.shape(b):
                return False
            scale = np.max(np.abs(a), initial=0.0) + np.max(np.abs(b), initial=0.0)
            if not np.all(np.abs(a - b) <= tolerance * scale):
                return False
        return any(np.any(a != 0) for a in self.found) or all(not np.any(b) for b in guesses)

    @property
    def residuals(self) -> list[Any]:
        return [a - n for a, n in zip(self.found, self.true, strict=True)]


Suspicion = Callable[[Evidence], "tuple[str, str] | None"]


def _not_finite(e: Evidence) -> tuple[str, str] | None:
    if any(not np.all(np.isfinite(a)) for a in e.found):
        return "not finite", "it is inf or nan where f is smooth: an overflow, 0/0 or 0·inf inside the rule"
    return None


def _sign(e: Evidence) -> tuple[str, str] | None:
    if e.fits([-n for n in e.true]):
        return "sign", "it is the gradient with the wrong sign"
    return None


def _rounding(e: Evidence) -> tuple[str, str] | None:
    if e.wide is not None and any(np.any(a != w) for a, w in zip(e.found, e.wide, strict=True)):
        close = all(
            np.all(np.abs(w - n) <= 1e-3 * np.abs(a - n)) for a, w, n in zip(e.found, e.wide, e.true, strict=True)
        )
        if close:
            return "cancellation", "the formula is right and loses its digits: its terms cancel, or overflow"
    worst = max(
        float(np.max(np.abs(r) / np.maximum(np.abs(n), 1e-300), initial=0.0))
        for r, n in zip(e.residuals, e.true, strict=True)
    )
    factors = [float(np.sum(a * n) / np.sum(n * n)) - 1 for a, n in zip(e.found, e.true, strict=True) if np.any(n)]
    if worst < 1e-2 and factors and all(abs(f) < 0.7 * worst for f in factors) and _random(e):
        return (
            "cancellation",
            "it is right to the digits of a narrower float: an intermediate is cast, or digits cancel",
        )
    return None


def _random(e: Evidence) -> bool:
    """Whether relative residuals are of both signs and one size, as rounding's are."""
    r = np.concatenate([np.ravel((a - n) / n) for a, n in zip(e.found, e.true, strict=True)])
    r = r[np.isfinite(r) & (r != 0)]
    return bool(len(r) > 3 and np.any(r > 0) and np.any(r < 0) and np.max(np.abs(r)) < 3e-7)


def _factor(e: Evidence) -> tuple[str, str] | None:
    top = [np.sum(n * n) for n in e.true]
    if not all(t > 0 for t in top):
        return None
    c = [np.sum(a * n) / t for a, n, t in zip(e.found, e.true, top, strict=True)]
    if all(not np.any(a) for a in e.found):
        return "term missing", "the rule returns zeros"
    off = abs(float(c[0]) - 1.0)
    if max(c) - min(c) > min(1e-6, 1e-2 * off) * max(map(abs, c)) or c[0] == 0:
        return None
    if not e.fits([k * n for k, n in zip(c, e.true, strict=True)], min(FITS, 1e-2 * off)):
        return None
    return "factor", f"it is {_number(float(c[0]), e)} times the gradient"


def _number(c: float, e: Evidence) -> str:
    """A factor, by the name of the size that it probably is."""
    sizes = {f"the size of axis {k} of '{e.subject.names[e.i]}'": n for k, n in enumerate(e.x.shape) if n > 1}
    sizes |= {f"the number of entries of '{e.subject.names[e.i]}'": e.x.size, "the number of results": e.out.size}
    for text, n in sizes.items():
        for value, spelt in ((float(n), str(n)), (1.0 / max(n, 1), f"1/{n}")):
            if n > 1 and abs(c - value) < 1e-5 * value:
                return f"{spelt} ({text})"
    near = round(c * 12) / 12
    return f"{near:g}" if abs(near - c) < 1e-9 else f"{c:.9g}"


def _transposed(e: Evidence) -> tuple[str, str] | None:
    if not e.whole:
        return None
    if e.x.ndim > 1 and e.x.shape[-1] == e.x.shape[-2] and e.fits([np.swapaxes(n, -1, -2) for n in e.true]):
        return "transposed", "it is the transpose of the gradient"
    if e.x.ndim > 1 and e.fits([np.transpose(n).reshape(e.x.shape) for n in e.true]):
        return "transposed", "its entries stand in the order of the transpose"
    if e.out.size == e.x.size and e.fits(
        [(e.jacobian.T @ g.ravel().astype(HIGH)).reshape(e.x.shape) for g in e.cotangents]
    ):
        return "transposed", "it is J g and not Jᵀ g: the Jacobian, or a matrix in it, is not transposed"
    if e.out.size > 1 and all(_permuted(a, n) for a, n in zip(e.found, e.true, strict=True)):
        return "transposed", "it has the numbers of the gradient in other places: a wrong order of axes or indices"
    return None


def _permuted(found: Any, true: Any) -> bool:
    a, n = np.ravel(found), np.ravel(true)
    if np.all(np.abs(a - n) <= 1e-3 * np.max(np.abs(n), initial=0.0)):
        return False
    a, n = np.sort(a), np.sort(n)
    return a.size > 3 and bool(np.all(np.abs(a - n) <= FITS * np.max(np.abs(n), initial=0.0))) and len(np.unique(n)) > 3


def _exchanged(e: Evidence) -> tuple[str, str] | None:
    for k in e.subject.moving:
        if k != e.i and e.others.get(k) is not None and e.fits(e.others[k]):
            return "transposed", f"it is the gradient of '{e.subject.names[k]}': the two are exchanged"
    return None


def _other_cotangent(e: Evidence) -> tuple[str, str] | None:
    """The true rule, with something else in g's place."""
    shape = np.shape(e.true[0])

    def through(change: Callable[[Any], Any]) -> list[Any]:
        changed = [np.broadcast_to(change(g), g.shape).ravel().astype(HIGH) for g in e.cotangents]
        return [(e.jacobian @ g).reshape(shape) for g in changed]

    if e.out.size < 2:
        return None
    if e.fits(through(np.mean)) or e.fits(through(lambda g: g.ravel()[0])):
        return "g ignored", "one number stands in place of g"
    for axis, n in enumerate(e.out.shape):
        if n > 1 and e.fits(through(lambda g, axis=axis: np.mean(g, axis=axis, keepdims=True))):  # type: ignore[misc]
            return "axis", f"g is averaged along axis {axis}"
        if n > 1 and e.fits(through(lambda g, axis=axis: np.take(g, [0], axis=axis))):  # type: ignore[misc]
            return "g ignored", f"the first entry of g along axis {axis} stands for all"
    if e.fits(through(np.abs)):
        return "not linear", "|g| stands in place of g"
    return None


def _wrong_sum(e: Evidence) -> tuple[str, str] | None:
    """Contributions summed over other axes of the output than those along which the input was broadcast."""
    if not e.whole or e.out.ndim < 2 or e.x.size < 2:
        return None
    shares = [np.sum(e.jacobian * g.ravel().astype(HIGH), axis=0).reshape(e.out.shape) for g in e.cotangents]
    for axis, n in enumerate(e.out.shape):
        if n == e.x.size:
            others = tuple(k for k in range(e.out.ndim) if k != axis)
            if e.fits([np.sum(s, axis=others).reshape(e.x.shape) for s in shares]):
                return "not summed", f"it is summed so that axis {axis} of the output is left: the wrong axes"
    return None


def _pattern(e: Evidence) -> tuple[str, str] | None:
    """Which entries the rule couples, beside those that f couples."""
    if not e.whole or e.out.size > 64 or e.out.size < 2 or e.x.size > 400:
        return None
    columns = []
    for k in range(e.out.size):
        g = np.zeros(e.out.size, e.out.dtype)
        g[k] = 1.0
        columns.append(np.ravel(e.run(g.reshape(e.out.shape))))
    mine = np.stack(columns, axis=1)
    theirs = np.abs(e.jacobian) > 1e-12 * np.max(np.abs(e.jacobian), initial=0.0)
    extra = (np.abs(mine) > 1e-12 * np.max(np.abs(mine), initial=0.0)) & ~theirs
    if np.any(extra):
        if np.all(np.abs(np.where(extra, 0, mine - e.jacobian)) <= 1e-9 * np.max(np.abs(e.jacobian))):
            return "mask", "entries have a gradient that do not act on the output: something masked or cut off is not"
        if _causal(e, extra):
            return "mask", "later entries act on earlier ones, or the other way round, which f masks"
        return "axis", "it couples entries that f does not: a sum runs along the wrong axis, or along too many"
    return None


def _causal(e: Evidence, extra: Any) -> bool:
    """Whether entries coupled in excess stand all on one side of the outputs, along some axis."""
    if e.x.shape != e.out.shape:
        return False
    entries, outputs = np.nonzero(extra)
    for a, b in zip(np.unravel_index(entries, e.x.shape), np.unravel_index(outputs, e.out.shape), strict=True):
        if np.all(a > b) or np.all(a < b):
            return True
    return False


def _zeros(e: Evidence) -> tuple[str, str] | None:
    """Zeros in the wrong places."""
    a, n = (np.stack([np.abs(x) for x in xs]) for xs in (e.found, e.true))
    is_zero, should = (np.all(x <= 1e-12 * np.max(x, initial=0.0), axis=0) for x in (a, n))
    misplaced, off = np.count_nonzero(is_zero != should), np.count_nonzero(_off(e))
    if misplaced > 1 and misplaced >= 0.5 * off:
        name = e.subject.names[e.i]
        if not np.any(should & ~is_zero):
            return "term missing", f"{misplaced} entries of '{name}' are 0 that should not be"
        return "mask", f"{misplaced} entries of '{name}' are 0 that should not be, or the other way round"
    return None


def _off(e: Evidence) -> Any:
    """Entries that are wrong for some cotangent."""
    off = np.zeros(np.shape(e.found[0]), dtype=bool)
    for a, n in zip(e.found, e.true, strict=True):
        off |= np.abs(a - n) > 1e-9 * np.maximum(np.abs(a), np.abs(n)) + 1e-13 * np.max(np.abs(n), initial=0)
    return off


def _signs(e: Evidence) -> tuple[str, str] | None:
    """The wrong sign at some entries, all else right."""
    off = _off(e)
    if not np.count_nonzero(off) > 1 or np.all(off):
        return None
    for a, n in zip(e.found, e.true, strict=True):
        if not np.any(n[off]) or np.any(np.abs(a + n)[off] > FITS * np.abs(n)[off]):
            return None
    where = " (where it is negative)" if e.whole and np.all(e.x[off] < 0) else ""
    return "sign", f"{np.count_nonzero(off)} entries have the wrong sign{where}"


def _few(e: Evidence) -> tuple[str, str] | None:
    off = _off(e)
    count, size = int(np.count_nonzero(off)), off.size
    if 0 < count <= max(1, size // 8) and size >= 4:
        entries = ", ".join(str(list(map(int, k))) for k in np.argwhere(off)[:3]) if e.whole else f"{count}"
        name = e.subject.names[e.i]
        return (
            "one index",
            f"only {count} of {size} entries of '{name}' are wrong ({entries}): an index, a border or a case",
        )
    return None


def _elementwise(e: Evidence) -> tuple[str, str] | None:
    if not e.whole or e.out.shape != e.x.shape or e.x.size < 2:
        return None
    diagonal = np.diagonal(e.jacobian).reshape(e.x.shape)
    if np.any(e.jacobian - np.diag(np.diagonal(e.jacobian))) and e.fits([g * diagonal for g in e.cotangents]):
        return "elementwise", "it is g times the diagonal of the Jacobian: the coupling between entries is missing"
    return None


def _simplex(e: Evidence) -> tuple[str, str] | None:
    if not e.whole:
        return None
    for axis in range(e.x.ndim):
        if e.x.shape[axis] < 2:
            continue
        top = np.max(e.x, axis=axis, keepdims=True)
        p = np.exp(e.x - top)
        p = p / np.sum(p, axis=axis, keepdims=True)
        r = e.residuals[0]
        c = np.sum(r * p, axis=axis, keepdims=True) / np.sum(p * p, axis=axis, keepdims=True)
        if np.all(np.abs(r - c * p) <= 1e-6 * np.max(np.abs(r))) and np.any(r != 0):
            return (
                "simplex",
                "the residual is proportional to ŷ = softmax, as ŷ (Σy − 1) is: the targets do not sum to one, or "
                "weights and smoothing change their sum; T ŷ − ỹ with T = Σỹ holds for all",
            )
    return None


def _other_slice(e: Evidence) -> tuple[str, str] | None:
    """Only some outputs reached the gradient: one row of a batch, say."""
    if not e.whole or not e.out.ndim:
        return None
    for axis, n in enumerate(e.out.shape):
        for k in {0, n - 1} if n > 1 else ():
            keep = np.zeros(e.out.shape, dtype=bool)
            keep[(slice(None),) * axis + (k,)] = True
            guesses = [
                (e.jacobian @ np.where(keep, g, 0).ravel().astype(HIGH)).reshape(e.x.shape) for g in e.cotangents
            ]
            if e.fits(guesses):
                return "not summed", f"only entry {k} along axis {axis} of g arrives: the sum over that axis is missing"
    return None


def _spread(e: Evidence) -> tuple[str, str] | None:
    """g summed over, or averaged along, an axis where it should not be; or the other way round."""
    for axis in range(np.ndim(e.true[0])) if e.whole else ():
        if e.x.shape[axis] < 2:
            continue
        for reduce, word in ((np.mean, "averaged"), (np.sum, "summed")):
            guesses = [np.broadcast_to(reduce(n, axis=axis, keepdims=True), n.shape) for n in e.true]
            if e.fits(guesses):
                return "axis", f"it is the gradient {word} along axis {axis}"
    return None


def _ratio(e: Evidence) -> tuple[str, str] | None:
    """A factor that is not one number, and is the same for every cotangent."""
    ratios = []
    for a, n in zip(e.found, e.true, strict=True):
        small = np.abs(n) <= 1e-9 * np.max(np.abs(n), initial=0.0)
        ratios.append(np.where(small, np.nan, a / np.where(small, 1.0, n)))
    spread = np.nanmax(ratios, axis=0) - np.nanmin(ratios, axis=0)
    r = ratios[0]
    if np.all(np.isnan(r)) or np.nanmax(spread) > 1e-6 * np.nanmax(np.abs(r)) or not e.whole:
        return None
    for axis in range(r.ndim):
        others = tuple(k for k in range(r.ndim) if k != axis and r.shape[k] > 1)
        if r.shape[axis] > 1 and others:
            width = np.nanmax(r, axis=others) - np.nanmin(r, axis=others)
            if np.nanmax(width) < 1e-6 * np.nanmax(np.abs(r)):
                return (
                    "options forgotten",
                    f"it is the gradient times a factor along axis {axis}: weights, a scale or a mask",
                )
    diagonal = e.out.size == e.x.size and not np.any(e.jacobian - np.diag(np.diagonal(e.jacobian)))
    if diagonal and e.x.size > 1:
        return "", "nothing fits: each entry is off by a factor of its own, whatever g is: another local derivative"
    return None


def _rows(e: Evidence) -> tuple[str, str] | None:
    """A residual that is one number for each row or column."""
    for axis in range(np.ndim(e.true[0])) if e.whole else ():
        if e.x.shape[axis] < 2:
            continue
        r = e.residuals[0]
        if np.any(r) and np.all(np.abs(r - np.mean(r, axis=axis, keepdims=True)) <= 1e-6 * np.max(np.abs(r))):
            return "term missing", f"the residual is constant along axis {axis}: a mean or a sum over it is missing"
    return None


def _along(e: Evidence) -> tuple[str, str] | None:
    """A residual that is a multiple of something simple."""
    r = e.residuals[0]
    g = np.broadcast_to(e.cotangents[0], e.x.shape) if e.cotangents[0].shape in ((), e.x.shape) else None
    candidates = {"the input": e.x} | ({} if g is None else {"g": g, "g times the input": g * e.x})
    if e.out.shape == e.x.shape:
        candidates |= {"the output": e.out, "g times the output": e.cotangents[0] * e.out}
    for text, c in candidates.items():
        c = np.asarray(c, dtype=HIGH)
        if e.whole and np.any(c) and np.all(np.isfinite(c)):
            k = np.sum(r * c) / np.sum(c * c)
            if np.all(np.abs(r - k * c) <= 1e-6 * np.max(np.abs(r))) and k != 0:
                return "term missing", f"the residual is {float(k):.6g} times {text}"
    return None


def _mostly(e: Evidence) -> tuple[str, str] | None:
    r, n = np.concatenate([np.ravel(x) for x in e.residuals]), np.concatenate([np.ravel(x) for x in e.true])
    a = np.concatenate([np.ravel(x) for x in e.found])
    size = float(np.sqrt(np.sum(a * a) * np.sum(n * n)))
    cosine = float(np.sum(a * n)) / size if size else 0.0
    if cosine > 0.5 or np.sum(r * r) < np.sum(n * n):
        return "term missing", f"it points the right way (cosine {cosine:.3f}): a term is missing or wrong"
    return None


SUSPICIONS: tuple[Suspicion, ...] = (
    _not_finite,
    _sign,
    _rounding,
    _factor,
    _few,
    _transposed,
    _exchanged,
    _elementwise,
    _other_slice,
    _other_cotangent,
    _wrong_sum,
    _zeros,
    _simplex,
    _spread,
    _signs,
    _ratio,
    _pattern,
    _rows,
    _along,
    _mostly,
)
