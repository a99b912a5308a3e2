"""tinygrad_ce check, from outside: real processes, real files, real signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from .test_cli import complaint, environment, run

pytest.importorskip("rich")

MODULE = """
import numpy as np
import tinygrad_ce as tg


@tg.op(samples=lambda rng: [((rng.normal(size=(3, 4)),), {})])
def my_softmax(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@my_softmax.derivation("right")
def _(g, out, z):
    return out * (g - np.sum(g * out, axis=-1, keepdims=True))


@tg.op(samples=lambda rng: [((rng.normal(size=4),), {})])
def slow(x):
    return x * x


@slow.derivation("analytic")
def _(g, out, x):
    return FACTOR * g * x


def plain(x):
    return x
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE.replace("FACTOR", "2"))
    (tmp_path / "wrong.py").write_text(MODULE.replace("FACTOR", "3"))
    (tmp_path / "broken.py").write_text("import numpy as np\nraise RuntimeError('half done')\n")
    return tmp_path


def check(*arguments, cwd, **changes):
    return run(*arguments, cwd=cwd, command="check", **changes)


def test_ops_of_the_registry(tmp_path):
    result = check("relu", "exp", "--quick", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split(maxsplit=3)[:3] == ["op", "derivation", "forward"]
    assert [line.split()[:2] for line in lines[1:4]] == [["relu", "autodiff"], ["analytic", "PASS"], ["exp", "rule"]]
    assert lines[-1].startswith("2 ops, 3 derivations, ") and lines[-1].endswith(": PASS")
    assert "\x1b" not in result.out
    assert os.listdir(tmp_path) == []


def test_ops_of_ones_own(folder):
    result = check("mine:my_softmax", cwd=folder)
    assert (result.code, result.err) == (0, "")
    assert re.search(r"^mine:my_softmax +autodiff +– +PASS +PASS +PASS +PASS +PASS", result.out, re.M)


def test_a_module_stands_for_its_ops(folder):
    result = check("mine", "--quick", cwd=folder)
    assert (result.code, result.err) == (0, "")
    assert "2 ops, 4 derivations" in result.out


def test_a_wrong_one(folder):
    result = check("wrong:slow", "--quick", "--html", "r.html", "--json", "r.json", cwd=folder)
    assert (result.code, result.err) == (1, "")
    assert "1 FAIL: wrong:slow 'analytic'" in result.out
    assert "likely: factor (it is 1.5 times the gradient)" in result.out
    assert "FAIL wrong:slow, analytic, sample 0" in result.out
    data = json.loads((folder / "r.json").read_bytes())
    assert (data["verdict"], data["passed"]) == ("FAIL", False)
    assert data["ops"][0]["derivations"]["analytic"]["gradient"] == "FAIL"
    assert data["ops"][0]["derivations"]["autodiff"]["gradient"] == "PASS"
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "wrong:slow" in page and "1.5 times the gradient" in page
    assert set(os.listdir(folder)) - {"__pycache__"} == {"mine.py", "wrong.py", "broken.py", "r.html", "r.json"}


def test_the_program_it_prints_shows_the_failure(folder):
    out = check("wrong:slow", "--quick", cwd=folder).out
    program = out[out.index("to see it:") :].splitlines()[1:]
    end = next(k for k, line in enumerate(program) if "print('differences'" in line)
    lines = [line.removeprefix("      ") for line in program[: end + 1]]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=folder,
        env=environment(PYTHONPATH=os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))),
        capture_output=True,
        text=True,
        check=True,
    )
    rule, differences = (
        [float(x) for x in re.findall(r"-?\d+\.\d*(?:e[-+]\d+)?", line)] for line in done.stdout.splitlines()
    )
    assert rule == pytest.approx([1.5 * d for d in differences], rel=1e-5)


def test_several_processes(folder):
    result = check("mine", "relu", "--quick", "--jobs", 2, cwd=folder)
    assert (result.code, result.err) == (0, "")
    assert "3 ops, 6 derivations" in result.out


def test_mutants(folder):
    result = check("mine:my_softmax", "--derivation", "right", "--quick", "--mutants", cwd=folder)
    assert (result.code, result.err) == (0, "")
    caught, planted = map(int, re.search(r"(\d+) of (\d+) planted mistakes caught$", result.out.strip()).groups())
    assert caught == planted >= 15


def test_a_derivation_of_those_that_have_it(tmp_path):
    result = check("exp", "relu", "--derivation", "analytic", "--quick", "--order", 1, cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert "1 ops, 1 derivations" in result.out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["sofmax"], "did you mean 'softmax'"),
        (["nowhere:op"], "cannot import nowhere"),
        (["broken:op"], "RuntimeError: half done"),
        (["mine:nope"], "it has my_softmax, slow"),
        (["mine:plain"], "is a function, and no op"),
        (["json"], "registers no op"),
        (["relu", "--derivation", "other"], "'autodiff', 'analytic'"),
        (["relu", "--quick", "--full"], "one of the two"),
        (["relu", "--order", "3"], "invalid choice"),
        (["relu", "--jobs", "0"], "at least 1"),
        (["relu", "--html", "r.txt"], "ends in .html"),
        (["relu", "--json", "nowhere/r.json"], "there is no folder"),
    ],
)
def test_bad_input_is_one_line(folder, arguments, what):
    result = check(*arguments, cwd=folder)
    assert (result.code, result.out) == (2, "")
    assert what in complaint(result)


def test_without_rich(folder):
    hide = "import importlib.util as u, sys; find = u.find_spec"
    hide += "; u.find_spec = lambda n, *a: None if n == 'rich' else find(n, *a)"
    code = f"{hide}; from tinygrad_ce.cli import main; sys.exit(main(['check', 'relu', '--quick']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 derivations" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_the_report_so_far(folder, jobs):
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_ce", "check", "wrong:slow", "softmax", "cross_entropy", "residual"]
        + ["--full", "--jobs", str(jobs), "--json", "r.json"],
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()  # the first failure is said as soon as it is found
    assert line.startswith("FAIL wrong:slow")
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == "tinygrad_ce: interrupted; the report so far is kept\n"
    assert time.monotonic() - start < 30
    assert "interrupted after" in out
    data = json.loads((folder / "r.json").read_bytes())
    assert data["interrupted"] and not data["passed"]
    assert data["ops"][0]["op"] == "wrong:slow"


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_a_terminal_shows_a_progress_bar(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_ce", "check", "relu", "--quick"],
        cwd=tmp_path,
        env=environment(TERM="xterm-256color", COLUMNS="130"),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += (chunk := os.read(ours, 4096))
        except OSError:
            break
        if not chunk:
            break
    os.close(ours)
    assert (process.communicate()[1], process.returncode) == (b"", 0)
    text = seen.decode()
    assert "━" in text
    assert "8/8" in text
    assert "PASS" in text
