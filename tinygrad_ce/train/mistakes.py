"""What users get wrong, in sentences: which layer, which shapes, which row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..nn import Module
from ..node import plain
from ..value import Value

_TOLD = (ValueError, TypeError, IndexError)


@contextmanager
def blamed(model: Any, inputs: Any, targets: Any) -> Iterator[list[Any]]:
    """A context in which an error about shapes or dtypes says in which layer it happened, and what came in.

    The outputs, put into the list that is yielded, tell what is wrong with targets; where they are nan or infinite it
    is a FloatingPointError.
    """
    outputs: list[Any] = []
    try:
        yield outputs
    except _TOLD as error:
        if outputs and (place := bad_entry(outputs[0])) is not None:
            advice = "try a smaller learning rate, and look at the inputs"
            raise FloatingPointError(f"the model's outputs{place}: {advice}") from error
        message = _blame(error, model, inputs) if not outputs else _misled(error, outputs[0], targets)
        if message is None:
            raise
        kind = next(kind for kind in _TOLD if isinstance(error, kind))
        raise kind(message) from error


def forward(model: Any, loss_fn: Any, inputs: Any, targets: Any) -> tuple[Any, Value]:
    """A model's outputs and their loss; what is wrong is said in a sentence.

    Raises
    ------
    TypeError
        If `loss_fn` returns no Value; else as `blamed`.
    """
    with blamed(model, inputs, targets) as outputs:
        outputs.append(model(inputs))
        loss = loss_fn(outputs[0], targets)
    if not isinstance(loss, Value):
        raise TypeError(f"loss_fn returned a {type(loss).__name__}, not a Value to differentiate")
    return outputs[0], loss


def not_finite(loss: float, where: str, inputs: Any, targets: Any, outputs: Any) -> str:
    """Why a loss is nan or infinite, as far as can be seen."""
    told = f"the loss is {loss} in {where}: "
    for name, array in (("inputs", inputs), ("targets", targets)):
        place = bad_entry(array)
        if place is not None:
            return f"{told}{name}{place}: clean the data"
    largest = _largest(inputs)
    if largest > 1e6:
        return f"{told}inputs are as large as {largest:.1e}: standardise them (tinygrad_ce.data.standardise)"
    if bad_entry(outputs) is not None:
        return f"{told}the model's outputs are nan or infinite: try a smaller learning rate"
    return f"{told}try a smaller learning rate, and look for nan or very large numbers in the inputs"


def bad_entry(array: Any) -> str | None:
    """Where an array is not finite, as in "[3, 1] is nan"; None where it nowhere is."""
    found = np.asarray(plain(array))
    if found.dtype.kind not in "fc":
        return None
    wrong = np.argwhere(~np.isfinite(found))
    if not len(wrong):
        return None
    place = tuple(map(int, wrong[0]))
    more = f" ({len(wrong)} of {found.size} entries are not finite)" if len(wrong) > 1 else ""
    return f"[{', '.join(map(str, place))}] is {found[place]}{more}" if place else f" is {found[()]}"


def labels_from_one(outputs: Any, targets: Any) -> bool:
    """Whether targets are class indices that count from 1 where the outputs' classes count from 0."""
    classes, shape = np.asarray(plain(targets)), np.shape(outputs)
    fits = classes.dtype.kind in "iu" and classes.size > 0 and classes.shape == shape[:-1]
    return bool(fits and classes.min() >= 1 and classes.max() == shape[-1])


# -- pieces -------------------------------------------------------------------------------------------------


def _misled(error: BaseException, outputs: Any, targets: Any) -> str | None:
    """What is wrong with targets, where the loss did not take them."""
    if labels_from_one(outputs, targets):
        k = np.shape(outputs)[-1]
        return f"{error}: labels count from 1 here, and classes from 0 to {k - 1}: give targets - 1"
    if np.shape(outputs)[:1] != np.shape(plain(targets))[:1]:
        return f"outputs are of shape {np.shape(outputs)}, targets of {np.shape(plain(targets))}: {error}"
    return None


def _blame(error: BaseException, model: Any, inputs: Any) -> str | None:
    """The error's message with its layer; None where it is said already, or no layer was at work."""
    text = str(error)
    array = np.asarray(plain(inputs)) if not isinstance(inputs, tuple | dict) else None
    if array is not None and array.dtype.kind not in "biufc":
        return f"inputs are {array.dtype}, no numbers: encode them first ({text})"
    if not isinstance(model, Module):
        return None
    called = _called(error)
    if called is None:
        return None
    name, layer, given = called
    headline = layer._headline()
    if headline in text or (name and f"{name}:" in text):
        return None
    return f"in {name + ': ' if name else ''}{headline}, given {given}: {text}"


def _called(error: BaseException) -> tuple[str, Module, str] | None:
    """The innermost module whose forward was running: its name from the outermost one, itself, its arguments."""
    trace, found, outermost = error.__traceback__, None, None
    while trace is not None:
        frame = trace.tb_frame
        holder = frame.f_locals.get("self")
        if isinstance(holder, Module) and frame.f_code.co_name == "__call__":
            outermost = outermost or holder
            found = (holder, frame.f_locals.get("args", ()))
        trace = trace.tb_next
    if found is None or outermost is None:
        return None
    names = {id(module): name for name, module in outermost.named_modules()}
    shapes = [f"shape {np.shape(plain(x))}" for x in found[1]]
    return names.get(id(found[0]), ""), found[0], " and ".join(shapes) or "nothing"


def _largest(array: Any) -> float:
    found = np.asarray(plain(array))
    return float(np.max(np.abs(found), initial=0.0)) if found.dtype.kind in "fiu" else 0.0
