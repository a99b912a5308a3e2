"""The usual mistakes of training, each looked for on one batch and said in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, log
from typing import Any

import numpy as np

from ..check.findings import FAIL
from ..choice import reachable
from ..node import Node, plain
from ..train.evaluation import classes_of
from ..train.mistakes import bad_entry, labels_from_one
from ..value import Value
from .report import WARN, Concern

_SOFT = {"softmax_cross_entropy": "softmax", "sigmoid_binary_cross_entropy": "sigmoid", "log_softmax": "softmax"}


def of_data(inputs: Any, targets: Any) -> Iterator[Concern]:
    """Inputs and targets by themselves."""
    for name, array in (("inputs", inputs), ("targets", targets)):
        place = bad_entry(array)
        if place is not None:
            yield Concern(name, FAIL, f"{name}{place}", "clean the data before training on them")
    x = np.asarray(plain(inputs))
    if x.dtype.kind not in "biufc":
        yield Concern("inputs", FAIL, f"inputs are {x.dtype}, no numbers", "encode them first")
        return
    if x.dtype.kind == "f" and x.size and np.all(np.isfinite(x)):
        mean, spread = float(np.mean(x)), float(np.std(x))
        if abs(mean) > 3 * max(spread, 1.0) or spread > 10 or (0 < spread < 1e-3):
            yield Concern(
                "inputs",
                WARN,
                f"inputs have mean {mean:.3g} and spread {spread:.3g}",
                "standardise them (data.standardise)",
            )
        if len(x) > 1 and np.all(x == x[0]):
            yield Concern("inputs", WARN, "every row of the inputs is the same", "is the right thing loaded?")


def of_targets(outputs: Any, targets: Any) -> Iterator[Concern]:
    """Targets beside what the model says of them."""
    y, shape = np.asarray(plain(targets)), np.shape(outputs)
    if y.dtype.kind not in "iu" or y.shape != shape[:-1] or shape[-1:] <= (1,):
        if y.dtype.kind == "f" and y.ndim and y.shape == shape[:-1] and np.all(y == np.round(y)) and shape[-1] > 1:
            yield Concern("targets", WARN, f"targets look like classes, and are {y.dtype}", "give them as integers")
        return
    k = shape[-1]
    if labels_from_one(outputs, targets):
        yield Concern(
            "targets",
            FAIL,
            f"labels count from 1 to {k} where the {k} outputs stand for 0 to {k - 1}",
            "give targets - 1",
        )
    elif y.size and (y.min() < 0 or y.max() >= k):
        row = tuple(map(int, np.argwhere((y < 0) | (y >= k))[0]))
        place = ", ".join(map(str, row))
        yield Concern("targets", FAIL, f"targets[{place}] is {y[row]}, outside 0 to {k - 1}: the model has {k} outputs")
    elif y.size > 7 and np.all(y == y.flat[0]):
        yield Concern("targets", WARN, f"every row of the batch is of class {y.flat[0]}", "shuffle the data")


def of_outputs(outputs: Any, single: Any) -> Iterator[Concern]:
    """Outputs of the batch, and of its first row alone, in eval mode."""
    place = bad_entry(outputs)
    if place is not None:
        yield Concern("outputs", FAIL, f"the model's outputs{place}")
    elif single is not None and np.shape(single) == (1, *np.shape(outputs)[1:]):
        both, alone = np.asarray(plain(outputs))[0], np.asarray(plain(single))[0]
        size = float(np.max(np.abs(both), initial=0.0))
        off = float(np.max(np.abs(both - alone), initial=0.0))
        if off > 1e-4 * max(size, 1e-30):
            yield Concern(
                "rows apart",
                FAIL,
                f"row 0 has other outputs alone than in the batch (by {off:.2g}): rows are mixed",
                "look for a reshape, a transpose or a mean along the batch",
            )


def of_loss(loss: Value, outputs: Any, targets: Any) -> Iterator[Concern]:
    """The loss itself, and what it is made of."""
    value = loss.item()
    if not isfinite(value):
        yield Concern("loss", FAIL, f"the loss is {value}")
        return
    nodes = reachable(loss)
    yield from _twice(nodes)
    names = {node.op.name for node in nodes.values() if node.op is not None}
    if "softmax_cross_entropy" in names | _kept_names(nodes) and classes_of(outputs, targets) is not None:
        k = np.shape(outputs)[-1]
        if value > 1.5 * log(k) + 0.5:
            yield Concern(
                "loss at the start",
                WARN,
                f"the loss is {value:.3g}, and log {k} = {log(k):.3g} is what guessing gives: it is sure and wrong",
                "begin with a smaller last layer, or look at the labels",
            )


def of_parameters(parameters: Sequence[Value]) -> Iterator[Concern]:
    """Whether there is anything to learn."""
    if not parameters:
        yield Concern(
            "parameters",
            FAIL,
            "the model has no parameters: there is nothing to learn",
            "are its layers attributes (or in lists, tuples, dicts), under names without an underscore before them?",
        )
    elif not any(p.requires_grad for p in parameters):
        n = len(parameters)
        told = f"all {n} parameters are frozen" if n > 1 else "the one parameter is frozen"
        yield Concern("parameters", FAIL, f"{told}: nothing would be learnt", "model.unfreeze()")


def of_gradients(learnt: dict[str, Value]) -> Iterator[Concern]:
    """Parameters after backward: disconnected, dead, not finite; gradients that vanish or explode."""
    sizes: dict[str, float] = {}
    for name, value in learnt.items():
        place = bad_entry(value.data)
        if place is not None:
            yield Concern("parameter", FAIL, f"parameter {name}{place}")
            continue
        if value.grad is None:
            yield Concern(
                "disconnected parameter",
                FAIL,
                f"the loss does not depend on {name}",
                "is its layer called, and nothing detached (.data, .numpy(), stop_gradient) on the way?",
            )
            continue
        gradient = np.asarray(plain(value.grad))
        place = bad_entry(gradient)
        if place is not None:
            yield Concern(
                "gradient", FAIL, f"the gradient of {name}{place}", "tg.detect_anomaly() says where it comes from"
            )
        elif gradient.size and not np.any(gradient):
            yield Concern(
                "dead parameter",
                FAIL,
                f"the gradient of {name} is 0 in all {gradient.size} entries: it learns nothing from this batch",
                "are its units all dead (relu below 0), or multiplied by 0 later on?",
            )
        elif gradient.size and np.ndim(value.data) > 1:
            scale = float(np.sqrt(np.mean(np.square(np.asarray(value.data))))) or 1.0
            sizes[name] = float(np.sqrt(np.mean(np.square(gradient)))) * scale
    yield from _uneven(sizes)


def of_units(name: str, kind: str, out: Any) -> Iterator[Concern]:
    """Units that are 0 for every row."""
    y = np.asarray(plain(out)) if not isinstance(out, tuple | list) else np.zeros(0)
    if y.ndim < 2 or y.shape[0] < 2 or y.dtype.kind != "f" or not np.all(y >= 0):
        return
    axes = tuple(range(y.ndim - 1)) if y.ndim != 4 else (0, 2, 3)
    dead = np.all(y == 0, axis=axes)
    if dead.size > 1 and np.mean(dead) > 0.5:
        yield Concern(
            "dead units",
            WARN,
            f"{int(dead.sum())} of the {dead.size} units of {name} ({kind}) give 0 for every row of the batch",
            "begin with smaller weights or biases, or use leaky_relu",
        )


# -- pieces -----------------------------------------------------------------------------------------------------


def _kept_names(nodes: dict[int, Node]) -> set[str]:
    """The names of losses on indices go by other ops: what they are called without the form of their targets."""
    names = {node.op.name for node in nodes.values() if node.op is not None}
    return {known for known in _SOFT for name in names if name.startswith(known)}


def _twice(nodes: dict[int, Node]) -> Iterator[Concern]:
    """A softmax whose result goes into a loss that takes it itself."""
    for node in nodes.values():
        outer = next((o for o in _SOFT if node.op is not None and node.op.name.startswith(o)), None)
        if outer is None or not node.parents:
            continue
        inner, wanted = _made_by(node.parents[0]), _SOFT[outer]
        if inner == "log_softmax" and wanted == "softmax" and outer != "log_softmax":
            yield Concern(
                "log_softmax before softmax",
                WARN,
                f"{outer} takes logits and applies softmax itself, and gets what log_softmax gave: that changes "
                "nothing, and takes time",
                "leave the log_softmax out of the model",
            )
        elif inner in ("softmax", "sigmoid") or (wanted == "softmax" and _probabilities(node.parents[0])):
            made = inner if inner in ("softmax", "sigmoid") else wanted
            twice = f"{wanted} twice" if made == wanted else f"{made} before {wanted}"
            yield Concern(
                twice,
                WARN if twice == "sigmoid before softmax" else FAIL,
                f"{outer} takes logits and applies {wanted} itself, and gets what {made} gave",
                f"leave the {made} out of the model",
            )


# Ops that leave probabilities what they are, or nearly so: moved about, clipped, with an epsilon added.
_MOVING = {"reshape", "transpose", "ravel", "squeeze", "expand_dims", "moveaxis", "swapaxes", "getitem", "astype"}
_MOVING |= {"clip", "dropout", "positive", "copy", "maximum", "minimum"}


def _made_by(node: Any) -> str | None:
    """The op that made a node's numbers, moved about or not."""
    while isinstance(node, Node) and node.op is not None and node.parents:
        if node.op.name not in _MOVING and not _nearly(node):
            break
        node = node.parents[0]
    return node.op.name if isinstance(node, Node) and node.op is not None else None


def _nearly(node: Node) -> bool:
    """Whether a node is its first parent with a little added, or times 1: softmax(x) + 1e-8."""
    assert node.op is not None
    if node.op.name not in ("add", "multiply", "divide", "subtract"):
        return False
    one, same = np.asarray(plain(node)), np.asarray(plain(node.parents[0]))
    return one.shape == same.shape and bool(np.allclose(one, same, rtol=0, atol=1e-3))


def _probabilities(node: Any) -> bool:
    p = np.asarray(plain(node))
    if p.ndim < 2 or p.shape[-1] < 2 or len(p) < 2:
        return False
    return bool(np.all(p >= 0) and np.allclose(p.sum(axis=-1), 1.0, rtol=0, atol=1e-5))


def _uneven(sizes: dict[str, float]) -> Iterator[Concern]:
    """Gradients of weights, times the weights' size, that are of very different size."""
    if len(sizes) < 2:
        return
    names = list(sizes)
    least, most = min(names, key=lambda n: sizes[n]), max(names, key=lambda n: sizes[n])
    if sizes[least] * 1e4 < sizes[most]:
        earlier = names.index(least) < names.index(most)
        what = "vanish on their way back" if earlier else "explode on their way back"
        yield Concern(
            "gradients",
            WARN,
            f"gradients {what}: those of {most} are {sizes[most] / sizes[least]:.1e} times those of {least}",
            "look at initialisation, activations and normalisation between them",
        )
