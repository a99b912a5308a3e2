"""Which derivation each node is swept with.

Choice              a request ("analytic", {softmax: "jacobian"}, None), answered node by node
use_derivation      a context in which sweeps use a derivation
choose              the choice for one sweep: its own request, the context's, or every op's default
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .derivation import AUTODIFF, Derivation
from .node import Node
from .op import Op, Shortcut
from .registry import registry

Request = str | Mapping[Op, str] | None


def reachable(root: Node, floor: int = 0, beside: Iterable[Node] = ()) -> dict[int, Node]:
    """The nodes that need a gradient and lead to root (or to a node beside it), by number.

    Those at or below `floor` are not opened.
    """
    nodes = {x.number: x for x in (root, *beside)}
    stack = [x for x in nodes.values() if x.number > floor]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x.number not in nodes and x.requires_grad:
                nodes[x.number] = x
                if x.number > floor:
                    stack.append(x)
    return nodes


class Choice:
    """A request for derivations, answered node by node.

    A name applies to the ops and shortcuts that have it, the others use their default; a mapping gives names to
    single ops; "autodiff" opens every composite and bars shortcuts.
    """

    def __init__(self, request: Request = None) -> None:
        if request is not None and not isinstance(request, (str, Mapping)):
            raise TypeError(f"derivation= takes a name, or a mapping of ops to names, not {request!r:.60}")
        self.request = request
        if isinstance(request, Mapping):
            for op, name in request.items():
                if not isinstance(op, Op):
                    raise TypeError(f"derivation={{...}} maps ops to names; {op!r:.60} is no op")
                names = {*op.derivations, *(s.derivation.name for s in op.shortcuts)}
                if name not in names:
                    raise ValueError(f"op {op.name} has no derivation '{name}'; it has {_listed(names)}")

    def name(self, op: Op) -> str | None:
        """The name asked for, as far as it concerns this op."""
        request = self.request
        if request is None or isinstance(request, str):
            return request
        return request.get(op)

    def of(self, op: Op) -> Derivation:
        """The derivation of an op, shortcuts aside."""
        name = self.name(op)
        found = op.derivations.get(op.default if name is None or name not in op.derivations else name)
        if found is None:
            raise NotImplementedError(f"op {op.name} has no derivation: give it one with @{op.name}.derivation")
        return found

    def short(self) -> Callable[[Node, Any, set[int] | None], list[tuple[Node, Any]] | None] | None:
        """A short way of single numbers: what a node sends for a cotangent, or None where it has to go the long way."""
        return None

    def shortcut(self, node: Node, held: Mapping[int, Any]) -> tuple[Shortcut, Node] | None:
        """The shortcut that applies at this node, with the node that it jumps over.

        None where somebody wants the inner node's own adjoint, or has asked for a derivation of one of the two.
        """
        for shortcut in node.op.shortcuts if node.op else ():
            inner = shortcut.reaches(node.inputs, node.params)
            if inner is None or inner.retains or inner.number in held or not inner.requires_grad:
                continue
            if self._takes(shortcut):
                return shortcut, inner
        return None

    def _takes(self, shortcut: Shortcut) -> bool:
        outer, inner, name = shortcut.outer, shortcut.inner, shortcut.derivation.name
        asked = self.name(outer) or self.name(inner)
        if asked == AUTODIFF:
            return False
        if any(asked == s.derivation.name for s in outer.shortcuts):
            return asked == name and asked == self.name(outer)
        if asked is not None and (asked in outer.derivations or asked in inner.derivations):
            return False
        return not shortcut.derivation.assumes

    def check(self, nodes: Mapping[int, Node]) -> None:
        """Raise ValueError where a name asked for is one that no node of the graph has."""
        if self.request is None or self.request == AUTODIFF:
            return
        ops = {node.op for node in nodes.values() if node.op is not None}
        if isinstance(self.request, str):
            available = names_available(ops)
            if self.request not in available:
                raise ValueError(
                    f"no node of this graph has a derivation '{self.request}'; there are {_listed(available)}"
                )
        else:
            absent = [op.name for op in self.request if op not in ops]
            if absent:
                raise ValueError(
                    f"no node of this graph is of op {absent[0]}; its ops are {_listed(o.name for o in ops)}"
                )


def names_available(ops: Iterable[Op]) -> set[str]:
    """Names of derivations and shortcuts that these ops have, with "autodiff", which every graph has."""
    names, ops = {AUTODIFF}, set(ops)
    for op in ops:
        names.update(op.derivations)
        names.update(s.derivation.name for s in op.shortcuts if s.inner in ops)
    return names


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(f"'{n}'" for n in names))


_chosen: ContextVar[Choice | None] = ContextVar("derivation", default=None)
_DEFAULT = Choice()


@contextmanager
def use_derivation(derivation: Request) -> Iterator[None]:
    """A context in which sweeps that name no derivation of their own use this one.

    >>> import tinygrad_ce as tg
    >>> z = tg.Value([1.0, 2.0, 3.0])
    >>> with tg.use_derivation("autodiff"):
    ...     tg.softmax(z)[0].backward()

    Raises
    ------
    ValueError
        If no registered op has a derivation of that name.
    """
    choice = Choice(derivation)
    if isinstance(derivation, str):
        known = {n for op in registry.values() for n in op.derivations}
        known |= {s.derivation.name for op in registry.values() for s in op.shortcuts} | {AUTODIFF}
        if derivation not in known:
            raise ValueError(f"no op has a derivation '{derivation}'; there are {_listed(known)}")
    token = _chosen.set(choice)
    try:
        yield
    finally:
        _chosen.reset(token)


def choose(derivation: Request, root: Node | None = None) -> Choice:
    """The choice for a sweep from root: its own request, else that of the context, else each op's default.

    Raises
    ------
    ValueError
        If the sweep's own request names a derivation that no node leading to root has.
    """
    if derivation is None:
        return _chosen.get() or _DEFAULT
    choice = Choice(derivation)
    if root is not None:
        choice.check(reachable(root))
    return choice
