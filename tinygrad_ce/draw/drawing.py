"""Drawing: a `graphviz.Digraph` that needs no `dot` executable, and writes pictures whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import graphviz

from ..atomic import replacing
from .backward import BACKWARD
from .dot import Writer
from .graph import Cluster, Graph
from .render import RenderingError, bundled, has_dot
from .style import LIGHT, Theme

SUFFIXES = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".gv": "dot"}
PNG_DPI = "144"


class Drawing(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """The picture of a computation graph: everything that `graphviz.Digraph` is, and the graph itself.

    Where no `dot` executable is on the PATH, it is rendered by the Graphviz inside pygraphviz's wheels
    (`pip install 'tinygrad_ce[render]'`).

    Attributes
    ----------
    graph : Graph
        The nodes and edges as plain data; `graph.to_dict()` goes into JSON.
    source : str
        The text in Graphviz's language.
    """

    graph: Graph

    @classmethod
    def of(
        cls,
        graph: Graph,
        *,
        rankdir: str = "LR",
        legend: bool = True,
        looks: Mapping[str, Mapping[str, str]] | None = None,
        marks: Sequence[tuple[str, Mapping[str, str]]] = (),
        theme: Theme = LIGHT,
    ) -> Drawing:
        """The picture of a graph.

        `looks`: attributes of single nodes by id, over their own; `marks`: what they mean, for the legend.
        """
        write = Writer(graph, theme)
        attributes = {"rankdir": rankdir, **theme.graph}
        if legend:
            attributes |= {"label": write.legend(marks), "labelloc": "b", "labeljust": "l"}
        self = cls(graph_attr=attributes, node_attr=theme.node, edge_attr=theme.edge)
        self.graph = graph
        inside: dict[str, list[Any]] = {}
        for thing in (*graph.nodes, *graph.clusters):
            inside.setdefault(thing.parent if isinstance(thing, Cluster) else thing.cluster, []).append(thing)
        self._fill(self, "", 0, inside, write, looks or {})
        pairs = [(n.id, f"b{n.id}") for n in graph.values if n.cluster != BACKWARD and f"b{n.id}" in write.by_id]
        if pairs:
            self.attr("graph", newrank="true")
        for pair in pairs:  # a value and its adjoint stand opposite
            self.body.append(f"\t{{rank=same; {' '.join(map(graphviz.quoting.quote, pair))}}}\n")
        for edge in graph.edges:
            if pairs and write.by_id[edge.source].cluster == BACKWARD:
                self.edge(edge.target, edge.source, **write.edge(edge), dir="back")
            else:
                self.edge(edge.source, edge.target, **write.edge(edge))
        for arc in graph.arcs:
            self.edge(arc.source, arc.target, **write.arc(arc))
        return self

    def _fill(
        self,
        part: graphviz.Digraph,
        frame: str,
        level: int,
        inside: Mapping[str, list[Any]],
        write: Writer,
        looks: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Write what stands in a frame, and the frames inside it."""
        for thing in inside.get(frame, []):
            if isinstance(thing, Cluster):
                with part.subgraph(name=f"cluster_{thing.id}", graph_attr=write.cluster(thing, level)) as deeper:
                    self._fill(deeper, thing.id, level + 1, inside, write, looks)
            else:
                part.node(thing.id, **{**write.node(thing), **looks.get(thing.id, {})})

    def save_picture(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture as the path's suffix says: .svg, .png, .pdf, or .dot (.gv) for its text.

        The file appears whole or not at all; a file that was there stays until then.

        Raises
        ------
        ValueError
            If the suffix is another one.
        RenderingError
            If there is no Graphviz to draw with.
        FileNotFoundError
            If there is no such folder.
        """
        target = Path(path)
        format = SUFFIXES.get(target.suffix.lower())
        if format is None:
            raise ValueError(f"cannot tell what to write from '{target.name}': a picture ends in {', '.join(SUFFIXES)}")
        data = self.source.encode() if format == "dot" else self._sharp(format).pipe(format)
        with replacing(target) as file:
            file.write(data)
        return target

    def _sharp(self, format: str) -> graphviz.Digraph:
        # Pixels, unlike curves, have to be enough for print; the other formats measure in points.
        if format != "png":
            return self
        sharp: graphviz.Digraph = self.copy()
        sharp.attr(dpi=PNG_DPI)
        return sharp

    # -- graphviz.Digraph's own ways to a picture ------------------------------------------------------------

    def pipe(self, format: str | None = None, *, encoding: str | None = None, **options: Any) -> Any:
        """The picture's bytes, or its text where `encoding` is given; see `graphviz.Digraph.pipe`."""
        if has_dot():
            return super().pipe(format, encoding=encoding, **options)
        picture = bundled(self.source, format or self.format, options.get("engine") or self.engine)
        return picture if encoding is None else picture.decode(encoding)

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        *,
        outfile: str | os.PathLike[str] | None = None,
        engine: str | None = None,
        **options: Any,
    ) -> str:
        """Save the source, write the picture beside it and return its path; see `graphviz.Digraph.render`."""
        if has_dot():
            named = {"directory": directory, "view": view, "cleanup": cleanup, "format": format}
            return str(super().render(filename, **named, outfile=outfile, engine=engine, **options))
        if outfile is not None:
            target = Path(directory or self.directory or "", outfile)
            format = format or SUFFIXES.get(target.suffix.lower())
            filename = filename or Path(outfile).with_suffix(".gv")
        picture = self.pipe(format, engine=engine)
        source = self.save(filename, directory=directory)
        rendered = os.fspath(target) if outfile is not None else f"{source}.{format or self.format}"
        with replacing(rendered) as file:
            file.write(picture)
        if cleanup:
            os.remove(source)
        if view:
            graphviz.view(rendered)
        return rendered

    # -- notebooks -------------------------------------------------------------------------------------------

    def _repr_svg_(self) -> str:
        return str(self.pipe("svg", encoding="utf-8"))

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **options: Any
    ) -> dict[str, Any]:
        # In a notebook, a sentence where the picture would be is kinder than a traceback.
        try:
            return dict(super()._repr_mimebundle_(include, exclude, **options))
        except RenderingError as error:
            return {"text/plain": str(error)}

    def __repr__(self) -> str:
        return f"<drawing of {self.graph!r}>" if hasattr(self, "graph") else object.__repr__(self)
