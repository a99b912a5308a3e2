"""Adam: steps scaled by running moments of the gradient, with weight decay coupled or decoupled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .group import State
from .optimizer import Optimizer
from .options import Option, betas, flag, nonnegative, parted, with_betas


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015).

    With gradient g at parameters p, step t = 1, 2, ..., weight decay λ and betas β₁, β₂::

        g ← g + λ p
        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        p ← p − lr · m̂ / (√v̂ + eps),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)

    Parameters
    ----------
    params : iterable of parameters, or of parameter groups
        Objects with ``data`` (a Python float or a floating array, any shape) and ``grad``; or dicts of them, as for
        `Optimizer`.
    lr : float, optional
        The learning rate.
    betas : (float, float), optional
        β₁ and β₂, each in [0, 1).
    eps : float, optional
        Keeps the quotient finite where gradients vanish.
    weight_decay : float, optional
        λ, coupled: it goes through the moments with the gradient. `AdamW` decouples it.
    amsgrad : bool, optional
        Divide by the largest v̂ so far (Reddi et al., 2018), its bias corrected as v's.
    maximize : bool, optional
        Ascend: g is the gradient's negative.

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

    betas = Option(betas)
    eps = Option(nonnegative)
    weight_decay = Option(nonnegative)
    amsgrad = Option(flag)
    maximize = Option(flag)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize
        )

    def parted(self, options: Mapping[str, Any]) -> tuple[State, State]:
        """Return ``lr`` with β₁, ``beta1``, and the other options, ``beta2`` among them."""
        return parted(with_betas(options), "lr", "beta1")

    def initial_state(self, params: Any, options: Mapping[str, Any] | None = None) -> State:
        """Return ``{"step": 0}`` with zeros: ``"mean"`` and ``"square"``, m and v, and ``"peak"`` for amsgrad."""
        names = ("mean", "square", "peak") if (options or self.defaults)["amsgrad"] else ("mean", "square")
        return {"step": 0, **{name: np.zeros_like(params) for name in names}}

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
        options = with_betas({**self.defaults, **state})
        grads = -grads if options["maximize"] else grads
        if options["weight_decay"]:
            grads = grads + options["weight_decay"] * params
        return _moved(params, grads, state, options)


def _moved(params: Any, grads: Any, state: State, options: State) -> tuple[Any, State]:
    beta1, beta2, step = options["beta1"], options["beta2"], state["step"] + 1
    mean = beta1 * state["mean"] + (1.0 - beta1) * grads
    square = beta2 * state["square"] + (1.0 - beta2) * (grads * grads)
    after = {**state, "step": step, "mean": mean, "square": square}
    if options["amsgrad"]:
        square = after["peak"] = np.maximum(state["peak"], square)
    # Both bias corrections are numbers: moved into lr and eps, they cost no pass over the arrays.
    unbias = (1.0 - beta2**step) ** 0.5
    rate = options["lr"] * unbias / (1.0 - beta1**step)
    return params - rate * mean / (np.sqrt(square) + options["eps"] * unbias), after


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): p ← (1 − lr · λ) p, then Adam's step.

    Parameters
    ----------
    params : iterable of parameters, or of parameter groups
        Objects with ``data`` (a Python float or a floating array, any shape) and ``grad``; or dicts of them, as for
        `Optimizer`.
    lr, betas, eps : optional
        As for `Adam`.
    weight_decay : float, optional
        λ, which never enters the moments.
    amsgrad, maximize : bool, optional
        As for `Adam`.

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
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state after it; as `Adam.update`."""
        options = with_betas({**self.defaults, **state})
        grads = -grads if options["maximize"] else grads
        if options["weight_decay"]:
            params = params * (1.0 - options["lr"] * options["weight_decay"])
        return _moved(params, grads, state, options)
