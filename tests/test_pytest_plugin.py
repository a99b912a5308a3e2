"""The pytest plugin, in pytest runs of its own: what it collects and says, and that it is quiet where it is unused."""

import os
import tomllib
from pathlib import Path

import pytest

import tinygrad_ce

pytest_plugins = "pytester"

ROOT = Path(tinygrad_ce.__file__).parents[1]
OPS = """
import numpy as np
import tinygrad_ce as tg


def samples(rng):
    yield (rng.normal(size=2),), {}
    yield (rng.normal(size=1),), {"beta": 2.0}


@tg.op(samples=samples)
def bowl(x, *, beta=1.0):
    return beta * x * x


@bowl.derivation("analytic")
def _(g, out, x, *, beta):
    return 2 * beta * g * x


@bowl.derivation("plain", assumes=[("beta = 1", lambda x, beta: beta == 1)])
def _(g, out, x, *, beta):
    return 2 * g * x
"""
WRONG = (
    OPS
    + """

@bowl.derivation("flipped")
def _(g, out, x, *, beta):
    return -2 * beta * g * x
"""
)


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest as it runs where tinygrad_ce is installed: its entry points read from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = pytester.path / ".installed" / "tinygrad_ce-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tinygrad_ce\nVersion: 0\n")
    points = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["pytest11"].items())
    (info / "entry_points.txt").write_text(f"[pytest11]\n{points}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(info.parent), str(ROOT)]))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]")
    return lambda *args: pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *args)


# -- the marker --------------------------------------------------------------------------------------------------


def test_the_marked_function_is_the_forward(run, pytester):
    pytester.makepyfile(
        """
        import numpy as np
        import pytest
        import tinygrad_ce as tg

        sigmoid = lambda x: 1 / (1 + np.exp(-x))

        @pytest.fixture
        def x():
            return np.array([[0.5, -1.0, 2.0]])

        @pytest.mark.gradcheck
        def test_by_the_engine(x):
            return tg.softmax(x)

        @pytest.mark.gradcheck(vjp=lambda g, out, x: g * sigmoid(x), inputs=[np.linspace(-3, 3, 7)])
        def test_right(x):
            return np.log1p(np.exp(x))

        @pytest.mark.gradcheck(vjp=lambda g, out, x: -g * sigmoid(x), inputs={"x": np.linspace(-3, 3, 7)})
        def test_wrong(x):
            return np.log1p(np.exp(x))

        def total(g, out, x, axis):
            return np.broadcast_to(np.expand_dims(g, axis), x.shape).copy()

        @pytest.mark.parametrize("axis", [0, 1])
        @pytest.mark.gradcheck(vjp=total)
        def test_held(x, axis):
            return np.sum(x, axis=axis)

        @pytest.mark.gradcheck(order=1)
        class TestMethods:
            @pytest.mark.gradcheck(vjp=lambda g, out, a, b: (g * b, g * a), inputs=[np.ones(3), np.full(3, 2.0)])
            def test_two_inputs(self, a, b):
                return a * b

            @pytest.mark.gradcheck(vjp=lambda g, out, a: g * a)
            def test_returned(self, x):
                return np.square, x

            @pytest.mark.gradcheck
            def test_nothing(self, x):
                pass

            @pytest.mark.gradcheck
            def test_no_input(self):
                return 1.0
        """
    )
    result = run("--strict-markers")
    result.assert_outcomes(passed=5, failed=4)
    result.stdout.fnmatch_lines(["*gradcheck of test_wrong: FAIL", "*likely: sign*", "*gradcheck of square: FAIL"])
    result.stdout.fnmatch_lines(["*test_nothing returned None: *", "*test_no_input has nothing to differentiate: *"])
    assert "raceback" not in result.stdout.str() and "tinygrad_ce_pytest" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*from test_the_marked_function_is_the_forward import test_wrong as f"])


def test_misuse_is_said(run, pytester):
    pytester.makepyfile(
        """
        import unittest
        import pytest

        @pytest.mark.gradcheck(inputs=[1.0], nonsense=3)
        def test_option(x):
            return x

        class TestCase(unittest.TestCase):
            @pytest.mark.gradcheck
            def test_unit(self):
                return 1.0
        """
    )
    result = run()
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines_random(["*nonsense*", "*pytest itself calls*"])
    pytester.makepyfile("import pytest\n@pytest.mark.gradcheck(1)\ndef test_positional(x):\n    return x\n")
    assert "takes keywords: vjp=, inputs=" in "".join(run().outlines)


def test_a_marker_of_the_projects_own_is_left_alone(run, pytester):
    pytester.makeini("[pytest]\nmarkers =\n    gradcheck: slow tests of gradients")
    pytester.makepyfile("import pytest\n@pytest.mark.gradcheck\ndef test_theirs():\n    assert True\n")
    run("-m", "gradcheck").assert_outcomes(passed=1)


# -- the fixture -------------------------------------------------------------------------------------------------


def test_the_fixture_fails_with_the_report_alone(run, pytester):
    pytester.makepyfile(
        """
        import numpy as np

        def test_right(gradcheck):
            report = gradcheck(np.exp, np.ones(3), vjp=lambda g, out, x: g * out)
            assert report.verdict == "PASS"

        def test_wrong(gradcheck):
            gradcheck(np.exp, np.array([1.0, 2.0, 4.0]), vjp=lambda g, out, x: 2 * g * out, name="my exp")

        def test_told(gradcheck):
            gradcheck(np.sum, np.array([1.0, 2.0, 4.0]), wrt="nothing")
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["gradcheck of my exp: FAIL", "*likely: factor*", "to see it:", "*names no argument*"])
    assert "gradcheck(np.exp, np.array([1.0, 2.0, 4.0])" not in result.stdout.str().partition("test_told")[0]


# -- ops ---------------------------------------------------------------------------------------------------------


def test_ops_are_collected_with_one_line_in_conftest(run, pytester):
    pytester.makepyfile(myops=WRONG)
    pytester.makeconftest("tinygrad_ce_ops = ['myops']")
    pytester.makepyfile("def test_own():\n    pass\n")
    result = run("-rf")
    result.assert_outcomes(passed=6, failed=2)
    result.stdout.fnmatch_lines(["*invariants*", "FAILED conftest.py::myops:bowl[[]flipped-0]*"])
    run("conftest.py", "-k", "plain").assert_outcomes(passed=1, deselected=6)
    run("conftest.py::myops:bowl[plain-0]").assert_outcomes(passed=1)
    run("test_ops_are_collected_with_one_line_in_conftest.py").assert_outcomes(passed=1)


@pytest.mark.parametrize("where", ["ini", "root conftest", "pyproject"])
def test_ops_are_collected_where_testpaths_leads_elsewhere(run, pytester, where):
    pytester.makepyfile(myops=OPS)
    pytester.mkdir("sub").joinpath("test_x.py").write_text("def test_own():\n    pass\n")
    ini = "[pytest]\ntestpaths = sub\npythonpath = .\n"
    if where == "ini":
        pytester.makeini(ini + "gradcheck_ops = myops:bowl\n")
    elif where == "root conftest":
        pytester.makeini(ini)
        pytester.makeconftest("import myops\ntinygrad_ce_ops = myops.bowl")
    else:
        (pytester.path / "tox.ini").unlink()
        pytester.makepyprojecttoml(
            "[tool.pytest.ini_options]\ntestpaths = ['sub']\npythonpath = ['.']\ngradcheck_ops = ['myops']\n"
        )
    run().assert_outcomes(passed=6)
    run("sub").assert_outcomes(passed=1)
    run(".", "-k", "plain").assert_outcomes(passed=1, deselected=5)


def test_ops_that_cannot_be_checked_do_not_pass_in_silence(run, pytester):
    pytester.makepyfile(
        myops="""
        import tinygrad_ce as tg
        @tg.op(samples=lambda rng: [3])
        def odd(x):
            return x * x
        @tg.op(samples=lambda rng: [(([1.0],), {})])
        def even(x):
            return x * x
        even.derivation("unused", assumes=[("x < 0", lambda x: bool((x < 0).all()))])(lambda g, out, x: 2 * g * x)
        """
    )
    pytester.makeconftest("tinygrad_ce_ops = ['myops']")
    result = run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*op even has no sample at which 'unused' may be used*", "*of op odd are of no*"])
    for line, message in (("'nowhere'", "No module named 'nowhere'"), ("'json'", "json: no such op*none")):
        pytester.makeconftest(f"tinygrad_ce_ops = {line}")
        result = run()
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"*{message}*"])
    pytester.makeconftest("tinygrad_ce_ops = [3]")
    run().stdout.fnmatch_lines(["*a module's name, a module or an op is wanted*"])


def test_under_xdist(run, pytester):
    pytest.importorskip("xdist")
    pytester.makepyfile(myops=WRONG)
    pytester.makeconftest("tinygrad_ce_ops = ['myops']")
    pytester.makepyfile(
        """
        import numpy as np, pytest

        @pytest.mark.gradcheck(vjp=lambda g, out, x: g, inputs=[np.ones(2)])
        def test_marked(x):
            return 2 * x
        """
    )
    result = run("-n", "2")
    result.assert_outcomes(passed=5, failed=3)
    result.stdout.fnmatch_lines_random(["*gradcheck of test_marked: FAIL", "*gradcheck of bowl, derivation 'flipped'*"])


# -- those who do not use it -------------------------------------------------------------------------------------


def test_a_project_that_does_not_use_it_notices_nothing(run, pytester):
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure(config):
            loaded = {m.partition(".")[0] for m in sys.modules}
            print("\\nloaded:", sorted(loaded & {"tinygrad_ce", "tinygrad_ce_pytest", "numpy"}))
        """
    )
    pytester.makepyfile("def test_own():\n    assert True\n")
    result = run("--strict-markers", "--strict-config", "-W", "error", "-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["loaded: [[]'tinygrad_ce_pytest'[]]"])
    assert run("conftest.py").ret == pytest.ExitCode.NO_TESTS_COLLECTED
