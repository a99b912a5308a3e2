"""Adagrad: steps that shrink where gradients have been large."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .group import State
from .optimizer import Optimizer
from .options import Option, flag, nonnegative


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011).

    With gradient g at parameters p, step t = 1, 2, ..., weight decay λ and learning rate decay η::

        g ← g + λ p
        s ← s + g²                    from s = initial_accumulator_value
        p ← p − lr / (1 + (t − 1) η) · g / (√s + eps)

    Parameters
    ----------
    params : iterable of parameters, or of parameter groups
        As for `Optimizer`.
    lr, lr_decay, weight_decay, initial_accumulator_value, eps : float, optional
        The learning rate, η, λ, where s begins, and what keeps the quotient finite.
    maximize : bool, optional
        Ascend: g is the gradient's negative.

    Raises
    ------
    ValueError, TypeError
        As `Optimizer`.

    Notes
    -----
    Defaults, order of arguments and arithmetic (to rounding) are those of ``torch.optim.Adagrad``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([100.0, -0.001]))
    >>> Adagrad([w], lr=0.1).step()
    >>> w.data.round(3)
    array([0.9, 2.1])
    """

    lr_decay = Option(nonnegative)
    weight_decay = Option(nonnegative)
    initial_accumulator_value = Option(nonnegative)
    eps = Option(nonnegative)
    maximize = Option(flag)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    def initial_state(self, params: Any, options: Mapping[str, Any] | None = None) -> State:
        """Return ``{"step": 0}`` with ``"sum"``, s."""
        return {"step": 0, "sum": np.full_like(params, (options or self.defaults)["initial_accumulator_value"])}

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state after it; a pure function, as `Optimizer.update`."""
        options = {**self.defaults, **state}
        grads = -grads if options["maximize"] else grads
        if options["weight_decay"]:
            grads = grads + options["weight_decay"] * params
        total = state["sum"] + grads * grads
        rate = options["lr"] / (1.0 + state["step"] * options["lr_decay"])
        params = params - rate * grads / (np.sqrt(total) + options["eps"])
        return params, {**state, "step": state["step"] + 1, "sum": total}
