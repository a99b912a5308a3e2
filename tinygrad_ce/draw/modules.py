"""Which calls of modules a graph was made in: its frames.

Scope           one call: its name, the scope around it, the nodes made in it
scopes_of       those that nodes of a graph were made in, outer ones first, and the innermost of each node
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..calls import Call, remembered
from ..node import Node


@dataclass(eq=False, slots=True)
class Scope:
    """A call of a module, as far as it left nodes in the graph.

    Attributes
    ----------
    call : Call
    parent : Scope or None
    name : str
        "Linear 'hidden'".
    level : int
        How many scopes are around it.
    made : list of Node
        What was made in it and in no scope inside.
    """

    call: Call
    parent: Scope | None
    name: str = ""
    level: int = 0
    made: list[Node] = field(default_factory=list)


def scopes_of(order: Sequence[Node]) -> tuple[list[Scope], dict[int, Scope]]:
    """The scopes of a graph's nodes, outer ones first; and by number the innermost one of every node in any.

    A leaf is in the innermost scope around all ops that take it, if it is a parameter of that module.
    """
    made = [node for node in order if node.op is not None]
    if not made:
        return [], {}
    inner = _made_in(made)
    found = set(inner.values())
    for scope in list(found):
        while scope.parent is not None:
            scope = scope.parent
            found.add(scope)
    scopes = sorted(found, key=lambda s: (s.call.start, -s.call.end))
    for scope in scopes:
        scope.level = 0 if scope.parent is None else scope.parent.level + 1
        scope.name = _named(scope)
    inner.update(_parameters(order, inner))
    return scopes, inner


def _made_in(made: Sequence[Node]) -> dict[int, Scope]:
    numbers = {node.number for node in made}
    low, high = made[0].number, made[-1].number
    # A call that gave nothing to this graph is another thread's, or of no consequence.
    spans = [c for c in remembered() if c.start < high and c.end > low and (not c.out or c.out in numbers)]
    spans.sort(key=lambda c: (c.start, -c.end))
    inner: dict[int, Scope] = {}
    stack: list[Scope] = []
    coming = iter([*spans, None])
    following = next(coming)
    for node in made:
        while following is not None and following.start < node.number:
            while stack and stack[-1].call.end < following.start:
                stack.pop()
            stack.append(Scope(following, stack[-1] if stack else None))
            following = next(coming)
        while stack and stack[-1].call.end < node.number:
            stack.pop()
        if stack:
            inner[node.number] = stack[-1]
            stack[-1].made.append(node)
    return inner


def _named(scope: Scope) -> str:
    """The module's type, and its place in the network, where the network or its parameters' labels know it."""
    module = scope.call.module()
    place = _place_by_labels(scope) if module is None else vars(module).get("_place") or _place(module)
    return f"{scope.call.type.__name__} '{place}'" if place else scope.call.type.__name__


def _place(module: Any) -> str:
    """What a parameter's label has before the name that it has in the module."""
    local, value = next(module.named_parameters(), ("", None))
    return str(value.label).removesuffix(local).rstrip(".") if value is not None and local else ""


def _place_by_labels(scope: Scope) -> str:
    """The same of a module that is gone: what the labels of the parameters that it took have in common."""
    taken = [x for node in scope.made for x in node.inputs if isinstance(x, Node) and x.op is None]
    places = {x.label.rpartition(".")[0] for x in taken if "." in x.label}
    return places.pop() if len(places) == 1 else ""


def _parameters(order: Sequence[Node], inner: dict[int, Scope]) -> dict[int, Scope]:
    """The scope of every leaf that is a parameter of a module around all ops that take it."""
    around: dict[int, Scope | None] = {}
    leaves: dict[int, Node] = {}
    for node in order:
        here = inner.get(node.number)
        for x in node.inputs:
            if isinstance(x, Node) and x.op is None:
                around[x.number] = _common(around[x.number], here) if x.number in around else here
                leaves[x.number] = x
    owned: dict[int, set[int]] = {}
    found = {}
    for number, scope in around.items():
        if scope is None:
            continue
        module = scope.call.module()
        if module is None:
            place = _place_by_labels(scope)
            its_own = bool(place) and leaves[number].label.startswith(f"{place}.")
        else:
            if id(module) not in owned:
                owned[id(module)] = {value.number for value in module.parameters()}
            its_own = number in owned[id(module)]
        if its_own:
            found[number] = scope
    return found


def _common(a: Scope | None, b: Scope | None) -> Scope | None:
    while a is not b:
        if a is None or b is None:
            return None
        if a.level >= b.level:
            a = a.parent
        else:
            b = b.parent
    return a
