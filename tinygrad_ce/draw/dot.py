"""A graph in Graphviz's language: which node says what, and how it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from .graph import AnyNode, Arc, Cluster, Derivative, Edge, Graph, GroupNode, OpNode, StepNode, ValueNode
from .labels import bold, brief, counted, font, heat_map, left, mapped, numbers, rows_of, title, wide
from .style import LIGHT, QUIET, RESULT, SPINE, SYMBOLS, SYMMETRIC, Look, Theme
from .summary import Summary
from .text import clip, number, safe, shape, table


class Writer:
    """The attributes of everything in a graph.

    Parameters
    ----------
    graph : Graph
    theme : Theme
    """

    def __init__(self, graph: Graph, theme: Theme = LIGHT) -> None:
        self.graph, self.theme = graph, theme
        self.by_id: dict[str, AnyNode] = {node.id: node for node in graph.nodes}
        self.program = any(isinstance(node, StepNode) or _of_steps(node) for node in graph.nodes)
        self.inputs = Counter(edge.target for edge in graph.edges)
        self.sent: dict[str, list[Summary]] = {}
        jumps = [(arc.target, arc.cotangent) for arc in graph.arcs if arc.taken]
        for receiver, sent in [*((edge.source, edge.cotangent) for edge in graph.edges), *jumps]:
            if sent is not None:
                self.sent.setdefault(receiver, []).append(sent)

    def node(self, node: AnyNode) -> Look:
        if isinstance(node, ValueNode):
            result = RESULT if node.result else {}
            rows = rows_of(self._value(node))
            return {"label": f"<{rows}>", **self.theme.value(node.role), **result}
        if isinstance(node, OpNode):
            return {"label": f"<{rows_of(self._op(node))}>", **self.theme.operation}
        if isinstance(node, StepNode):
            return {"label": f"<{rows_of(self._step(node))}>", **self.theme.step(node.lies)}
        return {"label": f"<{rows_of(self._group(node))}>", **self.theme.box}

    def small(self, content: str) -> str:
        return font(content, self.theme.quiet, 9)

    # -- values ------------------------------------------------------------------------------------------------

    def _value(self, node: ValueNode) -> Iterator[str]:
        """Label and shape, the numbers, and beneath a rule the gradient."""
        head = title(node.label)
        of = shape(node.data)
        if of:
            head.append(self.small(safe(of)))
        if head:
            yield wide(("  " if len(head) < 3 else "<BR/>").join(head))
        if table(node.data) and not (self.program and node.data.values is None and node.data.low is None):
            yield wide(numbers(node.data))
        shown = list(self._gradients(node))
        if shown:
            yield "<HR/>" + "".join(shown)

    def _gradients(self, node: ValueNode) -> Iterator[str]:
        if node.grad is not None:
            yield self._gradient("grad", node.grad, self._added(node, node.grad))
        elif node.awaits and node.adjoint is None:
            yield wide(self.small("<I>grad not computed</I>"))
        if node.adjoint is not None and (node.grad is None or not _same(node.adjoint, node.grad)):
            yield self._gradient("adjoint", node.adjoint, self._added(node, node.adjoint))

    def _gradient(self, name: str, s: Summary, added: str) -> str:
        told = font(f"<I>{name}</I>", self.theme.gradient, 9)
        row = f"<TR><TD>{told}&#160;</TD><TD>{numbers(s, self.theme.gradient)}</TD></TR>"
        return row + (f"<TR><TD></TD><TD>{font(added, self.theme.gradient, 9)}</TD></TR>" if added else "")

    def _added(self, node: ValueNode, total: Summary) -> str:
        """The contributions that a gradient is the sum of, where there are several."""
        parts = self.sent.get(node.id, [])
        if len(parts) < 2 or node.adjoint is None or not _same(node.adjoint, total):
            return ""
        single = [p.values[0] for p in parts if p.values is not None and len(p.values) == 1]
        if len(single) < len(parts) or len(parts) > 4:
            return f"= sum of {len(parts)}"
        return safe("= " + " + ".join(number(x) if not str(x).startswith("-") else f"({number(x)})" for x in single))

    # -- ops and groups ----------------------------------------------------------------------------------------

    def _op(self, node: OpNode) -> Iterator[str]:
        """The op's sign or name, its options beneath."""
        if node.backward:
            yield from self._rule(node)
            return
        params = [f"{name}={clip(value, 24)}" for name, value in node.params]
        name = safe(clip(node.op, 40))
        if node.op in SYMBOLS:
            name = font(SYMBOLS[node.op], size=15)
        elif node.op == "getitem" and node.params:
            name, params = safe(f"[{clip(node.params[0][1], 24)}]"), []
        yield wide(name)
        for text in params:
            yield wide(self.small(safe(text)))

    def _rule(self, node: OpNode) -> Iterator[str]:
        """What an op makes of an adjoint: its formula; of several that come together: a +."""
        if not node.formula:
            yield wide(font(SYMBOLS[node.op], size=15))
            return
        yield wide(safe(clip(node.formula, 48)))
        yield wide(self.small(safe(f"{clip(node.op, 40)}: {clip(node.derivation, 24)}")))

    def _step(self, node: StepNode) -> Iterator[str]:
        """The function and what its result is called; shape, options, where it lies; whence it comes."""
        sign = font(SYMBOLS[node.op], size=15) if node.op in SYMBOLS else bold(clip(node.op, 32))
        yield wide(sign + (f"&#160; {self.small(safe(node.name))}" if node.name else ""))
        told = [shape(node.data), *[clip(option, 28) for option in node.options]]
        if any(told):
            yield wide(self.small(safe(clip("  ".join(part for part in told if part), 48))))
        yield wide(self.small(safe(clip(node.where, 40))))
        of = "" if node.of == node.op else clip(node.of, 40)
        whence = "  ".join(part for part in (of, clip(node.place, 32)) if part)
        if whence:
            yield wide(self.small(f"<I>{safe(whence)}</I>"))

    def _group(self, node: GroupNode) -> Iterator[str]:
        """What a box stands for, how often, and what is in it."""
        if node.what in ("module", "steps"):
            yield wide(bold(clip(node.name, 40)) + (f" {_times(node.count)}" if node.count > 1 else ""))
        elif node.what == "repeated":
            yield wide(f"{_times(node.count)} <B>more</B>")
            yield wide(safe(clip(node.name, 40)))
        else:
            yield wide("<B>…</B>")
        size = f"{node.nodes:,} {'steps' if node.what == 'steps' else 'nodes'}" + (
            f", {node.parameters:,} parameters" if node.parameters else ""
        )
        yield wide(self.small(size))
        if node.what != "repeated" or len(node.ops) > 1:
            yield wide(self.small(safe(counted(node.ops))))

    # -- edges -------------------------------------------------------------------------------------------------

    def edge(self, edge: Edge) -> Look:
        source, target = self.by_id[edge.source], self.by_id[edge.target]
        role = source.role if isinstance(source, ValueNode) else "inner"
        look: Look = {}
        if role == "constant":
            look = {**QUIET, "color": self.theme.constant[0]}
        elif role == "inner":
            look = dict(SPINE)
        rows = list(self._edge(edge, target))
        if rows:
            look["label"] = f"<{rows_of(map(left, rows))}>"
        return look

    def _edge(self, edge: Edge, target: AnyNode) -> Iterator[str]:
        """Which input it is; the local derivative; the cotangent that flows back."""
        if not isinstance(target, OpNode):
            if edge.name:
                yield safe(edge.name)
            if isinstance(target, GroupNode) and edge.cotangent is not None and brief(edge.cotangent):
                yield self._cotangent(edge.cotangent)
            return
        named = self.inputs[target.id] > 1 and target.op not in SYMMETRIC and not target.backward
        first = [safe(clip(edge.name, 16))] if named else []
        if edge.derivative is not None:
            first += self._derivative(edge.derivative)
        if len(first) > 1 and first[1].startswith("<"):
            yield rows_of([f"<TR><TD>{first[0]}&#160;</TD><TD>{first[1]}</TD></TR>"])
        elif first:
            yield "&#160; ".join(first)
        if edge.cotangent is not None and brief(edge.cotangent):
            yield self._cotangent(edge.cotangent)

    def _derivative(self, local: Derivative) -> list[str]:
        """A local derivative as a number or a few, as a map of the Jacobian, or in symbols."""
        s = local.data
        if s is not None and local.kind == "jacobian" and mapped(s):
            return [rows_of([f"<TR><TD>∂&#160;</TD><TD>{heat_map(s)}</TD></TR>"])]
        told = brief(s) if s is not None and (local.kind != "jacobian" or s.size == 1) else ""
        if told and not told.startswith("‖"):
            return [f"∂&#160;{safe(told)}"]
        if local.kind == "elementwise" and local.symbol:
            return [f"∂&#160;{safe(clip(local.symbol, 24))}"]
        return [safe(clip(local.symbol, 24))] if local.symbol else []

    def _cotangent(self, s: Summary) -> str:
        return font(f"◂&#160;{safe(brief(s))}", self.theme.gradient)

    def arc(self, arc: Arc) -> Look:
        """A closed form, as a thick line along which the gradient jumps."""
        formula = arc.formula or arc.derivation
        rows = [bold(clip(formula, 48)), font(safe(f"{clip(arc.op, 40)}: {clip(arc.derivation, 24)}"), size=8)]
        label = rows_of(f"<TR><TD>{row}</TD></TR>" for row in rows)
        look = {"color": self.theme.arc, "fontcolor": self.theme.arc, "penwidth": "2", "constraint": "false"}
        return {**look, "label": f"<{label}>", "arrowsize": "0.8", **({} if arc.taken else {"style": "dashed"})}

    # -- frames ------------------------------------------------------------------------------------------------

    def cluster(self, cluster: Cluster, level: int) -> Look:
        times = f" {_times(cluster.count)}" if cluster.count > 1 else ""
        kind = self.small(", opened") if cluster.what == "op" else ""
        return {"label": f"<{bold(clip(cluster.name, 48))}{kind}{times}>", **self.theme.frame(level)}

    # -- the legend --------------------------------------------------------------------------------------------

    def legend(self, marks: Sequence[tuple[str, Mapping[str, str]]] = ()) -> str:
        """What the shapes mean, for those that occur, and what `marks` mean; and the notes: an HTML-like label."""
        cells = [self._sample(text, look, border) for text, look, border in self._samples()]
        cells += [f"<TD>{self.small('thick: the result')}</TD>"] + [
            self._sample(t, look, "ROUNDED") for t, look in marks
        ]
        told = []
        arrays = [s for node in self.graph.values for s in (node.data, node.grad, node.adjoint) if s is not None]
        if any(map(mapped, arrays)):
            told.append(self.small("map: dark is low, light is high, zero in the middle of both signs"))
        if any(edge.derivative is not None for edge in self.graph.edges):
            told.append(self.small("∂ local derivative"))
        if self.graph.seed is not None:
            told.append(font("◂ cotangent: flows back, adds up to the adjoint", self.theme.gradient, 9))
        if self.graph.arcs:
            how = "" if any(arc.taken for arc in self.graph.arcs) else ", a short circuit that was not taken here"
            told.append(font(f"━ closed form{how}", self.theme.arc, 9))
        rows = [rows_of([f"<TR>{''.join(cells)}</TR>"], spacing=6)]
        rows += ["&#160;" + "&#160;&#160;&#160;".join(told)] * bool(told)
        rows += ["&#160;" + self.small(safe(clip(note, 160))) for note in self.graph.notes]
        return f"<{rows_of(map(left, rows))}>"

    def _samples(self) -> Iterator[tuple[str, Mapping[str, str], str]]:
        roles = {node.role for node in self.graph.values}
        if "leaf" in roles:
            yield "parameter" if self.program else "leaf, gets a gradient", self.theme.value("leaf"), "ROUNDED"
        if "inner" in roles:
            yield "result" if self.program else "made by an operation", self.theme.value("inner"), "ROUNDED"
        if "constant" in roles:
            yield (
                "given, read, or constant" if self.program else "constant",
                self.theme.value("constant"),
                "ROUNDED,DASHED",
            )
        if any(self.graph.ops):
            yield "ellipse: operation", self.theme.operation, "ROUNDED"
        ways = {node.lies for node in self.graph.nodes if isinstance(node, StepNode)}
        if ways - {"view", "in place"}:
            yield "step", self.theme.step("buffer"), "ROUNDED"
        if "in place" in ways:
            yield "thick border: written in place", self.theme.step("in place"), "ROUNDED"
        if "view" in ways:
            yield "view", self.theme.step("view"), "ROUNDED,DASHED"
        if any(isinstance(node, GroupNode) for node in self.graph.nodes):
            yield "double: many nodes", self.theme.box, ""

    def _sample(self, text: str, look: Mapping[str, str], border: str) -> str:
        style = f' STYLE="{border}"' if border else ""
        return (
            f'<TD BORDER="1" CELLPADDING="3"{style} COLOR="{look["color"]}" BGCOLOR="{look["fillcolor"]}">'
            f"{self.small(safe(text))}</TD>"
        )


def _of_steps(node: AnyNode) -> bool:
    return isinstance(node, GroupNode) and node.what == "steps"


def _times(count: int) -> str:
    return f"\N{MULTIPLICATION SIGN} {count:,}"


def _same(a: Summary, b: Summary) -> bool:
    """Whether two arrays look alike in four digits."""
    return table(a) == table(b)
