"""Generators of random numbers within a capture: what they draw is drawn anew at each call.

Draws       the draws of one capture: inputs, which a call fills in the order in which f drew them
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any, NoReturn

import numpy as np

from ..tracer import NotCaptured

_METHODS = frozenset(
    {"random", "normal", "standard_normal", "uniform", "integers", "binomial", "exponential", "laplace"}
)


class Draws:
    """What was drawn, in order: generator, method, arguments, and the slot of the result."""

    def __init__(self, recorder: Any) -> None:
        self.recorder = recorder
        self.made: list[tuple[np.random.Generator, str, tuple[Any, ...], dict[str, Any], int]] = []
        self.inputs: list[tuple[int, int]] = []
        self._puts: list[tuple[Any, Any]] = []

    def traced(self, x: Any) -> Any:
        """A generator as one whose draws are inputs; anything else as it is."""
        return Traced(x, self) if isinstance(x, np.random.Generator) else x

    def lift(self, generators: Sequence[tuple[np.random.Generator, Callable[[Any], None]]]) -> None:
        for generator, put in generators:
            put(Traced(generator, self))
            self._puts.append((put, generator))

    def restore(self) -> None:
        for put, generator in self._puts:
            put(generator)


class Traced:
    """A Generator whose draws are inputs of what is captured."""

    def __init__(self, generator: np.random.Generator, draws: Draws) -> None:
        self._generator, self._draws = generator, draws

    def __getattr__(self, name: str) -> Any:
        if get_ident() != self._draws.recorder.thread:
            return getattr(self._generator, name)
        if name not in _METHODS:
            raise NotCaptured(
                f"Generator.{name} within a compiled function: {', '.join(sorted(_METHODS))} can be drawn at each "
                f"call; draw this one outside and give it as an argument"
            )

        def draw(*args: Any, **kwargs: Any) -> Any:
            copy = np.random.Generator(type(self._generator.bit_generator)(0))
            example = getattr(copy, name)(*args, **kwargs)
            traced = self._draws.recorder.input(example)
            self._draws.made.append((self._generator, name, args, kwargs, traced.slot))
            return traced

        return draw

    def __setattr__(self, name: str, x: Any) -> None:
        object.__setattr__(self, name, x) if name.startswith("_") else self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotCaptured("a Generator has no attribute to set")
