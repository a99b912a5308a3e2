"""Functions of functions: grad, value_and_grad, vjp, jvp, hvp; and no_grad.

Each runs f once on fresh Values and sweeps the graph that it left. They nest to any order: inside another
transform, or given a Value, a transform returns Values that can be differentiated again. A fresh Value is a node
of its own, so an inner derivative never takes an outer variable for its own (no perturbation confusion):

    grad(lambda x: x * grad(lambda y: x * y)(1.0))(3.0)     is 6: the inner gradient is x, not 2x
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .choice import choose, reachable
from .forward import forward
from .identities import cast_like, identity
from .node import Node, plain, recorded
from .sweep import reverse
from .value import Value

Function = Callable[..., Any]
Argnums = int | Sequence[int]

# Inside a transform every inner transform returns Values: the outer one may be differentiating it.
_depth: ContextVar[int] = ContextVar("transform depth", default=0)


def no_grad() -> AbstractContextManager[None]:
    """A context in which nothing is recorded: results are constants, and cost no graph.

    >>> x = Value(2.0)
    >>> with no_grad():
    ...     y = x * 3
    >>> y.requires_grad
    False
    """
    return recorded(False)


def value_and_grad(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns (f(*args), gradient of f in the arguments `argnums`).

    Parameters
    ----------
    f : callable
        Returns one number, as a Value.
    argnums : int or sequence of int
        Which positional arguments to differentiate in; a sequence gives a tuple of gradients.

    Returns
    -------
    callable
        Of the same arguments. Gradients have their arguments' shapes and dtypes; integers are differentiated as
        float64. Results are plain unless an argument is a Value or this runs inside another transform.

    Raises
    ------
    TypeError
        If f's result is no number, or `argnums` names arguments that are not there.

    Examples
    --------
    >>> value_and_grad(lambda x: x**3)(2.0)
    (8.0, 12.0)
    """

    def transformed(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        keep = _keep((*args, *kwargs.values()))
        with _inside():
            variables, out = _run(f, args, kwargs, _positions(argnums, args))
            if np.shape(plain(out)) != () and np.size(plain(out)) != 1:
                raise TypeError(f"grad is of one number; f returned shape {np.shape(plain(out))}: sum it, or use vjp")
            gradients = _pull(out, _ones(out), variables, keep)
        return _result(out, keep), gradients if isinstance(argnums, Sequence) else gradients[0]

    return transformed


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """The gradient of f, as a function of the same arguments. See `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    12.0
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    both = value_and_grad(f, argnums)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]


def vjp(f: Function, *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """f(*args), and the pullback v ↦ Jᵀv, which returns a gradient for each argument.

    Examples
    --------
    >>> out, pullback = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 1.0]))[0].tolist()
    [2.0, 4.0]
    """
    keep = _keep(args)
    with _inside():
        variables, out = _run(f, args, {}, range(len(args)))

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        again = keep or isinstance(cotangent, Node) or _depth.get() > 0
        with _inside():
            return _pull(out, _matching(cotangent, out, "cotangent", "f's result"), variables, again)

    return _result(out, keep), pullback


def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f(*args), and J·tangents: the directional derivative, by a forward sweep.

    Parameters
    ----------
    args, tangents : sequences of the same length
        A tangent has its argument's shape; None stands for zero.

    Examples
    --------
    >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))
    (6.0, 23.0)
    """
    if len(args) != len(tangents):
        raise TypeError(f"jvp: {len(args)} arguments and {len(tangents)} tangents")
    keep = _keep((*args, *tangents))
    with _inside():
        moving = [i for i, t in enumerate(tangents) if t is not None]
        variables, out = _run(f, args, {}, moving)
        return _result(out, keep), _push(out, variables, [tangents[i] for i in moving], keep)


def hvp(f: Function, args: Sequence[Any], vectors: Sequence[Any]) -> tuple[Any, ...]:
    """The Hessian of f times `vectors`: forward over reverse, without the Hessian.

    Returns
    -------
    tuple
        Σ_j ∂²f/∂x_i∂x_j v_j for each argument x_i, of its shape.

    Examples
    --------
    >>> hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))[0].tolist()
    [6.0, 12.0]
    """
    if len(args) != len(vectors):
        raise TypeError(f"hvp: {len(args)} arguments and {len(vectors)} vectors")
    keep = _keep((*args, *vectors))
    with _inside():
        variables, out = _run(f, args, {}, range(len(args)))
        if np.size(plain(out)) != 1:
            raise TypeError(f"hvp is of one number; f returned shape {np.shape(plain(out))}")
        gradients = _pull(out, _ones(out), variables, True)
        return tuple([_push(g, variables, list(vectors), keep) for g in gradients])


# -- pieces ----------------------------------------------------------------------------------------------------


@contextmanager
def _inside() -> Iterator[None]:
    token = _depth.set(_depth.get() + 1)
    try:
        with recorded(True):
            yield
    finally:
        _depth.reset(token)


def _keep(args: Sequence[Any]) -> bool:
    """Whether results are to be Values: somebody may differentiate them."""
    return _depth.get() > 0 or any(isinstance(x, Node) for x in args)


def _positions(argnums: Argnums, args: Sequence[Any]) -> list[int]:
    numbers = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    for n in numbers:
        if not isinstance(n, int) or not -len(args) <= n < len(args):
            raise TypeError(f"argnums={argnums!r}, but f was given {len(args)} positional arguments")
    return [n % len(args) for n in numbers]


def _run(f: Function, args: Sequence[Any], kwargs: Any, positions: Any) -> tuple[list[Value], Any]:
    """f on fresh Values at `positions`, and those Values."""
    args = list(args)
    variables = []
    for i in positions:
        x = args[i]
        # A copy of an outer Value keeps its past, and is still a node of this transform's own.
        fresh = identity(x) if isinstance(x, Value) and x.requires_grad else Value(plain(x))
        args[i] = fresh
        variables.append(fresh)
    out = f(*args, **kwargs)
    if not isinstance(out, Value):
        if isinstance(out, (tuple, list, dict, type(None), str)):
            raise TypeError(f"f returned a {type(out).__name__}; a transform differentiates one Value")
        out = Value(out, requires_grad=False)
    return variables, out


def _ones(out: Value) -> Any:
    return 1.0 if type(out.data) is float else np.ones_like(out.data)


def _matching(x: Any, like: Value, what: str, of: str) -> Any:
    x = float(x) if type(x) is int else np.asarray(x) if isinstance(x, (list, tuple)) else x
    if np.shape(plain(x)) != like.shape:
        raise ValueError(f"the {what} has shape {np.shape(plain(x))}, {of} {like.shape}")
    return x


def _pull(out: Value, seed: Any, variables: Sequence[Value], keep: bool) -> tuple[Any, ...]:
    """Gradients of <seed, out> in the variables."""
    if not out.requires_grad:
        return tuple([_result(_zeros(x), keep) for x in variables])
    wanted: dict[int, Node] = {x.number: x for x in variables}
    floor = min(wanted) - 1
    nodes = reachable(out, floor)
    if keep and not isinstance(seed, Node):
        seed = Value(seed, requires_grad=False)
    seed = cast_like(seed if keep else plain(seed), out)
    found = reverse(out, seed, choose(None), wanted=wanted, create_graph=keep, floor=floor, nodes=nodes)
    return tuple([_result(found[x.number][1] if x.number in found else _zeros(x), keep) for x in variables])


def _push(out: Value, variables: Sequence[Value], tangents: Sequence[Any], keep: bool) -> Any:
    """The tangent of out, given those of the variables."""
    moving: dict[int, Any] = {}
    for x, t in zip(variables, tangents, strict=True):
        t = _matching(t, x, "tangent", "its argument")
        if keep and not isinstance(t, Node):
            t = Value(t, requires_grad=False)
        moving[x.number] = cast_like(t if keep else plain(t), x)
    tangent = None
    if out.requires_grad and moving:
        tangent = forward(out, moving, choose(None), create_graph=keep)
    return _result(_zeros(out) if tangent is None else tangent, keep)


def _zeros(x: Value) -> Any:
    return 0.0 if type(x.data) is float else np.zeros_like(x.data)


def _result(x: Any, keep: bool) -> Any:
    if not keep:
        x = plain(x)
        return x.copy() if isinstance(x, np.ndarray) else x  # a result shares memory with nothing
    return x if isinstance(x, Node) else Value(x, requires_grad=False)
