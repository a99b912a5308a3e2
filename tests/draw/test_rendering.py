"""Pictures, made as a pip install alone makes them: no `dot` on the PATH."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest

import tinygrad_ce as tg
from tinygrad_ce.draw import draw
from tinygrad_ce.draw.render import NO_RENDERER, RenderingError, _without_font_warnings
from tinygrad_ce.op import Op

from .graphs import PICTURES, classifier, scalar

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def no_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pygraphviz")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def no_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


def groups(svg: str, kind: str) -> dict[str, list[str]]:
    """Title and texts of every node (or edge) of the picture."""
    root = ET.fromstring(svg.encode())
    return {
        g.findtext(f"{SVG}title") or "": [
            text.replace("\xa0", " ") for t in g.iter(f"{SVG}text") if (text := t.text or "").strip()
        ]
        for g in root.iter(f"{SVG}g")
        if g.get("class") == kind
    }


@pytest.mark.parametrize("name", PICTURES)
def test_every_node_edge_and_frame_is_in_the_picture(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    make, options = PICTURES[name]
    drawing = draw(make(), **options)
    svg = drawing._repr_svg_()
    assert capfd.readouterr().err == ""  # Graphviz draws a label that it cannot read as an empty one, and says so here
    assert set(groups(svg, "node")) == {node.id for node in drawing.graph.nodes}
    assert set(groups(svg, "cluster")) == {f"cluster_{cluster.id}" for cluster in drawing.graph.clusters}
    count = sum(g.get("class") == "edge" for g in ET.fromstring(svg.encode()).iter(f"{SVG}g"))
    assert count == len(drawing.graph.edges) + len(drawing.graph.arcs)


class Box(NamedTuple):
    """A rectangle in points, and whose it is."""

    left: float
    top: float
    right: float
    bottom: float
    what: str

    def overlaps(self, other: Box) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        return across > 1 and min(self.bottom, other.bottom) - max(self.top, other.top) > 1


@cache
def widths() -> dict[str, float]:
    """Of Helvetica's characters, in thousandths of the font's size: the metrics that Graphviz reckons with."""
    matplotlib = pytest.importorskip("matplotlib")
    metrics = Path(matplotlib.get_data_path(), "fonts", "pdfcorefonts", "Helvetica.afm").read_text(encoding="latin-1")
    found = re.findall(r"^C (\d+) ; WX (\d+) ;", metrics, re.MULTILINE)
    return {chr(int(code)): float(width) for code, width in found}


def texts(parent: ET.Element) -> Iterator[Box]:
    """Every text of a part of a picture, with the room that it takes; y grows downwards."""
    for t in parent.iter(f"{SVG}text"):
        said = (t.text or "").replace("\xa0", " ")
        if not said.strip():
            continue
        size = float(t.get("font-size", "14"))
        width = sum(widths().get(c, 556.0) for c in said) * size / 1000
        left = float(t.get("x", "")) - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[t.get("text-anchor", "start")]
        y = float(t.get("y", ""))
        yield Box(left, y - 0.7 * size, left + width, y, said)


def shapes(root: ET.Element) -> Iterator[Box]:
    """The room that every node takes."""
    for g in root.iter(f"{SVG}g"):
        if g.get("class") == "node":
            numbers: list[float] = []
            for outline in g:
                if outline.tag == f"{SVG}ellipse":
                    cx, cy, rx, ry = (float(outline.get(k, "")) for k in ("cx", "cy", "rx", "ry"))
                    numbers += [cx - rx, cy - ry, cx + rx, cy + ry]
                elif outline.tag in (f"{SVG}path", f"{SVG}polygon"):
                    written = outline.get("d") or outline.get("points") or ""
                    numbers += [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", written)]
            xs, ys = numbers[::2], numbers[1::2]
            yield Box(min(xs), min(ys), max(xs), max(ys), g.findtext(f"{SVG}title") or "")


def overlapping(boxes: Iterable[tuple[Box, Box]]) -> list[tuple[str, str]]:
    return [(a.what, b.what) for a, b in boxes if a.overlaps(b)]


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_lies_on_another_and_none_of_an_edge_on_a_node(name: str) -> None:
    make, options = PICTURES[name]
    root = ET.fromstring(draw(make(), **options)._repr_svg_().encode())
    found = list(texts(root))
    assert len(found) > 3
    assert overlapping(combinations(found, 2)) == []
    nodes = list(shapes(root))
    assert overlapping(combinations(nodes, 2)) == []
    edges = [g for g in root.iter(f"{SVG}g") if g.get("class") == "edge"]
    assert overlapping((text, node) for edge in edges for text in texts(edge) for node in nodes) == []


def test_the_picture_says_what_the_graph_says() -> None:
    shown = groups(draw(classifier())._repr_svg_(), "node")
    assert shown["n0"][:4] == ["z", "(2, 3)", "2", "1"]
    assert "grad" in shown["n0"]
    assert "-0.1705" in shown["n0"]
    assert shown["n1"] == ["softmax"]
    assert shown["n5"] == ["loss", "2.493", "adjoint", "1"]


def test_gradients_that_are_not_there_yet() -> None:
    a = tg.Value(1.0, label="a")
    shown = groups(draw(a * 2)._repr_svg_(), "node")
    assert shown["n0"] == ["a", "1", "grad not computed"]
    assert shown["n3"] == ["2"]


def test_the_picture_brings_its_own_background() -> None:
    first = next(ET.fromstring(draw(scalar())._repr_svg_().encode()).iter(f"{SVG}polygon"))
    assert first.get("fill") == "#ffffff"
    first = next(ET.fromstring(draw(scalar(), theme="dark")._repr_svg_().encode()).iter(f"{SVG}polygon"))
    assert first.get("fill") == "#1b1e23"


HOSTILE = [
    "<b>bold</b>",
    "<",
    ">",
    "<>",
    "</TD></TR></TABLE>>",
    "a & b &amp; &lt; &#60;",
    "quote \" and ' and `",
    "back\\slash \\N \\G \\L \\n \\\\ \\",
    "end\\",
    '"]; evil [label="',
    "n0 -> n1",
    "]]>--><!-- <![CDATA[",
    "ŷ − y = σ(z) 你好 مرحبا 😀 👩‍🔬",
    "{record|field}",
    "%s %d %(x)s {0}",
    "<script>alert(1)</script>",
    " ",
    "  two  spaces  ",
]


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_are_shown_as_they_are(label: str) -> None:
    svg = draw(tg.Value(1.0, label=label) * 2)._repr_svg_()
    shown = groups(svg, "node")
    assert set(shown) == {"n0", "n1", "n2", "n3"}
    assert label.strip() in "".join(shown["n0"])
    assert "<script" not in svg


def test_lines_of_a_label() -> None:
    shown = groups(draw(tg.Value(1.0, label="one\ntwo\r\nthree\nfour"))._repr_svg_(), "node")
    assert shown["n0"][:3] == ["one", "two", "three…"]


@pytest.mark.parametrize("label", ["\n", "\n\n\n", "\x00\x01\x1b[31m", "\ud800", "\u202e", "\ufffe", "\t"])
def test_labels_that_are_hardly_text(label: str) -> None:
    assert set(groups(draw(tg.Value(1.0, label=label))._repr_svg_(), "node")) == {"n0"}


def test_a_label_of_ten_thousand_characters() -> None:
    svg = draw(tg.Value(1.0, label="<&\\" * 3334))._repr_svg_()
    assert groups(svg, "node")["n0"][0] == ("<&\\" * 13) + "…"
    assert len(svg) < 6000


def test_an_op_with_a_hostile_name_and_option() -> None:
    def f(x, *, how="plain"):  # type: ignore[no-untyped-def]
        return x * 1.0

    op = Op(f, name="<i>\\N&", decomposition=f)
    v = op(tg.Value(1.0), how="</FONT>\\G")
    assert groups(draw(v)._repr_svg_(), "node")["n1"] == ["<i>\\N&", "how=</FONT>\\G"]


# -- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_pictures_by_suffix(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"graph{suffix}"
    assert draw(scalar()).save_picture(str(path)) == path
    assert path.read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".dot", ".gv"])
def test_the_text_needs_no_graphviz(tmp_path: Path, suffix: str, no_graphviz: None) -> None:
    drawing = draw(scalar())
    path = drawing.save_picture(tmp_path / f"graph{suffix}")
    assert path.read_text(encoding="utf-8") == drawing.source


@pytest.mark.parametrize("name", ["graph.gif", "graph", ".svg", "graph.svg.txt"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"a picture ends in \.svg, \.png, \.pdf, \.dot, \.gv"):
        draw(scalar()).save_picture(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        draw(scalar()).save_picture(tmp_path / "nowhere" / "graph.svg")


def test_a_picture_that_fails_leaves_the_old_one(tmp_path: Path, no_graphviz: None) -> None:
    path = tmp_path / "graph.svg"
    path.write_text("old")
    with pytest.raises(RenderingError):
        draw(scalar()).save_picture(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["graph.svg"]


def test_render_writes_source_and_picture(tmp_path: Path) -> None:
    drawing = draw(scalar())
    rendered = Path(drawing.render("graph.gv", tmp_path, format="svg"))
    assert rendered == tmp_path / "graph.gv.svg"
    assert rendered.read_bytes().startswith(b"<?xml")
    assert (tmp_path / "graph.gv").read_text(encoding="utf-8") == drawing.source


def test_render_to_an_outfile_and_clean_up(tmp_path: Path) -> None:
    rendered = Path(draw(scalar()).render(outfile=tmp_path / "graph.png", cleanup=True))
    assert rendered.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["graph.png"]


def test_an_unknown_format_is_said() -> None:
    with pytest.raises(RenderingError, match="nonsense"):
        draw(scalar()).pipe("nonsense")


# -- where Graphviz comes from ---------------------------------------------------------------------------------


def test_a_dot_on_the_path_is_used(tmp_path: Path, no_graphviz: None) -> None:
    if sys.platform == "win32":
        pytest.skip("the stand-in for dot is a script")
    dot = tmp_path / "dot"
    dot.write_text(f"#!{sys.executable}\nimport sys; sys.stdin.read(); print('drawn by', sys.argv[1:])\n")
    dot.chmod(0o755)
    assert draw(scalar()).pipe("svg", encoding="utf-8").startswith("drawn by ['-Kdot', '-Tsvg']")


def test_neither_dot_nor_pygraphviz(no_graphviz: None) -> None:
    drawing = draw(scalar())
    for attempt in (drawing.pipe, drawing.render, drawing._repr_svg_):
        with pytest.raises(RenderingError, match=r"pip install 'tinygrad_ce\[render\]'") as raised:
            attempt()
        assert "\n" not in str(raised.value)


def test_a_notebook_shows_a_picture_or_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = draw(scalar())
    assert drawing._repr_mimebundle_()["image/svg+xml"] == drawing._repr_svg_()
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert drawing._repr_mimebundle_() == {"text/plain": NO_RENDERER}


def test_the_picture_is_the_same_twice() -> None:
    assert draw(scalar())._repr_svg_() == draw(scalar())._repr_svg_()


def test_nothing_is_said_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    draw(scalar()).pipe("png")
    assert capfd.readouterr().err == ""


def test_what_others_say_on_stderr_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with _without_font_warnings():
        os.write(2, b"Fontconfig warning: this\nand that\n")
    assert capfd.readouterr().err == "and that\n"


def test_importing_loads_no_graphviz() -> None:
    program = "import sys, tinygrad_ce.draw; print({'graphviz', 'pygraphviz'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "set()"


def test_html_in_the_source_is_escaped() -> None:
    label = "</TD><TD>&"
    assert html.escape(label) in draw(tg.Value(1.0, label=label)).source
