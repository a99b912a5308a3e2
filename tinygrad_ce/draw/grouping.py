"""Which parts of a graph are drawn as one box.

    Group           one box: the nodes in it
    Grouping        what a drawing hides in boxes, and which frames it draws, filled by closed, repeated, digest

A group is a stretch of the graph in the order of creation, so a picture of groups has no cycles either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..node import Node, plain
from .graph import GroupKind
from .modules import Scope, scopes_of

PERIOD, WORK = 1024, 2 * 10**8  # the longest pattern that is looked for: of a long graph, a shorter one
ENOUGH = 3  # so often it has to be there
FEW = 8  # a box with more results shows none of them, but leads to where they are used


@dataclass(eq=False, slots=True)
class Group:
    """Nodes made by ops that are drawn as one box; `count` equal parts of which none is shown."""

    what: GroupKind
    name: str
    members: list[Node]
    count: int = 1
    scope: Scope | None = None


@dataclass
class Grouping:
    """The groups of a graph.

    Attributes
    ----------
    order : sequence of Node
        The graph, oldest first.
    made : list of Node
        What ops made of it.
    scopes : list of Scope
    inner : dict of Scope by node number
    groups : dict of Group by node number
    counts : dict of int by Scope
        How many equal ones a scope is the first of.
    """

    order: Sequence[Node] = ()
    scopes: list[Scope] = field(default_factory=list)
    inner: dict[int, Scope] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    counts: dict[Scope, int] = field(default_factory=dict)
    shut: dict[Scope, Group] = field(default_factory=dict)
    flat: bool = False

    def __post_init__(self) -> None:
        self.made = [node for node in self.order if node.op is not None]
        self._numbers = np.array([node.number for node in self.made])

    @classmethod
    def of(cls, order: Sequence[Node], modules: bool = True) -> Grouping:
        """The modules of a graph, all open."""
        scopes, inner = scopes_of(order) if modules else ([], {})
        return cls(order, scopes, inner)

    def add(self, group: Group) -> None:
        """Hide what is in a group, other groups included."""
        for node in group.members:
            self.groups[node.number] = group

    def closed(self, depth: int) -> None:
        """Close every module that stands within `depth` others."""
        for scope in self.scopes:
            if scope.level == depth and self._seen(scope):
                self.shut[scope] = Group("module", scope.name, self._within(scope), scope=scope.parent)
                self.add(self.shut[scope])

    def repeated(self) -> None:
        """Of what comes three times or more in a row, keep the first: at each level, from the outside in."""
        waiting: list[Scope | None] = [None]
        while waiting:
            scope = waiting.pop()
            items = self._items(scope)
            inside = {item for item in items if isinstance(item, Scope) and item not in self.shut}
            for start, period, times in runs([self._signature(item) for item in items]):
                one, rest = items[start : start + period], items[start + period : start + period * times]
                inside.difference_update(item for item in rest if isinstance(item, Scope))
                self._fold(scope, one, rest, times)
            waiting.extend(sorted(inside, key=_when))

    def _fold(self, scope: Scope | None, one: list[Any], rest: list[Any], times: int) -> None:
        """Hide the repetitions of `one`."""
        members = [node for item in rest for node in self._nodes(item)]
        first = one[0]
        if len(one) == 1 and first in self.shut:
            box = self.shut[first]
            box.members.extend(members)
            box.count = times
            self.add(box)
            return
        if len(one) == 1 and isinstance(first, Scope):
            self.counts[first] = times
        name = ", ".join(dict.fromkeys(i.call.type.__name__ if isinstance(i, Scope) else i.op.name for i in one))
        self.add(Group("repeated", name, members, times - 1, scope))

    def digest(self, norms: dict[int, float], keep: int) -> None:
        """Keep the ops with the largest gradients and the last one, and bundle the stretches between them.

        Boxes that are there already are bundled too, if they are many.
        """
        if len(set(self.groups.values())) > keep:
            self.groups.clear()
        last = self.made[-1]
        loose = [n for n in self.made if n.number not in self.groups and n is not last]
        loose.sort(key=lambda n: (-norms.get(n.number, 0.0), -n.number))
        bounds = {n.number for n in loose[:keep]} | {last.number} | set(self.groups)
        stretch: list[Node] = []
        for node in self.made:
            if node.number not in bounds:
                stretch.append(node)
            elif stretch:
                self.add(Group("rest", "", stretch))
                stretch = []
        self.flat = True  # frames would be cut by the stretches

    def scope(self, node: Node) -> Scope | None:
        """The innermost scope that is drawn around a node."""
        group = self.groups.get(node.number)
        if self.flat:
            return None
        return self.inner.get(node.number) if group is None else group.scope

    # -- what is hidden ----------------------------------------------------------------------------------------

    def size(self) -> int:
        """How many nodes a picture has, constants left aside."""
        hidden = self.hidden()
        loose = sum(node.number not in self.groups for node in self.made)
        return loose + len(set(self.groups.values())) + len(self.order) - len(hidden)

    def hidden(self) -> dict[int, Group]:
        """Values that are not drawn: used inside one group only, or too many."""
        if not self.groups:
            return {}
        users: dict[int, set[Group | None]] = {self.order[-1].number: {None}}
        for node in self.made:
            for x in node.inputs:
                if isinstance(x, Node):
                    users.setdefault(x.number, set()).add(self.groups.get(node.number))
        found: dict[int, Group] = {}
        results: dict[Group, list[int]] = {}
        many = len(self.order) - len(self.made) > FEW
        for node in self.order:
            used, number = users[node.number], node.number
            group = self.groups.get(number) if node.op is not None else self._holder(number, used, many)
            if group is None:
                continue
            if node.op is None or used == {group}:
                found[number] = group
            elif node is not self.order[-1]:
                results.setdefault(group, []).append(number)
        for group, numbers in results.items():
            if len(numbers) > FEW:
                found.update(dict.fromkeys(numbers, group))
        return found

    def _holder(self, number: int, users: set[Group | None], many: bool) -> Group | None:
        """The box that hides a leaf: the only one that takes it, or of many leaves any that stands for a stretch."""
        if len(users) == 1:
            (only,) = users
            # What goes into a module is shown, unless it is a parameter.
            if only is not None and (only.what != "module" or number in self.inner):
                return only
        return next((g for g in users if g is not None and g.what == "rest"), None) if many else None

    # -- the levels --------------------------------------------------------------------------------------------

    def _items(self, scope: Scope | None) -> list[Any]:
        """What stands in a scope (or in none) itself: nodes and scopes, in order."""
        inside = [s for s in self.scopes if s.parent is scope]
        own = [n for n in self.made if n.number not in self.inner] if scope is None else scope.made
        loose = [n for n in own if n.number not in self.groups]
        # A scope counts, open or shut, unless a box around it hides it.
        seen = [s for s in inside if self._seen(s)]
        return sorted([*loose, *seen], key=_when)

    def _seen(self, scope: Scope) -> bool:
        box = self.shut.get(scope)
        for node in self._within(scope):
            group = self.groups.get(node.number)
            if group is None or group is box or (group.scope is not None and group.scope.level >= scope.level):
                return True
        return False

    def _nodes(self, item: Any) -> list[Node]:
        return self._within(item) if isinstance(item, Scope) else [item]

    def _within(self, scope: Scope) -> list[Node]:
        low, high = np.searchsorted(self._numbers, [scope.call.start, scope.call.end])
        return self.made[low:high]

    def _signature(self, item: Any) -> Any:
        if isinstance(item, Scope):
            return item.call.type.__name__, tuple(self._signature(n) for n in self._within(item))
        return item.op.name, np.shape(item.data), tuple([np.shape(plain(x)) for x in item.inputs])


def _when(item: Any) -> int:
    return item.call.start if isinstance(item, Scope) else item.number


def runs(signatures: Iterable[Any]) -> list[tuple[int, int, int]]:
    """Where a sequence repeats itself: (start, period, times), the first and longest stretches first.

    >>> runs("xabababyyyz")
    [(1, 2, 3), (7, 1, 3)]
    """
    codes: dict[Any, int] = {}
    s = np.array([codes.setdefault(item, len(codes)) for item in signatures])
    n = len(s)
    cover = np.zeros(n, dtype=int)  # how far the best pattern that starts here reaches, and its period
    best = np.zeros(n, dtype=int)
    for period in range(1, min(PERIOD, n // ENOUGH, WORK // max(n, 1)) + 1):
        if n and cover[0] == n:
            break
        same = s[:-period] == s[period:]
        if not same.any():
            continue
        # The number of equal entries in a row from each place on.
        breaks = np.where(same, len(same), np.arange(len(same)))
        ahead = np.minimum.accumulate(breaks[::-1])[::-1] - np.arange(len(same))
        reach = (ahead // period + 1) * period
        better = (reach >= ENOUGH * period) & (reach > cover[: len(same)])
        cover[: len(same)][better] = reach[better]
        best[: len(same)][better] = period
    found, i = [], 0
    while i < n:
        if cover[i]:
            found.append((i, int(best[i]), int(cover[i] // best[i])))
            i += int(cover[i])
        else:
            i += 1
    return found
