"""The DOT text, held to golden files. `REGENERATE_GOLDEN=1 pytest tests/draw` writes them anew: look at the diff."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import graphviz
import pytest

from tinygrad_ce.draw import draw

from .graphs import PICTURES, scalar

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", PICTURES)
def test_source_is_the_golden_one(name: str) -> None:
    make, options = PICTURES[name]
    source = draw(make(), **options).source
    file = GOLDEN / f"{name}.dot"
    if os.environ.get("REGENERATE_GOLDEN"):
        file.write_text(source, encoding="utf-8")
    assert source == file.read_text(encoding="utf-8")


def test_drawing_twice_gives_the_same_text() -> None:
    v = scalar()
    assert draw(v).source == draw(v).source == draw(scalar()).source


def test_text_does_not_depend_on_hash_seeds() -> None:
    program = (
        "from tests.draw.graphs import corners; from tinygrad_ce.draw import draw; "
        "import sys; sys.stdout.buffer.write(draw(corners()).source.encode())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
        ).stdout
        for seed in "12"
    }
    assert len(found) == 1


def test_is_a_digraph_of_the_graphviz_library() -> None:
    drawing = draw(scalar())
    assert isinstance(drawing, graphviz.Digraph)
    assert str(drawing) == drawing.source


@pytest.mark.parametrize("rankdir", ["LR", "RL", "TB", "BT"])
def test_rankdir(rankdir: str) -> None:
    assert f"rankdir={rankdir}" in draw(scalar(), rankdir=rankdir).source


def test_unknown_rankdir_is_refused() -> None:
    with pytest.raises(ValueError, match="rankdir is one of LR, RL, TB, BT, not 'up'"):
        draw(scalar(), rankdir="up")


def test_legend_can_be_left_out() -> None:
    assert "gets a gradient" in draw(scalar()).source
    assert "gets a gradient" not in draw(scalar(), legend=False).source


def test_a_copy_is_a_drawing() -> None:
    drawing = draw(scalar())
    assert drawing.copy().source == drawing.source
    assert repr(drawing.copy())


@pytest.mark.parametrize("what", [1.0, [1.0], None, "loss"])
def test_only_values_are_drawn(what: object) -> None:
    with pytest.raises(TypeError, match="takes a Value"):
        draw(what)  # type: ignore[arg-type]
