"""Decision boundaries of models with two inputs, still and moving."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...atomic import replacing
from ...node import plain
from ...transforms import no_grad
from ..options import function, numbers, whole
from .figure import MARKERS, colour, literal, named, panels, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]


def decision_boundary(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    class_names: Any = None,
    points: int = 160,
    axes: Any = None,
) -> Axes:
    """Which class a model gives to each point of the plane, how surely, and where the rows of X lie.

    Parameters
    ----------
    model : callable
        (N, 2) ↦ scores of shape (N, K), of which the largest wins; or one score a row, of shape (N, 1) or (N,), whose
        sign decides.
    X : array of shape (N, 2)
    y : array of shape (N,)
        Class indices; for a model of one score any two numbers, the larger being the positive class.
    class_names : sequence of str, optional
    points : int
        The model is asked at so many points along each side.
    axes : Axes, optional

    Returns
    -------
    Axes
        Colour is the winning class, paler where its margin over the next is small (by softmax of the scores, or the
        sigmoid of the one); the line is where two classes are equal. Rows have a marker for each class.

    Raises
    ------
    ValueError
        If X has not two columns, y another length, or the model answers with another shape.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    >>> axes = decision_boundary(lambda x: x[:, 0] - x[:, 1], X, [0, 0, 1])
    >>> axes.get_xlabel(), axes.get_legend() is not None
    ('x₁', True)
    """
    function("model", model)
    plane = _Plane(X, y, points)
    (drawn,) = panels(axes, 1, size=(5.2, 4.4))
    _draw(drawn, plane, plane.ask(model), class_names)
    return drawn


class BoundaryFilm:
    """The decision boundary after each epoch, as a moving picture.

    A film is a callback of `fit`: it asks the model after each epoch, keeps the answers, and draws them when it is
    saved. It may be called by hand, too.

    Parameters
    ----------
    model, X, y, class_names, points
        As of `decision_boundary`.
    every : int
        Keep every so many epochs.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> slope = tg.Value([1.0, -1.0])
    >>> film = BoundaryFilm(lambda x: x @ slope, [[0.0, 1.0], [1.0, 0.0]], [0, 1], points=8)
    >>> film(), len(film)
    (None, 1)
    """

    def __init__(
        self, model: Any, X: ArrayLike, y: ArrayLike, *, class_names: Any = None, points: int = 100, every: int = 1
    ) -> None:
        function("model", model)
        self.model, self.class_names, self.every = model, class_names, whole("every", every, 1)
        self._plane = _Plane(X, y, points)
        self._frames: list[tuple[str, Array]] = []
        self._called = 0

    def __len__(self) -> int:
        return len(self._frames)

    def __call__(self, report: Any = None) -> None:
        """Keep what the model answers now; `report` is an EpochReport, or nothing."""
        self._called += 1
        if (self._called - 1) % self.every:
            return
        epoch, loss = getattr(report, "epoch", self._called), getattr(report, "loss", None)
        title = f"epoch {epoch}" + ("" if loss is None else f"   loss {loss:.3g}")
        self._frames.append((title, self._plane.ask(self.model).astype(np.float32)))

    def save(self, path: str | os.PathLike[str], *, fps: float = 10.0, dpi: int = 80) -> Path:
        """Write the film as a GIF; the last frame stays for two seconds. The file appears whole or not at all.

        Raises
        ------
        ValueError
            If there is no frame, or the path ends in another suffix.
        """
        target = Path(path)
        if not self._frames:
            raise ValueError("the film has no frame yet: give it to fit(callbacks=[film]), or call it")
        if target.suffix.lower() != ".gif":
            raise ValueError(f"a film is saved as .gif, not '{target.name}'")
        (axes,) = panels(None, 1, size=(5.2, 4.4))
        from matplotlib.animation import PillowWriter
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure: Any = axes.figure
        FigureCanvasAgg(figure)
        writer = PillowWriter(fps=max(1, round(fps)))
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "film.gif")
            with writer.saving(figure, str(made), dpi):
                for title, field in [*self._frames, *[self._frames[-1]] * round(2 * fps)]:
                    figure.clear()
                    axes = figure.add_subplot()
                    _draw(axes, self._plane, field, self.class_names)
                    axes.set_title(title, fontsize="medium")
                    writer.grab_frame()
            with replacing(target) as file:
                file.write(made.read_bytes())
        return target


# -- what is drawn ----------------------------------------------------------------------------------------------


class _Plane:
    """The rows, and a grid that reaches a little beyond them."""

    def __init__(self, X: ArrayLike, y: ArrayLike, points: int) -> None:
        self.X, self.y = numbers("X", X), np.ravel(numbers("y", y))
        if self.X.ndim != 2 or self.X.shape[1] != 2 or not len(self.X):
            raise ValueError(f"a decision boundary is drawn of rows with two columns, not of shape {self.X.shape}")
        if len(self.y) != len(self.X):
            raise ValueError(f"X has {len(self.X)} rows, y {len(self.y)}")
        if not np.all(np.isfinite(self.X)):
            raise ValueError("X has rows that are not finite, which have no place in the plane")
        points = whole("points", points, 2)
        low, high = self.X.min(axis=0), self.X.max(axis=0)
        room = 0.12 * np.where(high > low, high - low, 1.0)
        self.x1, self.x2 = (np.linspace(a, b, points) for a, b in zip(low - room, high + room, strict=True))
        first, second = np.meshgrid(self.x1, self.x2)
        self.grid = np.stack([first.ravel(), second.ravel()], axis=1)

    def ask(self, model: Any) -> Array:
        """Scores on the grid, of shape (K, points, points): K is 1 where the sign decides."""
        with no_grad():
            scores = np.asarray(plain(model(self.grid)), dtype=float)
        rows = len(self.grid)
        if scores.shape != (rows,) and (scores.ndim != 2 or len(scores) != rows or not scores.shape[1]):
            raise ValueError(f"the model answers {rows} rows with shape {scores.shape}, not ({rows}, K) or ({rows},)")
        return scores.reshape(rows, -1).T.reshape(-1, len(self.x2), len(self.x1))


def _draw(axes: Axes, plane: _Plane, scores: Array, class_names: Any) -> None:
    from matplotlib.colors import to_rgb

    winner, margin = _decided(scores)
    classes = _classes(plane.y, len(scores))
    count = max(int(winner.max()), int(classes.max())) + 1
    count = max(count, 2 if len(scores) == 1 else len(scores))
    names = named(class_names, count)
    colours = np.array([to_rgb(colour(k)) for k in range(count)])
    strength = 0.12 + 0.38 * margin[..., None]
    picture = 1 - strength * (1 - colours[winner])
    picture[~np.isfinite(margin)] = 0.6  # where the model answers nan: grey
    ends = (plane.x1[0], plane.x1[-1], plane.x2[0], plane.x2[-1])
    axes.imshow(np.clip(picture, 0, 1), origin="lower", extent=ends, aspect="auto", interpolation="bilinear")
    for k in sorted(set(np.unique(winner)) if len(scores) > 1 else {1}):
        own = scores[k] - np.max(np.delete(scores, k, axis=0), axis=0) if len(scores) > 1 else scores[0]
        if np.nanmin(own) < 0 < np.nanmax(own):
            axes.contour(plane.x1, plane.x2, own, levels=[0.0], colors="#333333", linewidths=0.9)
    for k in np.unique(classes):
        rows = plane.X[classes == k]
        axes.scatter(
            rows[:, 0],
            rows[:, 1],
            color=colour(k),
            marker=MARKERS[k % len(MARKERS)],
            s=22,
            edgecolors="white",
            linewidths=0.6,
            label=literal(names[k]),
            zorder=3,
        )
    axes.set_xlabel("x₁")
    axes.set_ylabel("x₂")
    axes.legend(fontsize="small", framealpha=0.85)
    tidy(axes, grid=False)


def _decided(scores: Array) -> tuple[Array, Array]:
    """The winning class, and how far ahead it is, from 0 to 1."""
    with np.errstate(all="ignore"):
        if len(scores) == 1:
            return (scores[0] > 0).astype(int), np.abs(np.tanh(scores[0] / 2))  # 2σ − 1
        shares = np.exp(scores - np.max(scores, axis=0))
        shares = np.sort(shares / np.sum(shares, axis=0), axis=0)
        margin = shares[-1] - shares[-2]
    return np.argmax(scores, axis=0), margin


def _classes(y: Array, scores: int) -> NDArray[np.int64]:
    """Class indices of the rows."""
    if scores == 1:
        kinds = np.unique(y)
        if len(kinds) > 2:
            raise ValueError(f"a model of one score tells two classes apart; y has {len(kinds)}")
        positive = kinds[-1] if len(kinds) == 2 or kinds[-1] > 0 else None
        return np.array(y == positive, dtype=np.int64)
    classes = y.astype(np.int64)
    if np.any(classes != y) or np.any((classes < 0) | (classes >= scores)):
        raise ValueError(f"y holds class indices from 0 to {scores - 1} for a model of {scores} scores")
    return classes
