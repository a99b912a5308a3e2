"""Giving states back to what they were taken from: to everything, or to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from .contents import Checkpoint


@runtime_checkable
class Stateful(Protocol):
    """What can be saved and loaded: a Module, an optimiser, a schedule, a loader."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


# What a part of a checkpoint is the state of. A generator is one too, and so are several by name.
Part: TypeAlias = "Stateful | np.random.Generator | Mapping[str, np.random.Generator]"


class Generators:
    """The states of random generators, by name, as one state.

    >>> rng = np.random.default_rng(0)
    >>> states = Generators({"rng": rng})
    >>> before, drawn = states.state_dict(), rng.random()
    >>> states.load_state_dict(before)
    >>> rng.random() == drawn
    True
    """

    def __init__(self, generators: Mapping[str, np.random.Generator]) -> None:
        self.generators = dict(generators)

    def state_dict(self) -> dict[str, Any]:
        return {name: dict(rng.bit_generator.state) for name, rng in self.generators.items()}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        faults = [f"'{name}' is missing" for name in self.generators if name not in state]
        faults += [f"'{name}' is unknown" for name in state if name not in self.generators]
        for name in self.generators.keys() & state.keys():
            kind = self.generators[name].bit_generator.state["bit_generator"]
            told = state[name].get("bit_generator") if isinstance(state[name], Mapping) else None
            faults += [] if told == kind else [f"'{name}' is a {kind}, and the state one of {told}"]
        if faults:
            raise ValueError(f"this is not a state of these random generators: {'; '.join(faults[:4])}")
        before = self.state_dict()
        try:
            for name, rng in self.generators.items():
                rng.bit_generator.state = state[name]
        except Exception as error:
            for name, rng in self.generators.items():
                rng.bit_generator.state = before[name]
            raise ValueError(f"this is not a state of these random generators: {error}") from None


def stateful(part: Any) -> Stateful:
    """A part as something that has a state.

    Raises
    ------
    TypeError
        If it has none.
    """
    if isinstance(part, np.random.Generator):
        return Generators({"rng": part})
    if isinstance(part, Mapping) and all(isinstance(rng, np.random.Generator) for rng in part.values()):
        return Generators(part)
    if not isinstance(part, Stateful):
        raise TypeError(f"a {type(part).__name__} has no state_dict() and load_state_dict(): {part!r:.60}")
    return part


def taken(parts: Mapping[str, Part]) -> Checkpoint:
    """The states of several things as one."""
    for name in parts:
        if "." in name:
            raise ValueError(f"the name of a part has no dot: {name!r}")
    state = {
        f"{name}.{key}": value for name, part in parts.items() for key, value in stateful(part).state_dict().items()
    }
    return Checkpoint(state, {}, tuple(parts))


def give(states: Mapping[str, dict[str, Any]], parts: Mapping[str, Part]) -> None:
    """Give each part its state; where one refuses its own, those before it get back what they had.

    Raises
    ------
    ValueError
        Which part, and why.
    """
    done: list[tuple[Stateful, dict[str, Any]]] = []
    name = ""
    try:
        for name, part in parts.items():
            thing = stateful(part)
            before = thing.state_dict() if len(parts) > 1 else {}
            thing.load_state_dict(states[name])
            done.append((thing, before))
    except BaseException as error:
        for thing, before in reversed(done):
            _restore(thing, before)
        if isinstance(error, ValueError | TypeError | KeyError) and len(parts) > 1:
            raise ValueError(f"its part '{name}': {error}") from error
        raise


def _restore(thing: Any, before: dict[str, Any]) -> None:
    try:
        thing.load_state_dict(before)
    except ValueError:
        # A model that had diverged refuses its own nan, so it gets its numbers back one by one.
        for name, place in thing._stateful():
            place.data = before[name]
