"""A trial: things that are tried on a model and leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..checkpoint import Stateful
from ..checkpoint.restoring import Generators
from ..nn import Module


@contextmanager
def trial(model: Any, optimiser: Any = None, loader: Any = None) -> Iterator[None]:
    """A context after which a model, its gradients, modes and generators, an optimiser and a loader are as before."""
    places = dict(model._stateful()) if isinstance(model, Module) else {}
    params = list(optimiser.params) if optimiser is not None else []
    held = {id(place): place for place in [*places.values(), *params]}
    data = [(place, place.data) for place in held.values()]
    values = {id(value): value for value in [*(model.parameters() if isinstance(model, Module) else []), *params]}
    grads = [(value, value.grad) for value in values.values()]
    modes = [(module, module.training) for module in model.modules()] if isinstance(model, Module) else []
    random = Generators(dict(model.named_generators())) if isinstance(model, Module) else Generators({})
    drawn = random.state_dict()
    state = optimiser.state_dict() if isinstance(optimiser, Stateful) else None
    epoch = getattr(loader, "epoch", None)
    try:
        yield
    finally:
        for place, old in data:
            place.data = old
        for value, grad in grads:
            value.grad = grad
        for module, training in modes:
            module.training = training
        random.load_state_dict(drawn)
        if state is not None:
            optimiser.load_state_dict(state)
        if epoch is not None:
            loader.epoch = epoch
