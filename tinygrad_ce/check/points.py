"""Where a rule is checked: the user's own point, and families of others that its author may not have tried.

Other points have to be legal. What the user's numbers look like says what they may be: rows that sum to one stay
probabilities, numbers in [0, 1] stay there, sorted edges stay sorted, masks stay masks, indices stay within those seen.
Sizes are changed only along axes along which forward and rule prove to be free. Beyond that the forward is the judge: a
point at which it raises, or is not finite, is no point.

    Layout(subject)          which axes are free, and inputs of other sizes
    families(subject, …)     the points
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .precision import copied, is_float
from .subject import Subject

SMALL = (3, 4, 5, 2)  # sizes of a shrunk point


@dataclass
class Point:
    """A point, with a name for messages.

    `lenient`: what goes wrong there is worth a note, and is no failure (0-d and broadcast inputs, for a rule that
    nobody said was written for them).
    """

    name: str
    inputs: list[Any]
    lenient: bool = False

    @property
    def tied(self) -> bool:
        """Whether entries are equal there on purpose."""
        return self.name.startswith(TIED)


# -- what inputs look like -------------------------------------------------------------------------------------


def kind_of(x: Any) -> str:
    """What kind of numbers a floating input holds, by its look."""
    a = np.asarray(x, dtype=np.float64)
    if not a.size or not np.all(np.isfinite(a)):
        return "masked" if a.size else "general"
    if a.ndim and np.all((a == 0) | (a == 1)) and np.any(a == 0) and np.any(a == 1):
        return "one-hot" if a.ndim and a.shape[-1] > 1 and np.all(np.sum(a, axis=-1) == 1) else "binary"
    if a.ndim and a.shape[-1] > 1 and np.all(a >= 0) and np.all(np.abs(np.sum(a, axis=-1) - 1) < 1e-5):
        return "probabilities"
    if a.ndim and len(a) > 3 and a.ndim == 1 and np.all(np.diff(a) > 0):
        return "sorted"
    if np.all((a >= 0) & (a <= 1)):
        return "unit"
    return "positive" if np.all(a > 0) else "general"


def drawn(kind: str, shape: tuple[int, ...], rng: np.random.Generator, like: Any) -> Any:
    """Ordinary numbers of a kind."""
    if kind in ("probabilities", "one-hot"):
        if kind == "one-hot":
            return np.eye(shape[-1])[rng.integers(0, shape[-1], size=shape[:-1])]
        return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    if kind == "binary":
        return rng.integers(0, 2, size=shape).astype(float)
    if kind == "unit":
        return rng.uniform(0.05, 0.95, size=shape)
    if kind == "positive":
        return np.exp(rng.normal(size=shape) * 0.5) * float(np.median(np.asarray(like, dtype=float)))
    x = rng.normal(size=shape)
    return np.sort(x) if kind == "sorted" else x


TIED = ("ties", "all equal", "zeros", "some zeros", "−0.0")
FREE_KINDS = ("general", "positive")  # kinds whose numbers may be anything


# -- sizes -----------------------------------------------------------------------------------------------------


class Layout:
    """The sizes of a subject's inputs: axes of one size are one axis, until the forward says otherwise."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.inputs = list(subject.inputs)
        self.arrays = [i for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray)]
        self.kinds = {i: kind_of(x) for i, x in enumerate(self.inputs) if is_float(x)}
        self.out_shape = np.shape(subject.out([copied(x) for x in self.inputs]))
        sizes = sorted({n for i in self.arrays for n in np.shape(self.inputs[i]) if n > 1})
        self.free = [s for s in sizes if self._is_free(s)]

    def _is_free(self, size: int) -> bool:
        """Whether the forward takes other sizes along such axes, and its result follows."""
        return all(self._follows({size: other}) for other in (size + 1, 2 * size + 1))

    def _follows(self, mapping: Mapping[int, int]) -> bool:
        """Whether forward and rule take the inputs at other sizes: a size that a closure holds is no free one."""
        found = self.resized(mapping)
        if found is None:
            return False
        try:
            out = self.subject.out([copied(x) for x in found])
            gradients = self.subject.gradients(np.ones_like(out), out, [copied(x) for x in found])
        except Exception:
            return False
        return all(gradients[i] is None or np.shape(gradients[i]) == found[i].shape for i in self.subject.moving)

    def resized(self, mapping: Mapping[int, int], seed: int = 0) -> list[Any] | None:
        """The inputs at other sizes, or None where the forward does not take them."""
        rng = np.random.default_rng(seed)
        found = []
        for i, x in enumerate(self.inputs):
            if not isinstance(x, np.ndarray) or not x.shape:
                found.append(x)
                continue
            shape = tuple(mapping.get(n, n) for n in x.shape)
            found.append(x if shape == x.shape else self._refilled(i, x, shape, mapping, rng))
        try:
            out = self.subject.out([copied(x) for x in found])
        except Exception:
            return None
        return found if out.ndim == len(self.out_shape) and np.all(np.isfinite(out)) else None

    def _refilled(self, i: int, x: Any, shape: tuple[int, ...], mapping: Mapping[int, int], rng: Any) -> Any:
        """An input at another size, from the numbers that it had."""
        if not x.size:
            return np.zeros(shape, x.dtype)
        taken = x
        for axis, n in enumerate(shape):
            taken = np.take(taken, np.arange(n) % max(taken.shape[axis], 1), axis=axis)
        if not is_float(x):
            classes = [
                s for s in sorted(mapping) if mapping[s] < s and x.dtype.kind in "iu" and x.min() >= 0 and x.max() < s
            ]
            return taken % mapping[classes[0]] if classes and classes[0] not in x.shape else taken
        kind = self.kinds[i]
        if kind in ("probabilities", "one-hot"):
            if shape[-1] != x.shape[-1]:
                taken = drawn(kind, shape, rng, x)
        elif kind == "sorted":
            taken = np.sort(rng.uniform(x.min(), x.max(), size=shape))
        elif kind in ("general", "positive", "unit") and shape != x.shape:
            taken = taken * rng.uniform(0.8, 1.0, size=shape)  # no ties that were not there
        return np.ascontiguousarray(taken.astype(x.dtype))

    def shrunk(self) -> list[Any]:
        """The inputs at small sizes, as far as the forward allows."""
        mapping: dict[int, int] = {}
        taken = {n for i in self.arrays for n in np.shape(self.inputs[i]) if n not in self.free}
        for size in self.free:
            if size <= 5:
                taken.add(size)
        for size in self.free:
            if size > 5:
                small = next((n for n in SMALL if n not in taken), 5)
                trial = {**mapping, size: small}
                if self.resized(trial) is not None:
                    mapping = trial
                    taken.add(small)
        return (self.resized(mapping) if mapping else None) or list(self.inputs)


# -- the families ----------------------------------------------------------------------------------------------

Transform = Callable[[Any, np.random.Generator], Any]


def _signed(size: float) -> Transform:
    return lambda x, rng: rng.choice([-size, size], size=x.shape) * rng.uniform(0.95, 1.0, size=x.shape)


def _some_zero(x: Any, rng: np.random.Generator) -> Any:
    return np.where(rng.random(x.shape) < 0.4, 0.0, rng.normal(size=x.shape))


VALUES: dict[str, Transform] = {
    "generic": lambda x, rng: rng.normal(size=x.shape),
    "positive": lambda x, rng: rng.uniform(0.2, 3.0, size=x.shape),
    "negative": lambda x, rng: -rng.uniform(0.2, 3.0, size=x.shape),
    "small (1e-8)": lambda x, rng: rng.normal(size=x.shape) * 1e-8,
    "large (1e8)": lambda x, rng: rng.normal(size=x.shape) * 1e8,
    "hundreds": lambda x, rng: rng.normal(size=x.shape) * 300.0,
    "saturated (±20)": _signed(20.0),
    "saturated (±40)": _signed(40.0),
    "saturated (±1000)": _signed(1000.0),
    "many sizes": lambda x, rng: rng.choice([-1.0, 1.0], size=x.shape) * 10.0 ** rng.uniform(-6, 3, size=x.shape),
    "far from 0 (1e4)": lambda x, rng: 1e4 + rng.normal(size=x.shape),
    "far from 0 (1e7)": lambda x, rng: 1e7 + rng.normal(size=x.shape),
    "ties": lambda x, rng: rng.choice([-1.5, 0.5, 2.0], size=x.shape),
    "all equal": lambda x, rng: np.full(x.shape, 0.7),
    "some zeros": _some_zero,
    "zeros": lambda x, rng: np.zeros(x.shape),
    "−0.0": lambda x, rng: np.full(x.shape, -0.0),
}
ALONE = (
    "generic",
    "positive",
    "negative",
    "small (1e-8)",
    "large (1e8)",
    "some zeros",
    "zeros",
    "ties",
)  # one input at a time too


def families(subject: Subject, layout: Layout, *, full: bool = True) -> Iterator[Point]:
    """Points of every family that applies, on a shrunk shape; legal as far as the looks of the user's numbers tell."""
    rng = np.random.default_rng(2)
    base = layout.shrunk()
    loose = [i for i in subject.moving if layout.kinds[i] in FREE_KINDS]
    narrow = any(base[i].dtype.itemsize < 8 for i in subject.moving)
    for name, transform in VALUES.items():
        if narrow and name.startswith("far"):
            continue  # numbers beside each other are one float there
        if loose:
            yield Point(name, _with(base, {i: transform(base[i], rng) for i in loose}))
        if 1 < len(loose) < 7 and name in ALONE:
            for i in loose:
                yield Point(f"{name}, '{subject.names[i]}' alone", _with(base, {i: transform(base[i], rng)}))
    for name, move in (("your numbers, rolled", _rolled), ("your numbers, reversed", _reversed)):
        yield Point(name, [move(x) if i in subject.moving else copied(x) for i, x in enumerate(subject.inputs)])
    yield from _of_kinds(subject, layout, base, rng)
    yield from _masked(subject, layout, base, rng)
    yield from _sizes(subject, layout)
    yield from _indices(subject, base)
    yield from _switches(base)
    yield from _other_dtypes(subject, base)
    yield from _loose_shapes(subject, base, loose)


def _rolled(x: Any) -> Any:
    return np.roll(x, 1)


def _reversed(x: Any) -> Any:
    return np.flip(x).copy()


def _with(base: Sequence[Any], new: Mapping[int, Any]) -> list[Any]:
    return [np.asarray(new[i], dtype=x.dtype) if i in new else copied(x) for i, x in enumerate(base)]


def _of_kinds(subject: Subject, layout: Layout, base: Sequence[Any], rng: np.random.Generator) -> Iterator[Point]:
    for i in [i for i, kind in layout.kinds.items() if kind not in FREE_KINDS and base[i].size]:
        kind, name, x = layout.kinds[i], subject.names[i], base[i]
        if kind in ("probabilities", "one-hot"):
            soft = rng.dirichlet(np.ones(x.shape[-1]), size=x.shape[:-1])
            yield Point(f"soft '{name}'", _with(base, {i: soft}))
            if i in subject.moving:
                yield Point(f"'{name}' off the simplex", _with(base, {i: 1.7 * soft}))
        elif kind == "unit" and i in subject.moving:
            yield Point(f"'{name}' near 0", _with(base, {i: rng.uniform(0.5, 1.0, size=x.shape) * 1e-7}))
            yield Point(f"'{name}' in (0, 1)", _with(base, {i: rng.uniform(0.05, 0.95, size=x.shape)}))
        elif kind == "sorted" and i in subject.moving:
            yield Point(f"other sorted '{name}'", _with(base, {i: np.sort(rng.normal(size=x.shape)) * 3}))


def _masked(subject: Subject, layout: Layout, base: Sequence[Any], rng: np.random.Generator) -> Iterator[Point]:
    """−inf in a few places, where the forward takes scores: where it does not see a shift of one row, or follows it."""
    for i in subject.moving:
        x = base[i]
        if x.ndim < 1 or x.shape[-1] < 2 or not x.size or not _takes_scores(subject, base, i):
            continue
        mask = rng.random(x.shape) < 0.3
        mask[..., 0] = False
        yield Point(
            f"−inf masks in '{subject.names[i]}'", _with(base, {i: np.where(mask, -np.inf, rng.normal(size=x.shape))})
        )


def _takes_scores(subject: Subject, base: Sequence[Any], i: int) -> bool:
    try:
        a = subject.out([copied(x) for x in base])
        b = subject.out([x + 3.0 if k == i else copied(x) for k, x in enumerate(base)])
    except Exception:
        return False
    scale = 1e-6 * (1.0 + np.abs(a))
    return bool(a.size and (np.all(np.abs(a - b) <= scale) or np.all(np.abs(b - a - 3.0) <= scale)) and np.any(a != 0))


def _sizes(subject: Subject, layout: Layout) -> Iterator[Point]:
    for size in layout.free:
        for other, word in ((1, "one"), (2, "two"), (size + 3 if size < 6 else 7, "")):
            found = layout.resized(
                {size: other, **{s: min(s, 5) for s in layout.free if s not in (size, other)}}, seed=3
            )
            found = found or layout.resized({size: other}, seed=3)
            if found is not None and other != size:
                yield Point(f"axes of {size} made {word or other}", found)


def _indices(subject: Subject, base: Sequence[Any]) -> Iterator[Point]:
    whole = [i for i, x in enumerate(base) if isinstance(x, np.ndarray) and x.dtype.kind in "iu" and x.size]
    if whole:
        yield Point(
            "repeated indices", [np.full_like(x, x.ravel()[0]) if i in whole else copied(x) for i, x in enumerate(base)]
        )
        rng = np.random.default_rng(5)
        yield Point(
            "other indices",
            [rng.permutation(x.ravel()).reshape(x.shape) if i in whole else copied(x) for i, x in enumerate(base)],
        )


def _switches(base: Sequence[Any]) -> Iterator[Point]:
    """Other masks, for boolean inputs."""
    masks = [i for i, x in enumerate(base) if isinstance(x, np.ndarray) and x.dtype.kind == "b" and x.size > 1]
    for seed in (0, 1) if masks else ():
        rng = np.random.default_rng(seed)
        yield Point("other masks", [rng.random(x.shape) < 0.6 if i in masks else copied(x) for i, x in enumerate(base)])


def _other_dtypes(subject: Subject, base: Sequence[Any]) -> Iterator[Point]:
    for dtype in (np.float32, np.float64):
        if any(base[i].dtype != dtype for i in subject.moving):
            yield Point(dtype.__name__, [x.astype(dtype) if is_float(x) else copied(x) for x in base])


def _loose_shapes(subject: Subject, base: Sequence[Any], loose: Sequence[int]) -> Iterator[Point]:
    """0-d, empty and broadcast inputs: legal for some forwards, meant by few."""
    rng = np.random.default_rng(6)
    arrays = [x for x in base if isinstance(x, np.ndarray) and x.shape]
    if arrays and len(loose) == len(base):
        yield Point("0-d", [np.asarray(rng.normal(), dtype=x.dtype) for x in base], lenient=True)
    if arrays:
        yield Point(
            "empty", [x[:0] if isinstance(x, np.ndarray) and x.shape else copied(x) for x in base], lenient=True
        )
    if len(loose) > 1 and all(base[i].shape == base[loose[0]].shape and base[i].ndim for i in loose):
        i = loose[-1]
        yield Point(f"'{subject.names[i]}' broadcast", _with(base, {i: base[i][:1]}), lenient=True)


def laid_out(x: Any, how: str) -> Any:
    """The same numbers, laid out otherwise in memory."""
    if not isinstance(x, np.ndarray):
        return x
    if how == "non-contiguous":
        wide = np.repeat(x[..., None], 2, axis=-1)
        return wide[..., 0]
    if how == "Fortran order":
        return x.copy(order="F")
    y = x.copy()
    y.flags.writeable = False
    return y


LAYOUTS = ("non-contiguous", "Fortran order", "read-only")
