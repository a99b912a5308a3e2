"""RMSprop: steps scaled by the running size of the gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .group import State
from .optimizer import Optimizer
from .options import Option, flag, fraction, nonnegative, parted, used


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, 2012; centred: Graves, 2013).

    With gradient g at parameters p, weight decay λ, smoothing α and momentum μ::

        g ← g + λ p
        v ← α v + (1 − α) g²
        m ← α m + (1 − α) g                centred only, else m = 0
        u ← μ u + g / (√(v − m²) + eps)
        p ← p − lr · u

    Parameters
    ----------
    params : iterable of parameters, or of parameter groups
        As for `Optimizer`.
    lr : float, optional
        The learning rate.
    alpha : float, optional
        α, in [0, 1).
    eps : float, optional
        Keeps the quotient finite where gradients vanish.
    weight_decay, momentum : float, optional
        λ and μ.
    centered : bool, optional
        Divide by an estimate of the standard deviation instead of the root mean square.
    maximize : bool, optional
        Ascend: g is the gradient's negative.

    Raises
    ------
    ValueError, TypeError
        As `Optimizer`.

    Notes
    -----
    Defaults, order of arguments and arithmetic (to rounding) are those of ``torch.optim.RMSprop``; where rounding
    makes v − m² negative, 0 is taken for it.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([100.0, -0.001]))
    >>> RMSprop([w], lr=0.1, alpha=0.75).step()
    >>> w.data.round(3)
    array([0.8, 2.2])
    """

    alpha = Option(fraction)
    eps = Option(nonnegative)
    weight_decay = Option(nonnegative)
    momentum = Option(nonnegative)
    centered = Option(flag)
    maximize = Option(flag)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )

    def parted(self, options: Mapping[str, Any]) -> tuple[State, State]:
        """Return ``lr``, with ``momentum`` where there is any, and the other options."""
        return parted(options, "lr", "momentum") if options["momentum"] else parted(options, "lr")

    def initial_state(self, params: Any, options: Mapping[str, Any] | None = None) -> State:
        """Return ``{"step": 0}`` with zeros: ``"square"``, and as they are used ``"mean"`` and ``"velocity"``."""
        options = options or self.defaults
        state: State = {"step": 0, "square": np.zeros_like(params)}
        if options["centered"]:
            state["mean"] = np.zeros_like(params)
        if options["momentum"]:
            state["velocity"] = np.zeros_like(params)
        return state

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state after it; a pure function, as `Optimizer.update`."""
        options = {**self.defaults, **state}
        alpha = options["alpha"]
        grads = -grads if options["maximize"] else grads
        if options["weight_decay"]:
            grads = grads + options["weight_decay"] * params
        square = alpha * state["square"] + (1.0 - alpha) * (grads * grads)
        after = {**state, "step": state["step"] + 1, "square": square}
        if options["centered"]:
            mean = after["mean"] = alpha * state["mean"] + (1.0 - alpha) * grads
            square = np.maximum(square - mean * mean, 0.0)
        move = grads / (np.sqrt(square) + options["eps"])
        if used(options["momentum"]):
            move = after["velocity"] = options["momentum"] * state["velocity"] + move
        return params - options["lr"] * move, after
