"""The examples: each on one screen, and each runs; `make examples` and --full run them whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_ce

ROOT = Path(tinygrad_ce.__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

# What the last line has to say after the whole run: a number in it, and the least that it is.
REACHED = {
    "xor": (r"xor: (\d) of 4 right", 4),
    "moons": (r"moons: ([\d.]+) %", 100),
    "digits_mlp": (r"digits, MLP: ([\d.]+) %", 98),
    "digits_cnn": (r"digits, CNN: ([\d.]+) %", 99),
    "custom_op": (r"custom op, spirals: ([\d.]+) %", 99),
    "text_rnn": (r"text RNN: validation loss ([\d.]+) nats", None),
    "char_gpt": (r"char GPT: validation loss ([\d.]+) nats", None),
}


def run(path, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, path, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_there_is_a_screen_of_each():
    assert {path.stem for path in EXAMPLES} == set(REACHED)
    for path in EXAMPLES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 66, path.name


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path, full):
    pattern, least = REACHED[path.stem]
    last = run(path, *([] if full else ["--short"]))
    found = re.match(pattern, last)
    assert found and last.endswith(", seed 0"), last
    if full and least is not None:
        assert float(found[1]) >= least, last
    if full and least is None:
        assert float(found[1]) < 1.6, last
