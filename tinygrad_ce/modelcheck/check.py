"""check_model: what is checked, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..check.compare import compare_derivations
from ..check.findings import FAIL
from ..nn import Module
from ..node import plain
from ..train.arguments import pair, require_function
from ..train.evaluation import evaluating
from ..train.mistakes import blamed
from ..train.trial import trial
from ..transforms import no_grad
from ..value import Value
from . import sanity
from .layers import calls, examined
from .report import Concern, ModelReport


def check_model(
    model: Module,
    batch: tuple[Any, Any],
    loss: Callable[[Any, Any], Any],
    *,
    rows: int = 4,
    gradients: bool = True,
    seed: int = 0,
) -> ModelReport:
    """Check a network on a batch: its layers' gradients, and the usual mistakes of training.

    Every layer, with what it is really given, goes before the referee (`tg.gradcheck`), in its inputs and its
    parameters; the loss's whole graph goes through every derivation that its ops have (`tg.compare_derivations`).
    Inputs, targets, outputs, the loss and the parameters' gradients are looked at for what usually is wrong with
    them. The model, its gradients, buffers and generators are afterwards as they were.

    Parameters
    ----------
    model : Module
    batch : (inputs, targets)
        As a loader gives them.
    loss : callable
        (outputs, targets) ↦ the mean loss, as for `fit`.
    rows : int
        How many rows the referee works with; the sanity checks see all.
    gradients : bool
        False leaves the referee out, and takes no time.
    seed : int
        Of the directions along which large arrays are moved.

    Returns
    -------
    ModelReport
        True where nothing is wrong. Its repr is a table of layers and sentences.

    Raises
    ------
    TypeError
        If the model is no Module, the batch no pair, or the loss no function.
    ValueError
        If shapes do not fit, with the layer's name; or the batch has no row.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> from tinygrad_ce.data import iris
    >>> from tinygrad_ce.nn import MLP
    >>> data = iris()
    >>> report = tg.check_model(MLP([4, 8, 2], rng=0), (data.inputs, data.targets), tg.softmax_cross_entropy)
    >>> bool(report)
    False
    >>> print(report.failures[0])
    targets: targets[100] is 2, outside 0 to 1: the model has 2 outputs
    """
    if not isinstance(model, Module):
        raise TypeError(f"check_model takes a Module, not {model!r:.60}: put the function into one")
    require_function("loss_fn", loss)
    inputs, targets = pair(batch)
    if not np.shape(plain(inputs))[:1] > (0,):
        raise ValueError(f"a batch has at least one row, and these inputs are of shape {np.shape(plain(inputs))}")
    report = ModelReport(model._headline() if len(model._headline()) < 60 else type(model).__name__)
    with trial(model), np.errstate(all="ignore"):
        report.concerns += sanity.of_data(inputs, targets)
        if not any(c.verdict == FAIL for c in report.concerns):
            value = _pass(report, model, inputs, targets, loss)
            if gradients and value is not None:
                _referee(report, model, inputs, targets, loss, rows, seed)
    report.concerns.sort(key=lambda concern: concern.verdict != FAIL)
    return report


# -- pieces -----------------------------------------------------------------------------------------------------


def _pass(report: ModelReport, model: Module, inputs: Any, targets: Any, loss: Any) -> Value | None:
    """Once forth and back on the whole batch, looking at everything; None where it cannot be learnt from."""
    with evaluating(model), no_grad(), blamed(model, inputs, targets):
        quiet, single = model(inputs), model(_first(inputs, 1))
    report.concerns += sanity.of_outputs(quiet, single)
    with blamed(model, inputs, targets):
        outputs, called = calls(model, inputs)
    wrong = list(sanity.of_targets(outputs, targets))
    report.concerns += wrong
    if any(c.verdict == FAIL for c in wrong):
        return None
    with blamed(model, inputs, targets) as seen:
        seen.append(outputs)
        value = loss(outputs, targets)
    report.concerns += sanity.of_parameters(model.parameters())
    if not model.parameters() and np.size(plain(value)) == 1:
        return None
    if not isinstance(value, Value) or value.size != 1:
        raise TypeError(f"the loss is one number, as a Value, not {value!r:.60}: take the mean over the rows")
    report.loss = value.item()
    found = list(sanity.of_loss(value, outputs, targets))
    report.concerns += found
    if not np.isfinite(report.loss):
        return None
    learnt = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for parameter in learnt.values():
        parameter.grad = None
    if value.requires_grad:
        value.backward()
    report.concerns += sanity.of_gradients(learnt)
    for call in called:
        report.concerns += sanity.of_units(call.name, type(call.layer).__name__, call.out)
    frozen = sum(not p.requires_grad for p in model.parameters())
    if frozen and learnt:
        report.notes.append(f"{frozen} parameter{'s are' if frozen > 1 else ' is'} frozen, and not looked at")
    return value


def _referee(report: ModelReport, model: Module, inputs: Any, targets: Any, loss: Any, rows: int, seed: int) -> None:
    """The layers, and the network as a whole, before the referee."""
    few, wanted = _first(inputs, rows), _first(targets, rows)
    rng = np.random.default_rng(seed)
    with trial(model):
        _, called = calls(model, few)
    for call in _worth_it(called, model):
        row = examined(call, rng)
        report.layers.append(row)
        if row.verdict == FAIL:
            likely = row.report.diagnosis if row.report is not None else ""
            place = call.name or "the network"
            report.concerns.append(
                Concern("gradient", FAIL, f"{place} ({row.kind}): {row.detail}", f"likely: {likely}" if likely else "")
            )
    try:
        report.comparison = compare_derivations(loss(model(few), wanted))
    except ValueError as error:  # nothing has two derivations
        report.notes.append(str(error))
        return
    if report.comparison.failures:
        parting = next(iter(report.comparison.partings), report.comparison.failures[0])
        report.concerns.append(Concern("derivations", FAIL, parting.explain()))


def _worth_it(called: list[Any], model: Module) -> Iterator[Any]:
    """Layers that hold no others, those that compute something themselves, and the network as a whole."""
    for call in called:
        inner = call.layer.children()
        if not inner or call.layer is model or any(True for _ in _direct(call.layer)):
            yield call


def _direct(layer: Module) -> Iterator[Value]:
    below = {id(p) for child in layer.children() for p in child.parameters()}
    return (p for p in layer.parameters() if id(p) not in below)


def _first(array: Any, rows: int) -> Any:
    return array[:rows] if hasattr(array, "__getitem__") else array
