"""What is learnt from a batch: outputs, loss and gradients, by eager code or compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..value import Value
from .mistakes import forward


def learner(model: Any, loss_fn: Any, params: Sequence[Any], compiled: bool) -> Callable[[Any, Any], tuple[Any, Value]]:
    """A function of inputs and targets that gives each parameter its gradient, and returns outputs and loss.

    Compiled, it is captured once for each shape of a batch; optimisers and what looks at gradients are left alone.
    """

    def learn(inputs: Any, targets: Any) -> tuple[Any, Value]:
        for param in params:
            param.grad = None
        outputs, loss = forward(model, loss_fn, inputs, targets)
        loss.backward()
        return outputs, loss

    if not compiled:
        return learn
    from ..compiler import compile

    return compile(learn)
