"""tinygrad_ce draw, as a process in a folder of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import numpy as np
import tinygrad_ce as tg

def loss_fn():
    z = tg.Value([2.0, 1.0, 0.1], label="z")
    return tg.cross_entropy(tg.softmax(z), 0)

class Held:
    loss = loss_fn()

def takes(x): return x
def none(): return 3
def broken(): raise RuntimeError("no luck")
def several(): return tg.Value([1.0, 2.0]) * 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mymodule.py").write_text(MODULE)
    return tmp_path


def draw(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "tinygrad_ce", "draw", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )


def test_a_picture_of_a_function_s_result(folder: Path) -> None:
    pytest.importorskip("pygraphviz")
    done = draw(folder, "mymodule:loss_fn", "-o", "graph.svg")
    assert (done.returncode, done.stdout, done.stderr) == (0, "written: graph.svg (6 nodes)\n", "")
    assert "cotangent" in (folder / "graph.svg").read_text()


def test_options(folder: Path) -> None:
    options = ["--expand", "all", "--derivation", "analytic", "--theme", "dark", "--rankdir", "BT", "--depth", "1"]
    done = draw(folder, "mymodule:Held.loss", "-o", "graph.dot", *options)
    assert done.returncode == 0, done.stderr
    text = (folder / "graph.dot").read_text()
    assert "ŷ − y" in text and "cluster_n1" in text and "rankdir=BT" in text and "#1B1E23" in text
    assert draw(folder, "mymodule:loss_fn", "-o", "b.dot", "--both").returncode == 0
    assert "cluster_backward" in (folder / "b.dot").read_text()
    assert draw(folder, "mymodule:loss_fn", "-o", "n.dot", "--no-gradients").returncode == 0
    assert "grad not computed" in (folder / "n.dot").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mymodule"], "what to draw is written mymodule:loss_fn, not 'mymodule'"),
        (["nomodule:f"], "cannot import nomodule: ModuleNotFoundError: No module named 'nomodule'"),
        (["mymodule:f"], "module mymodule has no 'f'"),
        (["mymodule:none"], "mymodule:none gives a int, and no Value"),
        (["mymodule:broken"], "mymodule:broken() raised RuntimeError: no luck; it is called without arguments"),
        (["mymodule:loss_fn", "-o", "graph.gif"], "cannot tell what to write from 'graph.gif'"),
        (["mymodule:loss_fn", "-o", "nowhere/graph.dot"], "nowhere"),
        (["mymodule:loss_fn", "--derivation", "magic"], "no node of this graph has a derivation 'magic'"),
        (["mymodule:loss_fn", "--expand", "exp"], "exp is a primitive"),
        (["mymodule:several", "--backward"], "there is no backward graph to draw"),
        (["mymodule:loss_fn", "--backward", "--no-gradients"], "--no-gradients leaves nothing of --backward"),
    ],
)
def test_bad_input_is_one_line(folder: Path, words: list[str], message: str) -> None:
    done = draw(folder, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("tinygrad_ce: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
