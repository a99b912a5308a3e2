"""Lion: steps of one length, in the direction that the gradient has had of late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .group import State
from .optimizer import Optimizer
from .options import Option, betas, flag, nonnegative, parted, with_betas


class Lion(Optimizer):
    """Lion, evolved sign momentum (Chen et al., 2023, "Symbolic discovery of optimization algorithms").

    With gradient g at parameters p, weight decay λ and betas β₁, β₂::

        p ← (1 − lr · λ) p
        p ← p − lr · sign(β₁ m + (1 − β₁) g)
        m ← β₂ m + (1 − β₂) g

    Parameters
    ----------
    params : iterable of parameters, or of parameter groups
        As for `Optimizer`.
    lr : float, optional
        The learning rate: the length of every step. A tenth to a third of Adam's suits.
    betas : (float, float), optional
        β₁ and β₂, each in [0, 1).
    weight_decay : float, optional
        λ, decoupled as in `AdamW`.
    maximize : bool, optional
        Ascend: g is the gradient's negative.

    Raises
    ------
    ValueError, TypeError
        As `Optimizer`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0, 3.0]), grad=np.array([100.0, -0.001, 0.0]))
    >>> Lion([w], lr=0.25).step()
    >>> w.data
    array([0.75, 2.25, 3.  ])
    """

    betas = Option(betas)
    weight_decay = Option(nonnegative)
    maximize = Option(flag)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas=betas, weight_decay=weight_decay, maximize=maximize)

    def parted(self, options: Mapping[str, Any]) -> tuple[State, State]:
        """Return ``lr`` with β₁, ``beta1``, and the other options, ``beta2`` among them."""
        return parted(with_betas(options), "lr", "beta1")

    def initial_state(self, params: Any, options: Mapping[str, Any] | None = None) -> State:
        """Return ``{"step": 0}`` with ``"mean"``, m, zeros."""
        return {"step": 0, "mean": np.zeros_like(params)}

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state after it; a pure function, as `Optimizer.update`."""
        options = with_betas({**self.defaults, **state})
        beta1, beta2, mean = options["beta1"], options["beta2"], state["mean"]
        grads = -grads if options["maximize"] else grads
        if options["weight_decay"]:
            params = params * (1.0 - options["lr"] * options["weight_decay"])
        params = params - options["lr"] * np.sign(beta1 * mean + (1.0 - beta1) * grads)
        return params, {**state, "step": state["step"] + 1, "mean": beta2 * mean + (1.0 - beta2) * grads}
