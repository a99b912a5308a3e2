"""Parameters of one group, one dtype and one history, stepped as one flat vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from math import prod
from operator import is_
from typing import Any

import numpy as np

from .parameters import PYTHON_FLOAT, Kind, Parameter, described, kind

# A plain dict: numbers (lr, step, ...) and arrays in the shape of the parameters (velocity, ...).
State = dict[str, Any]


class Group:
    """Parameters of one parameter group whose data share a dtype and whose states share every number.

    One vector operation then steps them all; only the cutting into views costs anything per parameter.

    Attributes
    ----------
    number : int
        Of the parameter group.
    state : dict
        What `update` takes and gives: the options that schedules write (lr, ...), step, and arrays for the vector.
    options : dict
        The other options. Where one changes, there is a new Group.
    """

    def __init__(
        self,
        number: int,
        indices: Sequence[int],
        params: Sequence[Parameter],
        kinds: Sequence[Kind],
        states: Sequence[State],
        numbers: State,
        options: State,
    ) -> None:
        self.number = number
        self.indices = indices
        self.params = params
        self.dtype = kinds[0][0]
        self.shapes = [shape for _, shape in kinds]
        self.options = options
        self.state: State = {**numbers, **self._joined(states)}
        self._shared = frozenset(numbers)
        bounds = pairwise(accumulate(map(prod, self.shapes), initial=0))
        self._cuts = [(start, end, shape) for (start, end), shape in zip(bounds, self.shapes, strict=True)]
        self._flat: Any = None
        self._given: list[Any] = []

    def values(self) -> Any:
        """Return the parameters as one vector: the last one assigned, unless somebody put new data in."""
        data = [param.data for param in self.params]
        if self._flat is None or not all(map(is_, data, self._given)):
            for index, param, shape in zip(self.indices, self.params, self.shapes, strict=True):
                self._check_data(index, param, shape)
            self._flat, self._given = self._flattened(data), data
        return self._flat

    def gradients(self, grads: list[Any]) -> Any:
        """Return the gradients as one vector of the parameters' dtype.

        Raises
        ------
        ValueError
            When the shape of one differs from its parameter's.
        TypeError
            When one is not real numbers.
        """
        grads = [grad.data if hasattr(grad, "grad") else grad for grad in grads]
        if [getattr(grad, "shape", ()) for grad in grads] != self.shapes:
            self._refuse_shapes(grads)
        try:
            return self._flattened(grads)
        except TypeError:
            self._refuse_dtypes(grads)
            raise

    def assign(self, flat: Any) -> None:
        """Give each parameter its part of the vector: a view, or a Python float where it was one."""
        if self.dtype is PYTHON_FLOAT:
            self._given = flat.tolist()
        else:
            self._given = [flat[start:end].reshape(shape) for start, end, shape in self._cuts]
        self._flat = flat
        for param, data in zip(self.params, self._given, strict=True):
            param.data = data

    def states(self) -> list[State]:
        """Return a state for each parameter, its arrays cut to size: views."""
        return [
            {
                key: value[start:end].reshape(shape) if hasattr(value, "shape") else value
                for key, value in self.state.items()
                if key not in self._shared
            }
            for start, end, shape in self._cuts
        ]

    def _joined(self, states: Sequence[State]) -> State:
        return {
            key: self._flattened([state[key] for state in states]) if hasattr(value, "shape") else value
            for key, value in states[0].items()
        }

    def _flattened(self, parts: list[Any]) -> Any:
        if self.dtype is PYTHON_FLOAT:
            return np.array(parts).astype(np.float64, casting="same_kind", copy=False).reshape(len(parts))
        return np.concatenate(parts, axis=None, dtype=self.dtype)

    def _check_data(self, index: int, param: Parameter, shape: tuple[int, ...]) -> None:
        found = kind(param.data)
        if found != (self.dtype, shape):
            raise ValueError(
                f"{described(index, param)} was {self.dtype} {shape} when the optimiser was made and is now "
                f"{found[0]} {found[1]}: make a new optimiser"
            )

    def _refuse_shapes(self, grads: list[Any]) -> None:
        for index, param, grad, shape in zip(self.indices, self.params, grads, self.shapes, strict=True):
            found = np.shape(grad)
            if found != shape:
                raise ValueError(f"{described(index, param)} has shape {shape}, but its gradient has {found}")

    def _refuse_dtypes(self, grads: list[Any]) -> None:
        wanted = np.float64 if self.dtype is PYTHON_FLOAT else self.dtype
        for index, param, grad in zip(self.indices, self.params, grads, strict=True):
            found = np.asarray(grad).dtype
            if not np.can_cast(found, wanted, "same_kind"):
                raise TypeError(f"{described(index, param)} is {self.dtype}, but its gradient is {found}")


def formed(
    number: int,
    states: Mapping[int, State],
    params: Sequence[Parameter],
    kinds: Sequence[Kind],
    numbers: State,
    options: State,
    apart: Sequence[bool] | None = None,
) -> list[Group]:
    """Put together the parameters of one dtype and one history, those set `apart` in groups of their own.

    `states` has those of the parameter group; all else is numbered as the optimiser numbers its parameters.
    """
    groups: dict[Any, list[int]] = {}
    for index, state in states.items():
        history = tuple(value for value in state.values() if not hasattr(value, "shape"))
        key = (kinds[index][0], history, tuple(state), apart is not None and apart[index])
        groups.setdefault(key, []).append(index)
    return [
        Group(
            number,
            indices,
            [params[i] for i in indices],
            [kinds[i] for i in indices],
            [states[i] for i in indices],
            numbers,
            options,
        )
        for indices in groups.values()
    ]
