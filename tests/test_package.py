"""The package as a whole: what importing it costs, and that it says nothing."""

import subprocess
import sys

import pytest

HEAVY = ("graphviz", "matplotlib", "rich", "pygraphviz", "mpmath", "sympy", "pytest", "argparse", "scipy", "torch")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_importing_it_loads_numpy_and_nothing_heavier():
    loaded = run("import sys, tinygrad_ce; print(sorted({m.partition('.')[0] for m in sys.modules}))")
    assert "numpy" in loaded
    for name in HEAVY:
        assert f"'{name}'" not in loaded, name


def test_every_public_name_is_there_and_documented():
    import tinygrad_ce as tg

    for name in tg.__all__:
        assert getattr(tg, name).__doc__, name


def test_a_training_step_prints_nothing():
    program = """
import numpy as np, tinygrad_ce as tg
w = tg.Value(np.ones((3, 2)))
tg.softmax_cross_entropy(np.ones((4, 3)) @ w, [0, 1, 0, 1]).backward()
tg.compare_derivations(tg.softmax, [1.0, 2.0])
"""
    assert run(program) == ""


def test_layers_and_their_ops_are_loaded_when_they_are_asked_for():
    loaded = run("import sys, tinygrad_ce as tg; print(sorted(sys.modules)); tg.registry(); print(sorted(sys.modules))")
    before, after = loaded.splitlines()
    for name in ("tinygrad_ce.nn", "tinygrad_ce.ops.normalization", "tinygrad_ce.ops.activations", "numpy.random"):
        assert f"'{name}'" not in before, name
    assert "'tinygrad_ce.ops.normalization'" in after
    assert "'tinygrad_ce.nn'" not in after


def test_no_op_takes_anothers_name():
    pytest.importorskip("scipy", reason="the extra special is not installed")
    program = """
import tinygrad_ce as tg
before = dict(tg.registry())
import tinygrad_ce.special
print([name for name, op in before.items() if tg.registry()[name] is not op])
"""
    assert run(program) == "[]\n"
