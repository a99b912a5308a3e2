"""The optimiser: parameters, the pure update that a subclass gives, and the state between two steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .group import Group, State
from .parameters import Parameter, collected, kind, nonnegative


class Optimizer(ABC):
    """Steps parameters against their gradients.

    A subclass gives two pure functions: `initial_state`, and `update`, which maps parameters, gradients and
    state to new parameters and a new state and changes none of its arguments. All else is bookkeeping, done
    here: parameters of one dtype and one history travel through `update` as one flat vector. A parameter
    whose ``grad`` is None is left alone, its state too.

    Parameters
    ----------
    params : iterable of parameters
        Objects with ``data`` (a Python float or a floating array) and ``grad``; leaf Values, for example.
    lr : float
        The learning rate.

    Raises
    ------
    ValueError
        For a negative or NaN hyperparameter, no parameters, the same one twice.
    TypeError
        For a parameter without data and grad, or of an integer or complex dtype.

    Examples
    --------
    A new optimiser is its update. Here each step has length lr in every direction:

    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> class SignDescent(Optimizer):
    ...     def initial_state(self, params):
    ...         return {"step": 0}
    ...     def update(self, params, grads, state):
    ...         return params - state["lr"] * np.sign(grads), {**state, "step": state["step"] + 1}
    >>> w = SimpleNamespace(data=np.array([1.0, -2.0]), grad=np.array([0.3, -7.0]))
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    array([ 0.5, -1.5])
    """

    def __init__(self, params: Iterable[Parameter], lr: float) -> None:
        self.params = collected(params)
        self._lr = nonnegative("lr", lr)
        self._kinds = [kind(param.data) for param in self.params]
        self._groups = self._grouped([self.initial_state(_as_array(param.data)) for param in self.params])

    @abstractmethod
    def initial_state(self, params: Any) -> State:
        """Return the state before the first step, without ``lr``.

        Parameters
        ----------
        params : array
            Parameters of any shape.

        Returns
        -------
        dict
            ``"step"``, 0, and arrays like `params`.
        """

    @abstractmethod
    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Return new parameters and the new state; a pure function.

        Parameters
        ----------
        params, grads : array
            Of one shape, any, and one dtype.
        state : dict
            ``"lr"``, ``"step"`` (steps done so far), and arrays like `params`.

        Returns
        -------
        params : array
            A new array of the same shape and dtype.
        state : dict
            A new dict with the same keys.
        """

    def step(self) -> None:
        """Update every parameter that has a gradient; where something is wrong with one, update none.

        Raises
        ------
        ValueError
            When a gradient's shape is not its parameter's, or a parameter's dtype or shape has changed.
        TypeError
            When a gradient is not real numbers.
        """
        grads = [[param.grad for param in group.params] for group in self._groups]
        if any(map(_mixed, grads)):
            self._groups = self._grouped(self._states(), apart=[param.grad is None for param in self.params])
            grads = [[param.grad for param in group.params] for group in self._groups]
        results = [
            (group, self.update(group.values(), group.gradients(row), group.state))
            for group, row in zip(self._groups, grads, strict=True)
            if row[0] is not None
        ]
        for group, (flat, state) in results:
            group.state = state
            group.assign(flat)

    def zero_grad(self) -> None:
        """Forget the gradients: every ``grad`` becomes None."""
        for param in self.params:
            param.grad = None

    @property
    def lr(self) -> float:
        """The learning rate: read and written between steps, as a schedule does."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = nonnegative("lr", value)
        for group in self._groups:
            group.state = {**group.state, "lr": self._lr}

    def state_dict(self) -> dict[str, Any]:
        """Return the state as copies: ``"lr"``, and ``"i.name"`` for each entry of parameter i's state.

        The values are numbers and arrays, so ``np.savez(path, **optimizer.state_dict())`` keeps it, and
        ``optimizer.load_state_dict(np.load(path))`` brings it back.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from tinygrad_ce.optim import SGD
        >>> w = SimpleNamespace(data=1.0, grad=0.5)
        >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
        >>> optimizer.step()
        >>> optimizer.state_dict()
        {'lr': 0.1, '0.step': 1, '0.velocity': array(0.5)}
        """
        entries: dict[str, Any] = {"lr": self._lr}
        for index, state in enumerate(self._states()):
            entries |= {
                f"{index}.{key}": np.array(value) if hasattr(value, "shape") else value
                for key, value in state.items()
                if key != "lr"
            }
        return entries

    def load_state_dict(self, entries: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` returned, for parameters of the same shapes.

        Hyperparameters other than ``lr`` are the constructor's.

        Raises
        ------
        ValueError
            When keys are missing or unknown, or a value has the wrong shape or is no number; the optimiser
            is then as before.
        """
        expected = self.state_dict()
        missing = [key for key in expected if key not in entries]
        unknown = [key for key in entries if key not in expected]
        if missing or unknown:
            raise ValueError(
                f"not a state of this {type(self).__name__} with {len(self.params)} parameters: "
                f"missing {_some(missing)}; unknown {_some(unknown)}"
            )
        loaded = {key: _loaded(key, entries[key], like) for key, like in expected.items()}
        states = [
            {key: loaded[f"{index}.{key}"] for key in state if key != "lr"}
            for index, state in enumerate(self._states())
        ]
        self._lr = nonnegative("lr", loaded["lr"])
        self._groups = self._grouped(states)

    def _states(self) -> list[State]:
        """The state of each parameter."""
        states: list[State] = [{}] * len(self.params)
        for group in self._groups:
            for index, state in zip(group.indices, group.states(), strict=True):
                states[index] = state
        return states

    def _grouped(self, states: list[State], apart: list[bool] | None = None) -> list[Group]:
        """Put together what has one dtype and one history, those set `apart` in groups of their own."""
        groups: dict[Any, list[int]] = {}
        for index, state in enumerate(states):
            history = tuple(value for value in state.values() if not hasattr(value, "shape"))
            key = (self._kinds[index][0], history, apart is not None and apart[index])
            groups.setdefault(key, []).append(index)
        return [
            Group(
                indices,
                [self.params[i] for i in indices],
                [self._kinds[i] for i in indices],
                [{**states[i], "lr": self._lr} for i in indices],
            )
            for indices in groups.values()
        ]

    def __repr__(self) -> str:
        numbers = sum(int(np.size(param.data)) for param in self.params)
        options = {key: value for key, value in vars(self).items() if key[0] != "_" and key != "params"}
        listing = "".join(f", {key}={value}" for key, value in options.items())
        count = f"{len(self.params)} parameter{'s' * (len(self.params) != 1)}"
        return f"{type(self).__name__}({count}, {numbers} number{'s' * (numbers != 1)}; lr={self._lr}{listing})"


def _as_array(data: Any) -> Any:
    return np.float64(data) if type(data) is float else data


def _mixed(grads: list[Any]) -> bool:
    """Whether some gradients are there and others are not."""
    absent = [grad is None for grad in grads]
    return any(absent) and not all(absent)


def _some(keys: list[str]) -> str:
    return ", ".join(map(repr, keys[:5])) + ", …" * (len(keys) > 5) or "nothing"


def _loaded(key: str, value: Any, like: Any) -> Any:
    """Return a loaded entry as the type, dtype and shape that this optimiser keeps under its key."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.shape != np.shape(like):
        raise ValueError(
            f"state {key!r} has shape {np.shape(like)}, but what was loaded is {array.dtype} {array.shape}"
        )
    if hasattr(like, "shape"):
        return array.astype(like.dtype)
    number = array.item()
    if isinstance(like, int) and (number != number // 1 or number < 0):
        raise ValueError(f"state {key!r} counts steps, but what was loaded is {number}")
    return type(like)(number)
