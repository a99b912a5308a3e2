"""`tg.draw` is a function that has functions: `tg.draw(v)`, and beside it `tg.draw.curves(history)` and its like."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class WithPlots(Generic[P, R]):
    """A function, with everything of the plots beside it, imported when first asked for."""

    def __init__(self, function: Callable[P, R]) -> None:
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return "<draw(v): the graph of v; draw.curves(history) and other plots>"

    if TYPE_CHECKING:
        from . import plots

        BoundaryFilm = plots.BoundaryFilm
        confusion = staticmethod(plots.confusion)
        curves = staticmethod(plots.curves)
        decision_boundary = staticmethod(plots.decision_boundary)
        jacobian_heatmap = staticmethod(plots.jacobian_heatmap)
        landscape = staticmethod(plots.landscape)
        saliency = staticmethod(plots.saliency)
        weights = staticmethod(plots.weights)
    else:

        def __getattr__(self, name: str) -> Any:
            plots = import_module(f"{__package__}.plots") if not name.startswith("_") else None
            if name in getattr(plots, "__all__", ()):
                return getattr(plots, name)
            raise AttributeError(f"tg.draw has no '{name}'")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *import_module(f"{__package__}.plots").__all__]
