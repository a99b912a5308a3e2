"""How the built-in primitives declare themselves, and the one place where broadcasting is undone.

    elementwise(ufunc, partials)    its partial derivatives; both modes follow from them
    closed_elementwise(op, ...)     the same, as the closed form of a composite
    linear(...)                     an op that is linear in its first (or every variadic) input; its transpose
    multilinear(...)                one that is linear in each of its inputs: a product of some kind
    primitive(...)                  anything else: one vjp function for each input

    unbroadcast(g, x)               g summed over the axes along which x was broadcast
    sum_to_shape, broadcast_to      that sum as an op, and its transpose

Partials and rules see arrays, or Values when the gradient is itself to be differentiated, so they are written
in plain NumPy: no assignment, no `if` on data.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from .derivation import Derivation, Rule, each
from .invariants import LINEAR, Invariant, entrywise
from .op import Op
from .registry import implements, registry

RULE = "rule"  # the name of a primitive's only derivation
Sampler = Callable[["np.random.Generator"], Iterable[Any]]  # quoted: importing numpy.random takes 10 ms


def unbroadcast(g: Any, x: Any) -> Any:
    """`g` summed over the axes that broadcasting added to, or stretched in, `x`."""
    shape = getattr(x, "shape", ())
    if getattr(g, "shape", ()) == shape:
        return g
    return _summed(g, shape) if type(g) is np.ndarray else sum_to_shape(g, shape=shape)


# -- elementwise -----------------------------------------------------------------------------------------------


def elementwise(
    function: Callable[..., Any],
    *partials: Any,
    name: str | None = None,
    kernel: Callable[..., Any] | None = None,
    scalar: Callable[..., Any] | None = None,
    domain: Sequence[tuple[float, float]] | None = None,
    samples: Sampler | None = None,
    formula: str = "",
    doc: str = "",
    constants: Iterable[str] = (),
    indices: Iterable[str] = (),
    invariants: Iterable[Invariant] = (),
) -> Op:
    """Register an elementwise op by its partial derivatives.

    Parameters
    ----------
    function : callable
        A NumPy ufunc, which will dispatch to the op, or a function of arrays.
    *partials : callable or float
        For each input, `partial(out, *inputs)`, or the constant that it is. None: no gradient.
    scalar : callable, optional
        The forward on Python floats (`ieee` makes one of a `math` function).
    domain : sequence of (low, high), optional
        An open interval for each input, from which samples are drawn; (-3, 3) by default.
    invariants : iterable of Invariant
        What the gradient obeys, beside that each entry depends on its own alone.
    """
    name = name or function.__name__.strip("_")
    kernel = kernel or function
    names = ("x", "y", "z")[: len(partials)] if isinstance(function, np.ufunc) else _parameters(function)
    op = Op(
        _signature(name, names, doc or f"Elementwise {name}."),
        kernel=kernel,
        scalar=scalar,
        constants=constants,
        indices=indices,
        samples=samples or _elementwise_samples(domain or [(-3.0, 3.0)] * len(partials)),
        invariants=(entrywise(), *invariants),
    )
    op.partials = tuple(float(p) if isinstance(p, (int, float)) else p for p in partials)
    op.pushforward = _push_partials(op.partials)
    op.add(Derivation(RULE, _pull_partials(op.partials), formula=formula))
    if isinstance(function, np.ufunc):
        implements(function)(op)
    return registry.add(op)


def closed_elementwise(op: Op, name: str, *partials: Any, formula: str) -> None:
    """Give an elementwise composite its closed form by partial derivatives, for both modes and for scalars.

    Of an op with options, a partial is `partial(out, *inputs, **options)`.
    """
    slopes = tuple(float(p) if isinstance(p, (int, float)) else p for p in partials)
    if not op.option_names:  # what the sweep runs the short way knows no options
        op.partials = slopes
    op.pushforward = _push_partials(slopes)
    op.add(Derivation(name, _pull_partials(slopes), formula=formula))


def _scaled(p: Any, t: Any, out: Any, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
    """t · ∂out/∂input, for a partial derivative that is a constant or a function."""
    if type(p) is float:
        return t if p == 1.0 else -t if p == -1.0 else t * p
    return t * p(out, *inputs, **params)


def _pull_partials(partials: tuple[Any, ...]) -> Rule:
    def rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> list[Any]:
        gradients: list[Any] = [None] * len(inputs)
        for i in needed:
            if partials[i] is not None:
                gradients[i] = unbroadcast(_scaled(partials[i], g, out, inputs, params), inputs[i])
        return gradients

    return rule


def _push_partials(partials: tuple[Any, ...]) -> Callable[..., Any]:
    def push(tangents: Sequence[Any], out: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        terms = [
            _scaled(p, t, out, inputs, params)
            for p, t in zip(partials, tangents, strict=True)
            if p is not None and t is not None
        ]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        shape = np.shape(out)
        return total if np.shape(total) == shape else np.broadcast_to(total, shape)

    return push


def ieee(fast: Callable[..., Any], exact: Callable[..., Any]) -> Callable[..., float]:
    """`fast` on Python floats, with NumPy's answer (inf, nan) where Python would raise."""

    def kernel(*xs: float) -> float:
        try:
            return fast(*xs)
        except (ValueError, OverflowError, ZeroDivisionError):
            return float(exact(*xs))

    return kernel


# -- linear ----------------------------------------------------------------------------------------------------


def linear(
    *numpy_functions: Any,
    transpose: Callable[..., Any],
    pushforward: Callable[..., Any] | None = None,
    constants: Iterable[str] = (),
    samples: Sampler | None = None,
    formula: str = "",
) -> Callable[[Callable[..., Any]], Op]:
    """Register a function that is linear in its first input, or in every one where it is `*variadic`.

    `transpose(g, *inputs, **params)` returns the gradient of the first input, or of each variadic one. It may
    use the inputs' shapes and the constants among them, not the data of what it is linear in.
    """

    def declare(function: Callable[..., Any]) -> Op:
        op = Op(function, kernel=function, constants=constants, samples=samples, invariants=(LINEAR,))
        every = not op.input_names

        def pull(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
            gradient = transpose(g, *inputs, **params)
            return gradient if every else [gradient] + [None] * (len(inputs) - 1)

        def push(tangents: Sequence[Any], out: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
            if not every:
                return op.apply((tangents[0], *inputs[1:]), params)
            filled = [np.zeros_like(x) if t is None else t for t, x in zip(tangents, inputs, strict=True)]
            return op.apply(tuple(filled), params)

        op.pushforward = pushforward or push
        op.add(Derivation(RULE, pull, formula=formula))
        implements(*numpy_functions)(op)
        return registry.add(op)

    return declare


# -- products --------------------------------------------------------------------------------------------------


def multilinear(*numpy_functions: Any, **options: Any) -> Callable[[Callable[..., Any]], Op]:
    """Register a function that is linear in each of its inputs. As `primitive`; forward mode is the op itself."""

    def declare(function: Callable[..., Any]) -> Op:
        def push(tangents: Sequence[Any], out: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
            moving = [i for i, t in enumerate(tangents) if t is not None]
            terms = [op.apply((*inputs[:i], tangents[i], *inputs[i + 1 :]), params) for i in moving]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            return total

        op = primitive(*numpy_functions, pushforward=push, **options)(function)
        return op

    return declare


# -- anything else ---------------------------------------------------------------------------------------------


def primitive(
    *numpy_functions: Any,
    vjps: Sequence[Callable[..., Any] | None] | Callable[..., Any],
    pushforward: Callable[..., Any] | None = None,
    constants: Iterable[str] = (),
    samples: Sampler | None = None,
    formula: str = "",
    invariants: Iterable[Invariant] = (),
) -> Callable[[Callable[..., Any]], Op]:
    """Register a function with one `vjp(g, out, *inputs, **params)` for each input, of which only those needed run.

    Or with one function for all inputs, `vjp(position, g, out, *inputs, **params)`, where those are `*variadic`.
    Forward mode is the transpose of these, unless `pushforward(tangents, out, inputs, params)` says it better.
    """

    def declare(function: Callable[..., Any]) -> Op:
        op = Op(function, kernel=function, constants=constants, samples=samples, invariants=invariants)
        op.pushforward = pushforward
        op.add(Derivation(RULE, _every(vjps) if callable(vjps) else each(vjps), formula=formula))
        implements(*numpy_functions)(op)
        return registry.add(op)

    return declare


def _every(vjp: Callable[..., Any]) -> Rule:
    def rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
        gradients: list[Any] = [None] * len(inputs)
        for i in needed:
            gradients[i] = vjp(i, g, out, *inputs, **params)
        return gradients

    return rule


# -- broadcasting, and its undoing -----------------------------------------------------------------------------


def _shapes(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 3, 4)),), {"shape": (1, 4)}
    yield (rng.normal(size=(2, 3)),), {"shape": ()}
    yield (rng.normal(size=(0, 3)),), {"shape": (3,)}


@linear(transpose=lambda g, x, *, shape: np.broadcast_to(g, np.shape(x)), samples=_shapes, formula="broadcast g")
def sum_to_shape(x: Any, *, shape: tuple[int, ...]) -> Any:
    """`x` summed to `shape`, from which NumPy would broadcast to x's: the transpose of `broadcast_to`."""
    return _summed(x, shape)


_MANY, _BLAS = 1 << 14, (np.dtype(np.float32), np.dtype(np.float64))


def _summed(x: Any, shape: tuple[int, ...]) -> Any:
    have = np.shape(x)
    extra = len(have) - len(shape)
    stretched = tuple([i + extra for i, n in enumerate(shape) if n == 1 and have[i + extra] != 1])
    if extra and not stretched and prod(have) >= _MANY and x.dtype in _BLAS:
        n = prod(have[:extra])  # of rows: a product with ones adds them up faster
        return np.reshape(np.matmul(np.ones(n, x.dtype), np.reshape(x, (n, prod(shape)))), shape)
    add_up: Callable[..., Any] = np.add.reduce if type(x) is np.ndarray else np.sum
    total = add_up(x, axis=(*range(extra), *stretched), keepdims=bool(stretched))
    return np.reshape(total, shape) if extra and stretched else total


def _targets(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 1)),), {"shape": (2, 3, 4)}
    yield (rng.normal(size=()),), {"shape": (2, 2)}


@linear(
    np.broadcast_to,
    transpose=lambda g, x, *, shape: unbroadcast(g, x),
    samples=_targets,
    formula="g summed to x's shape",
)
def broadcast_to(x: Any, *, shape: tuple[int, ...] | int) -> Any:
    """`x` repeated to `shape` by NumPy's broadcasting rules; a read-only view."""
    return np.broadcast_to(x, shape)


# -- small print -----------------------------------------------------------------------------------------------


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def _signature(name: str, names: Sequence[str], doc: str) -> Callable[..., Any]:
    """A function of that name and those positional arguments: what `Op` reads its signature from."""

    def function(*_: Any) -> Any:
        raise AssertionError("an elementwise op runs its kernel")

    function.__name__ = name
    function.__doc__ = doc
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    )
    return function


def _elementwise_samples(domain: Sequence[tuple[float, float]]) -> Sampler:
    """Points of the domain in every way that inputs can broadcast."""
    n = len(domain)
    shapes: list[tuple[tuple[int, ...], ...]] = [((3, 4),), ((),), ((0, 2),), ((1, 1),)]
    if n > 1:
        mixed = [((2, 3, 1), (4,), (1, 1)), ((), (3,), (2, 1)), ((2, 0), (1, 1), ())]
        shapes = [((3, 4),) * n, *(group[:n] for group in mixed), ((),) * n]

    def samples(rng: np.random.Generator) -> Iterable[Any]:
        for group in shapes:
            yield (
                tuple([rng.uniform(low, high, size=s) for s, (low, high) in zip(group, domain, strict=True)]),
                {},
            )

    return samples
