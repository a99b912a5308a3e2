"""Adam: steps scaled by running moments of the gradient, with weight decay coupled or decoupled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .group import State
from .optimizer import Optimizer
from .parameters import Parameter, nonnegative


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015).

    With gradient g at parameters p, step t = 1, 2, ..., weight decay λ and betas β₁, β₂::

        g ← g + λ p
        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        p ← p − lr · m̂ / (√v̂ + eps),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)

    Parameters
    ----------
    params : iterable of parameters
        Objects with ``data`` (a Python float or a floating array, any shape) and ``grad``.
    lr : float, optional
        The learning rate.
    betas : (float, float), optional
        β₁ and β₂, each in [0, 1).
    eps : float, optional
        Keeps the quotient finite where gradients vanish.
    weight_decay : float, optional
        λ, coupled: it goes through the moments with the gradient. `AdamW` decouples it.

    Raises
    ------
    ValueError
        For a hyperparameter that is negative or not finite, betas outside [0, 1), no parameters, the same
        one twice.
    TypeError
        For a parameter without data and grad, or of an integer or complex dtype.

    Notes
    -----
    Defaults, order of arguments and arithmetic (to rounding) are those of ``torch.optim.Adam``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([100.0, -0.001]))
    >>> optimizer = Adam([w], lr=0.1)
    >>> optimizer.step()
    >>> w.data.round(5)
    array([0.9, 2.1])
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.betas = _betas(betas)
        self.eps = nonnegative("eps", eps)
        self.weight_decay = nonnegative("weight_decay", weight_decay)
        super().__init__(params, lr)

    def initial_state(self, params: Any) -> State:
        """Return ``{"step": 0}`` with ``"mean"`` and ``"square"``, the moments m and v, both zeros."""
        return {"step": 0, "mean": np.zeros_like(params), "square": np.zeros_like(params)}

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state after it; a pure function.

        Parameters
        ----------
        params, grads : array
            Of one shape, any, and one dtype.
        state : dict
            ``lr``, ``step``, and ``mean`` and ``square``, arrays like `params`.

        Returns
        -------
        params : array
        state : dict

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> w = SimpleNamespace(data=np.zeros(1), grad=None)
        >>> start = {"lr": 0.1, "step": 0, "mean": np.zeros(1), "square": np.zeros(1)}
        >>> params, state = Adam([w]).update(np.zeros(1), np.array([5.0]), start)
        >>> params.round(6), state["step"], state["mean"].round(6), start["mean"]
        (array([-0.1]), 1, array([0.5]), array([0.]))
        """
        if self.weight_decay:
            grads = grads + self.weight_decay * params
        return self._moved(params, grads, state)

    def _moved(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        (beta1, beta2), step = self.betas, state["step"] + 1
        mean = beta1 * state["mean"] + (1.0 - beta1) * grads
        square = beta2 * state["square"] + (1.0 - beta2) * (grads * grads)
        # Both bias corrections are numbers: moved into lr and eps, they cost no pass over the arrays.
        unbias = (1.0 - beta2**step) ** 0.5
        rate = state["lr"] * unbias / (1.0 - beta1**step)
        params = params - rate * mean / (np.sqrt(square) + self.eps * unbias)
        return params, {**state, "step": step, "mean": mean, "square": square}


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): p ← (1 − lr · λ) p, then Adam's step.

    Parameters
    ----------
    params : iterable of parameters
        Objects with ``data`` (a Python float or a floating array, any shape) and ``grad``.
    lr, betas, eps : optional
        As for `Adam`.
    weight_decay : float, optional
        λ, which never enters the moments.

    Raises
    ------
    ValueError, TypeError
        As for `Adam`.

    Notes
    -----
    Defaults, order of arguments and arithmetic (to rounding) are those of ``torch.optim.AdamW``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.zeros(2))
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.data
    array([0.95, 1.9 ])
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state after it; as `Adam.update`."""
        if self.weight_decay:
            params = params * (1.0 - state["lr"] * self.weight_decay)
        return self._moved(params, grads, state)


def _betas(betas: tuple[float, float]) -> tuple[float, float]:
    if len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
        raise ValueError(f"betas are two numbers, each at least 0 and below 1, not {betas!r}")
    return float(betas[0]), float(betas[1])
