"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .group import State
from .optimizer import Optimizer
from .options import Option, finite, flag, nonnegative, parted, used


class SGD(Optimizer):
    """Gradient descent p ← p − lr · v.

    With gradient g at parameters p, weight decay λ, momentum μ, dampening τ and velocity u::

        g ← g + λ p
        u ← g                          at the first step
        u ← μ u + (1 − τ) g            after it
        v = g + μ u  (Nesterov),  u  (momentum),  g  (neither)

    Parameters
    ----------
    params : iterable of parameters, or of parameter groups
        Objects with ``data`` (a Python float or a floating array, any shape) and ``grad``; or dicts of them, as for
        `Optimizer`.
    lr : float, optional
        The learning rate.
    momentum, dampening, weight_decay : float, optional
        μ, τ and λ.
    nesterov : bool, optional
        Look ahead along the velocity.
    maximize : bool, optional
        Ascend: g is the gradient's negative.

    Raises
    ------
    ValueError
        For a hyperparameter that is negative or not finite, Nesterov without momentum or with dampening, no
        parameters, the same one twice.
    TypeError
        For a parameter without data and grad, or of an integer or complex dtype.

    Notes
    -----
    Defaults, order of arguments and arithmetic are those of ``torch.optim.SGD``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([10.0, -10.0]))
    >>> optimizer = SGD([w], lr=0.1)
    >>> optimizer.step()
    >>> w.data
    array([0., 3.])
    >>> optimizer
    SGD(1 parameter, 2 numbers; lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False)
    """

    momentum = Option(nonnegative)
    dampening = Option(finite)
    weight_decay = Option(nonnegative)
    nesterov = Option(flag)
    maximize = Option(flag)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    def check(self, options: Mapping[str, Any]) -> None:
        if options["nesterov"] and (options["momentum"] == 0.0 or options["dampening"] != 0.0):
            raise ValueError("nesterov needs momentum > 0 and dampening = 0")

    def parted(self, options: Mapping[str, Any]) -> tuple[State, State]:
        """Return ``lr``, with ``momentum`` where there is any, and the other options."""
        return parted(options, "lr", "momentum") if options["momentum"] else parted(options, "lr")

    def initial_state(self, params: Any, options: Mapping[str, Any] | None = None) -> State:
        """Return ``{"step": 0}``, and a ``"velocity"`` of zeros when there is momentum."""
        momentum = (options or self.defaults)["momentum"]
        return {"step": 0, "velocity": np.zeros_like(params)} if momentum else {"step": 0}

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state after it; a pure function.

        Parameters
        ----------
        params, grads : array
            Of one shape, any, and one dtype.
        state : dict
            ``lr``, ``step`` and, with momentum, ``velocity``, an array like `params`.

        Returns
        -------
        params : array
        state : dict

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> w = SimpleNamespace(data=np.ones(2), grad=None)
        >>> sgd = SGD([w], momentum=0.5)
        >>> start = {"lr": 0.1, "step": 0, "velocity": np.zeros(2)}
        >>> params, state = sgd.update(np.ones(2), np.array([1.0, 2.0]), start)
        >>> params, state["velocity"], start["velocity"]
        (array([0.9, 0.8]), array([1., 2.]), array([0., 0.]))
        """
        options = {**self.defaults, **state}
        momentum = options["momentum"]
        after = {**state, "step": state["step"] + 1}
        if options["maximize"]:
            grads = -grads
        if options["weight_decay"]:
            grads = grads + options["weight_decay"] * params
        if used(momentum):
            # The first velocity is the gradient itself: dampening begins with the second step.
            dampening = options["dampening"]
            fresh = grads if not dampening else (1.0 - dampening * (state["step"] > 0)) * grads
            velocity = after["velocity"] = momentum * state["velocity"] + fresh
            grads = grads + momentum * velocity if options["nesterov"] else velocity
        return params - options["lr"] * grads, after
