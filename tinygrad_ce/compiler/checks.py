"""Whether a captured form still fits, written as one expression: many small questions, and no loop over them.

written(...)    takes(args) and fits(), as functions
Settings        an optimiser's options and groups, as they were
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..optim import Optimizer
from .again import Point
from .recording import Buffer, Numbers

MANY = 4096  # more points are gone through in a loop
_TEXT = """
def fits():
    try:
        return {fits}
    except (KeyError, ValueError, IndexError):
        return False

def takes(args):
    if len(args) != {n}:
        return False
    {unpack}
    try:
        return {takes}
    except (KeyError, ValueError, IndexError):
        return False
"""


class Checks:
    """What is asked of a form, as text.

    Parameters
    ----------
    values, loose : Values that the function reads, which are to want gradients as they do now
        The data of the loose ones are to be of the shape and dtype that they are of now.
    buffers : buffers of modules, likewise
    modules : modules, which are to be in the modes that they are in now
    settings : optimisers, whose groups are to be the same
    points : what the function closes over
    """

    def __init__(
        self,
        values: Sequence[Any],
        loose: Sequence[Any],
        buffers: Sequence[Buffer],
        modules: Sequence[tuple[Any, bool]],
        settings: Sequence[Settings],
        points: Sequence[Point],
    ) -> None:
        self.points = [(p, "") for p in points]  # and how their values are named in the text
        self.names: dict[str, Any] = {"ndarray": np.ndarray, "same": self._same, "alike": alike, "asarray": np.asarray}
        self.asked: list[str] = []
        for value in values:
            self._ask(f"{self._name(value)}.requires_grad is {value.requires_grad}")
        for value in loose:
            self._ask(self._like(f"{self._name(value)}._data", value._data))
        for buffer in buffers:
            self._ask(self._like(f"asarray({self._name(buffer.holder)}[{buffer.name!r}])", buffer.read()))
        for module, training in modules:
            self._ask(f"{self._name(module)}.training is {training}")
        for one in settings:
            self._ask(self._settled(one))
        if len(points) > MANY:
            self._ask("same()")
        else:
            self.points, asked = [], self.points
            self.asked += [f"({self._point(p)} or same())" for p, _ in asked]

    def functions(self, arrays: Sequence[Any] | None) -> tuple[Callable[[], bool], Callable[[tuple[Any, ...]], bool]]:
        """fits, and takes for arguments like these arrays; None: for none."""
        given = [f"x{k}" for k in range(len(arrays or ()))]
        of_arguments = [
            f"{x}.__class__ is ndarray and {x}.dtype is {self._name(a.dtype)} and {x}.shape == {a.shape!r}"
            for x, a in zip(given, arrays or (), strict=True)
        ]
        fits = " and ".join(self.asked) or "True"
        text = _TEXT.format(
            fits=fits,
            n=len(given),
            unpack=f"{', '.join(given)}, = args" if given else "pass",
            takes="False" if arrays is None else " and ".join([*of_arguments, fits]),
        )
        exec(compile(text, "<checks of a compiled function>", "exec", dont_inherit=True), self.names)
        return self.names["fits"], self.names["takes"]

    def _name(self, x: Any) -> str:
        name = f"v{len(self.names)}"
        self.names[name] = x
        return name

    def _ask(self, text: str) -> None:
        self.asked.append(f"({text})")

    def _like(self, text: str, x: Any) -> str:
        """That what the text is of has the shape and dtype of x."""
        if type(x) is np.ndarray:
            kind = f"and a.dtype is {self._name(x.dtype)} and a.shape == {x.shape!r}"
            return f"(a := {text}).__class__ is ndarray {kind} or alike(a, {self._name(x)})"
        return f"alike({text}, {self._name(x)})"

    def _point(self, point: Point) -> str:
        held, value = self._name(point.holder), self._name(point.value)
        self.points.append((point, value))
        if point.how == "length":
            return f"len({held}) == {value}"
        if point.how == "bytes":
            return f"{held}.tobytes() == {value}"
        if point.how == "cell":
            return f"{held}.cell_contents is {value}"
        key = repr(point.key) if type(point.key) in (str, int) else self._name(point.key)
        return f"{held}[{key}] is {value}"

    def _same(self) -> bool:
        """All points, more slowly: numbers may be equal without being the same object."""
        for point, name in self.points:
            if not point.same():
                return False
            self.names[name] = point.value
        return True

    def _settled(self, one: Settings) -> str:
        held = self._name(one)
        return f"{held}.stepped is {held}.optimizer._stepped and {held}.values() == {held}.seen or {held}.look()"

    def changed(self) -> str:
        """What has changed of what the function closes over, in words."""
        return next((p.whose for p, _ in self.points if not p.same()), "")


class Settings:
    """An optimiser's options, and which group is where."""

    def __init__(self, optimizer: Optimizer, numbers: Sequence[Numbers]) -> None:
        self.optimizer = optimizer
        self.held = [(x.index, x.group) for x in numbers if x.optimizer is optimizer]
        self.look()

    def values(self) -> list[Any]:
        """The options as they are, but for the parameters."""
        return [x for group in self.optimizer.param_groups for x in group.values() if type(x) is not list]

    def look(self) -> bool:
        """Take over options that the user has set; whether the groups are still these."""
        groups = self.stepped = self.optimizer._groups
        self.seen = self.values()
        return all(index < len(groups) and groups[index] is group for index, group in self.held)


def alike(x: Any, y: Any) -> bool:
    """Whether two are of one type, dtype and shape."""
    return type(x) is type(y) and getattr(x, "dtype", None) == getattr(y, "dtype", None) and np.shape(x) == np.shape(y)
