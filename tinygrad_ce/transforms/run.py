"""One run of a function on fresh Values, and the graph that it left: what every transform starts from.

    Run(f, args, kwargs, names)     f's arguments and results as trees, the named ones made of fresh Values
    run.pull(cotangents)            gradients in the variables, by a reverse sweep
    Pushing(variables, roots)       tangents of roots, by forward sweeps

A fresh Value is a node of its own, so an inner derivative never takes an outer variable for its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import index
from typing import Any

import numpy as np

from ..arrays import zeros_like
from ..choice import choose, reachable
from ..forward import forward, order
from ..identities import cast_like, identity
from ..mutation import require_unwritten
from ..node import Node, plain
from ..sweep import leading_to, reverse
from ..trees import LEAF, Carried, Form, flatten
from ..value import Value
from .context import inside, kept, result

Function = Callable[..., Any]
Argnums = int | str | Sequence[int | str]
_NOTHING: AbstractContextManager[None] = nullcontext()


class Run:
    """f, run once.

    Attributes
    ----------
    variables : list of Value
        The leaves of the arguments that are differentiated.
    inward : list of Form
        Those arguments' forms.
    outputs, outward
        The leaves of f's result, as Values, and its form.
    aux
        What f returned beside it, plain unless `keep`.
    keep : bool
        Whether results are to be Values.
    """

    def __init__(
        self,
        f: Function,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        argnums: Argnums,
        *,
        has_aux: bool = False,
        keep: bool = False,
    ) -> None:
        given: dict[int | str, Any] = dict(enumerate(args))
        given.update(kwargs)
        places = _places(f, argnums, given, len(args))
        self.variables: list[Value] = []
        self.inward: list[Form] = []
        self._known: Any = None
        trees = {place: flatten(x) for place, x in given.items()}
        self.keep = keep or kept([leaf for leaves, _ in trees.values() for leaf in leaves])
        with inside():
            for place in places:
                given[place] = self._fresh(given[place], place, *trees[place])
            positional = [given.pop(i) for i in range(len(args))]
            out = f(*positional, **{str(name): x for name, x in given.items()})
        self.aux: Any = None
        if has_aux:
            if not isinstance(out, tuple) or len(out) != 2:
                raise TypeError(f"has_aux=True is for a function that returns (result, aux), not {_named(out)}")
            out, aux = out
            leaves, form = flatten(aux)
            self.aux = form.build([result(x, self.keep) if isinstance(x, Node) else x for x in leaves])
        leaves, self.outward = flatten(out)
        if isinstance(self.outward, Carried):
            hint = "; does it lack a return?" if out is None else ""
            raise TypeError(f"f returned {_named(out)}, which has no derivative{hint}")
        self.outputs: list[Value] = [_differentiable(x) for x in leaves]

    def _fresh(self, argument: Any, place: int | str, leaves: list[Any], form: Form) -> Any:
        """The argument made of fresh Values, which become variables."""
        if isinstance(form, Carried):
            raise TypeError(
                f"argument {place!r} is {_named(argument)}, in which nothing can be differentiated: leave it out of "
                f"argnums, or close over it"
            )
        # A copy of an outer Value keeps its past, and is still a node of this run's own.
        fresh = [identity(x) if isinstance(x, Value) and x.requires_grad else Value(plain(x)) for x in leaves]
        self.inward.append(form)
        self.variables += fresh
        return form.build(fresh)

    # -- trees -------------------------------------------------------------------------------------------------

    @property
    def out(self) -> Any:
        """f's result, for the caller."""
        return self.outward.build([result(x, self.keep) for x in self.outputs])

    def outwards(self, leaves: Sequence[Any]) -> Any:
        """Leaves for f's results, in the form of its result; None for what has no derivative."""
        return self.outward.build(leaves, carried=None)

    def inwards(self, leaves: Sequence[Any]) -> list[Any]:
        """Leaves for the variables, in the form of each argument; None for what has no derivative."""
        trees, start = [], 0
        if len(leaves) == len(self.inward) and all(form is LEAF for form in self.inward):
            return list(leaves)
        for form in self.inward:
            count = form.count()
            trees.append(form.build(leaves[start : start + count], carried=None))
            start += count
        return trees

    def one_number(self, what: str) -> Value:
        """f's result, which has to be one real number."""
        if self.outward is not LEAF:
            hint = "; has_aux=True is for (loss, aux)" if len(self.outputs) == 2 else ""
            raise TypeError(f"{what} is of one number, but f returned {_named(self.outwards(self.outputs))}{hint}")
        out = self.outputs[0]
        if out.size != 1:
            raise TypeError(f"{what} is of one number; f returned shape {out.shape}: sum it, or use vjp or jacobian")
        require_real(out, what)
        return out

    # -- sweeps ------------------------------------------------------------------------------------------------

    def pull(self, cotangents: Sequence[Any], keep: bool) -> list[Any]:
        """Gradients of Σ <cotangent, result> in the variables; Values if `keep`. A cotangent of None is zero."""
        wanted, useful, floor, leaves = self._paths()
        for leaf in leaves:
            require_unwritten(leaf, *self.outputs)
        seeds = [
            (out, _prepared(c, out, keep, "cotangent", "f's result"))
            for out, c in zip(self.outputs, cotangents, strict=True)
            if c is not None
        ]
        seeds = [(out, c) for out, c in seeds if out.number in useful]
        if not seeds:
            return [result(zeros_like(x._data), keep) for x in self.variables]
        (root, seed), *beside = seeds
        with inside() if keep else _NOTHING:
            found = reverse(
                root,
                seed,
                choose(None),
                wanted=wanted,
                create_graph=keep,
                floor=floor,
                useful=useful,
                beside=beside,
            )
        return [result(found[x.number][1] if x.number in found else zeros_like(x._data), keep) for x in self.variables]

    def _paths(self) -> tuple[dict[int, Node], set[int], int, list[Node]]:
        """What a reverse sweep is to know: the variables, the nodes that depend on them, where to stop; all leaves."""
        if self._known is None:
            wanted: dict[int, Node] = {x.number: x for x in self.variables}
            floor = min(wanted, default=0) - 1
            roots = [x for x in self.outputs if x.requires_grad]
            nodes = reachable(roots[0], floor, roots) if roots else {}
            self._known = wanted, leading_to(nodes, wanted), floor, [x for x in nodes.values() if x.op is None]
        return self._known


class Pushing:
    """Forward sweeps over one graph, from variables to roots."""

    def __init__(self, variables: Sequence[Value], roots: Sequence[Value]) -> None:
        self.variables, self.roots = variables, roots
        moving = [x for x in roots if x.requires_grad]
        self._nodes = order(moving, {x.number: None for x in variables})
        inputs = {x.number: x for node in self._nodes for x in node.inputs if isinstance(x, Node)}
        self._leaves = [x for x in inputs.values() if x.op is None]

    def push(self, tangents: Sequence[Any], keep: bool) -> list[Any]:
        moving = {
            x.number: _prepared(t, x, keep, "tangent", "its argument")
            for x, t in zip(self.variables, tangents, strict=True)
            if t is not None
        }
        for leaf in self._leaves:
            require_unwritten(leaf, *self.roots)
        with inside() if keep else _NOTHING:
            found = forward(self._nodes, moving, choose(None), create_graph=keep) if moving else {}
        return [result(found.get(x.number, zeros_like(x._data)), keep) for x in self.roots]


# -- small print -----------------------------------------------------------------------------------------------


def require_real(out: Value, what: str) -> None:
    if out.dtype.kind == "c":
        raise TypeError(f"{what} is of a real number, but f's result is complex: take its real part, or its modulus")


def several(argnums: Argnums) -> bool:
    """Whether argnums asks for a tuple of gradients."""
    return isinstance(argnums, Sequence) and not isinstance(argnums, str)


def _places(f: Function, argnums: Argnums, given: dict[int | str, Any], positional: int) -> list[int | str]:
    """Where in `given` (by position and by keyword) the arguments are that argnums names."""
    numbers: Any = argnums if several(argnums) else [argnums]
    places = [_place(f, n, given, positional) for n in numbers]
    if len(set(places)) < len(places):
        raise TypeError(f"argnums={argnums!r} names an argument twice")
    return places


def _place(f: Function, n: int | str, given: dict[int | str, Any], positional: int) -> int | str:
    if isinstance(n, str):
        return n if n in given else _by_name(f, n, given, positional)
    try:
        n = index(n)
    except TypeError:
        raise TypeError(f"argnums takes positions and names of arguments, not {n!r:.60}") from None
    if not -positional <= n < positional:
        raise TypeError(f"argnums={n}, but f was given {positional} positional arguments")
    return n % positional


def _by_name(f: Function, name: str, given: dict[int | str, Any], positional: int) -> int | str:
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):
        parameters = {}  # type: ignore[assignment]
    parameter = parameters.get(name)
    if parameter is not None and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        place = list(parameters).index(name)
        if place < positional:
            return place
    if parameter is not None and parameter.default is not parameter.empty:
        given[name] = parameter.default  # left out by the caller: differentiated at its default
        return name
    raise TypeError(f"argnums={name!r}, but f was given no argument of that name")


def _differentiable(x: Any) -> Value:
    data = plain(x)
    kind = "b" if type(data) is bool else getattr(getattr(data, "dtype", None), "kind", "f")
    if kind in "iub":
        raise TypeError(
            f"f returned {getattr(data, 'dtype', 'bool')}: whole numbers and truth values have no derivative; return "
            f"them beside the result with has_aux=True, or make them floats"
        )
    return x if isinstance(x, Value) else Value(x, requires_grad=False)


def _prepared(t: Any, x: Value, keep: bool, what: str, of: str) -> Any:
    """A tangent or cotangent of x's shape and dtype; a Value if `keep`."""
    data = x._data
    if not keep and type(t) is type(data) and (type(t) is float or (t.shape == data.shape and t.dtype == data.dtype)):
        return t  # as it should be
    t = float(t) if type(t) is int else np.asarray(t) if isinstance(t, (list, tuple)) else t
    if np.shape(plain(t)) != x.shape:
        raise ValueError(f"the {what} has shape {np.shape(plain(t))}, {of} {x.shape}")
    if keep and not isinstance(t, Node):
        t = Value(t, requires_grad=False)
    return cast_like(t if keep else plain(t), x)


def _named(x: Any) -> str:
    if x is None:
        return "None"
    return f"a {type(x).__name__}"
