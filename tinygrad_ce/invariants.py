"""What an op's gradient obeys whatever the numbers are, as data that the op is declared with.

    @op(invariants=[sums_to_zero("z"), shift("z"), permutation("z")])
    def softmax(z, *, axis=-1): ...

An invariant is a sentence and a function from a `Probe`, one derivation at one point, to claims: pairs of numbers that
are equal wherever the derivation is right. The referee checks them for every derivation; the names below are the usual
ones, and any `Invariant(text, claims)` is as good.

    sums_to_zero        Σ of the gradient along an axis is 0: f does not see a shift
    sums_to_cotangent   it is g: f follows a shift
    blind_to_constants  a cotangent that is constant along an axis gives 0: Σ f along it never changes
    shift               the gradient at x + c is that at x
    permutation         entries in another order: the gradient in that order
    rows_apart          a cotangent of one row gives a gradient in that row alone
    entrywise           a cotangent of one entry gives a gradient in that entry alone
    homogeneous         <x, gradient> = degree · <g, f>: Euler's identity
    odd, even           f(−x) = ∓ f(x)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Options = Mapping[str, Any]
Inputs = Sequence[Any]


@dataclass(frozen=True)
class Claim:
    """Two arrays that are equal where a derivation is right, and the size of the terms that they are made of."""

    found: Any
    expected: Any
    scale: Any


@dataclass(frozen=True)
class Probe:
    """One derivation at one point: all that an invariant sees.

    Attributes
    ----------
    f : callable
        `f(inputs)`, the forward.
    gradients : callable
        `gradients(g, inputs)`, a list with the gradient of <g, f> in each input, None where there is none.
    inputs, names, options
        The point, what the op calls its inputs, and its options.
    moving : tuple of int
        Positions of the inputs that have a gradient.
    rng : numpy.random.Generator
    """

    f: Callable[[Inputs], Any]
    gradients: Callable[[Any, Inputs], Sequence[Any]]
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    options: Options
    moving: tuple[int, ...]
    rng: Any

    @property
    def out(self) -> Any:
        return np.asarray(self.f(self.inputs))

    def position(self, name: str) -> int | None:
        """Where an input stands; None where it has no gradient here."""
        i = self.names.index(name) if name in self.names else None
        return i if i in self.moving else None

    def cotangent(self) -> Any:
        """Random, signed, of the output's shape."""
        shape = self.out.shape
        return self.rng.choice([-1.0, 1.0], size=shape) * self.rng.uniform(0.5, 2.0, size=shape)

    def moved(self, i: int, x: Any) -> list[Any]:
        """The inputs with one of them replaced."""
        return [x if k == i else y for k, y in enumerate(self.inputs)]


@dataclass(frozen=True)
class Invariant:
    """A sentence that is true of an op's gradient, and how to see whether it is.

    `claims(probe)` yields Claims: none where the sentence says nothing of this point. `when(options)` says for which
    options it is true at all.
    """

    text: str
    claims: Callable[[Probe], Iterator[Claim]]
    when: Callable[[Options], bool] = lambda options: True


def _axis(probe: Probe, x: Any) -> int | None:
    """The op's axis as a position in x; None where it is not one axis of x."""
    axis = probe.options.get("axis", -1)
    return axis % x.ndim if isinstance(axis, int) and x.ndim else None


# -- shifts ----------------------------------------------------------------------------------------------------


def sums_to_zero(name: str) -> Invariant:
    """The gradient in `name` sums to 0 along the op's axis."""

    def claims(probe: Probe) -> Iterator[Claim]:
        i = probe.position(name)
        if i is None or (axis := _axis(probe, probe.inputs[i])) is None:
            return
        gx = np.asarray(probe.gradients(probe.cotangent(), probe.inputs)[i])
        yield Claim(np.sum(gx, axis=axis), 0.0, np.sum(np.abs(gx), axis=axis))

    return Invariant(f"the gradient in {name} sums to 0 along the axis", claims)


def sums_to_cotangent(name: str) -> Invariant:
    """The gradient in `name` sums to g along the op's axis."""

    def claims(probe: Probe) -> Iterator[Claim]:
        i = probe.position(name)
        if i is None or (axis := _axis(probe, probe.inputs[i])) is None:
            return
        g = probe.cotangent()
        gx = np.asarray(probe.gradients(g, probe.inputs)[i])
        total = np.sum(gx, axis=axis)
        yield Claim(total, np.reshape(g, total.shape), np.sum(np.abs(gx), axis=axis))

    return Invariant(f"the gradient in {name} sums to g along the axis", claims)


def blind_to_constants(name: str) -> Invariant:
    """A cotangent that is constant along the op's axis gives a gradient of 0 in `name`."""

    def claims(probe: Probe) -> Iterator[Claim]:
        i = probe.position(name)
        if i is None or (axis := _axis(probe, probe.inputs[i])) is None:
            return
        g = probe.cotangent()
        usual = np.asarray(probe.gradients(g, probe.inputs)[i])
        constant = np.broadcast_to(np.max(g, axis=axis, keepdims=True, initial=0.5), g.shape).copy()
        gx = np.asarray(probe.gradients(constant, probe.inputs)[i])
        yield Claim(gx, 0.0, np.max(np.abs(usual), initial=0.0))

    return Invariant(f"a cotangent that is constant along the axis gives a gradient of 0 in {name}", claims)


def shift(name: str) -> Invariant:
    """Adding a number to every row of `name` along the op's axis leaves the gradient as it is."""

    def claims(probe: Probe) -> Iterator[Claim]:
        i = probe.position(name)
        if i is None or (axis := _axis(probe, probe.inputs[i])) is None:
            return
        x, g = probe.inputs[i], probe.cotangent()
        by = probe.rng.uniform(-2.0, 2.0, size=tuple(1 if k == axis else n for k, n in enumerate(x.shape)))
        here, there = probe.gradients(g, probe.inputs), probe.gradients(g, probe.moved(i, x + by))
        yield Claim(there[i], here[i], np.max(np.abs(here[i]), initial=0.0))

    return Invariant(f"adding a number to a row of {name} leaves the gradient as it is", claims)


# -- order -----------------------------------------------------------------------------------------------------


def permutation(name: str, *classes: str, follows: bool = True) -> Invariant:
    """Another order of `name` along the op's axis gives the gradient in that order.

    `classes`: inputs that go along: class indices are renumbered, arrays of the same number of axes reordered along
    the axis, vectors along theirs. `follows`: the output has the axis too, and goes along.
    """

    def claims(probe: Probe) -> Iterator[Claim]:
        i = probe.position(name)
        if i is None or (axis := _axis(probe, probe.inputs[i])) is None:
            return
        x = probe.inputs[i]
        order = probe.rng.permutation(x.shape[axis])

        def reordered(y: Any) -> Any:
            y = np.asarray(y)
            return np.take(y, order, axis=axis if y.ndim == x.ndim else 0)

        moved = list(probe.inputs)
        for k, y in enumerate(probe.inputs):
            if k == i or (probe.names[k] in classes and y is not None):
                indices = k != i and np.asarray(y).dtype.kind in "iu" and np.ndim(y) == x.ndim - 1
                moved[k] = _renumbered(y, order) if indices else reordered(y)
        g = probe.cotangent()
        here = probe.gradients(g, probe.inputs)
        there = probe.gradients(reordered(g) if follows else g, moved)
        for k in probe.moving:
            if k == i or probe.names[k] in classes:
                yield Claim(there[k], reordered(here[k]), np.max(np.abs(here[k]), initial=0.0))

    along = "".join(f" and {c}" for c in classes)
    return Invariant(f"another order of {name}{along} gives the gradient in that order", claims)


def _renumbered(indices: Any, order: Any) -> Any:
    """Class indices after the classes were put in another order; what is none of them stays."""
    indices = np.asarray(indices)
    inside = (indices >= 0) & (indices < len(order))
    return np.where(inside, np.argsort(order)[np.where(inside, indices, 0)], indices).astype(indices.dtype)


def rows_apart(name: str, when: Callable[[Options], bool] = lambda options: True) -> Invariant:
    """Rows of `name` across the op's axis do not act on one another."""

    def claims(probe: Probe) -> Iterator[Claim]:
        i = probe.position(name)
        if i is None or (axis := _axis(probe, probe.inputs[i])) is None:
            return
        x, g = probe.inputs[i], probe.cotangent()
        for other in (k for k, n in enumerate(x.shape) if k != axis and n > 1):
            theirs = other if g.ndim == x.ndim else other - (other > axis)
            only = np.where(np.arange(x.shape[other]) == 0, 1.0, 0.0)
            gx = np.asarray(probe.gradients(g * _along(only, theirs, g.ndim), probe.inputs)[i])
            rest = np.delete(gx, 0, axis=other)
            yield Claim(rest, 0.0, np.max(np.abs(gx), initial=0.0))
            return

    return Invariant(f"rows of {name} do not act on one another", claims, when)


def entrywise(*names: str) -> Invariant:
    """An entry of the output depends on that entry of each input alone."""

    def claims(probe: Probe) -> Iterator[Claim]:
        g = probe.cotangent()
        if g.size < 2:
            return
        at = tuple(int(probe.rng.integers(n)) for n in g.shape)
        only = np.zeros_like(g)
        only[at] = g[at]
        gradients = probe.gradients(only, probe.inputs)
        for i in probe.moving:
            gx = np.asarray(gradients[i])
            if gx.shape == g.shape and (not names or probe.names[i] in names):
                rest = gx.copy()
                rest[at] = 0.0
                yield Claim(rest, 0.0, np.abs(gx[at]))

    return Invariant("each entry depends on its own entries alone", claims)


def _along(x: Any, axis: int, ndim: int) -> Any:
    return np.reshape(x, tuple(-1 if k == axis else 1 for k in range(ndim)))


# -- sizes -----------------------------------------------------------------------------------------------------


def homogeneous(
    *names: str,
    degree: float | Callable[[Options], float] = 1.0,
    when: Callable[[Options], bool] = lambda options: True,
) -> Invariant:
    """Euler's identity: where f(c x) = c^degree f(x) in these inputs together, <x, gradient> = degree · <g, f>.

    Without names: in every input.
    """

    def claims(probe: Probe) -> Iterator[Claim]:
        chosen = [i for i in probe.moving if not names or probe.names[i] in names]
        g = probe.cotangent()
        if not chosen or not np.all(np.isfinite(probe.out)):
            return
        gradients = probe.gradients(g, probe.inputs)
        terms = [np.asarray(gradients[i]) * probe.inputs[i] for i in chosen]
        power = degree(probe.options) if callable(degree) else degree
        expected = g * probe.out
        scale = sum(float(np.sum(np.abs(t))) for t in terms) + abs(power) * float(np.sum(np.abs(expected)))
        if power == 0.0:
            scale += float(np.sum(np.abs(expected)))  # the terms are as large as f, and cancel
        yield Claim(sum(float(np.sum(t)) for t in terms), power * float(np.sum(expected)), scale)

    of = f" in {' and '.join(names)}" if names else ""
    power = "" if callable(degree) else f" of degree {degree:g}"
    return Invariant(f"homogeneous{power}{of}: <x, gradient> = degree · <g, f>", claims, when)


LINEAR = homogeneous(degree=1.0)


def _mirrored(sign: float, text: str) -> Invariant:
    def claims(probe: Probe) -> Iterator[Claim]:
        (i,) = probe.moving
        x, g = probe.inputs[i], probe.cotangent()
        here, there = probe.gradients(g, probe.inputs)[i], probe.gradients(g, probe.moved(i, -x))[i]
        yield Claim(np.asarray(there), sign * np.asarray(here), np.abs(here))

    return Invariant(text, claims)


odd = _mirrored(1.0, "f is odd: its gradient at −x is that at x")
even = _mirrored(-1.0, "f is even: its gradient at −x is minus that at x")
