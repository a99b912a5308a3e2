"""Nested containers: what a function takes and returns, as a flat list of leaves and back.

    flatten(tree)           the leaves, and the Form that puts them back together
    Form.build(leaves)      the same containers around other leaves
    Form.align(other)       the leaves of another tree, which has to be built alike

A container is a tuple, a list, a dict, a dataclass or a namedtuple, subclasses included; they nest. A leaf is a
number, an array of numbers or a Value. All else (None, text, a function) is carried along as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from .node import Node

Make = Callable[[list[Any]], Any]
KEEP = object()


class Form:
    """How a tree is put together: this one is a single leaf."""

    def count(self) -> int:
        """How many leaves it has."""
        return 1

    def build(self, leaves: Sequence[Any], carried: Any = KEEP) -> Any:
        """The tree with these leaves; `carried`, where given, stands for everything that was carried along."""
        return self.built(iter(leaves), carried)

    def built(self, leaves: Iterator[Any], carried: Any) -> Any:
        return next(leaves)

    def align(self, other: Any, where: str) -> list[Any]:
        """The leaves of `other`, a tree of this form; None in it stands for a subtree of Nones.

        Raises
        ------
        TypeError
            Where `other` is built differently; the message says where.
        """
        return [other]


@dataclass(frozen=True)
class Carried(Form):
    """What has no derivative, and is carried along."""

    what: Any

    def count(self) -> int:
        return 0

    def built(self, leaves: Iterator[Any], carried: Any) -> Any:
        return self.what if carried is KEEP else carried

    def align(self, other: Any, where: str) -> list[Any]:
        return []


@dataclass(frozen=True)
class Container(Form):
    """A container: the keys of its parts, their forms, and what makes one like it of other parts."""

    kind: type
    keys: tuple[Any, ...]
    parts: tuple[Form, ...]
    make: Make

    def count(self) -> int:
        return sum([part.count() for part in self.parts])

    def built(self, leaves: Iterator[Any], carried: Any) -> Any:
        return self.make([part.built(leaves, carried) for part in self.parts])

    def align(self, other: Any, where: str) -> list[Any]:
        if other is None:
            return [None] * self.count()
        keys, parts, _ = _opened(other) or (None, [], None)
        if keys is None or set(keys) != set(self.keys):
            found = type(other).__name__ + ("" if keys is None else f" of {list(keys)}")
            raise TypeError(f"{where} is a {found}, where a {self.kind.__name__} of {list(self.keys)} is wanted")
        by_key = dict(zip(keys, parts, strict=True))
        pairs = zip(self.keys, self.parts, strict=True)
        return [leaf for key, part in pairs for leaf in part.align(by_key[key], f"{where}[{key!r}]")]


LEAF = Form()


def flatten(tree: Any) -> tuple[list[Any], Form]:
    """The leaves of a tree, in order, and its Form.

    Raises
    ------
    TypeError
        For an array of Values, and for a container that holds itself.
    """
    if is_leaf(tree):
        return [tree], LEAF
    leaves: list[Any] = []
    return leaves, _form(tree, leaves, ())


def carried(form: Form) -> list[Any]:
    """What is carried along in a tree of this form."""
    if isinstance(form, Container):
        return [x for part in form.parts for x in carried(part)]
    return [form.what] if isinstance(form, Carried) else []


def is_leaf(x: Any) -> bool:
    """Whether x is a number, an array of numbers, or a Value."""
    if type(x) is np.ndarray and x.dtype.kind == "f":
        return True  # the commonest
    if isinstance(x, (Node, float, int, complex)):
        return True
    if not hasattr(x, "dtype") or not hasattr(x, "shape"):
        return False
    kind = getattr(x.dtype, "kind", "")
    if kind == "O" and any(isinstance(item, Node) for item in np.ravel(x)):
        raise TypeError("an array of Values is no array of numbers: join Values with np.stack([...])")
    return kind in "fiubc"


def _form(tree: Any, leaves: list[Any], above: tuple[int, ...]) -> Form:
    if is_leaf(tree):
        leaves.append(tree)
        return LEAF
    opened = _opened(tree)
    if opened is None:
        return Carried(tree)
    if id(tree) in above:
        raise TypeError(f"a {type(tree).__name__} that holds itself is no tree")
    keys, parts, make = opened
    above = (*above, id(tree))
    return Container(type(tree), keys, tuple([_form(x, leaves, above) for x in parts]), make)


def _opened(tree: Any) -> tuple[tuple[Any, ...], list[Any], Make] | None:
    """A container's keys, its parts, and what makes one like it of other parts; None for what is no container."""
    if isinstance(tree, dict):
        keys = tuple(tree)
        return keys, list(tree.values()), lambda parts: _filled_dict(tree, keys, parts)
    if isinstance(tree, tuple):
        if hasattr(tree, "_fields"):
            return tuple(tree._fields), list(tree), type(tree)._make  # type: ignore[attr-defined]
        return tuple(range(len(tree))), list(tree), type(tree)
    if isinstance(tree, list):
        return tuple(range(len(tree))), list(tree), lambda parts: _filled_list(tree, parts)
    if is_dataclass(tree) and not isinstance(tree, type):
        names = tuple([f.name for f in fields(tree) if hasattr(tree, f.name)])
        return names, [getattr(tree, name) for name in names], lambda parts: _filled_fields(tree, names, parts)
    return None


def _filled_dict(like: dict[Any, Any], keys: tuple[Any, ...], parts: list[Any]) -> dict[Any, Any]:
    made = {} if type(like) is dict else copy(like)
    made.update(zip(keys, parts, strict=True))
    return made


def _filled_list(like: list[Any], parts: list[Any]) -> list[Any]:
    if type(like) is list:
        return parts
    made = copy(like)
    made[:] = parts
    return made


def _filled_fields(like: Any, names: tuple[str, ...], parts: list[Any]) -> Any:
    made = copy(like)  # not a call of its class: that might convert, count or refuse what it is given
    for name, part in zip(names, parts, strict=True):
        object.__setattr__(made, name, part)  # frozen ones, too
    return made
