"""The script that draws the pictures of the documentation."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_it_draws_every_picture_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pygraphviz")
    module = runpy.run_path(str(DOCS / "pictures.py"))
    module["main"](tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == set(module["__doc__"].split()) & {path.name for path in DOCS.iterdir() if path.suffix == ".svg"}
    assert len(capsys.readouterr().out.split()) == len(written) == 5
    numbers = (tmp_path / "micrograd.svg").read_text(encoding="utf-8")
    assert "138.8" in numbers and "645.6" in numbers  # a.grad and b.grad as micrograd prints them


def test_its_op_is_right() -> None:
    module = runpy.run_path(str(DOCS / "pictures.py"))
    loss = module["classifier"](module["softmax"], module["cross_entropy"])
    import tinygrad_ce as tg

    assert tg.compare_derivations(loss)
