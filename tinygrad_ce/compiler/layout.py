"""Where the single numbers of a graph lie in one vector, so that groups of them are read as views where they can be.

    laid_out(numbers, groups)   a Layout: the place of every number, and the work to be done, group by group
    strided(indices)            several sequences of positions as views of one shape, if they are

A group whose members are terms of one sum lies within that sum's block, a row for each term: what is added up need not
be copied first, and is added row by row, in the order of the terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from ..ops import relu
from .graph import Note
from .scalars import CONSTANT, OUTSIDE, SUM, Group, Numbers

AXES = 4  # of a view, at most
SHORT = 8  # views with a last axis shorter than this cost more than they save


@dataclass(frozen=True)
class View:
    """A part of a vector: of the numbers', or of the scratch's."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in numbers
    scratch: bool = False

    @classmethod
    def plain(cls, offset: int, shape: tuple[int, ...], scratch: bool = False) -> View:
        return cls(offset, shape, contiguous(shape), scratch)


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([math.prod(shape[i + 1 :]) for i in range(len(shape))])


@dataclass(frozen=True)
class Work:
    """One operation: `function` of operands, written to `out`.

    `function` is a ufunc, another function of arrays, SUM (over the first axis of its operand), or COPY. What is no
    view is first gathered: `gathers` says by which positions, and into which part of the scratch.
    """

    function: Any
    out: View
    operands: tuple[Any, ...]  # Views and floats
    gathers: tuple[tuple[Any, View], ...]
    note: Note


COPY = "copy"


@cache
def exact() -> frozenset[Any]:
    """Functions that are rounded correctly, or not at all; others may be NumPy's own on arrays, or a library's."""
    names = (
        "add subtract multiply divide negative absolute fabs sqrt square maximum minimum fmax fmin sign copysign "
        "floor ceil trunc rint greater less greater_equal less_equal equal not_equal logical_and logical_or "
        "logical_xor logical_not isnan isinf isfinite signbit where"
    )
    return frozenset({*(getattr(np, name) for name in names.split()), relu.kernel, SUM, COPY})


@dataclass
class Layout:
    """A vector of numbers and the work that fills it.

    Attributes
    ----------
    places : array of int
        The position of each node, -1 where it has none.
    size, scratch : int
        Of the vector, and of a second one for what is gathered.
    constants : list of (offset, array)
    loads : list of (stage, slot, positions or None, offset)
        Numbers from elsewhere: elements of an array, or what a slot holds.
    work : list of (stage, Work)
    """

    numbers: Any  # Numbers
    places: Any
    size: int = 0
    scratch: int = 0
    constants: list[tuple[int, Any]] = field(default_factory=list)
    loads: list[tuple[int, int, Any, int]] = field(default_factory=list)
    work: list[tuple[int, Work]] = field(default_factory=list)

    def forget(self) -> None:
        """Let go of what is needed only to make it: a few objects for each number."""
        self.numbers, self.places = None, None

    @property
    def exact(self) -> bool:
        """Whether every operation gives what it gives on one number, to the last bit."""
        return all(work.function in exact() for _, work in self.work)

    def new(self, n: int) -> int:
        self.size += n
        return self.size - n

    def constant(self, values: Any) -> int:
        offset = self.new(len(values))
        self.constants.append((offset, np.array(values, float)))
        return offset


def laid_out(numbers: Numbers, groups: Sequence[Group], gathered: Sequence[Sequence[int]] = ()) -> Layout:
    """A Layout of these groups. `gathered`: sequences of nodes that are wanted in arrays."""
    made = Layout(numbers, np.full(len(numbers.functions), -1, np.int64))
    _place_leaves(made, groups, gathered)
    blocks = _blocks(numbers, groups)
    for k in blocks.hosts:
        blocks.offsets[k] = made.new(blocks.tables[k].size)
    for k, group in enumerate(groups):
        n = len(group.nodes)
        home = blocks.homes.get(k)
        if home is None:
            offset = made.new(n)
        else:
            host, row, _ = home
            offset = blocks.offsets[host] + row * blocks.tables[host].shape[1]
        made.places[group.nodes] = np.arange(offset, offset + n)
    for k, group in enumerate(groups):
        if group.function is SUM:
            made.work += [(group.stage, w) for w in _sum(made, group, blocks, k)]
        else:
            made.work.append((group.stage, _applied(made, group)))
    return made


def _place_leaves(made: Layout, groups: Sequence[Group], gathered: Sequence[Sequence[int]]) -> None:
    """Constants one after another; what is made elsewhere as it lies there."""
    numbers = made.numbers
    used = {i for g in groups for n in g.nodes for i in numbers.operands[n]} | {n for nodes in gathered for n in nodes}
    constants = sorted(n for n in used if numbers.functions[n] is CONSTANT)
    if constants:
        offset = made.constant([numbers.values[n] for n in constants])
        made.places[constants] = np.arange(offset, offset + len(constants))
    sources: dict[tuple[int, int, bool], dict[int, list[int]]] = {}
    for n in sorted(n for n in used if numbers.functions[n] is OUTSIDE):
        slot, position = numbers.outside[n]
        source = sources.setdefault((numbers.stages[n], slot, position is None), {})
        source.setdefault(position or 0, []).append(n)
    for (stage, slot, alone), nodes in sources.items():
        positions = sorted(nodes)
        offset = made.new(len(positions))
        made.loads.append((stage, slot, None if alone else np.array(positions), offset))
        for i, position in enumerate(positions):
            made.places[nodes[position]] = offset + i


# -- sums --------------------------------------------------------------------------------------------------------


@dataclass
class _Blocks:
    """Which groups lie within the blocks of which sums.

    tables: the terms of each sum, a row for each (-1 where some have fewer); homes: (sum, first row, end) by group;
    hosts: for each sum in whose block others lie, which rows are theirs; offsets of these.
    """

    tables: dict[int, Any] = field(default_factory=dict)
    homes: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    hosts: dict[int, Any] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)


def _blocks(numbers: Numbers, groups: Sequence[Group]) -> _Blocks:
    """Go through the groups from the last, whose order is that of its making, to those that it is made of."""
    made = _Blocks()
    of = np.full(len(numbers.functions) + 1, -1)
    for k, group in enumerate(groups):
        of[group.nodes] = k
    for k in range(len(groups) - 1, -1, -1):
        if groups[k].function is not SUM:
            continue
        terms = [numbers.operands[n] for n in groups[k].nodes]
        longest = max(map(len, terms))
        table = np.full((len(terms), longest), -1)
        for row, nodes in zip(table, terms, strict=True):
            row[: len(nodes)] = nodes
        table = np.ascontiguousarray(table.T)
        made.tables[k] = table
        for start, end, inner in _runs(of[table]):
            if inner < 0 or inner in made.homes or groups[inner].stage != groups[k].stage:
                continue
            nodes = table[start:end].ravel().tolist()
            if len(groups[inner].nodes) == len(nodes) == len(set(nodes)):
                groups[inner].nodes = nodes
                made.homes[inner] = k, start, end
                made.hosts.setdefault(k, np.zeros(longest, bool))[start:end] = True
    return made


def _runs(owners: Any) -> list[tuple[int, int, int]]:
    """Rows of one owner each that follow one another: (start, end, owner), -1 where a row has several."""
    first = owners[:, 0]
    alone = np.where((owners == first[:, None]).all(axis=1), first, -1)
    cuts = [0, *(np.flatnonzero(np.diff(alone)) + 1).tolist(), len(alone)]
    return [(a, b, int(alone[a])) for a, b in pairwise(cuts)]


def _sum(made: Layout, group: Group, blocks: _Blocks, k: int) -> list[Work]:
    """The copies that complete a sum's block, and the sum."""
    table = blocks.tables[k]
    rows, n = table.shape
    at_home = blocks.hosts.get(k, np.zeros(rows, bool))
    out = View.plain(int(made.places[group.nodes[0]]), (n,))
    if not at_home.any():
        view = _rows_as_view(made, table)
        if view is not None:
            return [Work(SUM, out, (view,), (), group.note)]
    offset = blocks.offsets[k] if k in blocks.hosts else made.new(table.size)
    work = []
    cuts = [0, *(np.flatnonzero(np.diff(at_home)) + 1).tolist(), rows]
    for a, b in pairwise(cuts):
        if not at_home[a]:
            work += _copies(made, table[a:b], offset + a * n, group.note)
    return [*work, Work(SUM, out, (View.plain(offset, (rows, n)),), (), group.note)]


def _rows_as_view(made: Layout, table: Any) -> View | None:
    """A sum's terms as a view whose rows are whole: NumPy adds such rows one after another."""
    if (table < 0).any():
        return None
    places = made.places[table]
    rows, n = places.shape
    step = int(places[1, 0] - places[0, 0])
    regular = (places == places[0, 0] + step * np.arange(rows)[:, None] + np.arange(n)).all()
    if not regular or (n > 1 and step < n):
        return None
    return View(int(places[0, 0]), (rows, n), (step, 1))


def _copies(made: Layout, table: Any, offset: int, note: Note) -> list[Work]:
    """Copies of rows of terms to where their sum wants them; constants are there from the start."""
    work, n = [], table.shape[1]
    known = np.array([_values(made, row) is not None for row in table])
    cuts = [0, *(np.flatnonzero(np.diff(known)) + 1).tolist(), len(table)]
    for a, b in pairwise(cuts):
        rows = table[a:b].ravel()
        if known[a]:
            made.constants.append((offset + a * n, _values(made, rows)))
        else:
            work.append(_worked(made, COPY, offset + a * n, [rows], note))
    return work


# -- other groups ------------------------------------------------------------------------------------------------


def _applied(made: Layout, group: Group) -> Work:
    operands = list(zip(*[made.numbers.operands[n] for n in group.nodes], strict=True))
    first = int(made.places[group.nodes[0]])
    return _worked(made, group.function, first, [np.array(nodes) for nodes in operands], group.note)


def _worked(made: Layout, function: Any, offset: int, operands: Sequence[Any], note: Note) -> Work:
    """A function of these nodes, its results to lie from `offset` on."""
    n = len(operands[0])
    found: list[Any] = [None] * len(operands)
    indices: dict[int, Any] = {}
    for i, nodes in enumerate(operands):
        values = _values(made, nodes)
        if values is None:
            indices[i] = _found(made, nodes)
        elif values.tobytes() == np.full(n, values[0]).tobytes():
            found[i] = float(values[0])
        else:
            indices[i] = np.arange(n) + made.constant(values)
    shape, views = _viewed(indices, n)
    gathers, at = [], 0
    for i, places in indices.items():
        if i in views:
            found[i] = View(int(places[0]), shape, views[i])
        else:
            gathers.append((places, View.plain(at, (n,), True)))
            found[i] = View.plain(at, shape, True)
            at += n
    made.scratch = max(made.scratch, at)
    return Work(function, View.plain(offset, shape), tuple(found), tuple(gathers), note)


def _values(made: Layout, nodes: Any) -> Any:
    """The numbers that constants are; None where one is none. What is missing in a sum is −0, which changes nothing."""
    functions, values = made.numbers.functions, made.numbers.values
    given = nodes.tolist()
    if any(i >= 0 and functions[i] is not CONSTANT for i in given):
        return None
    return np.array([values[i] if i >= 0 else -0.0 for i in given])


def _found(made: Layout, nodes: Any) -> Any:
    if (nodes >= 0).all():
        return made.places[nodes]
    return np.where(nodes >= 0, made.places[nodes], made.constant([-0.0]))


def _viewed(indices: dict[int, Any], n: int) -> tuple[tuple[int, ...], dict[int, tuple[int, ...]]]:
    """A shape, and the strides of those sequences of positions that are views of it."""
    tried = dict(indices)
    own = {i: strided([places]) for i, places in tried.items()}
    tried = {i: places for i, places in tried.items() if own[i] is not None}
    while tried:
        found = strided(list(tried.values()))
        if found is not None and (len(found[0]) == 1 or found[0][-1] >= SHORT or n < 256):
            return found[0], dict(zip(tried, found[1], strict=True))
        shortest = min(tried, key=lambda i: own[i][0][-1])  # type: ignore[index]
        del tried[shortest]
    return (n,), {}


def strided(indices: Sequence[Any]) -> tuple[tuple[int, ...], list[tuple[int, ...]]] | None:
    """The shape and the strides by which these sequences of positions can be read as views, or None."""
    shape: list[int] = []
    strides: list[list[int]] = [[] for _ in indices]
    while len(indices[0]) > 1:
        steps = [int(a[1] - a[0]) for a in indices]
        run = _run(indices, steps)
        if run < 2 or len(shape) == AXES:
            return None
        shape.insert(0, run)
        for sizes, step in zip(strides, steps, strict=True):
            sizes.insert(0, step)
        indices = [a[::run] for a in indices]
    if not shape:
        shape, strides = [1], [[0] for _ in indices]
    return tuple(shape), [tuple(s) for s in strides]


def _run(indices: Sequence[Any], steps: Sequence[int]) -> int:
    """The most positions that follow one another by these steps again and again, from end to end."""
    n = longest = len(indices[0])
    for a, step in zip(indices, steps, strict=True):
        breaks = np.flatnonzero(np.diff(a) != step)
        longest = min(longest, int(breaks[0]) + 1 if len(breaks) else n)
    for run in range(longest, 1, -1):
        if n % run == 0 and all(_regular(a, run, step) for a, step in zip(indices, steps, strict=True)):
            return run
    return 1


def _regular(a: Any, run: int, step: int) -> bool:
    rows = a.reshape(-1, run)
    return bool((rows == rows[:, :1] + step * np.arange(run)).all())
