"""explore: a graph as one file for the browser."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...atomic import replacing
from ...value import Value
from ..options import whole
from .data import data_of
from .html import page

LIMIT = 5000


class Exploration:
    """A page that shows a graph; in a notebook it shows itself.

    Attributes
    ----------
    data : dict
        What the page knows: nodes, edges, clusters, and for each derivation what its sweep sent. Plain data.
    html : str
        The whole page: it loads nothing, and sends nothing.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.html = page(data)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; the file appears whole or not at all.

        Raises
        ------
        ValueError
            If the path does not end in .html or .htm.
        FileNotFoundError
            If there is no such folder.
        """
        target = Path(path)
        if target.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"the page is saved as .html, not '{target.name}'")
        with replacing(target) as file:
            file.write(self.html.encode())
        return target

    def __repr__(self) -> str:
        nodes, sweeps = len(self.data["nodes"]), ", ".join(sweep["title"] for sweep in self.data["sweeps"])
        return f"<page of {nodes} nodes; derivations: {sweeps or 'none'}>"

    def _repr_html_(self) -> str:
        # Its scripts run in a frame of their own, which may touch nothing of the notebook.
        source = html.escape(self.html)
        return (
            f'<iframe sandbox="allow-scripts" srcdoc="{source}" title="Computation graph" '
            'style="width: 100%; height: 620px; border: 1px solid #8884; border-radius: 8px"></iframe>'
        )


def explore(
    v: Value,
    path: str | os.PathLike[str] | None = None,
    *,
    derivations: Iterable[str] | None = None,
    gradient: Any = None,
    title: str | None = None,
    limit: int = LIMIT,
) -> Exploration:
    """The graph that led to `v`, as a page to walk about in.

    The page pans, zooms, searches; shows value, gradient, local derivatives, the derivation used and its formula, and
    under `tg.trace()` the line of code of each node; opens and closes composite ops and modules; steps through the
    reverse sweep, gradients adding up where paths meet; and shows the same graph under each derivation, and by colour
    how many digits of their gradients agree. It works without a mouse, on a telephone, and offline: it is one file,
    with a Content-Security-Policy under which it could not load or send anything. No `.grad` is touched.

    Parameters
    ----------
    v : Value
    path : path of a .html file, optional
        Where to write the page.
    derivations : iterable of str, optional
        Which to show; by default each op's default, then all that nodes of the graph have. One whose assumptions do
        not hold here is left out, and the page says so.
    gradient : array, optional
        The cotangent to start from; by default 1, or what `backward` left on `v` if that retains it.
    title : str, optional
        By default the label of `v`.
    limit : int
        The largest number of nodes, operations and constants counted too.

    Returns
    -------
    Exploration
        `.save(path)` writes it; a notebook shows it.

    Raises
    ------
    TypeError
        If `v` is no Value.
    ValueError
        If there are more than `limit` nodes, or a derivation is one that no node has.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> z = tg.Value([2.0, 1.0, 0.1], label="z")
    >>> explore(tg.cross_entropy(tg.softmax(z), 0))
    <page of 33 nodes; derivations: default, autodiff, analytic, jacobian, stable>
    """
    if not isinstance(v, Value):
        raise TypeError(f"explore() takes a Value, the last of the graph to be shown, not {type(v).__name__}")
    limit = whole("limit", limit, 1)
    if title is not None and not isinstance(title, str):
        raise ValueError(f"title= is a text, not {title!r:.60}")
    if derivations is not None and not isinstance(derivations, Iterable):
        raise ValueError(f"derivations= are names, such as ['analytic'], not {derivations!r:.60}")
    found = Exploration(data_of(v, derivations=derivations, gradient=gradient, title=title, limit=limit))
    if path is not None:
        found.save(path)
    return found
