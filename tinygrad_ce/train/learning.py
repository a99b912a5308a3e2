"""What is learnt from a batch: outputs, loss and gradients, by eager code or compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..tracer import NotCaptured
from ..value import Value
from .mistakes import forward

Learner = Callable[[Any, Any], tuple[Any, Value]]


def learner(model: Any, loss_fn: Any, params: Sequence[Any], compiled: bool) -> Learner:
    """A function of inputs and targets that gives each parameter its gradient, and returns outputs and loss.

    Compiled, it is captured once for each shape of a batch; what optimisers and callbacks do is left alone.
    """
    return _compiled(model, loss_fn, params) if compiled else _eager(model, loss_fn, params)


def _eager(model: Any, loss_fn: Any, params: Sequence[Any]) -> Learner:
    def learn(inputs: Any, targets: Any) -> tuple[Any, Value]:
        outputs, loss = forward(model, loss_fn, inputs, targets)
        for param in params:
            param.grad = None
        loss.backward()
        return outputs, loss

    return learn


def _compiled(model: Any, loss_fn: Any, params: Sequence[Any]) -> Learner:
    from ..compiler import compile

    def learn(inputs: Any, targets: Any) -> tuple[Any, Value]:
        for param in params:
            param.grad = None
        outputs = model(inputs)
        loss = loss_fn(outputs, targets)
        loss.backward()
        return outputs, loss

    fast = compile(learn)

    def learn_or_say_why_not(inputs: Any, targets: Any) -> tuple[Any, Value]:
        try:
            found: tuple[Any, Value] = fast(inputs, targets)
            return found
        except NotCaptured:
            raise
        except Exception:
            forward(model, loss_fn, inputs, targets)  # where there is a better word for it
            raise

    return learn_or_say_why_not
