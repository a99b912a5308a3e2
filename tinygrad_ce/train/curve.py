"""Curves as SVG, without a plotting library: small enough for a notebook's cell or a page of its own.

svg({"train": (xs, ys), "validation": (xs, ys)}, "epoch", "loss")       text of an <svg>
history_html(history)                                                   loss and accuracy, side by side
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from math import ceil, floor, inf, isfinite, log10

from .history import History

Points = tuple[Sequence[float], Sequence[float]]

COLOURS = ("#3b6ea5", "#d1662f", "#1a7f37", "#8250df")
_WIDTH, _HEIGHT, _LEFT, _BELOW, _ABOVE, _RIGHT = 420, 240, 56, 38, 24, 12


def svg(
    series: Mapping[str, Points],
    across: str,
    up: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    mark: float | None = None,
) -> str:
    """Curves by name over common axes; what is not finite, or not positive on a logarithmic axis, is left out.

    Parameters
    ----------
    series : mapping of names to (xs, ys)
    across, up : str
        What the axes are.
    log_x, log_y : bool
    mark : float, optional
        Where to draw a vertical line.

    Examples
    --------
    >>> svg({"loss": ([1, 2], [0.5, 0.25])}, "epoch", "loss").startswith("<svg")
    True
    """
    shown = {name: _kept(points, log_x, log_y) for name, points in series.items()}
    x_axis = _Axis([x for points in shown.values() for x, _ in points], log_x, _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis([y for points in shown.values() for _, y in points], log_y, _HEIGHT - _BELOW, _ABOVE)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="system-ui, sans-serif" font-size="11" fill="currentColor">'
    ]
    for value, text in x_axis.ticks():
        x = x_axis.place(value)
        parts.append(f'<path d="M{x:.1f} {_ABOVE}V{_HEIGHT - _BELOW}" stroke="currentColor" opacity=".15"/>')
        parts.append(_text(x, _HEIGHT - _BELOW + 14, text, "middle"))
    for value, text in y_axis.ticks():
        y = y_axis.place(value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="currentColor" opacity=".15"/>')
        parts.append(_text(_LEFT - 6, y + 4, text, "end"))
    parts.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 6, across, "middle"))
    parts.append(_text(6, 14, up, "start"))
    if mark is not None and isfinite(mark) and (mark > 0 or not log_x):
        parts.append(
            f'<path d="M{x_axis.place(mark):.1f} {_ABOVE}V{_HEIGHT - _BELOW}" stroke="#cf222e" stroke-dasharray="4 3"/>'
        )
    right = float(_WIDTH - _RIGHT)
    for colour, (name, points) in reversed(list(zip(COLOURS, shown.items(), strict=False))):
        parts.append(_line([(x_axis.place(x), y_axis.place(y)) for x, y in points], colour))
        parts.append(_text(right, 14, name, "end", colour))
        right -= 7 * len(name) + 12
    return "".join([*parts, "</svg>"])


def history_html(history: History) -> str:
    """A history as curves of its losses and, where there are any, its accuracies."""
    return f"<p>{html.escape(repr(history))}</p>{''.join(history_svgs(history))}"


def history_svgs(history: History) -> list[str]:
    """The pictures of a history."""
    epochs = [report.epoch for report in history.reports]
    pictures = []
    for up, train, validation in (
        ("loss", history.loss, history.validation_loss),
        ("accuracy", history.accuracy, history.validation_accuracy),
    ):
        both = {"train": train, "validation": validation}
        series: dict[str, Points] = {
            name: (epochs, [inf if y is None else y for y in ys])
            for name, ys in both.items()
            if any(y is not None for y in ys)
        }
        if series:
            small = all(y > 0 for _, ys in series.values() for y in ys)
            pictures.append(svg(series, "epoch", up, log_y=up == "loss" and small))
    return pictures


# -- pieces -------------------------------------------------------------------------------------------------


def _kept(points: Points, log_x: bool, log_y: bool) -> list[tuple[float, float]]:
    pairs = [(float(x), float(y)) for x, y in zip(*points, strict=True)]
    return [(x, y) for x, y in pairs if isfinite(x) and isfinite(y) and (x > 0 or not log_x) and (y > 0 or not log_y)]


class _Axis:
    """From numbers to pixels, linear or logarithmic."""

    def __init__(self, values: Sequence[float], log: bool, start: float, end: float) -> None:
        self.log, self.start, self.end = log, start, end
        scaled = [self._scale(v) for v in values] or [0.0]
        self.low, self.high = min(scaled), max(scaled)
        if self.high - self.low < 1e-12 * max(abs(self.high), 1.0):
            self.low, self.high = self.low - 0.5, self.high + 0.5

    def _scale(self, value: float) -> float:
        return log10(value) if self.log else value

    def place(self, value: float) -> float:
        return self.start + (self._scale(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Some five round numbers, and their texts."""
        span = self.high - self.low
        if self.log and span >= 2:
            step = max(1, ceil(span / 5))
            powers = range(ceil(self.low), floor(self.high) + 1, step)
            return [(10.0**k, f"1e{k}") for k in powers]
        low, high = (10.0**self.low, 10.0**self.high) if self.log else (self.low, self.high)
        unit = 10.0 ** floor(log10((high - low) / 5))
        step_size = next(m * unit for m in (1, 2, 5, 10) if (high - low) / (m * unit) <= 6)
        first = ceil(low / step_size)
        found = [k * step_size for k in range(first, floor(high / step_size) + 1)]
        return [(value, f"{value:.4g}") for value in found if value > 0 or not self.log]


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    if not points:
        return ""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>' for x, y in points[:12])
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots if len(points) <= 12 else ""}'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "") -> str:
    fill = f' fill="{colour}"' if colour else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}>{html.escape(text)}</text>'
