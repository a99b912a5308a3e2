"""The benchmarks: what they compute is right and what they write is whole. How fast anything is, no test says."""

import json
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest

from benchmarks import accuracy, exact, readme
from benchmarks.before import importable
from benchmarks.cli import main
from benchmarks.model import BEFORE, OURS, Aim, Competitor, Result, Row, Timing, Verdict, matching
from benchmarks.peers import present
from benchmarks.report import digits, missed, notes, seconds, table
from benchmarks.rows import AGAINST, ROWS, kernels
from benchmarks.rows.depth import bytes_a_node
from benchmarks.timing import FEWEST, Disagreement, agreement, measure, ratio

ROOT = Path(__file__).resolve().parents[1]
SLOW = ("deep chains", "import")


# -- the command -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run of the command on one row, with next to no time."""
    folder = tmp_path_factory.mktemp("benchmarks")
    options = ["--only", "cross-entropy, 64", "--budget", "0.05", "--json", folder / "it.json"]
    command = [sys.executable, "-m", "benchmarks", *options, "--markdown", folder / "it.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, json.loads((folder / "it.json").read_text("utf-8")), (folder / "it.md").read_text("utf-8")


def test_json_has_machine_and_rows(run):
    _, made, _ = run
    machine, (row,) = made["machine"], made["rows"]
    assert {"cpu", "cores", "threads", "python", "numpy", "blas", "peers"} <= machine.keys()
    assert machine["threads"] == 1
    assert {"micrograd", "torch"} == machine["peers"].keys()
    assert row["name"] == "softmax cross-entropy, 64 × 10" and row["error"] is None
    assert row["rounds"] >= FEWEST


def test_json_has_ratios_to_the_baseline(run):
    _, made, _ = run
    (row,) = made["rows"]
    timings = {t["competitor"]: t for t in row["timings"]}
    assert timings[row["baseline"]]["ratio"] == 1.0
    assert timings[OURS]["installed"] and timings[OURS]["ratio"] > 0
    for t in timings.values():
        if t["installed"]:
            assert 0 < t["low"] <= t["median"] <= t["high"]
        else:
            assert t["median"] is None and t["ratio"] is None
    assert row["difference"] < 1e-12


def test_results_survive_json(run):
    _, made, _ = run
    (row,) = made["rows"]
    assert json.loads(json.dumps(Result.from_dict(row).to_dict())) == row


def test_markdown_is_what_was_printed(run):
    printed, made, markdown = run
    head, rule, *lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert head.split("|")[1].strip() == "row" and set(rule) <= set("|-: ")
    assert len(lines) == len(made["rows"][0]["timings"])
    assert len({line.count("|") for line in (head, rule, *lines)}) == 1
    assert len({len(line) for line in (head, rule, *lines)}) == 1
    assert made["machine"]["numpy"] in markdown
    assert head in printed and lines[-1] in printed


def test_no_such_row(capsys):
    assert main(["--only", "no such row"]) == 2
    assert "scalar chain" in capsys.readouterr().err


def test_list_measures_nothing(capsys):
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ROWS)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no history to compare with")
def test_another_commit_is_importable_beside_this_one():
    code = "import tinygrad_ce as a, tinygrad_ce_before as b; print(a.Value is b.Value, b.Value(2.0) * 3)"
    with importable("HEAD"):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False Value(6.0")
    assert all(row.aim.against == BEFORE for row in AGAINST)
    with pytest.raises(ValueError, match="no package in commit 'nonsense'"), importable("nonsense"):
        pass


@pytest.mark.parametrize("row", AGAINST, ids=lambda row: row.name)
def test_rows_against_another_commit_run(row):
    assert [c.name for c in row.present] == [OURS] and agreement(row, row.present) == 0.0


@pytest.mark.parametrize(
    "arguments",
    [["--budget", "0"], ["--budget", "nan"], ["--readme", "--only", "x"], ["--readme", "--against", "HEAD"]],
)
def test_refused(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert capsys.readouterr().err


# -- rows ------------------------------------------------------------------------------------------------------


def test_rows_name_their_competitors():
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        names = [c.name for c in row.competitors]
        assert len(set(names)) == len(names)
        assert row.baseline in names
        assert row.aim is None or (OURS in names and row.aim.against in names)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in SLOW], ids=lambda row: row.name)
def test_everybody_computes_the_same(row):
    assert agreement(row, row.present) < 1e-12


def test_rows_are_found_by_part_of_their_name():
    assert [row.name for row in matching(ROWS, "TRAINING step, batch 32")] == ["training step, batch 32"]
    assert len(matching(ROWS, "")) == len(ROWS)


def test_bytes_a_node():
    assert 50 < bytes_a_node(2_000) < 2_000


# -- measuring -------------------------------------------------------------------------------------------------


def competitor(name, answer, needs=None):
    return Competitor(name, lambda: lambda: answer, needs)


def row_of(*competitors, **options):
    return Row("a row", "It does nothing.", "call", "theirs", competitors, **options)


def test_what_disagrees_is_not_timed():
    with pytest.raises(Disagreement, match="theirs and tinygrad_ce differ by"):
        measure(row_of(competitor(OURS, (1.0, 2.0)), competitor("theirs", (1.0, 1.0))), 0.0)
    with pytest.raises(Disagreement):
        measure(row_of(competitor(OURS, 1.0), competitor("theirs", float("nan"))), 0.0)


def test_what_is_not_installed_is_named_and_not_judged():
    aim = Aim(against="theirs", at_most=0.5)
    row = row_of(competitor(OURS, 1.0), competitor("theirs", 1.0, needs="no_such_module"), aim=aim)
    result = measure(row, 0.0)
    ours, theirs = result.timings
    assert ours.installed and ours.ratio is None
    assert not theirs.installed
    assert result.verdict is not None and result.verdict.met is None
    assert "not installed" in table([result]) and "≤ 0.5 × theirs: not judged" in table([result])
    assert missed([result]).startswith("No aim was judged")


def test_ratios_are_taken_within_rounds():
    rounds = [{"a": 1.0, "b": 2.0}, {"a": 30.0, "b": 10.0}, {"a": 4.0, "b": 2.0}]
    assert ratio(rounds, "a", "b") == 2.0
    assert ratio(rounds, "a", "a") == 1.0
    assert ratio(rounds, "a", "c") is None


# -- the page --------------------------------------------------------------------------------------------------


def result(ratio_to_peer, **options):
    timings = (Timing(OURS, 2e-6, 1e-6, 3e-6, 2.0, 10), Timing("theirs", 1e-6, 1e-6, 1e-6, 1.0, 10))
    verdict = Verdict("theirs", 1.6, ratio_to_peer)
    return Result("a row", "It does nothing.", "call", "theirs", 3, timings, verdict, **options)


def test_aims_met_and_missed():
    good, bad = result(1.6), result(2.0)
    assert "≤ 1.6 × theirs: met (1.60)" in table([good])
    assert "≤ 1.6 × theirs: **missed** (2.00)" in table([bad])
    assert missed([good]) == "Every aim is met: 1 of the 1 that could be judged."
    assert "Missed, 1 of 2 aims" in missed([good, bad]) and "2.00 × theirs" in missed([good, bad])


def test_a_row_that_failed_is_in_the_table():
    failed = Result("a row", error="Disagreement: by far")
    assert "failed: Disagreement" in table([failed, result(1.0)])
    assert "failed: Disagreement" in notes([failed])


def test_notes_name_rounds_and_facts():
    note = notes([result(1.0, difference=2e-16, facts={"nodes": 65614.0})])
    assert note == "- **a row**: It does nothing. 3 rounds. Answers agree to 2e-16. nodes: 65,614."


@pytest.mark.parametrize(
    ("time", "text"),
    [(1.5e-9, "1.50 ns"), (9.996e-7, "1.00 µs"), (1.234e-5, "12.3 µs"), (0.1, "100 ms"), (61.2, "61.2 s")],
)
def test_seconds(time, text):
    assert seconds(time) == text


@pytest.mark.parametrize(("x", "text"), [(0.0, "0.00"), (0.5, "0.50"), (99.96, "100"), (1e6, "1,000,000")])
def test_digits(x, text):
    assert digits(x) == text


def test_the_measured_part_of_a_page_is_replaced():
    page = f"before\n{readme.START}\nold\n{readme.END}\nafter\n"
    made = readme.rewrite(page, "new\n")
    assert made == f"before\n{readme.START}\n\nnew\n\n{readme.END}\nafter\n"
    assert readme.rewrite(made, "new") == made


def test_a_page_may_have_an_opening_of_its_own():
    page = f"before\n{accuracy.START}\nold\n{readme.END}\n"
    assert readme.rewrite(page, "new", accuracy.START) == f"before\n{accuracy.START}\n\nnew\n\n{readme.END}\n"


@pytest.mark.parametrize("page", ["", readme.START, readme.END + readme.START, 2 * (readme.START + readme.END)])
def test_a_page_without_its_two_comments_is_refused(page):
    with pytest.raises(ValueError, match="needs one line"):
        readme.rewrite(page, "new")


def test_the_page_in_the_repository_has_every_row():
    page = readme.README.read_text("utf-8")
    assert readme.rewrite(page, "new")
    assert [row.name for row in ROWS if row.name not in page] == []


# -- accuracy --------------------------------------------------------------------------------------------------


def test_errors_are_counted_in_places_of_the_truth():
    with mpmath.workdps(60):
        third = exact.pair([mpmath.mpf(1) / 3])
    assert third[0][0] == 1 / 3 and 0 < abs(third[1][0]) < np.spacing(1 / 3)
    assert exact.ulps(np.array([1 / 3]), third) <= 0.5
    assert exact.ulps(np.array([1 / 3 + 8 * np.spacing(1 / 3)]), third) == pytest.approx(8, abs=0.5)
    assert exact.ulps(np.array([1 / 3], np.float32), third) <= 0.5
    assert exact.ulps(np.array([np.nan]), third) == exact.ulps(np.array([np.inf]), third) == np.inf
    nothing = exact.pair([mpmath.mpf(10) ** -320, mpmath.mpf("-inf")])
    assert exact.ulps(np.array([0.0, -np.inf]), nothing) == 0.0
    assert exact.epsilons(np.array([1.0 + 2.0**-52]), exact.pair([mpmath.mpf(1)]), np.array([1.0])) == pytest.approx(1)


def test_a_truth_is_the_textbooks():
    z, y = np.array([[0.3, -1.0, 2.0]]), np.array([[0.2, 0.3, 0.1]])
    found = exact.truth(z, exact.effective(y, [1.0, 2.0, 3.0], 0.1))
    p = np.exp(z) / np.exp(z).sum()
    target = np.array([1.0, 2.0, 3.0]) * (0.9 * y + 0.1 / 3)
    assert np.allclose(found.softmax[0], p) and np.allclose(found.log_softmax[0], np.log(p))
    assert np.allclose(found.logsumexp[0], np.log(np.exp(z).sum()))
    assert np.allclose(found.loss[0], -(target * np.log(p)).sum())
    assert np.allclose(found.gradient[0], target.sum() * p - target)


def test_everybody_who_is_installed_answers_alike():
    z, labels, weight = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 2, 1, 1]), np.array([0.5, 1.0, 2.0])
    for axis, laid, dense in ((-1, z, np.eye(3)[labels]), (0, z.T, np.eye(3)[labels].T)):
        everybody = present()
        ours = everybody[OURS]
        for theirs in everybody.values():
            for name in ("softmax", "log_softmax", "logsumexp"):
                assert np.allclose(getattr(theirs, name)(laid, axis), getattr(ours, name)(laid, axis=axis))
            for targets in (labels, dense):
                assert np.allclose(theirs.loss(laid, targets, weight, axis), ours.loss(laid, labels, weight, axis))
                if theirs.gradient is not None:
                    found = theirs.gradient(laid, targets, weight, axis)
                    assert np.allclose(found, ours.gradient(laid, labels, weight, axis))


@pytest.mark.parametrize("row", kernels.ROWS, ids=lambda row: row.name)
def test_kernels_compute_the_same(row):
    assert agreement(row, row.present) <= row.tolerance


def test_the_table_of_digits(tmp_path, capsys):
    """The quick form: nobody but us need be installed, and nothing of ours is off by more than 4."""
    assert accuracy.main(["--quick", "--json", str(tmp_path / "it.json")]) == 0
    printed = capsys.readouterr().out
    made = json.loads((tmp_path / "it.json").read_text("utf-8"))
    assert made["machine"]["cpu"] in printed and "SIMD" in printed
    assert {f["quantity"] for f in made["findings"]} == set(accuracy.QUANTITIES)
    assert {f["dtype"] for f in made["findings"]} == {"float32", "float64"}
    assert max(f["error"] for f in made["findings"] if f["who"] == "NumPy") > 1e6
    for quantity in accuracy.QUANTITIES:
        assert f"### {quantity}, in" in printed


def test_the_page_of_digits_has_every_quantity():
    page = accuracy.PAGE.read_text("utf-8")
    assert readme.rewrite(page, "new", accuracy.START)
    assert [quantity for quantity in accuracy.QUANTITIES if f"### {quantity}, in" not in page] == []
    with pytest.raises(SystemExit):
        accuracy.main(["--quick", "--write"])
