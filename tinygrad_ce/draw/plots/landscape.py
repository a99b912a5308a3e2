"""The loss around a model's present parameters, along one direction or over a plane of two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import hypot
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import ones_like
from ...choice import choose
from ...node import Node, plain
from ...sweep import reverse
from ...transforms import no_grad
from ..options import above, function, numbers, whole
from .figure import AMOUNT, panels, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Direction = list[NDArray[Any]]
MOST = 10**6  # times that the loss is asked for


def landscape(
    model: Any,
    loss: Callable[[Any], Any],
    *,
    directions: str | Sequence[Any] = ("random", "random"),
    span: float = 1.0,
    points: int = 31,
    seed: int = 0,
    axes: Any = None,
) -> Axes:
    """The loss along one direction through the present parameters, or over the plane of two, with its gradient there.

    Parameters
    ----------
    model : Module, or a sequence of leaf Values
        Whose parameters are moved, and put back; their `.grad` is not touched.
    loss : callable
        model ↦ the loss as a Value, such as `lambda m: tg.softmax_cross_entropy(m(x), y)`.
    directions : one, or sequence of one or two
        "random", "gradient", or a sequence of arrays, one for each parameter. The first two are filter-normalised
        [1]_: each row of a weight is made as long as the parameter's own row, each bias as long as the bias, so that
        pictures of different networks can be compared. With two, the second is made orthogonal to the first where
        one of them is "gradient".
    span : float
        How far to go to either side.
    points : int
        Along each direction; an odd number has one at the present parameters.
    seed : int
        Of the random directions.
    axes : Axes, optional

    Returns
    -------
    Axes
        One direction: the loss, and its slope at the present point by the gradient, dashed. Two: filled contours (of
        the logarithm where the loss spans two orders of magnitude), a cross at the present point, and an arrow that
        points downhill in this plane, against the gradient.

    Raises
    ------
    ValueError
        If there are no parameters, directions do not fit them, or all parameters are 0.
    TypeError
        If `loss` returns no Value.

    References
    ----------
    .. [1] Li, Xu, Taylor, Studer, Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> w = tg.Value([3.0, 4.0])
    >>> axes = landscape([w], lambda ps: np.sum(ps[0] ** 2), directions=["gradient"], points=5)
    >>> [float(y) for y in axes.lines[0].get_ydata()]
    [100.0, 56.25, 25.0, 6.25, 0.0]
    """
    function("loss", loss)
    parameters = list(model.parameters()) if hasattr(model, "parameters") else _listed(model)
    if not parameters or not all(isinstance(p, Node) for p in parameters):
        raise ValueError("landscape moves parameters, and this model has none")
    directions = (directions,) if isinstance(directions, str) else _listed(directions)
    if len(directions) not in (1, 2):
        raise ValueError(f"a landscape has one direction or two, not {len(directions)}")
    points, span = whole("points", points, 2), above("span", span)
    if points ** len(directions) > MOST:
        raise ValueError(f"points={points:,} asks for the loss {points ** len(directions):,} times: take fewer")
    seed = whole("seed", seed, 0)
    start = [np.asarray(p.data) for p in parameters]
    here, slope = _gradient(loss, model, parameters)
    ways = _directions(directions, start, slope, np.random.default_rng(seed))
    steps = np.linspace(-span, span, points)
    slopes = [_inner(slope, way) for way in ways]
    with _put_back(parameters):
        if len(ways) == 1:
            heights = np.array([_at(loss, model, parameters, start, ways, (a,)) for a in steps])
        else:
            rows = [[_at(loss, model, parameters, start, ways, (a, b)) for a in steps] for b in steps]
            heights = np.array(rows)
    (drawn,) = panels(axes, 1, size=(5.2, 4.2))
    names = [way if isinstance(way, str) else "direction" for way in directions]
    draw = _curve if len(ways) == 1 else _surface
    draw(drawn, steps, heights, here, slopes, names)
    return drawn


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, Iterable) else [given]


# -- numbers ----------------------------------------------------------------------------------------------------


def _gradient(loss: Callable[[Any], Any], model: Any, parameters: Sequence[Node]) -> tuple[float, Direction]:
    """The loss, and its gradient in each parameter."""
    value = loss(model)
    if not isinstance(value, Node):
        raise TypeError(f"loss returned a {type(value).__name__}, not a Value")
    if np.size(plain(value)) != 1:
        raise ValueError(f"loss returned shape {np.shape(plain(value))}; a landscape is of one number")
    wanted = {p.number: p for p in parameters}
    found = reverse(value, ones_like(value.data), choose(None), wanted=wanted) if value.requires_grad else {}
    slope = [np.asarray(found[p.number][1]) if p.number in found else np.zeros(np.shape(p.data)) for p in parameters]
    return float(np.ravel(plain(value))[0]), slope


def _directions(asked: Sequence[Any], start: Direction, slope: Direction, rng: np.random.Generator) -> list[Direction]:
    ways: list[Direction] = []
    for one in asked:
        if isinstance(one, str):
            if one not in ("random", "gradient"):
                raise ValueError(f'a direction is "random", "gradient" or arrays, not {one!r:.40}')
            raw = [rng.normal(size=p.shape) for p in start] if one == "random" else [-g for g in slope]
            ways.append(_normalised(raw, start))
        else:
            given = [numbers("directions", d) for d in _listed(one)]
            if [d.shape for d in given] != [p.shape for p in start]:
                raise ValueError(
                    f"a direction has an array for each parameter, here of shapes {[p.shape for p in start]}, "
                    f"not {[d.shape for d in given]}"
                )
            ways.append(given)
    if any(isinstance(one, str) and one == "gradient" for one in asked) and len(ways) == 2:
        first, second = ways
        share = _inner(second, first) / (_inner(first, first) or 1.0)
        ways[1] = [b - share * a for a, b in zip(first, second, strict=True)]
    for way in ways:
        if not _inner(way, way) > 0:
            raise ValueError(
                "a direction of length 0: all parameters are 0, or the gradient is; give directions= as arrays"
            )
    return ways


def _normalised(raw: Direction, start: Direction) -> Direction:
    """Each row as long as the parameter's own; of parameters with one axis, the whole."""
    made = []
    for d, p in zip(raw, start, strict=True):
        axes = tuple(range(1, p.ndim)) if p.ndim > 1 else None
        own, length = (np.sqrt(np.sum(x * x, axis=axes, keepdims=True)) for x in (p, d))
        made.append(np.reshape(d * own / np.where(length > 0, length, 1.0), p.shape))
    return made


def _inner(a: Direction, b: Direction) -> float:
    return float(sum(np.sum(x * y) for x, y in zip(a, b, strict=True)))


@contextmanager
def _put_back(parameters: Sequence[Node]) -> Iterator[None]:
    before = [p.data for p in parameters]
    try:
        yield
    finally:
        for p, data in zip(parameters, before, strict=True):
            p.data = data


def _at(
    loss: Callable[[Any], Any],
    model: Any,
    parameters: Sequence[Node],
    start: Direction,
    ways: list[Direction],
    steps: tuple[float, ...],
) -> float:
    for k, p in enumerate(parameters):
        moved = start[k] + sum(a * way[k] for a, way in zip(steps, ways, strict=True))
        p.data = float(moved) if type(p.data) is float else np.asarray(moved, dtype=start[k].dtype)
    with no_grad(), np.errstate(all="ignore"):
        return float(np.ravel(plain(loss(model)))[0])


# -- pictures ---------------------------------------------------------------------------------------------------


def _curve(axes: Axes, steps: Any, heights: Any, here: float, slopes: list[float], names: list[str]) -> None:
    finite = heights[np.isfinite(heights)]
    axes.plot(steps, heights, color="#0072B2", label="loss")
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (here, here)
    room = 0.08 * ((high - low) or 1.0)
    tangent = here + slopes[0] * steps
    seen = (tangent > low - room) & (tangent < high + room)
    axes.plot(steps[seen], tangent[seen], color="#D55E00", ls="--", label=f"by the gradient: slope {slopes[0]:.3g}")
    axes.plot([0.0], [here], color="#222222", marker="+", markersize=10, ls="", label="present parameters")
    axes.set_ylim(low - room, high + room)
    axes.set_xlabel({"gradient": "along −gradient", "random": "along a random direction"}.get(names[0], "step"))
    axes.set_ylabel("loss")
    axes.legend(frameon=False, fontsize="small")
    tidy(axes)


def _surface(axes: Axes, steps: Any, heights: Any, here: float, slopes: list[float], names: list[str]) -> None:
    finite = heights[np.isfinite(heights)]
    if not len(finite):
        raise FloatingPointError("the loss is not finite anywhere in this plane: try a smaller span=")
    low, high = float(finite.min()), float(finite.max())
    wide = low > 0 and high > 100 * low
    shown = np.ma.masked_invalid(np.log10(heights) if wide else heights)
    axes.set_facecolor("#bbbbbb")  # where it is not finite
    filled = axes.contourf(steps, steps, shown, levels=24, cmap=AMOUNT)
    if high > low:
        axes.contour(steps, steps, shown, levels=12, colors="white", linewidths=0.4, alpha=0.6)
    axes.figure.colorbar(filled, ax=axes, label="log₁₀ loss" if wide else "loss")
    axes.plot([0.0], [0.0], marker="+", color="white", markersize=11, markeredgewidth=2.0)
    steep = hypot(*slopes)
    if steep > 0:
        end = [-0.35 * steps[-1] * s / steep for s in slopes]
        axes.annotate(
            "", xy=(end[0], end[1]), xytext=(0.0, 0.0), arrowprops={"arrowstyle": "-|>", "color": "white", "lw": 2.0}
        )
    axes.set_title("cross: present parameters; arrow: against the gradient", fontsize="small", loc="left")
    called = {"gradient": "−gradient"}
    axes.set_xlabel(f"first direction ({called.get(names[0], names[0])})")
    axes.set_ylabel(f"second direction ({called.get(names[1], names[1])})")
