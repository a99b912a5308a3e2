"""What `fit` and its kin are given, looked at before anything is done: a mistake is a sentence, not a puzzle later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..data import Dataset
from ..node import Node, plain

_FUNCTIONS = {
    "model": "a Module, or a function inputs ↦ outputs",
    "loss_fn": "a function (outputs, targets) ↦ loss, such as tg.softmax_cross_entropy",
}


def require_function(name: str, given: Any) -> None:
    """Refuse what cannot be called as a model or a loss: None, a number, and a class of which an object is meant.

    Raises
    ------
    TypeError
    """
    wanted = _FUNCTIONS[name]
    if isinstance(given, type):
        raise TypeError(f"{name} is the class {given.__name__}: give an object of it, {given.__name__}(...)")
    if not callable(given):
        raise TypeError(f"{name} is {wanted}, not {_said(given)}")


def require_optimiser(given: Any) -> None:
    """Refuse what is no optimiser.

    Raises
    ------
    TypeError
    """
    if isinstance(given, type):
        raise TypeError(
            f"the optimiser is the class {given.__name__}: give an object of it, {given.__name__}(model.parameters())"
        )
    if not all(hasattr(given, name) for name in ("params", "step", "zero_grad")):
        raise TypeError(
            f"the optimiser is one of tinygrad_ce.optim, such as SGD(model.parameters()), not {_said(given)}"
        )


def several(name: str, given: Any, method: str, example: str) -> tuple[Any, ...]:
    """Callbacks or metrics as a tuple: one alone counts as a list of one.

    Raises
    ------
    TypeError
        If there is something else among them, a class for one.
    """
    alone = not isinstance(given, type) and hasattr(given, method)
    if not alone and (not isinstance(given, Iterable) or isinstance(given, str | Mapping)):
        what = f"the class {given.__name__}" if isinstance(given, type) else _said(given)
        raise TypeError(f"{name}s is a list of {name}s, such as [{example}], not {what}")
    found = (given,) if alone else tuple(given)
    for one in found:
        if isinstance(one, type) or not hasattr(one, method):
            what = f"the class {one.__name__}" if isinstance(one, type) else _said(one)
            raise TypeError(f"a {name} is an object such as {example}, not {what}")
    return found


def require_batches(name: str, given: Any) -> None:
    """Refuse, before the first batch, what gives no batches: arrays, a pair of them, rows.

    Raises
    ------
    TypeError
    """
    advice = "make batches with DataLoader(Dataset(inputs, targets)), or give [(inputs, targets)]"
    if isinstance(given, tuple) and len(given) == 2 and any(_array(part) for part in given):
        raise TypeError(f"{name} is one pair of arrays, and a pass takes pairs: give [(inputs, targets)], a list of it")
    if _array(given):
        raise TypeError(f"{name} is an array of shape {np.shape(plain(given))}, without targets: {advice}")
    if isinstance(given, type):
        raise TypeError(f"{name} is the class {given.__name__}: give an object of it")
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping):
        raise TypeError(f"{name} gives pairs (inputs, targets), and {_said(given)} does not: {advice}")
    if isinstance(given, Dataset) and name == "the loader":
        raise TypeError("the loader is a Dataset, which gives single rows: make batches of it, DataLoader(dataset)")


def pair(batch: Any, where: str = "a batch") -> tuple[Any, Any]:
    """A batch as (inputs, targets).

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    if isinstance(batch, tuple | list):
        told = f"has {len(batch)} part{'s' * (len(batch) != 1)}"
        hint = "; of several inputs make one tuple, ((x1, x2), targets)" if len(batch) > 2 else ""
    elif _array(batch):
        told, hint = f"is one array of shape {np.shape(plain(batch))}", ""
    elif isinstance(batch, Mapping):
        told, hint = f"is a mapping of {', '.join(map(repr, list(batch)[:4]))}", "; take the two out of it"
    else:
        told, hint = f"is {_said(batch)}", ""
    raise TypeError(f"{where} {told}, where a pair (inputs, targets) is wanted{hint}")


def pairs(batches: Any, where: str, first: int = 1) -> Iterator[tuple[Any, Any]]:
    """The batches of a pass from a given one on, each a pair; `where` names the pass in errors."""
    for number, batch in enumerate(batches, first):
        yield pair(batch, f"batch {number} of {where}")


def _array(thing: Any) -> bool:
    return isinstance(thing, Node | np.ndarray) or (hasattr(thing, "__array__") and not isinstance(thing, type))


def _said(thing: Any) -> str:
    return "None" if thing is None else f"{thing!r:.60}"
