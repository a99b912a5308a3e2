"""grad, value_and_grad, elementwise_grad, vjp; jvp, linearize; hvp: one or two sweeps through one run of f."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from ..arrays import ones_like
from ..trees import flatten
from .context import kept
from .run import Argnums, Function, Pushing, Run, require_real, several


def value_and_grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """A function that returns (f(*args), gradient of f in the arguments `argnums`).

    Parameters
    ----------
    f : callable
        Returns one real number, as a Value; with `has_aux`, a tuple of that and anything else.
    argnums : int, str or sequence of them
        Which arguments to differentiate in, by position or name; a sequence gives a tuple of gradients. An
        argument is a number, an array, a Value, or a container of them: a tuple, list, dict, dataclass or
        namedtuple, nested as you like.
    has_aux : bool
        Whether f returns (result, aux). The transformed function then returns ((result, aux), gradient).

    Returns
    -------
    callable
        Of the same arguments. A gradient is built like its argument, with the shapes and dtypes of its arrays, and
        None for what is no number in it; integers and booleans are differentiated as float64. Results are plain
        unless an argument is a Value or this runs inside another transform.

    Raises
    ------
    TypeError
        If f's result is not one real number, or `argnums` names arguments that are not there.

    Examples
    --------
    >>> value_and_grad(lambda x: x**3)(2.0)
    (8.0, 12.0)
    >>> value_and_grad(lambda p: p["w"] * p["w"] + 3 * p["b"])({"w": 2.0, "b": 1.0})
    (7.0, {'w': 4.0, 'b': 3.0})
    >>> value_and_grad(lambda x: (x * x, {"twice": 2 * x}), has_aux=True)(3.0)
    ((9.0, {'twice': 6.0}), 6.0)
    """

    @named_after(f, "value and gradient")
    def transformed(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        run = Run(f, args, kwargs, argnums, has_aux=has_aux)
        out = run.one_number("grad")
        gradients = run.inwards(run.pull([ones_like(out._data)], run.keep))
        value = (run.out, run.aux) if has_aux else run.out
        return value, chosen(gradients, argnums)

    return transformed


def grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """The gradient of f, as a function of the same arguments; (gradient, aux) with `has_aux`. See `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    12.0
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    both = value_and_grad(f, argnums, has_aux=has_aux)

    @named_after(f, "gradient")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def elementwise_grad(f: Function, argnums: Argnums = 0) -> Function:
    """The derivative of an elementwise function at every entry, as a function of the same arguments.

    It is the gradient of the sum of all that f returns, in one sweep: the column sums of the Jacobian, which are its
    diagonal where every entry of the result depends on its own entry of the argument alone.

    >>> import numpy as np
    >>> elementwise_grad(np.square)(np.array([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """

    @named_after(f, "elementwise derivative")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        run = Run(f, args, kwargs, argnums)
        for out in run.outputs:
            require_real(out, "elementwise_grad")
        gradients = run.inwards(run.pull([ones_like(out._data) for out in run.outputs], run.keep))
        return chosen(gradients, argnums)

    return transformed


def vjp(f: Function, *args: Any, has_aux: bool = False) -> Any:
    """f(*args), and the pullback v ↦ Jᵀv, which returns a gradient for each argument; then aux, with `has_aux`.

    Arguments and results may be containers, as for `value_and_grad`: the pullback takes a cotangent built like f's
    result, in which None stands for zero.

    Examples
    --------
    >>> import numpy as np
    >>> out, pullback = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 1.0]))[0].tolist()
    [2.0, 4.0]
    """
    run = Run(f, args, {}, range(len(args)), has_aux=has_aux)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        cotangents = run.outward.align(cotangent, "the cotangent")
        return tuple(run.inwards(run.pull(cotangents, run.keep or kept(cotangents))))

    return (run.out, pullback, run.aux) if has_aux else (run.out, pullback)


def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f(*args), and J·tangents: the directional derivative, by a forward sweep.

    Parameters
    ----------
    args, tangents : sequences of the same length
        A tangent is built like its argument, with arrays of the same shapes; None stands for zero.

    Examples
    --------
    >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))
    (6.0, 23.0)
    """
    _alike("jvp", args, tangents, "tangents")
    moving = [i for i, t in enumerate(tangents) if t is not None]
    keep = kept(flatten(list(tangents))[0])
    run = Run(f, args, {}, moving, keep=keep)
    given = [tangents[i] for i in moving]
    sweeps = Pushing(run.variables, run.outputs)
    return run.out, run.outwards(sweeps.push(_leaves(run, given, "the tangent"), run.keep))


def linearize(f: Function, *args: Any, has_aux: bool = False) -> Any:
    """f(*args), and the pushforward t ↦ J·t, which runs f no more: `jvp` for many tangents; then aux, with `has_aux`.

    >>> out, push = linearize(lambda x, y: x * y, 2.0, 3.0)
    >>> out, push(1.0, 0.0), push(0.0, 1.0)
    (6.0, 3.0, 2.0)
    """
    run = Run(f, args, {}, range(len(args)), has_aux=has_aux)
    sweeps = Pushing(run.variables, run.outputs)

    def push(*tangents: Any) -> Any:
        _alike("the linear function", args, tangents, "tangents")
        leaves = _leaves(run, tangents, "the tangent")
        return run.outwards(sweeps.push(leaves, run.keep or kept(leaves)))

    return (run.out, push, run.aux) if has_aux else (run.out, push)


def hvp(f: Function, args: Sequence[Any], vectors: Sequence[Any]) -> tuple[Any, ...]:
    """The Hessian of f times `vectors`: forward over reverse, without the Hessian.

    Parameters
    ----------
    args, vectors : sequences of the same length
        A vector is built like its argument, with arrays of the same shapes; None stands for zero.

    Returns
    -------
    tuple
        Σ_j ∂²f/∂x_i∂x_j v_j for each argument x_i, built like it.

    Examples
    --------
    >>> import numpy as np
    >>> hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))[0].tolist()
    [6.0, 12.0]
    """
    _alike("hvp", args, vectors, "vectors")
    run = Run(f, args, {}, range(len(args)), keep=kept(flatten(list(vectors))[0]))
    tangents = _leaves(run, vectors, "the vector")
    return tuple(run.inwards(along_gradient(run, "hvp").push(tangents, run.keep)))


def along_gradient(run: Run, what: str) -> Pushing:
    """Forward sweeps through the gradient of a run: products with the Hessian."""
    gradients = run.pull([ones_like(run.one_number(what)._data)], True)
    return Pushing(run.variables, gradients)


# -- small print -----------------------------------------------------------------------------------------------


def chosen(trees: list[Any], argnums: Argnums) -> Any:
    return tuple(trees) if several(argnums) else trees[0]


def _leaves(run: Run, trees: Sequence[Any], what: str) -> list[Any]:
    return [x for form, tree in zip(run.inward, trees, strict=True) for x in form.align(tree, what)]


def _alike(what: str, args: Sequence[Any], others: Sequence[Any], name: str) -> None:
    for given, called in ((args, "arguments"), (others, name)):
        if not isinstance(given, (tuple, list)):
            raise TypeError(f"{what} takes its {called} as a tuple, not as a {type(given).__name__}: write (x,)")
    if len(args) != len(others):
        raise TypeError(f"{what}: {len(args)} arguments and {len(others)} {name}")


def named_after(f: Function, what: str) -> Callable[[Function], Function]:
    """f's name, signature and documentation for a transformed function."""

    def rename(transformed: Function) -> Function:
        wraps(f, updated=())(transformed)
        transformed.__name__ = f"{what} of {getattr(f, '__name__', type(f).__name__)}".replace(" ", "_")
        return transformed

    return rename
