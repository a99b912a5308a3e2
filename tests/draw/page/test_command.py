"""tinygrad_ce explore, from outside."""

import os
import subprocess
import sys

import pytest

MODULE = """
import numpy as np, tinygrad_ce as tg

def loss_fn():
    z = tg.Value([1.0, 2.0], label="z")
    return tg.softmax_cross_entropy(z, 0)

def nothing():
    return 3

made = tg.Value(2.0) * 3
"""


def run(folder, *arguments):
    (folder / "mine.py").write_text(MODULE)
    where = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path]), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "tinygrad_ce", "explore", *arguments]
    return subprocess.run(
        command, cwd=folder, env=where, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )


def test_a_function_is_explored_with_its_lines(tmp_path):
    done = run(tmp_path, "mine:loss_fn", "-o", "g.html", "--title", "my loss")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("written: g.html (")
    page = (tmp_path / "g.html").read_text("utf-8")
    assert "<title>my loss</title>" in page and "mine.py:6, in loss_fn" in page


def test_a_value_is_explored_too(tmp_path):
    assert run(tmp_path, "mine:made").returncode == 0
    assert "mine.py:11" in (tmp_path / "graph.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine"], "mymodule:loss_fn"),
        (["mine:nothing"], "no Value"),
        (["mine:lost"], "has no 'lost'"),
        (["yours:f"], "cannot import yours"),
        (["mine:made", "-o", "g.svg"], "saved as .html"),
        (["mine:made", "-o", "no/g.html"], "no"),
        (["mine:made", "--derivation", "magic"], "derivation 'magic'"),
        (["mine:loss_fn", "--limit", "2"], "limit=2"),
    ],
)
def test_bad_input_is_one_line_and_2(tmp_path, arguments, message):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("tinygrad_ce: ") and done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not list(tmp_path.glob("*.html"))
