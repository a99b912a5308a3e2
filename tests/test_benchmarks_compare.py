"""benchmarks/compare.py: two commits, or two files. How fast anything is, no test says."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from benchmarks import comparing
from benchmarks.commits import checked_out, read, resolved
from benchmarks.comparing import Comparison, main, table
from benchmarks.model import OURS, Result, Timing
from benchmarks.rows import ROWS
from benchmarks.worker import Unable, Worker

ROOT = Path(__file__).resolve().parents[1]
ROW = "softmax cross-entropy, 64 × 10"
history = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no history to compare with")


# -- commits ---------------------------------------------------------------------------------------------------


@history
def test_a_commit_is_checked_out_and_cleared_away():
    with checked_out("HEAD") as folder:
        assert (folder / OURS / "__init__.py").exists() and folder != ROOT
        assert [p.name for p in folder.iterdir()] == [OURS]
    assert not folder.exists()
    with checked_out(".") as folder:
        assert folder == ROOT


@history
@pytest.mark.parametrize("name", ["nonsense", "", "HEAD:README.md", "--help", "HEAD~1000000"])
def test_what_is_no_commit_is_refused_in_one_line(name):
    with pytest.raises(ValueError):
        resolved(name)
    command = [sys.executable, "benchmarks/compare.py", "--", name, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


@history
def test_hashes_and_names_are_the_same_commit():
    assert resolved(resolved("HEAD")) == resolved("HEAD") == resolved(resolved("HEAD")[:12])


# -- a process for each ----------------------------------------------------------------------------------------


def package(folder, code):
    """A package of our name, of one line, as an old commit might be."""
    (folder / OURS).mkdir(parents=True)
    (folder / OURS / "__init__.py").write_text(code)
    return folder


def test_a_worker_has_the_package_that_it_is_given(tmp_path):
    with Worker(ROW, ROOT, 1) as here:
        answers = here.answers()
        assert here.sample(OURS) > 0 and set(answers) == {OURS, f"{OURS}, validate=False"}
        loss, gradient = answers[OURS]
        assert loss.shape == () and gradient.shape == (64, 10)
    with Worker(ROW, package(tmp_path, "who = 'somebody else'"), 1) as there, pytest.raises(Unable, match="Value"):
        there.answers()


def test_a_worker_that_ended_says_so(tmp_path):
    code = "import os\ndef __getattr__(name):\n    os._exit(3)\n"
    with Worker(ROW, package(tmp_path, code), 1) as one, pytest.raises(Unable, match="its process ended"):
        one.answers()


@history
def test_a_commit_beside_the_working_tree(capsys):
    assert main(["HEAD", ".", "--only", "cross-entropy, 64", "--budget", "0.1", "--pairs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all(ROW in line for line in lines[2:])
    assert all(any(v in line for v in ("faster", "slower", "same")) for line in lines[2:])


def of_one_row(old, new):
    options = comparing._parser().parse_args(["a", "b", "--pairs", "2"])
    row = next(row for row in ROWS if row.name == ROW)
    return comparing.of_row(row, old, new, 0.05, options)


def test_a_row_that_one_commit_cannot_do(tmp_path):
    (found,) = of_one_row(package(tmp_path, ""), ROOT)
    assert found.why.startswith("the old one cannot: AttributeError") and found.verdict(0.03) == found.why


def test_commits_that_answer_differently_are_not_timed(tmp_path):
    code = f"""
import sys, importlib.util
spec = importlib.util.spec_from_file_location({OURS!r}, {str(ROOT / OURS / "__init__.py")!r},
                                              submodule_search_locations=[{str(ROOT / OURS)!r}])
module = sys.modules[{OURS!r}] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
right = module.softmax_cross_entropy
module.softmax_cross_entropy = lambda *args, **kwargs: 1.001 * right(*args, **kwargs)
"""
    (found,) = of_one_row(ROOT, package(tmp_path, code))
    assert "the new one and the old commit differ by" in found.why


@history
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind_when_it_is_interrupted(number, tmp_path):
    command = [sys.executable, "benchmarks/compare.py", "HEAD", "HEAD", "--only", "cross-entropy, 64", "--budget", "60"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None and running.stderr.readline().startswith("[1/1]")
    assert len(list(tmp_path.iterdir())) == 2
    sleep(0.3)  # by when the processes of the first pair run
    running.send_signal(number)
    assert running.wait(60) == 130
    assert list(tmp_path.iterdir()) == []


# -- verdicts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((0.80, 0.85, 0.90), "faster"),
        ((0.80, 0.85, 0.99), "same"),
        ((0.90, 1.00, 1.20), "same"),
        ((1.01, 1.02, 1.02), "same"),
        ((1.05, 1.10, 1.30), "slower"),
    ],
)
def test_all_pairs_have_to_say_so(ratios, verdict):
    found = Comparison("a row", OURS, *ratios)
    assert found.verdict(0.03) == verdict
    assert ("**" in table([found], 0.03)) == (verdict != "same")


# -- files -----------------------------------------------------------------------------------------------------


def timing(name, median, ratio=None):
    ratios = None if ratio is None else (0.99 * ratio, 1.01 * ratio)
    return Timing(name, median, 0.99 * median, 1.01 * median, ratio, ratios)


def written(path, *results):
    path.write_text(json.dumps({"machine": {}, "rows": [r.to_dict() for r in results]}))
    return str(path)


def of(ours, theirs=1e-6, name="a row", baseline="NumPy by hand"):
    timings = (timing(OURS, ours, ours / theirs), timing("NumPy by hand", theirs, 1.0))
    return Result(name, baseline=baseline, timings=timings)


def test_files_are_compared_by_the_ratios_to_their_baselines(tmp_path, capsys):
    # the second was measured on a machine of twice the speed, and is half as fast on it
    old = written(tmp_path / "old.json", of(2e-6), of(1e-6, name="gone"), Result("failing", error="it failed"))
    new = written(tmp_path / "new.json", of(2e-6, 0.5e-6), of(1e-6, name="fresh"), Result("failing"))
    assert main([old, new]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert "2.00" in lines[0] and "**slower**" in lines[0]
    assert ["only in" in line for line in lines] == [False, True, False, True]
    assert "it failed" in lines[2]


def test_where_the_baseline_is_ours_times_are_compared(tmp_path, capsys):
    old = written(tmp_path / "old.json", of(2e-6, baseline=OURS))
    new = written(tmp_path / "new.json", of(1e-6, baseline=OURS))
    assert main([old, new]) == 0
    assert "0.50" in capsys.readouterr().out


def test_who_took_no_part_is_not_compared(tmp_path, capsys):
    absent = Result("a row", timings=(Timing(OURS, absent="not installed"),))
    files = [written(tmp_path / f"{n}.json", absent) for n in "ab"]
    assert main(files) == 0
    assert "not installed" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rows": [1]}', '{"rows": [{"name": "x"}]}'])
def test_a_file_of_something_else_is_refused(tmp_path, text, capsys):
    (tmp_path / "it.json").write_text(text)
    with pytest.raises(ValueError, match="is not what"):
        read(tmp_path / "it.json")
    assert main([str(tmp_path / "it.json"), str(tmp_path / "it.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("names", [["no such.json", "neither.json"], ["HEAD", "no such.json"]])
def test_missing_files_and_mixtures_are_refused(names, capsys):
    assert main(names) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_no_such_row(tmp_path, capsys):
    file = written(tmp_path / "it.json", of(1.0))
    assert main([file, file, "--only", "no such row"]) == 2
    assert main([".", ".", "--only", "no such row"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
