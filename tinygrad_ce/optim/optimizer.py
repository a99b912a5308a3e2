"""The optimiser: parameters, the pure update that a subclass gives, and the state between two steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .entries import kept, prefix, read, read_all, written
from .group import Group, State, formed
from .options import Option, declared, nonnegative, parted
from .parameters import Kind, Parameter, collected, gradient, grouped, kind

# What a group may hold beside its parameters and the optimiser's options.
_NAMES = ("params", "name", "initial_lr")


class Optimizer(ABC):
    """Steps parameters against their gradients.

    A subclass declares its options, and gives two pure functions: `initial_state`, and `update`, which maps
    parameters, gradients and state to new parameters and a new state and changes none of its arguments. All
    else is bookkeeping, done here: parameters of one group, one dtype and one history travel through `update`
    as one flat vector. A parameter whose ``grad`` is None, or whose ``requires_grad`` is False, is left alone,
    its state too.

    Parameters
    ----------
    params : iterable of parameters, or of dicts
        Objects with ``data`` (a Python float or a floating array) and ``grad``; leaf Values, for example. Or
        parameter groups: dicts with ``"params"``, options that differ from the others', and perhaps a ``"name"``.
    lr : float
        The learning rate.
    **options
        The options that the subclass declares; what a group does not say for itself.

    Attributes
    ----------
    params : tuple of parameters
        Those of all groups, in order: parameter i of messages and of `state_dict`.
    param_groups : list of dict
        ``"params"``, and each option's value, read at every step: what schedules write.
    defaults : dict
        The options of groups that do not say otherwise.

    Raises
    ------
    ValueError
        For a negative or NaN hyperparameter, no parameters, the same one twice, an unknown option.
    TypeError
        For a parameter without data and grad, or of an integer or complex dtype.

    Examples
    --------
    A new optimiser is its update. Here each step has length lr in every direction:

    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> class SignDescent(Optimizer):
    ...     def initial_state(self, params, options=None):
    ...         return {"step": 0}
    ...     def update(self, params, grads, state):
    ...         return params - state["lr"] * np.sign(grads), {**state, "step": state["step"] + 1}
    >>> w = SimpleNamespace(data=np.array([1.0, -2.0]), grad=np.array([0.3, -7.0]))
    >>> b = SimpleNamespace(data=1.0, grad=0.2)
    >>> SignDescent([{"params": [w]}, {"params": [b], "lr": 0.1}], lr=0.5).step()
    >>> w.data, b.data
    (array([ 0.5, -1.5]), 0.9)
    """

    lr = Option(nonnegative)

    def __init__(self, params: Iterable[Any], lr: float, **options: Any) -> None:
        self.param_groups: list[dict[str, Any]] = []
        self.params: tuple[Parameter, ...] = ()
        self.defaults = self._checked({"lr": lr, **options})
        self._kinds: list[Kind] = []
        self._stepped: list[Group] = []
        # For each parameter group its options as last read, and the same checked.
        self._read: tuple[tuple[State, State], ...] = ()
        for group in grouped(params):
            self.add_param_group(group)

    @abstractmethod
    def initial_state(self, params: Any, options: Mapping[str, Any] | None = None) -> State:
        """Return the state before the first step.

        Parameters
        ----------
        params : array
            Parameters of any shape.
        options : mapping, optional
            All the options of their group; by default the optimiser's defaults.

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
            ``"lr"``, ``"step"`` (steps done so far), and arrays like `params`. Any other option may be there too;
            those left out are the optimiser's defaults.

        Returns
        -------
        params : array
            A new array of the same shape and dtype.
        state : dict
            A new dict with the same keys.
        """

    def check(self, options: Mapping[str, Any]) -> None:  # noqa: B027
        """Raise ValueError for options that do not go together; a subclass says which."""

    def parted(self, options: Mapping[str, Any]) -> tuple[State, State]:
        """Return the numbers that schedules write, which travel in the state, and the other options.

        A change of the former is none to the form of an update, so that a compiled one goes on.
        """
        return parted(options, "lr")

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Optimise more parameters, with options of their own where the dict has them.

        Raises
        ------
        ValueError, TypeError
            As the constructor; the optimiser is then as before.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from tinygrad_ce.optim import SGD
        >>> w, b = [SimpleNamespace(data=1.0, grad=1.0) for _ in range(2)]
        >>> sgd = SGD([w], lr=0.5)
        >>> sgd.add_param_group({"params": [b], "lr": 0.25})
        >>> sgd.step()
        >>> w.data, b.data
        (0.5, 0.75)
        """
        if "params" not in group:
            raise ValueError(f"a parameter group is a dict with 'params', not only {', '.join(map(repr, group))}")
        unknown = [key for key in group if key not in self.defaults and key not in _NAMES]
        if unknown:
            raise ValueError(
                f"parameter group {len(self.param_groups)} has {unknown[0]!r}, which {type(self).__name__} does not "
                f"take: its options are {', '.join(self.defaults)}"
            )
        members = collected(group["params"], self.params)
        options = self._checked({key: group.get(key, default) for key, default in self.defaults.items()})
        kinds = [kind(param.data) for param in members]
        states = [self.initial_state(_as_array(param.data), options) for param in members]
        first, number = len(self.params), len(self.param_groups)
        self.params += members
        self._kinds += kinds
        self.param_groups.append({**group, **options, "params": members})
        self._read += ((options, options),)
        self._stepped += self._formed(number, dict(enumerate(states, first)))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; where something is wrong with one, update none.

        Parameters
        ----------
        closure : callable, optional
            Called first: it clears the gradients, computes the loss, its gradients, and returns it.

        Returns
        -------
        What `closure` returned, or None.

        Raises
        ------
        ValueError
            When a gradient's shape is not its parameter's, a parameter's dtype or shape has changed, or an option
            written to a group is out of range.
        TypeError
            When a gradient is not real numbers.
        """
        loss = None if closure is None else closure()
        groups = self._groups
        grads = [[gradient(param) for param in group.params] for group in groups]
        if any(map(_mixed, grads)):
            groups = self._set_apart([gradient(param) is None for param in self.params])
            grads = [[gradient(param) for param in group.params] for group in groups]
        results = [
            (group, self.update(group.values(), group.gradients(row), {**group.options, **group.state}))
            for group, row in zip(groups, grads, strict=True)
            if row[0] is not None
        ]
        for group, (flat, state) in results:
            group.state = {key: state[key] for key in group.state}
            group.assign(flat)
        return loss

    def zero_grad(self) -> None:
        """Forget the gradients: every ``grad`` becomes None."""
        for param in self.params:
            param.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return the state as copies.

        The keys are the names of the options, for the second parameter group and those after it with ``"group1."``
        and so on before them, and ``"i.name"`` for each entry of parameter i's state. The values are numbers and
        arrays, so ``np.savez(path, **optimizer.state_dict())`` keeps it, and
        ``optimizer.load_state_dict(np.load(path))`` brings it back.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from tinygrad_ce.optim import Adagrad
        >>> w = SimpleNamespace(data=1.0, grad=0.5)
        >>> optimizer = Adagrad([w], lr=0.1)
        >>> optimizer.step()
        >>> for name, value in optimizer.state_dict().items(): print(name, value)
        lr 0.1
        lr_decay 0.0
        weight_decay 0.0
        initial_accumulator_value 0.0
        eps 1e-10
        maximize False
        0.step 1
        0.sum 0.25
        """
        entries = {key: written(group[name]) for key, group, name in self._named_options()}
        for index, state in self._states().items():
            entries |= {f"{index}.{key}": written(value) for key, value in state.items()}
        return entries

    def load_state_dict(self, entries: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` returned, for parameters of the same shapes and groups.

        Options other than ``lr`` that are missing stay as they are.

        Raises
        ------
        ValueError
            When keys are missing or unknown, or a value has the wrong shape or is no number; the optimiser
            is then as before.
        """
        before = [dict(group) for group in self.param_groups], self._stepped, self._read
        try:
            for key, group, name in self._named_options():
                group[name] = read(key, entries[key], group[name]) if key in entries else group[name]
            expected = Optimizer.state_dict(self)  # a subclass may keep more, and load it itself
            optional = {key for key, _, name in self._named_options() if name != "lr"}
            loaded = read_all(f"{type(self).__name__} with {len(self.params)} parameters", entries, expected, optional)
        except ValueError:
            groups, self._stepped, self._read = before
            for group, options in zip(self.param_groups, groups, strict=True):
                group.update(options)
            raise
        states = self._states()
        self._stepped = self._regrouped({i: {key: loaded[f"{i}.{key}"] for key in states[i]} for i in states})

    # -- bookkeeping ----------------------------------------------------------------------------------------

    def _named_options(self) -> list[tuple[str, dict[str, Any], str]]:
        """The options that a state keeps, checked: the key, the group and the name of each."""
        return [
            (prefix(number) + name, group, name)
            for number, group in enumerate(self.param_groups)
            for name, value in self._options(number).items()
            if kept(value)
        ]

    def _checked(self, options: State) -> State:
        """Return the options, each as its declaration keeps it."""
        declarations = declared(type(self))
        checked = {key: declarations[key].check(key, options[key]) for key in declarations if key in options}
        self.check(checked)
        return checked

    @property
    def _groups(self) -> list[Group]:
        """What is stepped, in accord with what the parameter groups say now."""
        for number, group in enumerate(self.param_groups):
            before, checked = self._read[number]
            now = {key: group[key] for key in before}
            if now != before:
                self._take_over(number, now, checked)
        return self._stepped

    def _options(self, number: int) -> State:
        """A parameter group's options as they are now, checked."""
        _ = self._groups
        return self._read[number][1]

    def _take_over(self, number: int, now: State, before: State) -> None:
        try:
            options = self._checked(now)
        except ValueError as error:
            raise ValueError(f"parameter group {number}: {error}") from None
        self._read = (*self._read[:number], (now, options), *self._read[number + 1 :])
        (numbers, fixed), (numbers_before, fixed_before) = self.parted(options), self.parted(before)
        if fixed == fixed_before and numbers.keys() == numbers_before.keys():
            for group in self._stepped:
                if group.number == number:
                    group.state = {**group.state, **numbers}
            return
        states = self._states()
        for index in [index for group in self._stepped if group.number == number for index in group.indices]:
            # Parts of the state that these options ask for begin here, as momentum where there was none.
            fresh = self.initial_state(_as_array(self.params[index].data), options)
            states[index] = {**fresh, **states[index]}
        self._stepped = self._regrouped(states)

    def _states(self) -> dict[int, State]:
        """The state of each parameter, by its number."""
        states = {
            index: state for group in self._stepped for index, state in zip(group.indices, group.states(), strict=True)
        }
        return {index: states[index] for index in sorted(states)}

    def _set_apart(self, apart: list[bool]) -> list[Group]:
        """Groups anew, those of these parameters by themselves."""
        self._stepped = self._regrouped(self._states(), apart)
        return self._stepped

    def _regrouped(self, states: dict[int, State], apart: list[bool] | None = None) -> list[Group]:
        groups, first = list[Group](), 0
        for number, group in enumerate(self.param_groups):
            after = first + len(group["params"])
            groups += self._formed(number, {index: states[index] for index in range(first, after)}, apart)
            first = after
        return groups

    def _formed(self, number: int, states: dict[int, State], apart: list[bool] | None = None) -> list[Group]:
        return formed(number, states, self.params, self._kinds, *self.parted(self._read[number][1]), apart)

    def __repr__(self) -> str:
        numbers = sum(int(np.size(param.data)) for param in self.params)
        options = {key: [group[key] for group in self.param_groups] for key in self.defaults}
        own = {
            key: [value]
            for key, value in vars(self).items()
            if key[0] != "_" and key not in _OWN and not callable(value)
        }
        listing = ", ".join(f"{key}={_listed(values)}" for key, values in {**options, **own}.items())
        groups = f" in {len(self.param_groups)} groups" if len(self.param_groups) > 1 else ""
        counted = f"{_counted(len(self.params), 'parameter')}, {_counted(numbers, 'number')}{groups}"
        return f"{type(self).__name__}({counted}; {listing})"


_OWN = ("params", "param_groups", "defaults")


def _as_array(data: Any) -> Any:
    return np.float64(data) if type(data) is float else data


def _mixed(grads: list[Any]) -> bool:
    """Whether some gradients are there and others are not."""
    absent = [grad is None for grad in grads]
    return any(absent) and not all(absent)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _listed(values: list[Any]) -> str:
    same = all(value == values[0] for value in values)
    return str(values[0]) if same else " | ".join(map(str, values))
